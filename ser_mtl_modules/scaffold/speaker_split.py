"""Which speakers train, validate and test: as even a split as can be had."""

from itertools import combinations

import numpy as np

from ser_mtl_modules.dataio.card_schema import SETS

SHARES = np.array([0.6, 0.2, 0.2])  # of the clips, in the order of SETS
# Of so many speakers all exchanges are tried. Of more, those that come last are
# small, and moving them is even enough.
FEW = 50
# A set without a clip is worse than one without a class, in train above all
EMPTY, NOT_TRAINED, NOT_TESTED = 1000.0, 100.0, 1.0
TINY = 1e-7  # less than a clip's share, more than what rounding makes of none


def split_speakers(rows):
    """Sets of speakers with the shares of clips, genders and emotions wanted.

    Speakers are put where most is missing, the largest first; then they are
    moved and exchanged as long as that makes the split more even. The same
    rows, in whatever order, give the same split.

    Arguments
    ---------
    rows : list of dict
        Clips of three speakers or more, with speaker, gender and emotion.

    Returns
    -------
    dict
        Name of a set -> sorted list of speakers.

    Example
    -------
    >>> rows = [
    ...     {"speaker": f"{gender}{i}", "gender": gender, "emotion": emotion}
    ...     for gender in "FM"
    ...     for i in range(5)
    ...     for emotion in ("calm", "sad")
    ... ]
    >>> sets = split_speakers(rows)
    >>> {name: "".join(who[0] for who in sets[name]) for name in sets}
    {'train': 'FFFMMM', 'valid': 'FM', 'test': 'FM'}
    """
    speakers, shares, weights, emotions = _shares(rows)

    def cost(totals):
        """Squared differences from what is wanted, and what is missing."""
        missing = (totals[:, emotions] == 0).sum(1)
        return (
            ((totals - SHARES[:, None]) ** 2 @ weights).sum()
            + EMPTY * (totals[:, 0] == 0).sum()
            + NOT_TRAINED * missing[0]
            + NOT_TESTED * missing[1:].sum()
        )

    places = _fill(shares, weights)
    _improve(shares, places, cost)
    return {
        set_: sorted(speakers[i] for i in np.flatnonzero(places == place))
        for place, set_ in enumerate(SETS)
    }


def _shares(rows):
    """Speakers, the largest first, and what they have of all there is.

    Returns the speakers, their shares [speaker, kind] of all clips, of those
    of each gender and of each emotion, the weights [kind] of these, and a mask
    [kind] of what is an emotion. Clips, genders and emotions weigh alike.
    """
    kinds, weights = [("clips", "")], [1.0]
    for column in ("gender", "emotion"):
        values = sorted({row[column] for row in rows})
        kinds += [(column, value) for value in values]
        weights += [1 / len(values)] * len(values)
    place = {kind: i for i, kind in enumerate(kinds)}
    counts = {row["speaker"]: np.zeros(len(kinds)) for row in rows}
    for row in rows:
        of_row = [(column, row[column]) for column in ("gender", "emotion")]
        of_row = [0, *(place[kind] for kind in of_row)]
        counts[row["speaker"]][of_row] += 1
    speakers = sorted(counts, key=lambda who: (-counts[who][0], who))
    shares = np.stack([counts[who] for who in speakers])
    emotions = np.array([column == "emotion" for column, _ in kinds])
    return speakers, shares / shares.sum(0), np.array(weights), emotions


def _fill(shares, weights):
    """The set of each speaker, put where most is missing."""
    missing = np.repeat(SHARES[:, None], shares.shape[1], axis=1)
    places = []
    for share in shares:
        # what the sum of squares falls by
        gain = (missing**2 - (missing - share) ** 2) @ weights
        places.append(int(np.argmax(gain)))
        missing[places[-1]] -= share
    return np.array(places)


def _improve(shares, places, cost):
    """Moves and exchanges speakers, as long as one of these helps."""
    totals = np.stack([shares[places == i].sum(0) for i in range(len(SETS))])
    best, before = cost(totals), np.inf
    while best < before:
        before = best
        for change in _changes(places):
            changed = totals.copy()
            for i, place in change.items():
                changed[places[i]] -= shares[i]
                changed[place] += shares[i]
            changed[np.abs(changed) < TINY] = 0  # of rounding
            if cost(changed) < best - TINY:
                best, totals = cost(changed), changed
                places[list(change)] = list(change.values())


def _changes(places):
    """Speaker -> new set, of every move, and of exchanges of two."""
    n = len(places)
    for i in range(n):
        for place in range(len(SETS)):
            yield {i: place}
    for i, j in combinations(range(n), 2) if n <= FEW else ():
        if places[i] != places[j]:
            yield {i: places[j], j: places[i]}
