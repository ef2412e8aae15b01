"""What was done to a clip before the encoder heard it."""

from ser_mtl_modules.augment.kinds import NONE
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.tasks.classification import Classification


class AugmentationType(Classification):
    """Tells the kinds of augmentation apart, and clips that are as they were.

    An auxiliary task of MTL-AUG (https://arxiv.org/abs/2207.05298), whose
    labels are those that ``augment`` gives a batch. In evaluation nothing is
    augmented, so there is no loss, and nothing is written down.

    Arguments
    ---------
    input_size : int
        d of the features.
    kinds : dict
        Those that `RandomKind` draws from, by name.
    hidden_size, dropout
        As for `Classification`.

    Example
    -------
    >>> AugmentationType(8, {"speed": None, "noise": None}).classes
    ['none', 'speed', 'noise']
    """

    def __init__(self, input_size, kinds, hidden_size=None, dropout=0.0):
        super().__init__(
            input_size,
            [NONE, *kinds],
            label="augmentation",
            hidden_size=hidden_size,
            dropout=dropout,
        )

    def target(self, batch):
        """Class indices, shape [B]; None in evaluation."""
        if not self.training:
            return None
        if not hasattr(batch, self.label):
            raise SerMtlError(
                "auxiliary_tasks has one that learns the kind of augmentation, "
                "and augment does not say it. Give "
                "--augment='!new:ser_mtl_modules.augment.kinds.RandomKind "
                "{kinds: !ref <kinds>}', or leave the task out."
            )
        return super().target(batch)

    def loss(self, prediction, target):
        """Cross-entropy; None in evaluation."""
        return None if target is None else super().loss(prediction, target)

    def describe(self, prediction, batch):
        """Nothing: no clip was augmented."""
        return [{} for _ in batch.id]
