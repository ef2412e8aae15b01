"""How the main task sees the auxiliary ones.

Every kind is made as ``Kind(feature_size, auxiliaries)`` and called as
``fuse(main [B, T, d], {name: feats [B, T, d]}, lens [B])``; it gives features
of the main task, [B, T, d], zero where there is padding. `METHODS.md`'s
section on paper A (https://arxiv.org/abs/2508.17878) says what is the paper's
and what is our reading.
"""

import torch

from ser_mtl_modules.lobes.masking import frame_mask


class Nothing(torch.nn.Module):
    """The main task's own features: tasks meet in the encoder alone.

    Arguments
    ---------
    feature_size : int
        d, not needed here.
    auxiliaries : list of str
        Names of the auxiliary tasks, not needed here.
    """

    def __init__(self, feature_size, auxiliaries):
        super().__init__()

    def forward(self, main, auxiliaries, lens):
        """Returns ``main``."""
        return main


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
            True where ``other`` is padding, shape [B, S].

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


class Chain(torch.nn.Module):
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
        """Fuses the features of a batch.

        Arguments
        ---------
        main : torch.Tensor
            The main task's features, shape [B, T, d].
        auxiliaries : dict of str to torch.Tensor
            The auxiliary tasks' features, each of shape [B, T, d].
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, T, d].
        """
        padding = ~frame_mask(lens, main.shape[1])
        fused = main
        for name, gate in self.gates.items():
            message = gate(fused, auxiliaries[name], padding)
            fused = self.norms[name](fused + message)
            fused = fused.masked_fill(padding.unsqueeze(-1), 0.0)
        return fused


def build(kind, feature_size, auxiliaries):
    """Makes a co-attention of the kind that a YAML names.

    Arguments
    ---------
    kind : callable
        A class of this module, or one with its other arguments filled in.
    feature_size : int
        d.
    auxiliaries : list of str
        Names of the auxiliary tasks.

    Returns
    -------
    torch.nn.Module
    """
    return kind(feature_size=feature_size, auxiliaries=list(auxiliaries))
