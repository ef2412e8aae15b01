"""A finished run, to ask it about clips that it was not tested on."""

from pathlib import Path
from types import SimpleNamespace

import torch
from hyperpyyaml import load_hyperpyyaml

from ser_mtl_modules.dataio.datasets import COLUMNS
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.randomness import untouched
from ser_mtl_modules.training import settings
from ser_mtl_modules.training.averaging import WeightAverage
from ser_mtl_modules.training.brain import best
from ser_mtl_modules.training.results import average_views, read_results


class SpeechModel(torch.nn.Module):
    """What a run has trained, from waves to the prediction of every task.

    The forward pass is that of ``recipes/train.py``, in evaluation, with the
    encoder itself where training read levels from disk. Gradients reach the
    waves where they ask for one.

    Arguments
    ---------
    signal : Waves or CachedLevels
        What training read.
    modules : dict of str to torch.nn.Module
        ``encoder``, ``layer_fusions``, ``co_attention`` and ``tasks``.
    """

    def __init__(self, signal, modules):
        super().__init__()
        self.signal = signal
        for name in ("encoder", "layer_fusions", "co_attention", "tasks"):
            self.add_module(name, modules[name])
        self.eval()

    def forward(self, wavs, wav_lens, wanted=None):
        """Predictions of tasks, by their names.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N], at the rate of the signal's waves, not trimmed.
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].
        wanted : list of str, optional
            Names of tasks; all of them by default.

        Returns
        -------
        dict
            What each task's ``forward`` gives.
        """
        sig = self.signal.of_waves(wavs, wav_lens)
        return self.of_levels(*self.encoder(*sig), wanted)

    def of_levels(self, levels, lens, wanted=None):
        """Predictions of tasks, from what the encoder gives.

        Arguments
        ---------
        levels : torch.Tensor
            Shape [L, B, T, D].
        lens : torch.Tensor
            Frames of each clip, shape [B].
        wanted : list of str, optional
            Names of tasks; all of them by default.

        Returns
        -------
        dict
            As of `forward`.
        """
        feats = {
            name: fuse(levels, lens)
            for name, fuse in self.layer_fusions.items()
        }
        main = next(iter(feats))
        others = {name: f for name, f in feats.items() if name != main}
        fused = self.co_attention(feats[main], others, lens)
        return {
            name: task(others.get(name, fused), lens)
            for name, task in self.tasks.items()
            if wanted is None or name in wanted
        }


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
            self.hparams = load_hyperpyyaml(self._text(ssl_hub))
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
        known = {c: [str((labels or {}).get(c) or "")] for c in COLUMNS}
        batch = SimpleNamespace(id=[utterance], **known)
        rows = []
        for view in self.signal.views["test"]:
            heard = view(wave, utterance)[None].to(self.device)
            with torch.no_grad():
                said = self.model(heard, torch.ones(1, device=self.device))
            row = {"ID": utterance, "speaker": batch.speaker[0]}
            row["gender"] = batch.gender[0]
            for name, task in self.model.tasks.items():
                row.update(task.describe(said[name], batch)[0])
            rows.append(row)
        return average_views(rows)[0]
