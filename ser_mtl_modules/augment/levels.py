"""Masks on the levels of an encoder."""

import torch

from ser_mtl_modules.errors import SerMtlError


def check_levels(stored, instead):
    """Stops what changes stored levels where a batch holds waves.

    Arguments
    ---------
    stored : torch.Tensor
        What the batch holds.
    instead : str
        The class that may stand under ``mixup`` there.
    """
    if stored.ndim != 4:
        raise SerMtlError(
            "mixup takes stored levels, and the batch is of shape "
            f"{list(stored.shape)}, which waves have. Give "
            f"--mixup='!new:{instead}'."
        )


class DropSpans(torch.nn.Module):
    """Zeroes spans of frames, and of dimensions, the same ones in each level.

    SpecAugment (Park et al., 2019, https://arxiv.org/abs/1904.08779) on what
    an encoder gives, as wav2vec 2.0 is fine-tuned with. Each span is as long
    as a draw from 0 to its longest says. Draws from torch's global generator.

    Arguments
    ---------
    n_spans : int
        Of frames, in each clip.
    longest : float
        Of a span, as a share of the clip's frames.
    n_dim_spans : int
        Of dimensions, in each clip.
    longest_dim : float
        Of a span, as a share of all dimensions.

    Example
    -------
    >>> levels = torch.ones(2, 1, 100, 8)
    >>> masked = DropSpans(n_dim_spans=0)(levels, torch.tensor([100]))
    >>> bool((masked[0] == masked[1]).all())
    True
    """

    def __init__(self, n_spans=2, longest=0.1, n_dim_spans=2, longest_dim=0.05):
        super().__init__()
        self.n_spans = n_spans
        self.longest = longest
        self.n_dim_spans = n_dim_spans
        self.longest_dim = longest_dim

    def forward(self, levels, lens):
        """Masks levels [L, B, T, D] of clips of `lens` [B] frames."""
        _, n_clips, n_frames, size = levels.shape
        drop = _spans(lens.cpu(), n_frames, self.n_spans, self.longest)
        sizes = torch.full((n_clips,), size)
        drop_dims = _spans(sizes, size, self.n_dim_spans, self.longest_dim)
        drop = drop[:, :, None] | drop_dims[:, None, :]  # [B, T, D]
        return levels.masked_fill(drop.to(levels.device), 0.0)


def _spans(lens, n_positions, n_spans, longest):
    """True within the spans of each row [B, positions]."""
    lens = lens[:, None, None]  # [B, 1, 1]
    shape = len(lens), n_spans, 1
    sizes = (torch.rand(shape) * (longest * lens + 1)).long()
    sizes = sizes.minimum((longest * lens).long())
    starts = (torch.rand(shape) * (lens - sizes + 1)).long()
    position = torch.arange(n_positions)
    within = (starts <= position) & (position < starts + sizes)
    return within.any(dim=1)
