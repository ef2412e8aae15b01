"""All tasks' features side by side."""

import torch

from ser_mtl_modules.lobes.co_attention.base import CoAttention
from ser_mtl_modules.lobes.masking import frame_mask


class Concatenate(CoAttention):
    """A linear layer on the features of all tasks, frame by frame.

    U = W [main ; F_1 ; ... ; F_K] + b: the fusion without attention, which
    the others have to beat.

    Arguments
    ---------
    feature_size : int
        d.
    auxiliaries : list of str
        Names of the auxiliary tasks.
    """

    def __init__(self, feature_size, auxiliaries):
        super().__init__()
        self.auxiliaries = auxiliaries
        self.project = torch.nn.Linear(
            (1 + len(auxiliaries)) * feature_size, feature_size
        )

    def forward(self, main, auxiliaries, lens):
        """As `CoAttention.forward`."""
        others = [auxiliaries[name] for name in self.auxiliaries]
        fused = self.project(torch.cat([main, *others], dim=-1))
        mask = frame_mask(lens, main.shape[1])
        return fused.masked_fill(~mask.unsqueeze(-1), 0.0)

    def amounts(self, main, auxiliaries, lens):
        """As `CoAttention.amounts`: the lengths of W_k F_k."""
        _, *weights = self.project.weight.split(main.shape[-1], dim=1)
        return {
            name: (auxiliaries[name] @ weight.T).norm(dim=-1)
            for name, weight in zip(self.auxiliaries, weights)
        }
