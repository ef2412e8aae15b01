"""All auxiliary tasks at once, each through its gate."""

import torch

from ser_mtl_modules.lobes.co_attention.base import CoAttention
from ser_mtl_modules.lobes.co_attention.gates import SigmoidGates
from ser_mtl_modules.lobes.masking import frame_mask


class ParallelGates(CoAttention):
    """The main task asks every auxiliary task, none of which sees the others.

    A_k = MHA_k(Q=main, K=V=F_k); U = LayerNorm(main + sum over k of g_k * A_k)

    Unlike in `Chain` the order of the tasks means nothing. Our reading of
    paper A, as an alternative to the chain.

    Arguments
    ---------
    feature_size : int
        d.
    auxiliaries : list of str
        Names of the auxiliary tasks.
    n_heads : int
        Heads of each attention.
    dropout : float
        On the attention weights, in training.
    gate : callable
        Makes the gates g of d and K: `SigmoidGates`, `SoftmaxGates`,
        `NoGates`.
    """

    def __init__(
        self,
        feature_size,
        auxiliaries,
        n_heads=4,
        dropout=0.1,
        gate=SigmoidGates,
    ):
        super().__init__()
        self.attentions = torch.nn.ModuleDict(
            {
                name: torch.nn.MultiheadAttention(
                    feature_size, n_heads, dropout=dropout, batch_first=True
                )
                for name in auxiliaries
            }
        )
        self.gate = gate(feature_size, len(auxiliaries))
        self.norm = torch.nn.LayerNorm(feature_size)

    def forward(self, main, auxiliaries, lens):
        """As `CoAttention.forward`."""
        messages = self._messages(main, auxiliaries, lens)
        fused = self.norm(main + messages.sum(dim=0))
        mask = frame_mask(lens, main.shape[1])
        return fused.masked_fill(~mask.unsqueeze(-1), 0.0)

    def amounts(self, main, auxiliaries, lens):
        """As `CoAttention.amounts`: the lengths of g_k * A_k."""
        messages = self._messages(main, auxiliaries, lens)
        return dict(zip(self.attentions, messages.norm(dim=-1)))

    def _messages(self, main, auxiliaries, lens):
        """What each task gives, shape [K, B, T, d]."""
        padding = ~frame_mask(lens, main.shape[1])
        attended = [
            attention(
                main,
                auxiliaries[name],
                auxiliaries[name],
                key_padding_mask=padding,
                need_weights=False,
            )[0]
            for name, attention in self.attentions.items()
        ]
        attended = torch.stack(attended)  # [K, B, T, d]
        return self.gate(main, attended) * attended
