"""Sentences for a sample corpus: every actor has some that nobody else says.

A grammar of seven words makes them: *My friend is waiting by the river.* Where a
recogniser reads the sentences of an actor that it never heard, it has learned
the words, and not which of two sentences this is.
"""

import functools

import numpy as np

from ser_mtl_modules.randomness import key

OWNERS = ("the", "my", "his", "her", "your")
SINGULAR = ("father", "mother", "friend", "girl")
PLURAL = ("kids", "dogs", "birds", "boys")
ACTIVITIES = (
    "playing",
    "reading",
    "singing",
    "sitting",
    "sleeping",
    "talking",
    "waiting",
    "walking",
)
WHERE = ("at", "behind", "by", "in", "under")
PLACES = (
    "door",
    "garden",
    "house",
    "river",
    "shop",
    "table",
    "tree",
    "window",
)


def deal(cards, rng):
    """Draws cards without end; none comes again before all others have come.

    Arguments
    ---------
    cards : sequence
        What is drawn.
    rng : numpy.random.Generator
        Shuffles them, each time anew.

    Yields
    ------
    str

    Example
    -------
    >>> dealt = deal("abc", np.random.default_rng(0))
    >>> sorted(next(dealt) for _ in range(6))
    ['a', 'a', 'b', 'b', 'c', 'c']
    """
    while True:
        yield from rng.permutation(list(cards)).tolist()


def sentences(seed):
    """Sentences without end, none of them twice.

    All words of one kind come equally often, so that those of a few actors
    are said by others, too.

    Arguments
    ---------
    seed : int
        Another one gives other sentences.

    Yields
    ------
    str
        Words of `lexicon`.

    Example
    -------
    >>> first = next(sentences(1986))
    >>> first, first == next(sentences(1986))
    ('Your dogs are walking at the river', True)
    """
    owners, subjects, singular_be, activities, where, places = (
        deal(cards, np.random.default_rng(key(seed, "sentences", i)))
        for i, cards in enumerate(
            (
                OWNERS,
                SINGULAR + PLURAL,
                ("is", "was"),
                ACTIVITIES,
                WHERE,
                PLACES,
            )
        )
    )
    made = set()
    while True:
        subject = next(subjects)
        be = "are" if subject in PLURAL else next(singular_be)
        words = (
            next(owners),
            subject,
            be,
            next(activities),
            next(where),
            "the",
            next(places),
        )
        sentence = " ".join(words).capitalize()
        if sentence not in made:
            made.add(sentence)
            yield sentence


@functools.lru_cache(maxsize=None)
def sentences_of(actor, seed, n_sentences=2):
    """What one actor says, and no other one.

    Arguments
    ---------
    actor : int
        From 1.
    seed : int
        Of the corpus.
    n_sentences : int
        Of each actor.

    Returns
    -------
    tuple of str
    """
    made = sentences(seed)
    for _ in range((actor - 1) * n_sentences):
        next(made)
    return tuple(next(made) for _ in range(n_sentences))
