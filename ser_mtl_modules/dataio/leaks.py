"""Two mistakes that make a score look better than it is, made on purpose.

``CARD+random_split`` and ``CARD+chosen_on_test`` are the card with the mistake
in it, so that what it is worth can be measured (``experiments/leak_meter.py``).
They are cards of other names: no report puts their scores beside real ones.
"""

from collections import Counter

import torch

from ser_mtl_modules.randomness import generator


def random_split(sets, earlier):
    """The same clips dealt out at random: speakers are in all sets.

    Every set keeps as many clips of each class as it has, and where the card's
    test sets have no clip in common, nor have these.

    Arguments
    ---------
    sets : dict
        Name of a set -> ID -> row, as the card says.
    earlier : list of dict
        The same of the card's folds before this one.

    Returns
    -------
    dict
        As ``sets``.

    Example
    -------
    >>> rows = {
    ...     f"{speaker}{i}": {"speaker": speaker, "emotion": "calm"}
    ...     for speaker in "abc"
    ...     for i in range(4)
    ... }
    >>> sets = {
    ...     set_: {i: row for i, row in rows.items() if i[0] == speaker}
    ...     for set_, speaker in (("train", "a"), ("valid", "b"), ("test", "c"))
    ... }
    >>> dealt = random_split(sets, [])
    >>> {
    ...     set_: "".join(sorted(i[0] for i in ids))
    ...     for set_, ids in dealt.items()
    ... }
    {'train': 'abbb', 'valid': 'aabc', 'test': 'accc'}
    """
    rows = {i: row for members in sets.values() for i, row in members.items()}
    tested = [_classes(fold["test"]) for fold in earlier]
    dealt = {set_: {} for set_ in sets}
    for class_ in sorted({row["emotion"] for row in rows.values()}):
        ids = sorted(i for i, row in rows.items() if row["emotion"] == class_)
        drawn = generator("random split", class_)
        order = torch.randperm(len(ids), generator=drawn).tolist()
        begin = sum(counts[class_] for counts in tested) % len(ids)
        order = iter(order[begin:] + order[:begin])
        for set_ in ("test", "valid", "train"):
            for _ in range(_classes(sets[set_])[class_]):
                i = ids[next(order)]
                dealt[set_][i] = rows[i]
    return {set_: dict(sorted(m.items())) for set_, m in dealt.items()}


def _classes(rows):
    return Counter(row["emotion"] for row in rows.values())


def chosen_on_test(sets, earlier):
    """The test set in valid's place: it chooses the epoch that it scores.

    Arguments
    ---------
    sets, earlier : dict, list of dict
        As for `random_split`.

    Returns
    -------
    dict
        As ``sets``.
    """
    return {**sets, "valid": sets["test"]}


LEAKS = {"random_split": random_split, "chosen_on_test": chosen_on_test}
