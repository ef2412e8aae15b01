"""What a run has trained: from waves to the prediction of every task."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F

from ser_mtl_modules.dataio.datasets import COLUMNS
from ser_mtl_modules.lobes.co_attention import attention
from ser_mtl_modules.training.results import averaged


class SpeechModel(torch.nn.Module):
    """What a run has trained, from waves to the prediction of every task.

    The forward pass is that of ``recipes/train.py``, in evaluation, with the
    encoder itself where training read levels from disk. Gradients reach the
    waves where they ask for one.

    Arguments
    ---------
    modules : dict of str to torch.nn.Module
        ``encoder``, which hears waves, ``layer_fusions``, ``co_attention`` and
        ``tasks``.
    """

    # Single clips are padded to a multiple of so many samples: oneDNN keeps
    # kernels for each new shape, and memory would grow with each new length.
    STEP = 8000

    def __init__(self, modules):
        super().__init__()
        for name in ("encoder", "layer_fusions", "co_attention", "tasks"):
            self.add_module(name, modules[name])
        self.eval()

    def forward(self, wavs, wav_lens, wanted=None):
        """Predictions of tasks, by their names.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N], at the rate of training's.
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].
        wanted : list of str, optional
            Names of tasks; all of them by default.

        Returns
        -------
        dict
            What each task's ``forward`` gives.
        """
        return self.of_levels(*self.encoder(wavs, wav_lens), wanted)

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
        main, others = self._features(levels, lens)
        fused = self.co_attention(main, others, lens)
        return {
            name: task(others.get(name, fused), lens)
            for name, task in self.tasks.items()
            if wanted is None or name in wanted
        }

    def _features(self, levels, lens):
        """Those of the main task, and of the others by name."""
        feats = {
            name: fuse(levels, lens)
            for name, fuse in self.layer_fusions.items()
        }
        main = next(iter(feats))
        return feats.pop(main), feats

    def _batch(self, wave):
        """A clip [n_samples] as a batch of one: waves and relative length."""
        device = next(self.parameters()).device
        padded = F.pad(wave, (0, -len(wave) % self.STEP))
        lens = torch.tensor([len(wave) / len(padded)])
        return padded[None].to(device), lens.to(device)

    @torch.no_grad()
    def attention(self, wave):
        """Where emotion looks in a clip, and at which other tasks.

        Arguments
        ---------
        wave : torch.Tensor
            Shape [n_samples], as the model hears it.

        Returns
        -------
        tuple of dict
            The weights of the frames, shape [T] with a sum of 1, in what is
            taken from each other task and, as ``pooling``, in what the
            classes are told from; and the share of each other task, a number.
        """
        levels, lens = self.encoder(*self._batch(wave))
        main, others = self._features(levels, lens)
        over_time, over_tasks = attention(self.co_attention, main, others, lens)
        fused = self.co_attention(main, others, lens)
        pool = next(iter(self.tasks.values())).pool
        over_time["pooling"] = pool.attention(fused, lens)
        return (
            {name: w[0, : lens[0]] for name, w in over_time.items()},
            {name: share.item() for name, share in over_tasks.items()},
        )

    def hear(self, wave, views, utterance=""):
        """What each task says of a clip, once for each view.

        Arguments
        ---------
        wave : torch.Tensor
            Shape [n_samples], on the CPU, trimmed if that is to be.
        views : list of callable
            Of ``augment/views.py``.
        utterance : str
            The clip's ID, which a view may depend on.

        Yields
        ------
        dict
            As `forward` gives it, of a batch of one.
        """
        for view in views:
            heard = self._batch(view(wave, utterance))
            with torch.no_grad():
                yield self(*heard)

    def answers(self, wave, views, utterance="", labels=None):
        """What is said of a clip, averaged over the views.

        Arguments
        ---------
        wave, views, utterance
            As for `hear`.
        labels : dict, optional
            Columns of the clip's manifest row; what is missing is not known.

        Returns
        -------
        dict
            A row of ``predictions.csv``, and the speaker's ``embedding``.
        """
        known = {c: [str((labels or {}).get(c) or "")] for c in COLUMNS}
        batch = SimpleNamespace(id=[utterance], **known)
        rows = []
        for said in self.hear(wave, views, utterance):
            row = {"ID": utterance, "speaker": batch.speaker[0]}
            row["gender"] = batch.gender[0]
            row["style"] = batch.style[0]
            for name, task in self.tasks.items():
                row.update(task.describe(said[name], batch)[0])
            rows.append(row)
        return averaged(rows)

    def embedding(self, wave, views, utterance=""):
        """What emotions are told from, averaged over the views, shape [E].

        Arguments are those of `hear`.
        """
        main = next(iter(self.tasks))
        heard = self.hear(wave, views, utterance)
        return torch.cat([said[main].embeddings for said in heard]).mean(0)
