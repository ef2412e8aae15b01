"""An encoder whose levels are those that a cache of them would hold."""

import torch
import torch.nn.functional as F


class LevelEncoder(torch.nn.Module):
    """Levels chosen, averaged and rounded as ``CachedLevels`` keeps them.

    It makes of waves what ``CachedEncoder`` makes of stored levels, for a
    model that was trained on those and is used without them.

    Arguments
    ---------
    encoder : torch.nn.Module
        Has ``frozen`` and ``upper``, as ``lobes/encoders.py``.
    levels : list of int, optional
        Those that were kept; all by default.
    average : int
        So many neighbouring frames become one.

    Example
    -------
    >>> class Encoder(torch.nn.Module):
    ...     def frozen(self, wavs, wav_lens):
    ...         levels = wavs.view(1, len(wavs), -1, 1)  # a frame a sample
    ...         return levels, (wav_lens * wavs.shape[1]).long()
    >>> encoder = LevelEncoder(Encoder(), levels=[0], average=2)
    >>> levels, lens = encoder(torch.tensor([[1.0, 3, 5, 7]]), torch.ones(1))
    >>> levels.flatten().tolist(), lens.tolist()
    ([2.0, 6.0], [2])
    """

    def __init__(self, encoder, levels=None, average=1):
        super().__init__()
        self.encoder = encoder
        self.levels = levels
        self.average = average

    def forward(self, wavs, wav_lens):
        """As ``PretrainedEncoder.forward``."""
        levels, lens = self.encoder.frozen(wavs, wav_lens)
        levels = levels.float()
        if self.levels is not None:
            levels = levels[self.levels]
        levels, lens = average_frames(levels, lens, self.average)
        levels = levels.half().float()  # as precise as what is stored
        if self.levels is None and self.average == 1:
            levels = self.encoder.upper(levels, lens)
        return levels, lens


def average_frames(levels, lens, n):
    """Means of n neighbouring frames, the last one of what remains.

    Arguments
    ---------
    levels : torch.Tensor
        Shape [L, B, T, D], zero where there is padding.
    lens : torch.Tensor
        Frames of each clip, shape [B].
    n : int
        Frames that become one.

    Returns
    -------
    tuple of torch.Tensor
        Shape [L, B, T / n rounded up, D], zero where there is padding, and
        frames of each clip, [B].

    Example
    -------
    >>> levels = torch.tensor([1.0, 3, 5, 9, 4, 0]).view(1, 1, 6, 1)
    >>> means, lens = average_frames(levels, torch.tensor([5]), 2)
    >>> means.flatten().tolist(), lens.tolist()
    ([2.0, 7.0, 4.0], [3])
    """
    if n == 1:
        return levels, lens
    levels = F.pad(levels, (0, 0, 0, -levels.shape[2] % n))
    sums = levels.unflatten(2, (-1, n)).sum(dim=3)
    starts = n * torch.arange(sums.shape[2], device=lens.device)
    counts = (lens[:, None] - starts).clamp(1, n)  # [B, T]
    return sums / counts[None, :, :, None], (lens + n - 1) // n
