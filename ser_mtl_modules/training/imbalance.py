"""What is done about rare classes: weights in losses, sampling, or nothing.

One object of the YAML decides for losses and batches together, as correcting
in both would correct twice. Every kind has

``by_class``
    whether the batches of train hold all classes equally often,
``loss_counts(class_counts)``
    which gives the counts that losses make their weights of,
``check(modules)``
    which refuses losses that do something else than the object says.
"""

import torch

from ser_mtl_modules.errors import SerMtlError

HOW = f"--imbalance='!new:{__name__}.%s {{}}'"


class ByWeights:
    """Losses weigh a class by how rare it is; batches are as they come.

    Example
    -------
    >>> ByWeights().loss_counts([8, 2])
    [8, 2]
    """

    by_class = False

    def loss_counts(self, class_counts):
        """The counts of train."""
        return class_counts

    def check(self, modules):
        """Refuses modules of which no loss weighs classes.

        Arguments
        ---------
        modules : dict of str to torch.nn.Module
            All that is trained, losses within.

        Raises
        ------
        SerMtlError
        """
        if not class_weights(modules):
            raise SerMtlError(
                "imbalance: ByWeights, and no loss of this YAML weighs "
                f"classes. Give {HOW % 'BySampling'} to draw all classes "
                f"equally often, or {HOW % 'Uncorrected'}."
            )


class BySampling:
    """Batches hold all classes equally often, and losses weigh them alike.

    Example
    -------
    >>> BySampling().loss_counts([8, 2, 0])  # no loss expects the absent one
    [1, 1, 0]
    """

    by_class = True

    def loss_counts(self, class_counts):
        """Equal ones, of the classes that there are."""
        return [min(count, 1) for count in class_counts]

    def check(self, modules):
        """Refuses modules of which a loss weighs classes: that is twice.

        Arguments
        ---------
        modules : dict of str to torch.nn.Module
            As for `ByWeights.check`.

        Raises
        ------
        SerMtlError
        """
        _refuse_weights(modules, "BySampling", "that would correct twice")


class Uncorrected(BySampling):
    """Neither: batches are as they come, and losses weigh classes alike."""

    by_class = False

    def check(self, modules):
        """As `BySampling.check`."""
        _refuse_weights(modules, "Uncorrected", "that is a correction")


def loss_counts(imbalance, class_counts):
    """The counts that a YAML's losses make their weights of.

    Arguments
    ---------
    imbalance : ByWeights, BySampling or Uncorrected
        Which of them.
    class_counts : list of int
        Clips of each class in train.

    Returns
    -------
    list of int
    """
    return imbalance.loss_counts(class_counts)


def class_weights(modules):
    """The weights of every loss that has some, by its place.

    Arguments
    ---------
    modules : dict of str to torch.nn.Module
        As for `ByWeights.check`.

    Returns
    -------
    dict of str to torch.Tensor
        Shape [C] each; 0 for a class that train has not.
    """
    found = {
        place: getattr(module, "class_weights", None)
        for place, module in torch.nn.ModuleDict(modules).named_modules()
    }
    return {p: weights for p, weights in found.items() if weights is not None}


def _refuse_weights(modules, kind, why):
    for place, weights in class_weights(modules).items():
        present = weights[weights > 0]
        if not torch.allclose(present, present.mean()):
            raise SerMtlError(
                f"imbalance: {kind}, and {place} weighs classes by their "
                f"counts; {why}. Give losses the YAML's loss_counts instead of "
                f"class_counts, or leave it to the weights: {HOW % 'ByWeights'}."
            )
