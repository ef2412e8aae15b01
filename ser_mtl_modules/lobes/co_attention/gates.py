"""How much of what was attended to comes through.

A gate looks at the main task's features and at what was attended to in each
auxiliary task; it is called as ``gate(main [B, T, d], attended [K, B, T, d])``
and gives factors [K, B, T, d].
"""

import torch


class SigmoidGates(torch.nn.Module):
    """Each task on its own: g_k = sigmoid(W_k [main ; A_k] + b_k).

    Arguments
    ---------
    feature_size : int
        d.
    n_tasks : int
        K.
    """

    def __init__(self, feature_size, n_tasks):
        super().__init__()
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(2 * feature_size, feature_size)
            for _ in range(n_tasks)
        )

    def scores(self, main, attended):
        """What the gates are made of, shape [K, B, T, d]."""
        pairs = zip(self.layers, attended)
        return torch.stack(
            [layer(torch.cat([main, a], dim=-1)) for layer, a in pairs]
        )

    def forward(self, main, attended):
        """Factors in (0, 1), shape [K, B, T, d]."""
        return self.scores(main, attended).sigmoid()


class SoftmaxGates(SigmoidGates):
    """Tasks compete: softmax over k of W_k [main ; A_k] + b_k.

    In each frame and feature the factors sum to 1; a single task always comes
    through whole.
    """

    def forward(self, main, attended):
        """Factors that sum to 1 over the tasks, shape [K, B, T, d]."""
        return self.scores(main, attended).softmax(dim=0)


class NoGates(torch.nn.Module):
    """Everything comes through; the arguments of `SigmoidGates`."""

    def __init__(self, feature_size, n_tasks):
        super().__init__()

    def forward(self, main, attended):
        """Ones, shape [K, B, T, d]."""
        return torch.ones_like(attended)
