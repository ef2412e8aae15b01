"""Pooling by attention over frames that have seen one another."""

import torch

from ser_mtl_modules.lobes.masking import frame_mask, zero_padding
from ser_mtl_modules.lobes.pooling import Pooling


class FrameLevelAttention(Pooling):
    """FLAM: self-attention between frames, then a weighted mean of them.

    Wang et al. (https://arxiv.org/abs/2512.04551). Of frames F, with MHSA that
    of torch, over a clip's own frames::

        F' = F + MHSA(F)
        a  = softmax over time of w.F'_t
        v  = sum over t of a_t F'_t

    The number of heads, the residual and the projection vector w are known of
    the paper; no layer norm, no feed-forward layer and no tanh around w is our
    reading. With w = 0 it is the mean of F'.

    Arguments
    ---------
    input_size : int
        D of the frames, a multiple of the heads.
    n_heads : int
        Of the self-attention.

    Example
    -------
    >>> pool = FrameLevelAttention(8, n_heads=2)
    >>> feats = torch.randn(2, 6, 8)
    >>> alone = pool(feats[:1, :3], torch.tensor([3]))
    >>> padded = pool(feats, torch.tensor([3, 6]))
    >>> torch.allclose(alone[0], padded[0], atol=1e-6)
    True
    """

    def __init__(self, input_size, n_heads=16):
        super().__init__()
        self.output_size = input_size
        self.attend = torch.nn.MultiheadAttention(
            input_size, n_heads, batch_first=True
        )
        self.score = torch.nn.Linear(input_size, 1, bias=False)  # w

    def frames(self, feats, lens):
        """F', zero in padding."""
        feats = zero_padding(feats, lens)
        padding = ~frame_mask(lens, feats.shape[1])
        seen, _ = self.attend(
            feats, feats, feats, key_padding_mask=padding, need_weights=False
        )
        return zero_padding(feats + seen, lens)

    def over(self, frames, lens):
        """Pools frames [B, T, D], which are F', to [B, D]."""
        weights = self._weights(frames, lens)
        return torch.einsum("bt,btd->bd", weights, frames.float())

    def attention(self, feats, lens):
        """The weight a of every frame, shape [B, T]; each row sums to 1."""
        return self._weights(self.frames(feats, lens), lens)

    def _weights(self, frames, lens):
        scores = self.score(frames).squeeze(-1).float()  # [B, T]
        padding = ~frame_mask(lens, frames.shape[1])
        return scores.masked_fill(padding, -torch.inf).softmax(dim=1)
