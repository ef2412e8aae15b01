"""How raters placed an utterance: arousal, valence and dominance."""

import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.pooling import (
    AttentiveStatisticsPooling,
    UtteranceNorm,
)
from ser_mtl_modules.losses.concordance import concordance_loss
from ser_mtl_modules.randomness import untouched
from ser_mtl_modules.tasks.base import Task

ATTRIBUTES = ("arousal", "valence", "dominance")


class Attributes(Task):
    """Pools over time, and estimates arousal, valence and dominance.

    Trained for concordance within a batch, as the multi-task baseline of the
    MSP-Podcast challenge; the metric is that of the whole test set. Of the
    linear layer's numbers -1 and 1 are the ends of the raters' scale, which
    is also that of what is written down::

        f = Linear(Dropout(norm(ASP(feats)))), f in R ^ 3

    Arguments
    ---------
    input_size : int
        d of the features.
    scale : list of float
        Lowest and highest that a rater can say.
    dropout : float
        Before the linear layer.

    Example
    -------
    >>> task = Attributes(8, scale=[1, 7])
    >>> task(torch.randn(2, 5, 8), torch.tensor([5, 3])).shape
    torch.Size([2, 3])
    """

    def __init__(self, input_size, scale, dropout=0.0):
        super().__init__()
        lowest, highest = scale
        self.middle = (lowest + highest) / 2
        self.reach = (highest - lowest) / 2
        # a YAML that describes this task begins as one that doesn't
        with untouched():
            self.pool = AttentiveStatisticsPooling(input_size)
            size = self.pool.output_size
            self.norm = UtteranceNorm(size)
            self.dropout = torch.nn.Dropout(dropout)
            self.estimate = torch.nn.Linear(size, len(ATTRIBUTES))

    def check(self, rows):
        """As `Task.check`: some attribute is known of some clip."""
        if not any(row[name] for row in rows.values() for name in ATTRIBUTES):
            raise SerMtlError(
                "auxiliary_tasks: attributes, and no clip of train has "
                f"{', '.join(ATTRIBUTES)} in the manifest: the corpus, or this "
                "release of it, has none. Leave attributes out."
            )

    def forward(self, feats, lens):
        """As `Task.forward`; gives estimates in [-1, 1] or so, shape [B, 3]."""
        return self.estimate(self.dropout(self.norm(self.pool(feats, lens))))

    def target(self, batch):
        """Raters' means in [-1, 1], shape [B, 3]; NaN where unknown."""
        rated = [
            [float(value or "nan") for value in getattr(batch, name)]
            for name in ATTRIBUTES
        ]
        rated = torch.tensor(rated, device=self.estimate.weight.device).T
        return (rated - self.middle) / self.reach

    def loss(self, prediction, target):
        """One minus concordance, mean over attributes.

        None in evaluation: concordance of a batch is not that of the set.
        """
        return concordance_loss(prediction, target) if self.training else None

    def describe(self, prediction, batch):
        """``arousal_target`` and ``arousal_estimate``, and so on."""
        estimates = self.middle + self.reach * prediction.float().cpu()
        return [
            {
                f"{name}_{what}": value
                for name, pair in zip(ATTRIBUTES, zip(rated, row))
                for what, value in zip(("target", "estimate"), pair)
            }
            for rated, row in zip(
                zip(*(getattr(batch, name) for name in ATTRIBUTES)),
                estimates.tolist(),
            )
        ]
