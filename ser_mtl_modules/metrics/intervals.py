"""How far a score would move with other speakers.

The utterances of a speaker are alike, so speakers are what is resampled
(Efron, 1979, by whole groups): 1440 clips of 24 actors tell about as much as
24 measurements, not 1440.

A score is given as counts of every utterance and a statistic of their sum,
such as `classification.confusions` and `classification.mean_recall`. Counts
are summed by speaker once, and a resample is a weighted sum of these, which
makes thousands of them cheap.
"""

from typing import NamedTuple

import numpy as np

from ser_mtl_modules.randomness import key


class Interval(NamedTuple):
    """Where most resampled scores lie."""

    low: float
    high: float


class Difference(NamedTuple):
    """A score less another one, and where most resampled differences lie."""

    value: float
    low: float
    high: float

    @property
    def inside_noise(self):
        """Whether other speakers could have turned the difference around."""
        return self.low <= 0 <= self.high


def interval(counts, groups, statistic, n=2000, level=0.95, seed=1986):
    """The percentile bootstrap interval of a score, over groups.

    Read it as the scores to expect of this very model with as many other
    speakers. It knows nothing of another seed's training. With few groups it
    is too narrow: 4 speakers have only 35 different resamples.

    Arguments
    ---------
    counts : numpy.ndarray
        Of every utterance, shape [N, ...].
    groups : list of str
        The speaker of each utterance.
    statistic : callable
        From sums of counts, shape [n, ...], to scores, shape [n].
    n : int
        Resamples.
    level : float
        The share of resampled scores within the interval.
    seed : int
        Which resamples are drawn.

    Returns
    -------
    Interval or None
        None for fewer than two groups: nothing is known of others then.

    Example
    -------
    >>> from ser_mtl_modules.metrics.classification import (
    ...     accuracy,
    ...     confusions,
    ... )
    >>> counts = confusions("aaaa", "aaab", classes="ab")
    >>> interval(counts, ["Ann", "Ann", "Bob", "Bob"], accuracy)
    Interval(low=0.5, high=1.0)
    """
    sums = _sums_by_group(counts, groups)
    if len(sums) < 2:
        return None
    scores = statistic(_resampled(sums, n, seed))
    return Interval(*_middle(scores, level))


def paired_difference(
    counts_a, counts_b, groups, statistic, n=2000, level=0.95, seed=1986
):
    """The score of A less that of B, with its interval.

    Both are scored on the same resampled speakers each time, so what makes a
    speaker hard for both cancels out, and the interval is narrower than those
    of A and B let one guess.

    Arguments
    ---------
    counts_a : numpy.ndarray
        Counts of A for every utterance, shape [N, ...].
    counts_b : numpy.ndarray
        Counts of B for the same utterances in the same order.
    groups : list of str
        The speaker of each utterance.
    statistic : callable
        From sums of counts, shape [n, ...], to scores, shape [n].
    n : int
        Resamples.
    level : float
        The share of resampled differences within the interval.
    seed : int
        Which resamples are drawn.

    Returns
    -------
    Difference or None
        None for fewer than two groups.
    """
    sums_a = _sums_by_group(counts_a, groups)
    sums_b = _sums_by_group(counts_b, groups)
    if len(sums_a) < 2:
        return None
    value = statistic(sums_a.sum(axis=0)) - statistic(sums_b.sum(axis=0))
    # one seed, so the same groups are drawn for both
    resampled_a = statistic(_resampled(sums_a, n, seed))
    resampled_b = statistic(_resampled(sums_b, n, seed))
    return Difference(float(value), *_middle(resampled_a - resampled_b, level))


def _sums_by_group(counts, groups):
    """Sums of the counts of each group, shape [G, ...]."""
    names, group_of = np.unique(groups, return_inverse=True)
    counts = np.asarray(counts)
    if len(counts) != len(group_of):
        raise ValueError(
            f"There are counts of {len(counts)} utterances and groups of "
            f"{len(group_of)}; each utterance needs both."
        )
    sums = np.zeros((len(names), *counts.shape[1:]))
    np.add.at(sums, group_of, counts)
    return sums


def _resampled(sums, n, seed):
    """Sums over as many groups, drawn with replacement, shape [n, ...]."""
    n_groups = len(sums)
    generator = np.random.default_rng(key(seed, "bootstrap"))
    # how often each group is drawn: all that matters to a sum
    times = generator.multinomial(
        n_groups, np.full(n_groups, 1 / n_groups), size=n
    )
    return np.tensordot(times, sums, axes=1)


def _middle(scores, level):
    """The quantiles that leave out as much below as above."""
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
