"""What an earlier stage of training has learned, for the start of the next."""

import logging
from pathlib import Path

import torch

from ser_mtl_modules.errors import SerMtlError, shortlist
from ser_mtl_modules.training.brain import best
from ser_mtl_modules.training.results import read_results
from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.parameter_transfer import Pretrainer

logger = logging.getLogger(__name__)

# what has to be the same, or the earlier stage may have heard the test set
SAME = ("recipe", "card", "fold", "seed")


class EarlierStage:
    """Takes over weights from the best epoch of a finished run.

    They are those that the epoch's last step left: not their running average,
    which only runs with an ``average_decay`` have.

    Arguments
    ---------
    yaml : str or None
        The hyperparameters that the earlier stage is trained with; None if
        there is none, and nothing to take over.
    folder : str or Path
        The run's output folder.
    modules : dict of str to torch.nn.Module
        What gets weights, by the names that they were saved under. Parts
        that the earlier stage had not keep those that they began with.
    """

    def __init__(self, yaml, folder, modules):
        self.yaml = yaml
        self.folder = Path(folder)
        self.modules = modules

    def load(self, facts):
        """Loads the weights.

        Arguments
        ---------
        facts : dict
            What ``results.json`` will say of this stage.

        Raises
        ------
        SerMtlError
            If the earlier stage is not finished, was of another recipe, card,
            fold, seed or manifest, or has modules of other shapes.
        """
        if self.yaml is None:
            return
        if not (self.folder / "results.json").exists():
            raise SerMtlError(
                f"{self.folder}: the earlier stage is not finished, as there "
                f"is no results.json. Train it first by {self.yaml}, with the "
                "same card, fold and seed; python -m ser_mtl_modules sweep "
                "runs both."
            )
        self._compare(read_results(self.folder / "results.json"), facts)
        found = Checkpointer(self.folder / "save").find_checkpoint(
            importance_key=best
        )
        if found is None:
            raise SerMtlError(
                f"{self.folder / 'save'}: there is no checkpoint of the "
                "earlier stage. Train it again."
            )
        paths = {n: str(found.path / f"{n}.ckpt") for n in self.modules}
        pretrainer = Pretrainer(
            loadables=self.modules,
            paths=paths,
            custom_hooks=dict.fromkeys(self.modules, self._transfer),
        )
        pretrainer.collect_files()
        pretrainer.load_collected()

    def _compare(self, theirs, ours):
        pairs = [(name, theirs[name], ours[name]) for name in SAME]
        pairs += [
            (f"content of the {name}", *(x["checksums"][name] for x in both))
            for name in ("card", "manifest")
            for both in [(theirs, ours)]
        ]
        differ = [
            f"{name} {a}, and this stage {b}" for name, a, b in pairs if a != b
        ]
        if differ:
            raise SerMtlError(
                f"{self.folder}: the earlier stage was trained on another "
                f"part of the data, so it may have heard what is tested "
                f"here. It has {shortlist(differ)}. Train it again for this "
                "one."
            )

    def _transfer(self, module, path):
        """As SpeechBrain's transfer, told in one line, and never in silence."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        try:
            missing, unused = module.load_state_dict(state, strict=False)
        except RuntimeError as error:
            raise SerMtlError(
                f"{path}: the earlier stage had other sizes than this one. "
                f"{error}\nGive both the same settings."
            ) from None
        taken = len(state) - len(unused)
        if not taken and missing:
            raise SerMtlError(
                f"{path}: the earlier stage has nothing that this stage could "
                f"take over; it wants {shortlist(missing)}."
            )
        new = sorted({name.split(".")[0] for name in missing})
        logger.info(
            f"{path}: {taken} tensors taken over"
            + (f"; begins anew: {', '.join(new)}." if new else ".")
        )
