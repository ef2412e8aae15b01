"""A finished run, to ask it about clips that it was not tested on."""

from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference.speech_model import SpeechModel
from ser_mtl_modules.randomness import untouched
from ser_mtl_modules.training import settings
from ser_mtl_modules.training.averaging import WeightAverage
from ser_mtl_modules.training.brain import best
from ser_mtl_modules.training.results import read_results


class TrainedRun:
    """A run's model with the weights that it was tested with.

    Arguments
    ---------
    folder : str or Path
        The output folder of a finished run.
    device : str or torch.device
        Where to compute.
    ssl_hub : str, optional
        The pre-trained encoder, where it does not lie any more where training
        found it.

    Raises
    ------
    SerMtlError
        If the run is not finished, or its encoder can't be loaded.
    """

    def __init__(self, folder, device="cpu", ssl_hub=None):
        self.folder = Path(folder).absolute()
        if not (self.folder / "results.json").exists():
            raise SerMtlError(
                f"{folder}: there is no results.json, so this is not the "
                "folder of a finished run. Give the output folder of a recipe, "
                "or finish the run by its command."
            )
        self.results = read_results(self.folder / "results.json")
        self.device = torch.device(device)
        with untouched():  # a YAML seeds the global generators
            self.text = self._text(ssl_hub)
            self.hparams = load_hyperpyyaml(self.text)
            self._recover(self.hparams["checkpointer"])
        self.classes = self.hparams["classes"]
        self.signal = self.hparams["signal"]
        self.sample_rate = self.hparams["sample_rate"]
        self.model = SpeechModel(self.signal, self.hparams["modules"])
        self.model.to(self.device).requires_grad_(False)

    def _text(self, ssl_hub):
        yaml = self.folder / "hyperparams.yaml"
        changes = {"output_folder": str(self.folder)}
        tree = settings.parse(yaml.read_text(encoding="utf-8"))
        if "folder" in tree["signal"]:  # it was relative to the recipe
            changes["signal"] = {"folder": str(self.folder / "features")}
        if ssl_hub is not None:
            changes["ssl_hub"] = ssl_hub
        return settings.override(yaml, changes)

    def _recover(self, checkpointer):
        """Loads the weights of the best epoch, those of evaluation."""
        modules = torch.nn.ModuleDict(self.hparams["modules"])
        average = WeightAverage(modules, self.hparams["average_decay"])
        checkpointer.add_recoverable("average", average)
        if not checkpointer.recover_if_possible(importance_key=best):
            raise SerMtlError(
                f"{checkpointer.checkpoints_dir}: there is no checkpoint, and "
                "results alone can't be asked anything. Run the recipe again."
            )
        average.swap(modules)

    def answers(self, wave, utterance="", labels=None):
        """What the run says of a clip, as it was tested.

        Arguments
        ---------
        wave : torch.Tensor
            Shape [n_samples], at ``sample_rate``, trimmed if that is to be.
        utterance : str
            Its ID.
        labels : dict, optional
            Columns of its manifest row; what is missing is not known.

        Returns
        -------
        dict
            A row of ``predictions.csv``, and the speaker's ``embedding``.
        """
        views = self.signal.views["test"]
        return self.model.answers(wave, views, utterance, labels)
