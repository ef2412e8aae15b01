"""Auxiliary tasks one after the other."""

import torch

from ser_mtl_modules.lobes.co_attention.base import CoAttention
from ser_mtl_modules.lobes.masking import frame_mask


class Gate(torch.nn.Module):
    """Attends from one sequence to another and lets through what is wanted.

    A = MHA(Q=main, K=V=other); g = sigmoid(W [main ; A] + b); out = g * A

    Arguments
    ---------
    feature_size : int
        d.
    n_heads : int
        Heads of the attention.
    dropout : float
        On the attention weights, in training.
    """

    def __init__(self, feature_size, n_heads, dropout):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(
            feature_size, n_heads, dropout=dropout, batch_first=True
        )
        self.gate = torch.nn.Linear(2 * feature_size, feature_size)

    def forward(self, main, other, padding):
        """Gives the gated message, shape [B, T, d].

        Arguments
        ---------
        main : torch.Tensor
            The queries, shape [B, T, d].
        other : torch.Tensor
            Keys and values, shape [B, S, d].
        padding : torch.Tensor or None
            True where ``other`` is padding, shape [B, S]; None without.

        Returns
        -------
        torch.Tensor
            Shape [B, T, d].
        """
        attended, _ = self.attention(
            main, other, other, key_padding_mask=padding, need_weights=False
        )
        gate = torch.sigmoid(self.gate(torch.cat([main, attended], dim=-1)))
        return gate * attended


class Chain(CoAttention):
    """Each auxiliary task refines what the one before it left.

    U_0 = main; U_k = LayerNorm(U_{k-1} + Gate_k(U_{k-1}, F_k)), for the
    auxiliary tasks in their order in the YAML. Our reading of paper A.

    Arguments
    ---------
    feature_size : int
        d.
    auxiliaries : list of str
        Names of the auxiliary tasks, in the order of the chain.
    n_heads : int
        Heads of each attention.
    dropout : float
        On the attention weights, in training.
    """

    def __init__(self, feature_size, auxiliaries, n_heads=4, dropout=0.1):
        super().__init__()
        self.gates = torch.nn.ModuleDict(
            {name: Gate(feature_size, n_heads, dropout) for name in auxiliaries}
        )
        self.norms = torch.nn.ModuleDict(
            {name: torch.nn.LayerNorm(feature_size) for name in auxiliaries}
        )

    def forward(self, main, auxiliaries, lens):
        """As `CoAttention.forward`."""
        fused, _ = self._walk(main, auxiliaries, lens)
        return fused

    def amounts(self, main, auxiliaries, lens):
        """As `CoAttention.amounts`: the lengths of what the gates let in."""
        _, messages = self._walk(main, auxiliaries, lens)
        return {name: m.norm(dim=-1) for name, m in messages.items()}

    def _walk(self, main, auxiliaries, lens):
        """U_K, and what each gate let in, all of them [B, T, d]."""
        padding = ~frame_mask(lens, main.shape[1])
        fused, messages = main, {}
        for name, gate in self.gates.items():
            messages[name] = gate(fused, auxiliaries[name], padding)
            fused = self.norms[name](fused + messages[name])
            fused = fused.masked_fill(padding.unsqueeze(-1), 0.0)
        return fused, messages
