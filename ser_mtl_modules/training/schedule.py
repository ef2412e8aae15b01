"""Learning rates as functions of how far training has come.

A schedule maps progress in [0, 1] to a factor on the learning rate. Being a
function, it has no state to save, and a resumed run cannot get it wrong.
"""

import math


def epochs_of(n_steps, class_counts, batch_size, least=1):
    """As many epochs as take a number of steps, or a few more.

    A recipe that was tuned on one corpus then trains as long on a smaller one,
    and hears the clips of a larger one as often.

    Arguments
    ---------
    n_steps : int
        Of the optimizer, in the whole training.
    class_counts : list of int
        Clips of train by class.
    batch_size : int
        Clips of a batch.
    least : int
        Epochs, of a large corpus.

    Returns
    -------
    int

    Example
    -------
    >>> epochs_of(900, class_counts=[500, 460], batch_size=16)
    15
    >>> epochs_of(900, class_counts=[100, 328], batch_size=16)
    34
    >>> epochs_of(900, class_counts=[4000, 1000], batch_size=16, least=15)
    15
    """
    n_batches = math.ceil(sum(class_counts) / batch_size)
    return max(least, math.ceil(n_steps / n_batches))


def constant(progress):
    """No schedule: the factor is 1."""
    return 1.0


def warmup_cosine(progress, warmup=0.1):
    """Rises linearly, then falls along half a cosine to 0.

    Arguments
    ---------
    progress : float
        Share of training that is done, in [0, 1].
    warmup : float
        Share of training in which the rate rises.

    Returns
    -------
    float
        In [0, 1].

    Example
    -------
    >>> [round(warmup_cosine(p / 10, 0.2), 3) for p in (0, 1, 2, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def decay_by_epoch(progress, n_epochs, factor=0.875, warmup=0.0):
    """Multiplied by the same factor after every epoch.

    Arguments
    ---------
    progress : float
        Share of training that is done, the step at hand included.
    n_epochs : int
        Of the whole training.
    factor : float
        Of an epoch to the one before.
    warmup : float
        Share of training in which the rate rises, on top of that.

    Returns
    -------
    float
        In [0, 1].

    Example
    -------
    >>> [decay_by_epoch(p / 8, 4, factor=0.5) for p in (1, 2, 3, 4, 8)]
    [1.0, 1.0, 0.5, 0.5, 0.125]
    """
    # the last step of an epoch belongs to it, whatever rounding says
    epochs_done = max(math.ceil(progress * n_epochs - 1e-9) - 1, 0)
    rise = min(progress / warmup, 1.0) if warmup else 1.0
    return rise * factor**epochs_done
