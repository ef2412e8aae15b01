"""Augmented residual integration: lower levels come back into the layers above.

Two-stage fine-tuning (https://arxiv.org/abs/2412.20707), of which only the
abstract could be read. That lower levels are integrated by residuals in the
encoder's transformer layers is the paper's; the form below is our reading.
"""

import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.masking import zero_padding


class AugmentedResidualIntegration(torch.nn.Module):
    """Adds what lower levels hold to the input of each transformer layer.

    Of level h_{l-1}, which enters layer l >= 2, and all levels below it::

        r_l = sum over j <= l-2 of softmax(a_l)_j LayerNorm_l(h_j)
        u_l = h_{l-1} + Up_l(GELU(Down_l(r_l)))

    and layer l gets u_l. ``Up`` begins at zero, so that an encoder begins as it
    was pre-trained. It is the ``integration`` of a `PretrainedEncoder`.

    Arguments
    ---------
    n_layers : int
        Of the transformer.
    size : int
        D of the levels.
    bottleneck : int
        Rows of ``Down``.
    top_k : int, optional
        So many of the levels below take part, those with the largest weights;
        the gradient is that of all (straight through). All by default.

    Example
    -------
    >>> integrate = AugmentedResidualIntegration(n_layers=3, size=6)
    >>> levels = [torch.randn(2, 5, 6) for _ in range(3)]
    >>> lens = torch.tensor([5, 5])
    >>> bool((integrate(levels, lens) == levels[-1]).all())  # untrained
    True
    """

    def __init__(self, n_layers, size, bottleneck=128, top_k=None):
        super().__init__()
        if top_k is not None and (type(top_k) is not int or top_k < 1):
            raise SerMtlError(
                f"top_k: {top_k}; expected how many levels take part, 1 or "
                "more, or nothing for all."
            )
        self.top_k = top_k
        self.layers = torch.nn.ModuleList(
            _Residual(n_sources, size, bottleneck)
            for n_sources in range(1, n_layers)
        )

    def forward(self, levels, lens):
        """Makes what enters the next layer.

        Arguments
        ---------
        levels : list of torch.Tensor
            Those below the layer, h_0 to h_{l-1}, each [B, T, D].
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, T, D]; h_{l-1} itself where nothing is below it.
        """
        *below, hidden = levels
        if not below:
            return hidden
        added = self.layers[len(below) - 1](below, self.weights(len(below)))
        return zero_padding(hidden + added, lens)

    def weights(self, n_sources):
        """The share of each of so many levels, shape [n_sources]."""
        weights = self.layers[n_sources - 1].scores.softmax(dim=0)
        if self.top_k is None or self.top_k >= n_sources:
            return weights
        largest = weights.topk(self.top_k).indices
        chosen = torch.zeros_like(weights).index_copy(
            0, largest, weights[largest] / weights[largest].sum()
        )
        return weights + (chosen - weights).detach()


class _Residual(torch.nn.Module):
    """What is added to the input of one layer."""

    def __init__(self, n_sources, size, bottleneck):
        super().__init__()
        self.scores = torch.nn.Parameter(torch.zeros(n_sources))
        self.norm = torch.nn.LayerNorm(size)
        self.down = torch.nn.Linear(size, bottleneck)
        self.up = torch.nn.Linear(bottleneck, size)
        torch.nn.init.zeros_(self.up.weight)
        torch.nn.init.zeros_(self.up.bias)

    def forward(self, below, weights):
        """Of levels [B, T, D] and their shares."""
        # one after the other: side by side they would be held once more
        mixed = sum(w * self.norm(level) for w, level in zip(weights, below))
        return self.up(torch.nn.functional.gelu(self.down(mixed)))
