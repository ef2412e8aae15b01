"""From the levels of an encoder to the features of one task.

Every fusion is called as ``fusion(levels [L, B, T, D], lens [B])`` and gives
``feats [B, T, d]``, zero where there is padding.
"""

import torch

from ser_mtl_modules.lobes.masking import zero_padding


class WeightedSum(torch.nn.Module):
    """A learned mixture of all levels, projected to a smaller size.

    feats = LayerNorm(Linear(sum over l of softmax(a)_l h_l)), Peters et al.,
    2018 (https://arxiv.org/abs/1802.05365), eq. 1.

    Arguments
    ---------
    n_levels : int
        L.
    input_size : int
        D of the levels.
    output_size : int
        d of the features.
    dropout : float
        On the features, in training.
    """

    def __init__(self, n_levels, input_size, output_size, dropout=0.0):
        super().__init__()
        self.scores = torch.nn.Parameter(torch.zeros(n_levels))
        self.project = torch.nn.Linear(input_size, output_size)
        self.norm = torch.nn.LayerNorm(output_size)
        self.dropout = torch.nn.Dropout(dropout)

    @property
    def weights(self):
        """The share of each level, shape [L]."""
        return self.scores.softmax(dim=0)

    def forward(self, levels, lens):
        """Mixes the levels of a batch.

        Arguments
        ---------
        levels : torch.Tensor
            Shape [L, B, T, D].
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, T, d].
        """
        return self.to_feats(self.mix(levels), lens)

    def mix(self, levels):
        """The weighted sum of levels [L, B, T, D], [B, T, D]."""
        # a vector times a matrix: several times faster than einsum here
        weights = self.weights.to(levels.dtype)
        return (weights @ levels.flatten(1)).view(levels.shape[1:])

    def to_feats(self, mixed, lens):
        """Projects what was mixed [B, T, D], and empties the padding."""
        feats = self.dropout(self.norm(self.project(mixed)))
        return zero_padding(feats, lens)


class Concatenation(torch.nn.Module):
    """All levels side by side, projected to a smaller size.

    feats = LayerNorm(sum over l of W_l h_l + b): each dimension of the features
    takes what it wants from each level, where a weighted sum has one W for
    all. More weights, for an encoder that can't adapt its levels.

    Arguments
    ---------
    n_levels, input_size, output_size, dropout
        As for `WeightedSum`.

    Example
    -------
    >>> fusion = Concatenation(3, 6, 4)
    >>> fusion(torch.randn(3, 2, 5, 6), torch.tensor([5, 2])).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, n_levels, input_size, output_size, dropout=0.0):
        super().__init__()
        self.project = torch.nn.Linear(n_levels * input_size, output_size)
        self.norm = torch.nn.LayerNorm(output_size)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, levels, lens):
        """Fuses the levels of a batch.

        Arguments
        ---------
        levels : torch.Tensor
            Shape [L, B, T, D].
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, T, d].
        """
        n_levels, n_clips, n_frames, _ = levels.shape
        weights = self.project.weight.unflatten(1, (n_levels, -1))  # [d, L, D]
        # level by level: levels are not copied to lie side by side
        parts = levels.flatten(1, 2) @ weights.permute(1, 2, 0)  # [L, BT, d]
        feats = parts.sum(dim=0).view(n_clips, n_frames, -1) + self.project.bias
        return zero_padding(self.dropout(self.norm(feats)), lens)


class Last(WeightedSum):
    """The last level alone, projected; the same arguments as `WeightedSum`."""

    def __init__(self, n_levels, input_size, output_size, dropout=0.0):
        super().__init__(1, input_size, output_size, dropout)

    def forward(self, levels, lens):
        """As `WeightedSum.forward`, of the last level."""
        return super().forward(levels[-1:], lens)


class PostResidual(WeightedSum):
    """The last level, and a mixture of all on top; as `WeightedSum`.

    feats = LayerNorm(Linear(h_N + sum over l of softmax(a)_l LayerNorm(h_l))):
    what a task sees of an encoder with augmented residual integration
    (``residual_integration.py``), or of one without.
    """

    def __init__(self, n_levels, input_size, output_size, dropout=0.0):
        super().__init__(n_levels, input_size, output_size, dropout)
        self.level_norm = torch.nn.LayerNorm(input_size)

    def forward(self, levels, lens):
        """As `WeightedSum.forward`."""
        mixed = self.mix(self.level_norm(levels))
        return self.to_feats(levels[-1] + mixed, lens)


class LayerAdapters(torch.nn.Module):
    """A small network for each level, and a mixture of what they give.

    feats = sum over l of softmax(a)_l LayerNorm_l(GELU(W_l h_l + b_l)), the
    L-adapters of Otake et al., 2022 (https://arxiv.org/abs/2212.02780).

    Arguments
    ---------
    n_levels, input_size, output_size, dropout
        As for `WeightedSum`.
    """

    def __init__(self, n_levels, input_size, output_size, dropout=0.0):
        super().__init__()
        self.scores = torch.nn.Parameter(torch.zeros(n_levels))
        self.adapters = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.Linear(input_size, output_size),
                torch.nn.GELU(),
                torch.nn.LayerNorm(output_size),
            )
            for _ in range(n_levels)
        )
        self.dropout = torch.nn.Dropout(dropout)

    @property
    def weights(self):
        """The share of each level, shape [L]."""
        return self.scores.softmax(dim=0)

    def forward(self, levels, lens):
        """Fuses levels [L, B, T, D] of clips of lens [B]: feats [B, T, d]."""
        feats = sum(
            weight * adapt(level)
            for weight, adapt, level in zip(self.weights, self.adapters, levels)
        )
        return zero_padding(self.dropout(feats), lens)


def for_each_task(kind, tasks, encoder, output_size, dropout=0.0):
    """One fusion for each task, as each needs other levels of the encoder.

    Arguments
    ---------
    kind : callable
        A fusion's class, such as `WeightedSum`.
    tasks : iterable of str
        Names of the tasks.
    encoder : torch.nn.Module
        Says its ``n_levels`` and ``output_size``.
    output_size : int
        d of the features.
    dropout : float
        On the features, in training.

    Returns
    -------
    torch.nn.ModuleDict
    """
    return torch.nn.ModuleDict(
        {
            task: kind(
                encoder.n_levels, encoder.output_size, output_size, dropout
            )
            for task in tasks
        }
    )
