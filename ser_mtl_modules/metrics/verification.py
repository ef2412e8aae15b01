"""How well embeddings tell speakers apart that training never heard."""

from typing import NamedTuple

import numpy as np

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.randomness import key


class Trials(NamedTuple):
    """Pairs of utterances, each a question: is this the same speaker?"""

    first: np.ndarray  # [P], index of an utterance
    second: np.ndarray  # [P], index of a later one
    scores: np.ndarray  # [P], cosines in [-1, 1], single precision
    same: np.ndarray  # [P], booleans


def trials(embeddings, speakers, maximum=1_000_000):
    """All pairs of utterances whose speakers are known.

    Arguments
    ---------
    embeddings : numpy.ndarray
        Shape [N, E], of any norm.
    speakers : list of str
        Who speaks in each; an empty string where that isn't known.
    maximum : int
        Of pairs. Where there are more (1414 utterances have a million), so
        many are drawn; the same ones each time for the same number of
        utterances, so that models are asked the same questions.

    Returns
    -------
    Trials

    Example
    -------
    >>> z = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    >>> pairs = trials(z, ["Ann", "Ann", "Bob"])
    >>> for i, j, score, same in zip(*pairs):
    ...     print(i, j, score, same)
    0 1 1.0 True
    0 2 0.0 False
    1 2 0.0 False
    """
    speakers = np.asarray(speakers, dtype=str)
    z = np.asarray(embeddings, dtype=np.float64)  # [N, E]
    # the floor keeps an embedding of zeros at cosine 0
    z = z / np.linalg.norm(z, axis=1, keepdims=True).clip(min=1e-12)
    known = np.flatnonzero(speakers != "")
    first, second = (known[index] for index in _pairs(len(known), maximum))
    scores = np.empty(len(first), dtype=np.float32)
    # a block at a time: a million pairs of embeddings don't fit in memory
    for start in range(0, len(first), 2**16):
        block = slice(start, start + 2**16)
        products = z[first[block]] * z[second[block]]  # [block, E]
        scores[block] = products.sum(axis=1)
    return Trials(first, second, scores, speakers[first] == speakers[second])


def equal_error_rate(scores, same):
    """The error rate (EER) where as many trials go wrong either way.

    At that threshold the share of other-speaker trials that pass equals the
    share of same-speaker trials that don't. 0 is perfect, 0.5 is guessing,
    more than 0.5 means that the scores point the wrong way. It is read off
    the ROC, linear between the thresholds there are, and so depends on the
    order of the scores alone.

    Arguments
    ---------
    scores : numpy.ndarray
        Shape [P], higher for trials that look like one speaker.
    same : numpy.ndarray
        Booleans, shape [P].

    Returns
    -------
    float or None
        A fraction in [0, 1]; None where all trials are of one kind, as with
        a single speaker.

    Raises
    ------
    SerMtlError
        If a score is not finite.

    Example
    -------
    >>> equal_error_rate([0.9, 0.8, 0.3, 0.1], [True, True, False, False])
    0.0
    >>> equal_error_rate([0.9, 0.3, 0.8, 0.1], [True, True, False, False])
    0.5
    """
    scores = np.asarray(scores)
    same = np.asarray(same, dtype=bool)
    if same.all() or not same.any():
        return None
    if not np.isfinite(scores).all():
        raise SerMtlError(
            f"{(~np.isfinite(scores)).sum()} of {len(scores)} speaker trials "
            "have a score that is not finite, so there is no equal error "
            "rate. Look in train_log.txt for where the loss went astray."
        )
    # takes a third of a second, and training begins without
    from sklearn.metrics import roc_curve

    passed, found, _ = roc_curve(same, scores, drop_intermediate=False)
    gap = (1 - found) - passed  # from 1 down to -1, never up
    after = int(np.argmax(gap <= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    step = passed[after] - passed[after - 1]
    return float(passed[after - 1] + share * step)


def _pairs(n, maximum):
    """Indices i < j of pairs among n, all of them or ``maximum`` drawn ones."""
    later = np.arange(n - 1, -1, -1)  # how many pairs begin with each
    ends = later.cumsum()
    total = n * (n - 1) // 2
    if total > maximum:
        generator = np.random.default_rng(key("speaker trials", n, maximum))
        pairs = np.sort(generator.choice(total, maximum, replace=False))
    else:
        pairs = np.arange(total)
    i = np.searchsorted(ends, pairs, side="right")
    j = pairs - (ends[i] - later[i]) + i + 1
    return i, j
