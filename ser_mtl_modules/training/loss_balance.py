"""How far apart the terms of an objective are, before their weights.

A balance has a factor for each term, by which its weight is multiplied, and is
shown the terms of every training step, over the utterances of all ranks.
"""

import math


class Fixed:
    """Terms as they are: the weights of the YAML are the weights.

    Example
    -------
    >>> Fixed().factor("center")
    1.0
    """

    def observe(self, losses):
        """Looks at the terms of a step, which change nothing here."""

    def factor(self, term):
        """What the weight of a term is multiplied by."""
        return 1.0

    def state_dict(self):
        """What a checkpoint has to hold."""
        return {}

    def load_state_dict(self, state):
        """Gets back what `state_dict` gave."""


class Calibrated(Fixed):
    """Divides each term by its mean over the first batches of training.

    So each begins at about 1 and falls, and the weights say what counts how
    much. The first batches themselves take the mean of those seen so far;
    after them nothing changes any more, and a checkpoint holds the sums, so
    that a run that goes on has the factors it had. A value that is zero (a
    batch without positives) or not finite is left for the next batch.

    Arguments
    ---------
    n_batches : int
        How many values of each term are taken.

    Example
    -------
    >>> import torch
    >>> balance = Calibrated(n_batches=2)
    >>> for value in (3.0, 5.0, 100.0):
    ...     balance.observe({"center": torch.tensor(value)})
    >>> balance.factor("center")
    0.25
    """

    def __init__(self, n_batches=8):
        self.n_batches = n_batches
        self.sums = {}  # term: [sum, batches]

    def observe(self, losses):
        """Takes the terms of a step in, as long as there are too few."""
        for term, loss in losses.items():
            seen = self.sums.setdefault(term, [0.0, 0])
            if seen[1] < self.n_batches:
                value = loss.item()
                if 0 < value < math.inf:
                    seen[0] += value
                    seen[1] += 1

    def factor(self, term):
        """One over the mean of a term; 1 where nothing was seen of it."""
        total, n = self.sums.get(term, (0.0, 0))
        return n / total if n else 1.0

    def state_dict(self):
        """The sums."""
        return self.sums

    def load_state_dict(self, state):
        """Gets the sums back."""
        self.sums = state
