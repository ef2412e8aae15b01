"""How well classes are told apart: UA, WA, macro-F1, confusion.

Everything is computed from confusion matrices whose leading dimensions are
free, so that a thousand resamples cost about what one does (`intervals`).
"""

import numpy as np

from ser_mtl_modules.errors import SerMtlError, nearest


def confusions(targets, predictions, classes):
    """A confusion matrix of every utterance, with a single 1 in it.

    Arguments
    ---------
    targets : list of str
        The class of each utterance.
    predictions : list of str
        The class that was predicted for it.
    classes : list of str
        All classes; their order is that of rows and columns.

    Returns
    -------
    numpy.ndarray
        Shape [N, C, C]: utterance, target, prediction.

    Raises
    ------
    SerMtlError
        If a target or prediction is not among the classes: left out in
        silence, it would count for nothing.
    """
    index = {name: i for i, name in enumerate(classes)}
    for name in {*targets, *predictions}:
        if name not in index:
            raise SerMtlError(
                f"'{name}' is a target or prediction, but not one of the "
                f"classes. {nearest(name, classes)}"
            )
    one = np.eye(len(classes), dtype=np.int64)
    t = one[[index[name] for name in targets]]  # [N, C]
    p = one[[index[name] for name in predictions]]
    return t[:, :, None] * p[:, None, :]


def confusion(targets, predictions, classes):
    """Counts of utterances by target (rows) and prediction (columns).

    Arguments
    ---------
    targets : list of str
        The class of each utterance.
    predictions : list of str
        The class that was predicted for it.
    classes : list of str
        All classes, in the order of the matrix.

    Returns
    -------
    numpy.ndarray
        Shape [C, C].

    Example
    -------
    >>> confusion(["sad", "sad", "joy"], ["sad", "joy", "joy"], ["joy", "sad"])
    array([[1, 0],
           [1, 1]])
    """
    return confusions(targets, predictions, classes).sum(axis=0)


def mean_recall(matrix):
    """Unweighted accuracy (UA): the mean of the recalls of the classes.

    What guessing reaches is 1 / C, whatever the classes' sizes. Classes that
    the reference doesn't hold take no part; scikit-learn calls the same
    number balanced accuracy.

    Arguments
    ---------
    matrix : numpy.ndarray
        Confusion, shape [..., C, C].

    Returns
    -------
    numpy.ndarray
        Shape [...], in [0, 1]; NaN where nothing was counted.

    Example
    -------
    >>> mean_recall(np.array([[90, 0], [10, 0]]))  # only the large class
    np.float64(0.5)
    """
    hits, support, _ = _hits_support_predicted(matrix)
    return _ratio(_recalls(hits, support).sum(-1), (support > 0).sum(-1))


def accuracy(matrix):
    """Weighted accuracy (WA): the share of utterances that are right.

    Large classes weigh more: always naming the largest reaches its share.

    Arguments
    ---------
    matrix : numpy.ndarray
        Confusion, shape [..., C, C].

    Returns
    -------
    numpy.ndarray
        Shape [...], in [0, 1]; NaN where nothing was counted.

    Example
    -------
    >>> accuracy(np.array([[90, 0], [10, 0]]))
    np.float64(0.9)
    """
    hits, support, _ = _hits_support_predicted(matrix)
    return _ratio(hits.sum(-1), support.sum(-1))


def macro_f1(matrix):
    """The mean over all classes of F1 = 2 hits / (support + predicted).

    The class list is fixed: a class without hits counts 0, also one that the
    reference doesn't hold. So it drops where UA doesn't, when a fold lacks a
    class; pooled over the folds, both see every class.

    Arguments
    ---------
    matrix : numpy.ndarray
        Confusion, shape [..., C, C].

    Returns
    -------
    numpy.ndarray
        Shape [...], in [0, 1].

    Example
    -------
    >>> macro_f1(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).round(3)
    np.float64(0.489)
    """
    return _f1(*_hits_support_predicted(matrix)).mean(axis=-1)


def classification_scores(targets, predictions, classes):
    """UA, WA and macro-F1, and how each class fares.

    Arguments
    ---------
    targets : list of str
        The class of each utterance.
    predictions : list of str
        The class that was predicted for it.
    classes : list of str
        All classes.

    Returns
    -------
    dict
        ``UA``, ``WA``, ``macro_F1``, and ``by_class`` with ``recall``,
        ``precision``, ``F1`` and ``support`` (a count) of every class; all
        other values are fractions. What is not defined is absent: the recall
        of a class without utterances, the precision of one that was never
        predicted, and everything where there are no utterances at all.

    Example
    -------
    >>> scores = classification_scores("aab", "abb", classes="abc")
    >>> scores["UA"], scores["by_class"]["c"]
    (0.75, {'F1': 0.0, 'support': 0})
    """
    if not len(targets):
        return {}
    matrix = confusion(targets, predictions, classes)
    hits, support, predicted = _hits_support_predicted(matrix)
    by_class = {}
    for c, name in enumerate(classes):
        scores = {}
        if support[c]:
            scores["recall"] = float(hits[c] / support[c])
        if predicted[c]:
            scores["precision"] = float(hits[c] / predicted[c])
        scores["F1"] = float(_f1(hits, support, predicted)[c])
        scores["support"] = int(support[c])
        by_class[name] = scores
    return {
        "UA": float(mean_recall(matrix)),
        "WA": float(accuracy(matrix)),
        "macro_F1": float(macro_f1(matrix)),
        "by_class": by_class,
    }


def _hits_support_predicted(matrix):
    """Of every class, each of shape [..., C]."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)
    return hits, matrix.sum(axis=-1), matrix.sum(axis=-2)


def _recalls(hits, support):
    # where the support is 0, so are the hits
    return hits / np.where(support > 0, support, 1)


def _f1(hits, support, predicted):
    counted = support + predicted
    return 2 * hits / np.where(counted > 0, counted, 1)


def _ratio(part, whole):
    """NaN, and no warning, where the whole is 0."""
    whole = np.asarray(whole, dtype=float)
    return part / np.where(whole > 0, whole, np.nan)
