"""A running average of the weights, which evaluation uses."""

import torch


class WeightAverage(torch.nn.Module):
    """An exponential moving average of a module's parameters and buffers.

    Polyak and Juditsky, 1992. On little data the average is a good deal
    better than the last weights. Its memory is shorter in the beginning,
    min(decay, (1 + n) / (10 + n)) after n updates, so that the first weights
    are forgotten.

    Arguments
    ---------
    module : torch.nn.Module
        What is averaged; not changed here but by `swap`.
    decay : float
        In [0, 1); 0 keeps the last weights.

    Example
    -------
    >>> layer = torch.nn.Linear(1, 1, bias=False)
    >>> average = WeightAverage(layer, decay=0.5)
    >>> first = layer.weight.item()
    >>> _ = layer.weight.data.add_(1.0)
    >>> average.update(layer)
    >>> average.swap(layer)
    >>> round(layer.weight.item() - first, 3)  # (1 + 0) / (10 + 0) is kept
    0.9
    """

    def __init__(self, module, decay):
        super().__init__()
        self.decay = decay
        self.register_buffer("n_updates", torch.zeros((), dtype=torch.long))
        self.register_buffer("average", self._flat(module))

    @staticmethod
    def _tensors(module):
        """What training changes: not what is frozen, not the counters."""
        tensors = [p for p in module.parameters() if p.requires_grad]
        tensors += list(module.buffers())
        return [t for t in tensors if t.is_floating_point()]

    @classmethod
    def _flat(cls, module):
        """All of it in one vector: one operation instead of hundreds."""
        parts = [t.detach().flatten().float() for t in cls._tensors(module)]
        return torch.cat(parts or [torch.zeros(0)])

    @torch.no_grad()
    def update(self, module):
        """Takes in the module's present weights."""
        n = self.n_updates.item()
        keep = min(self.decay, (1 + n) / (10 + n)) if self.decay else 0.0
        self.average.lerp_(self._flat(module), 1 - keep)
        self.n_updates += 1

    @torch.no_grad()
    def swap(self, module):
        """Exchanges the module's weights and the average, either way."""
        tensors = self._tensors(module)
        held = self._flat(module)
        parts = self.average.split([t.numel() for t in tensors])
        for tensor, part in zip(tensors, parts):
            tensor.copy_(part.view_as(tensor))
        self.average.copy_(held)
