"""Variants of a card: the same folds with other classes."""


def vary(card, merge, keep, also):
    """A card with some of its classes merged, dropped, or added.

    Arguments
    ---------
    card : dict
        As `card_schema.read_card` makes it.
    merge : dict
        Class -> the class that its clips go to.
    keep : list of str
        Classes that remain; empty: all.
    also : dict
        Raw label that the card drops -> class, appended to the others.

    Returns
    -------
    dict
        The card, with labels and expected counts changed. Counts that can't
        be known any more are left out, never guessed.

    Example
    -------
    >>> card = {
    ...     "labels": {
    ...         "classes": ["neutral", "calm"],
    ...         "map": {"01": "neutral", "02": "calm"},
    ...         "drop": [],
    ...     },
    ...     "expected": {
    ...         "total": {"count": 288, "neutral": 96, "calm": 192},
    ...         "folds": {},
    ...     },
    ... }
    >>> card = vary(card, merge={"calm": "neutral"}, keep=[], also={})
    >>> card["labels"]["map"], card["expected"]["total"]
    ({'01': 'neutral', '02': 'neutral'}, {'count': 288, 'neutral': 288})
    """
    labels = card["labels"]
    map_ = {raw: merge.get(c, c) for raw, c in labels["map"].items()}
    map_.update(also)
    classes = [c for c in labels["classes"] if c not in merge]
    classes = [c for c in classes if c in keep or not keep]
    classes += [c for c in dict.fromkeys(also.values()) if c not in classes]
    dropped = [raw for raw in labels["drop"] if raw not in also]
    dropped += [raw for raw, c in map_.items() if c not in classes]
    same_clips = not keep and not also

    def counts(before):
        return _counts(before, merge, classes, same_clips)

    total, folds = card["expected"]["total"], card["expected"]["folds"]
    return {
        **card,
        "labels": {
            **labels,
            "classes": classes,
            "map": {raw: c for raw, c in map_.items() if c in classes},
            "drop": dropped,
        },
        "expected": {
            **card["expected"],
            "total": counts(total),
            "folds": {
                id_: {set_: counts(before) for set_, before in sets.items()}
                for id_, sets in folds.items()
            },
        },
    }


def _counts(before, merge, classes, same_clips):
    """Expected counts after the variant; their sum, where it is known."""
    after = dict(before)
    for source, target in merge.items():
        if source in after and target in after:
            after[target] += after[source]
        else:
            after.pop(target, None)
    after = {c: after[c] for c in classes if c in after}
    if same_clips:
        count = before.get("count")
    else:
        count = sum(after.values()) if len(after) == len(classes) else None
    return after if count is None else {"count": count, **after}
