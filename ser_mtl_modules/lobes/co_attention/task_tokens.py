"""Auxiliary tasks as one vector each, instead of frames."""

import torch

from ser_mtl_modules.lobes.co_attention.base import CoAttention
from ser_mtl_modules.lobes.co_attention.chain import Gate
from ser_mtl_modules.lobes.masking import frame_mask, masked_mean


class TaskTokens(CoAttention):
    """Each frame of the main task chooses among the auxiliary tasks.

    c_k = mean of F_k over the clip's frames
    A = MHA(Q=main, K=V=[c_1 ... c_K]); U = LayerNorm(main + g * A)

    with the gate g as in `Chain`. What a task knows of the utterance comes
    in, and when it knew it is forgotten. Our reading of paper A, as an
    alternative; that tokens are plain means is our choice.

    Arguments
    ---------
    feature_size : int
        d.
    auxiliaries : list of str
        Names of the auxiliary tasks.
    n_heads : int
        Heads of the attention.
    dropout : float
        On the attention weights, in training.
    """

    def __init__(self, feature_size, auxiliaries, n_heads=4, dropout=0.1):
        super().__init__()
        self.auxiliaries = auxiliaries
        self.gate = Gate(feature_size, n_heads, dropout)
        self.norm = torch.nn.LayerNorm(feature_size)

    def forward(self, main, auxiliaries, lens):
        """As `CoAttention.forward`."""
        message = self.gate(main, self._tokens(auxiliaries, lens), None)
        mask = frame_mask(lens, main.shape[1])
        return self.norm(main + message).masked_fill(~mask.unsqueeze(-1), 0.0)

    def amounts(self, main, auxiliaries, lens):
        """The length of g * A, shared out by the weights on the tokens.

        Arguments and what is returned are those of `CoAttention.amounts`;
        weights are means over the heads.
        """
        tokens = self._tokens(auxiliaries, lens)
        length = self.gate(main, tokens, None).norm(dim=-1)  # [B, T]
        _, weights = self.gate.attention(main, tokens, tokens)  # [B, T, K]
        return {
            name: length * weights[..., k]
            for k, name in enumerate(self.auxiliaries)
        }

    def _tokens(self, auxiliaries, lens):
        """A vector for each task, shape [B, K, d]."""
        tokens = [masked_mean(auxiliaries[k], lens) for k in self.auxiliaries]
        return torch.stack(tokens, dim=1)
