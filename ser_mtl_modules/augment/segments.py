"""A part of one clip that comes over a part of another."""

from typing import NamedTuple

import torch

from ser_mtl_modules.augment.mixup import draw_partners


class Segments(NamedTuple):
    """One for each clip of a batch, in samples or frames; length 0 for none."""

    partner: torch.Tensor  # [B], whose sound comes over the clip
    length: torch.Tensor  # [B], at most half of the clip
    start: torch.Tensor  # [B], in the clip
    source: torch.Tensor  # [B], where the same length starts in the partner

    def inside(self, n_positions):
        """True within the segments, shape [B, positions]."""
        at = torch.arange(n_positions, device=self.start.device)
        start = self.start[:, None]
        return (start <= at) & (at < start + self.length[:, None])

    def laid_over(self, values):
        """The partners' segments, where they come to lie in the clips.

        Arguments
        ---------
        values : torch.Tensor
            Of the batch, shape [B, positions, ...].

        Returns
        -------
        torch.Tensor
            The same shape; outside the segments it means nothing.
        """
        n = values.shape[1]
        at = torch.arange(n, device=values.device)
        at = at + (self.source - self.start)[:, None]  # [B, positions]
        return values[self.partner[:, None], at.clamp(0, n - 1)]


def draw_segments(lens, prob):
    """Draws a partner and a segment for each clip of a batch.

    With L of a clip's own length, l ~ U{1 .. floor(L / 2)}, or as much as the
    partner has; both starts are uniform over all that fit. A clip of one
    sample has no half, and one without company has no partner.

    Arguments
    ---------
    lens : torch.Tensor
        Samples (or frames) of each clip, shape [B].
    prob : float
        Share of clips that get a segment.

    Returns
    -------
    Segments
    """
    n, device = len(lens), lens.device
    # double precision, so that every start of a long clip can be drawn
    draws = torch.rand(4, n, dtype=torch.float64).to(device)
    partner = draw_partners(n) if n > 1 else torch.arange(n)
    partner = partner.to(device)
    half = lens // 2
    length = (1 + (draws[0] * half).long()).minimum(half).minimum(lens[partner])
    length = length * ((draws[1] < prob) & (n > 1))
    start = (draws[2] * (lens - length + 1)).long()
    source = (draws[3] * (lens[partner] - length + 1)).long()
    return Segments(partner, length, start, source)
