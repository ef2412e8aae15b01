"""What a clip would sound like undisturbed."""

from typing import NamedTuple

import torch

from ser_mtl_modules.lobes.fbank_encoder import TimeBlock
from ser_mtl_modules.lobes.masking import frame_mask
from ser_mtl_modules.tasks.base import Task


class Frames(NamedTuple):
    """Log-mels of a batch, in units of 10 dB."""

    values: torch.Tensor  # [B, T, W M], of W windows
    lens: torch.Tensor  # [B], frames of each clip


class Reconstruction(Task):
    """From features back to the log-mels of the clean clip.

    An auxiliary task of MTL-AUG (https://arxiv.org/abs/2207.05298), which
    needs no label. Our reading: of E frames, blocks over time and a linear
    layer that gives several frames of log-mels for each; the loss is the mean
    squared error over the values of all frames that aren't padding::

        sum over b, t of M[b,t] |Dec(E)[b,t] - X[b,t]|^2 / (W M sum of M[b,t])

    X is what the batch holds as ``clean`` after augmentation, and the clips
    themselves where nothing was augmented.

    Arguments
    ---------
    input_size : int
        d of the features.
    logmels : LogMels
        Makes X; hop of 10 ms.
    encoder : torch.nn.Module
        Says its ``frame_rate``, in Hz, which is that of the features.
    n_blocks : int
        `TimeBlock`s before the linear layer.
    dropout : float
        In the blocks.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> from ser_mtl_modules.lobes.logmels import LogMels
    >>> encoder = SimpleNamespace(frame_rate=25.0)
    >>> task = Reconstruction(8, LogMels(n_mels=40), encoder)
    >>> task(torch.randn(2, 5, 8), torch.tensor([5, 3])).values.shape
    torch.Size([2, 20, 40])
    """

    OFFSET = 30.0  # dB, the encoder's: speech is around 0 then

    def __init__(self, input_size, logmels, encoder, n_blocks=1, dropout=0.0):
        super().__init__()
        self.logmels = logmels
        self.n_each = round(100 / encoder.frame_rate)
        self.blocks = torch.nn.ModuleList(
            TimeBlock(input_size, 3, 1, dropout) for _ in range(n_blocks)
        )
        size = logmels.n_mels * len(logmels)
        self.project = torch.nn.Linear(input_size, self.n_each * size)

    def forward(self, feats, lens):
        """As `Task.forward`; gives `Frames`, the last ones to be cut off."""
        for block in self.blocks:
            feats = block(feats, lens)
        values = self.project(feats).unflatten(2, (self.n_each, -1))
        return Frames(values.flatten(1, 2), self.n_each * lens)

    @torch.no_grad()
    def target(self, batch):
        """Gives the `Frames` of the clean clips."""
        wavs, wav_lens = getattr(batch, "clean", batch.sig)
        with torch.autocast(wavs.device.type, enabled=False):
            logmels, lens = self.logmels(wavs, wav_lens)  # [B, W, T, M]
        values = logmels.transpose(1, 2).flatten(2)  # [B, T, W M]
        return Frames((values + self.OFFSET) / 10, lens)

    def loss(self, prediction, target):
        """Mean squared error; 1 is 10 dB, squared."""
        n_frames = target.values.shape[1]
        inside = frame_mask(target.lens, n_frames)
        difference = prediction.values[:, :n_frames] - target.values
        return difference[inside].square().mean()

    def describe(self, prediction, batch):
        """Nothing: spectra are no columns."""
        return [{} for _ in batch.id]
