"""Mixing the clips of a batch, and their labels with them.

Every kind is called as ``mix(wavs [B, N], wav_lens [B])`` and gives waves,
relative lengths, and ``shares [B, B]``: how much of each clip's label belongs
to each mixed clip. Rows of ``shares`` sum to 1. All draws are from torch's
global generator, which is the CPU's, so that a seed means one mix on any
device; all else is on the device of the waves.
"""

import torch

from ser_mtl_modules.augment.waves import check_waves
from ser_mtl_modules.lobes.masking import frame_mask, relative_to_frames


def draw_partners(n):
    """The clip that each of n is mixed with: another one, each of them once.

    Example
    -------
    >>> sorted(draw_partners(5).tolist())
    [0, 1, 2, 3, 4]
    >>> bool((draw_partners(5) == torch.arange(5)).any())
    False
    """
    return (torch.arange(n) + torch.randint(1, n, ()).item()) % n


def shares_of(partner, share):
    """Shares [B, B] of clips, of whose labels ``share`` [B] is the partner's."""
    own = torch.eye(len(share), device=share.device)
    return (1 - share)[:, None] * own + share[:, None] * own[partner]


class NoMixup(torch.nn.Module):
    """Clips as they are.

    Example
    -------
    >>> wavs, wav_lens, shares = NoMixup()(torch.randn(2, 9), torch.ones(2))
    >>> shares
    tensor([[1., 0.],
            [0., 1.]])
    """

    def forward(self, wavs, wav_lens):
        """Returns the waves, their lengths, and an identity matrix."""
        return wavs, wav_lens, torch.eye(len(wavs), device=wavs.device)


class Mixup(torch.nn.Module):
    """A convex combination of two clips of equal level.

    Zhang et al., 2018 (https://arxiv.org/abs/1710.09412), on waves: clip and
    partner are brought to the clip's level, the share of the clip is the
    greater of lambda and 1 - lambda, lambda ~ Beta(alpha, alpha), so that its
    own label stays the first.

    Arguments
    ---------
    alpha : float
        Of the beta distribution.
    prob : float
        Share of batches that are mixed.
    """

    def __init__(self, alpha=0.3, prob=0.5):
        super().__init__()
        self.alpha = alpha
        self.prob = prob

    def forward(self, wavs, wav_lens):
        """Mixes a batch; a mixed clip is as long as the longer of the two."""
        check_waves(wavs, "mixup", f"{__name__}.NoMixup")
        n = len(wavs)
        if n < 2 or torch.rand(()) >= self.prob:
            return wavs, wav_lens, torch.eye(n, device=wavs.device)
        partner = draw_partners(n)
        beta = torch._sample_dirichlet(torch.full((n, 2), self.alpha))[:, 0]
        share = torch.maximum(beta, 1 - beta).to(wavs)[:, None]  # [B, 1]
        n_samples = relative_to_frames(wav_lens, wavs.shape[1])
        inside = frame_mask(n_samples, wavs.shape[1])
        wavs = wavs.masked_fill(~inside, 0.0)
        level = wavs.square().sum(1, keepdim=True) / n_samples[:, None]
        level = level.clamp(min=1e-10).sqrt()
        other = wavs[partner] * level / level[partner]
        mixed = share * wavs + (1 - share) * other
        wav_lens = torch.maximum(wav_lens, wav_lens[partner])
        return mixed, wav_lens, shares_of(partner, 1 - share[:, 0])
