from collections import Counter

import pytest

from ser_mtl_modules.synthesis.lexicon import LEXICON, words_of
from ser_mtl_modules.synthesis.sentences import (
    ACTIVITIES,
    PLACES,
    PLURAL,
    SINGULAR,
    sentences_of,
)

SEEDS = (0, 1986)


def corpus(seed):
    return [sentences_of(actor, seed) for actor in range(1, 25)]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_actor_says_what_another_one_says(seed):
    said = [text for texts in corpus(seed) for text in texts]
    assert len(said) == len(set(said)) == 48


@pytest.mark.parametrize("seed", SEEDS)
def test_words_are_in_the_lexicon_and_agree(seed):
    for text in sum(corpus(seed), ()):
        words = words_of(text)
        assert len(words) == 7 and set(words) <= set(LEXICON)
        assert (words[2] == "are") == (words[1] in PLURAL)
        assert (words[2] in ("is", "was")) == (words[1] in SINGULAR)


@pytest.mark.parametrize("seed", SEEDS)
def test_words_of_a_kind_come_equally_often(seed):
    words = Counter(" ".join(sum(corpus(seed), ())).lower().split())
    kinds = SINGULAR + PLURAL, ACTIVITIES, PLACES
    assert {words[word] for kind in kinds for word in kind} == {6}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_four_actors_say_others_have_the_words_for(seed):
    """As in a fold of the cards: test speaks no word that train never does."""
    said = [set(words_of(" ".join(texts))) for texts in corpus(seed)]
    for first in range(0, 24, 4):
        train = [said[(first + i) % 24] for i in range(8, 24)]
        assert set.union(*said[first : first + 4]) <= set.union(*train)


def test_a_seed_has_the_same_sentences_and_another_seed_has_others():
    assert corpus(1) == corpus(1)
    assert len(set(corpus(1)) & set(corpus(2))) == 0


def test_an_actors_first_sentences_do_not_depend_on_how_often_one_asks():
    assert sentences_of(5, 1986) == sentences_of.__wrapped__(5, 1986)
