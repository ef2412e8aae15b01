"""Mixing the stored levels of a batch, where waves are out of reach."""

import torch

from ser_mtl_modules.augment.levels import check_levels
from ser_mtl_modules.augment.mixup import draw_partners, shares_of
from ser_mtl_modules.lobes.masking import relative_to_frames


class ManifoldMixup(torch.nn.Module):
    """A convex combination of two clips' levels, frame by frame.

    Verma et al., 2019 (https://arxiv.org/abs/1806.05236), at the output of a
    frozen encoder. The share of the clip is the greater of lambda and
    1 - lambda, lambda ~ Beta(alpha, alpha), so that its own label stays the
    first; a shorter partner is repeated to the clip's length, a longer one
    cut. Draws from torch's global generator.

    Arguments
    ---------
    alpha : float
        Of the beta distribution; 1 draws all shares alike.
    prob : float
        Share of batches that are mixed.

    Example
    -------
    >>> mix = ManifoldMixup(prob=1.0)
    >>> stored = torch.randn(2, 40, 3, 8).half()  # 40 frames of 3 levels
    >>> mixed, lens, shares = mix(stored, torch.ones(2))
    >>> mixed.dtype, bool((shares.diag() >= 0.5).all())
    (torch.float16, True)
    """

    def __init__(self, alpha=0.4, prob=1.0):
        super().__init__()
        self.alpha = alpha
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

        Raises
        ------
        SerMtlError
            If the batch holds waves.
        """
        check_levels(stored, "ser_mtl_modules.augment.mixup.Mixup")
        n, n_frames = stored.shape[:2]
        if n < 2 or torch.rand(()) >= self.prob:
            return stored, relative_lens, torch.eye(n, device=stored.device)
        partner = draw_partners(n).to(stored.device)
        beta = torch._sample_dirichlet(torch.full((n, 2), self.alpha))[:, 0]
        share = torch.minimum(beta, 1 - beta).to(stored.device)  # the partner's
        lens = relative_to_frames(relative_lens, n_frames)[partner]
        at = torch.arange(n_frames, device=stored.device) % lens[:, None]
        weight = share[:, None, None, None].to(stored.dtype)
        mixed = torch.lerp(stored, stored[partner[:, None], at], weight)
        return mixed, relative_lens, shares_of(partner, share)
