"""One class for an utterance: emotion, gender, style."""

from typing import NamedTuple

import torch

from ser_mtl_modules.lobes.pooling import (
    AttentiveStatisticsPooling,
    UtteranceNorm,
)
from ser_mtl_modules.losses.cross_entropy import CrossEntropy
from ser_mtl_modules.losses.soft_targets import mix_targets
from ser_mtl_modules.tasks.base import Task


class ClassPrediction(NamedTuple):
    """What a classification predicts for a batch."""

    logits: torch.Tensor  # [B, C]
    embeddings: torch.Tensor  # [B, E], before the classifier, no activation


class Classification(Task):
    """Pools over time, and tells classes apart.

    With ``hidden_size`` the head is that of paper A's emotion task as we read
    it (f is what the contrastive losses see)::

        f = Linear(norm(ASP(feats)))
        logits = Linear(Dropout(ReLU(LayerNorm(f))))

    without, it is logits = Linear(Dropout(f)), f = norm(ASP(feats)).

    Arguments
    ---------
    input_size : int
        d of the features.
    classes : list of str
        Names, in the order of the logits.
    label : str
        The column of the manifest that holds the class.
    loss : callable, optional
        ``loss(logits [B, C], targets)`` with targets as `CrossEntropy` takes
        them, which is the default.
    hidden_size : int, optional
        Size of f; none for a linear classifier.
    dropout : float
        Before the last layer.
    prefix : str
        Of the columns that `describe` gives: ``"gender_"`` for gender.
    norm : callable
        Makes what follows the pooling, of its size: a batch norm, or
        ``LayerNorm`` where a batch holds clips that the task is not to see.
    soft_labels : RaterShares, optional
        Makes the targets from the votes of raters; without, a clip is all of
        its class.

    Example
    -------
    >>> task = Classification(8, ["F", "M"], label="gender", prefix="gender_")
    >>> prediction = task(torch.randn(3, 5, 8), torch.tensor([5, 4, 1]))
    >>> prediction.logits.shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        input_size,
        classes,
        label="emotion",
        loss=None,
        hidden_size=None,
        dropout=0.0,
        prefix="",
        norm=UtteranceNorm,
        soft_labels=None,
    ):
        super().__init__()
        self.soft_labels = soft_labels
        self.classes = list(classes)
        self.label = label
        self.prefix = prefix
        self.criterion = CrossEntropy() if loss is None else loss
        self.pool = AttentiveStatisticsPooling(input_size)
        size = self.pool.output_size
        self.norm = norm(size)
        if hidden_size is None:
            self.embed = torch.nn.Identity()
            between = []
        else:
            self.embed = torch.nn.Linear(size, hidden_size)
            size = hidden_size
            between = [torch.nn.LayerNorm(size), torch.nn.ReLU()]
        self.classify = torch.nn.Sequential(
            *between,
            torch.nn.Dropout(dropout),
            torch.nn.Linear(size, len(self.classes)),
        )

    def forward(self, feats, lens):
        """As `Task.forward`; gives a `ClassPrediction`."""
        embeddings = self.embed(self.norm(self.pool(feats, lens)))
        return ClassPrediction(self.classify(embeddings), embeddings)

    def check(self, rows):
        """As `Task.check`: there are soft labels if they are asked for."""
        if self.soft_labels is not None:
            self.soft_labels.check(rows, self.classes)

    def target(self, batch):
        """Class indices, shape [B]; -1 where the class is not among ours.

        Or soft labels, shape [B, C], if there are any.
        """
        device = self.classify[-1].weight.device
        labels = getattr(batch, self.label)
        hard = class_indices(labels, self.classes, device)
        if self.soft_labels is None:
            return hard
        return self.soft_labels(hard, batch.raters, self.classes)

    def mix(self, target, shares):
        """Distributions over classes, as `mix_targets` gives them."""
        return mix_targets(target, shares, len(self.classes))

    def loss(self, prediction, target):
        """The criterion on the logits."""
        return self.criterion(prediction.logits, target)

    def describe(self, prediction, batch):
        """Target, prediction, and the probability of every class.

        With soft labels also the raters' share of every class, as
        ``raters_<class>``; empty where there is no vote.
        """
        labels = getattr(batch, self.label)
        rows = describe_classes(
            prediction.logits, labels, self.classes, self.prefix
        )
        if self.soft_labels is not None:
            for row, votes in zip(rows, batch.raters):
                shares = self.soft_labels.of(votes, self.classes)
                row |= {
                    f"raters_{name}": share if any(shares) else ""
                    for name, share in zip(self.classes, shares)
                }
        return rows


def class_indices(labels, classes, device=None):
    """Places of labels among the classes, shape [B]; -1 where there is none."""
    index = {name: i for i, name in enumerate(classes)}
    places = [index.get(label, -1) for label in labels]
    return torch.tensor(places, device=device)


def describe_classes(logits, labels, classes, prefix=""):
    """Columns of ``predictions.csv`` for each utterance of a batch.

    Arguments
    ---------
    logits : torch.Tensor
        Shape [B, C].
    labels : list of str
        The targets; empty where unknown.
    classes : list of str
        C names.
    prefix : str
        Of the columns.

    Returns
    -------
    list of dict
        ``target``, ``prediction``, and ``p_<class>`` of every class.
    """
    p = logits.float().softmax(dim=1).cpu()  # [B, C]
    return [
        {
            f"{prefix}target": label,
            f"{prefix}prediction": classes[row.argmax()],
            **{
                f"{prefix}p_{name}": value
                for name, value in zip(classes, row.tolist())
            },
        }
        for label, row in zip(labels, p)
    ]
