"""What energy-adaptive mixup can still do where a batch holds stored levels."""

import torch

from ser_mtl_modules.augment.levels import check_levels
from ser_mtl_modules.augment.mixup import shares_of
from ser_mtl_modules.augment.segments import draw_segments
from ser_mtl_modules.lobes.masking import relative_to_frames

PACKAGE = "ser_mtl_modules.augment"


class LevelMixup(torch.nn.Module):
    """A part of another clip's levels within a part of each.

    A frozen encoder's levels are computed before training, of single clips:
    what it would make of two voices at once is not among them. So this is not
    `EnergyAdaptiveMixup` but what is left of it, manifold mixup (Verma et al.,
    2019, https://arxiv.org/abs/1806.05236) of the frames of a segment. Segment
    and r are drawn as there; in the frames of the segment, in all levels::

        e = 1 / (1 + 10^(r/10))          the partner's share of the energy there
        h~_t = (1 - e) h_i,t + e h_j,t
        lambda = l / L_i * e             the mean of the partner's share of frames

    Levels have no energy that could be measured or added up, so r is a convex
    weight here and nothing else: a loud partner does not mask the clip, a
    silent one counts as a loud one, and the encoder never heard the mix.
    (`ManifoldMixup` mixes clips as a whole.)

    Arguments
    ---------
    snr_low, snr_high : float
        Range of r, in dB.
    prob : float
        Share of clips that are mixed.

    Example
    -------
    >>> mix = LevelMixup(prob=1.0)
    >>> stored = torch.randn(2, 40, 3, 8).half()  # 40 frames of 3 levels
    >>> mixed, lens, shares = mix(stored, torch.ones(2))
    >>> mixed.dtype, bool((shares.diag() > 0.62).all())
    (torch.float16, True)
    """

    def __init__(self, snr_low=-5.0, snr_high=10.0, prob=0.5):
        super().__init__()
        self.snr_low = snr_low
        self.snr_high = snr_high
        self.prob = prob

    @torch.no_grad()
    def forward(self, stored, relative_lens):
        """Mixes a batch.

        Arguments
        ---------
        stored : torch.Tensor
            Shape [B, T, L, D].
        relative_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Levels of the same shape, lengths as they were, shares [B, B].
        """
        check_levels(stored, f"{PACKAGE}.energy_mixup.EnergyAdaptiveMixup")
        lens = relative_to_frames(relative_lens, stored.shape[1])
        segments = draw_segments(lens, self.prob)
        snr_db = torch.rand(len(stored)) * (self.snr_high - self.snr_low)
        ratio = 10 ** ((snr_db + self.snr_low) / 10).to(stored.device)
        energy = 1 / (1 + ratio)
        inside = segments.inside(stored.shape[1])[:, :, None, None]
        other = segments.laid_over(stored)
        mixed = torch.lerp(
            stored.float(), other.float(), energy[:, None, None, None]
        )
        mixed = torch.where(inside, mixed.to(stored.dtype), stored)
        share = segments.length / lens * energy
        return mixed, relative_lens, shares_of(segments.partner, share)
