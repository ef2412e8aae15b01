"""From the levels of an encoder to the features of one task.

Every fusion is called as ``fusion(levels [L, B, T, D], lens [B])`` and gives
``feats [B, T, d]``, zero where there is padding.
"""

import torch

from ser_mtl_modules.lobes.masking import frame_mask


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
        # a vector times a matrix: several times faster than einsum here
        weights = self.weights.to(levels.dtype)
        mixed = (weights @ levels.flatten(1)).view(levels.shape[1:])
        feats = self.dropout(self.norm(self.project(mixed)))
        mask = frame_mask(lens, feats.shape[1]).unsqueeze(-1)
        return feats.masked_fill(~mask, 0.0)


class Last(WeightedSum):
    """The last level alone, projected; the same arguments as `WeightedSum`."""

    def __init__(self, n_levels, input_size, output_size, dropout=0.0):
        super().__init__(1, input_size, output_size, dropout)

    def forward(self, levels, lens):
        """As `WeightedSum.forward`, of the last level."""
        return super().forward(levels[-1:], lens)


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
