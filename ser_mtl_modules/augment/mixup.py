"""Mixing the clips of a batch, and their labels with them.

Every kind is called as ``mix(wavs [B, N], wav_lens [B])`` and gives waves,
relative lengths, and ``shares [B, B]``: how much of each clip's label belongs
to each mixed clip. Rows of ``shares`` sum to 1.
"""

import torch

from ser_mtl_modules.augment.waves import check_waves


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
    own label stays the first. Draws from torch's global generator.

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
        shares = torch.eye(n, device=wavs.device)
        if n < 2 or torch.rand(()) >= self.prob:
            return wavs, wav_lens, shares
        partner = (torch.arange(n) + torch.randint(1, n, ()).item()) % n
        beta = torch._sample_dirichlet(torch.full((n, 2), self.alpha))[:, 0]
        share = torch.maximum(beta, 1 - beta).to(wavs)[:, None]  # [B, 1]
        level = wavs.square().sum(1, keepdim=True) / wav_lens[:, None]
        level = level.clamp(min=1e-10).sqrt()
        other = wavs[partner] * level / level[partner]
        mixed = share * wavs + (1 - share) * other
        wav_lens = torch.maximum(wav_lens, wav_lens[partner])
        return mixed, wav_lens, share * shares + (1 - share) * shares[partner]
