"""How far numbers agree with raters' numbers."""

import numpy as np


def concordance(references, estimates):
    """Lin's concordance correlation coefficient (CCC).

    Lin, 1989 (https://doi.org/10.2307/2532051). 1 is perfect, 0 is chance, -1
    the contrary. Unlike Pearson's correlation it falls where estimates are on
    another scale. It is of all utterances together: a mean over batches or
    folds is another number.

    Arguments
    ---------
    references : list of float
        What raters said.
    estimates : list of float
        What was estimated, in the same order.

    Returns
    -------
    float or None
        None where it is not defined: fewer than two utterances, or all
        numbers the same.

    Example
    -------
    >>> concordance([1, 2, 3], [1, 2, 3]), concordance([1, 2, 3], [3, 2, 1])
    (1.0, -1.0)
    """
    x = np.asarray(references, dtype=np.float64)
    y = np.asarray(estimates, dtype=np.float64)
    if len(x) < 2:
        return None
    apart = (x.mean() - y.mean()) ** 2
    spread = x.var() + y.var() + apart
    covariance = ((x - x.mean()) * (y - y.mean())).mean()
    return float(2 * covariance / spread) if spread > 0 else None
