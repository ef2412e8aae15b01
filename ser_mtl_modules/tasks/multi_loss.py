"""One class for an utterance, learned by several losses at once."""

from typing import NamedTuple

import torch

from ser_mtl_modules.losses.kl_divergence import KLDivergence
from ser_mtl_modules.losses.soft_targets import main_class, mix_targets
from ser_mtl_modules.tasks.base import Task
from ser_mtl_modules.tasks.classification import class_indices, describe_classes


class MultiLossPrediction(NamedTuple):
    """What is predicted for a batch, and what it was predicted from."""

    logits: torch.Tensor  # [B, C]
    embeddings: torch.Tensor  # [B, E], before the classifier
    frames: torch.Tensor  # [B, T, D], those that are pooled
    lens: torch.Tensor  # [B]


class MultiLossClassification(Task):
    """Pools over time, and tells classes apart in a small linear space.

    The head of the multi-loss method (https://arxiv.org/abs/2512.04551), with
    nothing between its two layers, as the code it builds on has it::

        f = Linear(pool(feats))        E = 64, the space of the centers
        logits = Linear(f)

    Losses on f are those of every recipe, its ``embedding_losses``. The others
    are here: the task's own, under the task's name, and further ones by the
    names of their weights. Those on frames take the class that most of a
    mixed clip belongs to, those on logits its soft label.

    Arguments
    ---------
    input_size : int
        D of the features.
    classes : list of str
        Names, in the order of the logits.
    pool : callable
        Makes a pooling (``lobes/pooling.py``) of an input size.
    size : int
        E.
    norm : callable
        Makes what stands between pooling and f, of its size; ``Identity`` as
        in the paper, ``UtteranceNorm`` where an encoder isn't pre-trained.
    loss : callable, optional
        ``loss(logits [B, C], targets [B] or [B, C])``, `KLDivergence` by
        default.
    logit_losses : dict of str to torch.nn.Module, optional
        Called as ``loss`` is.
    frame_losses : dict of str to torch.nn.Module, optional
        ``loss(frames [B, T, D], lens [B], labels [B])``.
    label : str
        The column of the manifest that holds the class.

    Example
    -------
    >>> from ser_mtl_modules.lobes.pooling import MeanPooling
    >>> task = MultiLossClassification(8, ["calm", "sad"], MeanPooling)
    >>> prediction = task(torch.randn(3, 5, 8), torch.tensor([5, 4, 1]))
    >>> prediction.logits.shape, prediction.embeddings.shape
    (torch.Size([3, 2]), torch.Size([3, 64]))
    """

    def __init__(
        self,
        input_size,
        classes,
        pool,
        size=64,
        norm=torch.nn.Identity,
        loss=None,
        logit_losses=None,
        frame_losses=None,
        label="emotion",
    ):
        super().__init__()
        self.classes = list(classes)
        self.label = label
        self.pool = pool(input_size)
        self.norm = norm(self.pool.output_size)
        self.embed = torch.nn.Linear(self.pool.output_size, size)
        self.classify = torch.nn.Linear(size, len(self.classes))
        self.criterion = KLDivergence() if loss is None else loss
        self.logit_losses = torch.nn.ModuleDict(logit_losses or {})
        self.frame_losses = torch.nn.ModuleDict(frame_losses or {})

    def forward(self, feats, lens):
        """As `Task.forward`; gives a `MultiLossPrediction`."""
        frames = self.pool.frames(feats, lens)
        embeddings = self.embed(self.norm(self.pool.over(frames, lens)))
        logits = self.classify(embeddings)
        return MultiLossPrediction(logits, embeddings, frames, lens)

    def target(self, batch):
        """Class indices, shape [B]; -1 where the class is not among ours."""
        device = self.classify.weight.device
        return class_indices(getattr(batch, self.label), self.classes, device)

    def mix(self, target, shares):
        """Distributions over classes, as `mix_targets` gives them."""
        return mix_targets(target, shares, len(self.classes))

    def loss(self, prediction, target):
        """The task's own loss, on the logits."""
        return self.criterion(prediction.logits, target)

    def losses(self, name, prediction, target, wanted):
        """As `Task.losses`: its own, those on logits, those on frames."""
        logits, _, frames, lens = prediction
        labels = main_class(target)
        return {
            name: self.loss(prediction, target),
            **{
                term: loss(logits, target)
                for term, loss in self.logit_losses.items()
                if wanted(term)
            },
            **{
                term: loss(frames, lens, labels)
                for term, loss in self.frame_losses.items()
                if wanted(term)
            },
        }

    def describe(self, prediction, batch):
        """Target, prediction, and the probability of every class."""
        labels = getattr(batch, self.label)
        return describe_classes(prediction.logits, labels, self.classes)
