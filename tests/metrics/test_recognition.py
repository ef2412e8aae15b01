import numpy as np
import pytest

from ser_mtl_modules.metrics.recognition import (
    character_error_rate,
    word_error_rate,
)


def distance(a, b):
    """Levenshtein's, by its recursion, a row at a time."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        above, row = row, [i]
        for j, y in enumerate(b, start=1):
            options = above[j - 1] + (x != y), above[j] + 1, row[-1] + 1
            row.append(min(options))
    return row[-1]


@pytest.fixture
def texts():
    generator = np.random.default_rng(0)
    words = ["dogs", "are", "sitting", "by", "the", "door", "kids"]
    lengths = generator.integers(1, 8, size=(2, 20))
    return [
        [" ".join(generator.choice(words, n)) for n in ns] for ns in lengths
    ]


def test_words_equal_levenshtein_over_all_utterances(texts):
    pairs = [(r.split(), h.split()) for r, h in zip(*texts)]
    errors = sum(distance(r, h) for r, h in pairs)
    expected = errors / sum(len(r) for r, _ in pairs)
    assert word_error_rate(*texts) == pytest.approx(expected)


def test_characters_equal_levenshtein_over_all_utterances(texts):
    errors = sum(distance(r, h) for r, h in zip(*texts))
    expected = errors / sum(len(r) for r in texts[0])
    assert character_error_rate(*texts) == pytest.approx(expected)


def test_values_by_hand():
    assert word_error_rate(["kids are talking"], ["kids are talking"]) == 0
    assert word_error_rate(["kids are talking"], [""]) == 1
    assert word_error_rate(["kids"], ["dogs and kids"]) == 2


def test_long_utterances_weigh_more():
    references = ["one two three", "one"]
    assert word_error_rate(references, ["one two three", ""]) == 0.25


def test_rows_without_a_reference_are_left_out():
    with_empty = word_error_rate(["", "a b", " "], ["x", "a", "y"])
    assert with_empty == word_error_rate(["a b"], ["a"]) == 0.5


@pytest.mark.parametrize("rate", [word_error_rate, character_error_rate])
@pytest.mark.parametrize("references", [[], [""], ["", " "]])
def test_without_any_reference_there_is_no_rate(rate, references):
    assert rate(references, ["a"] * len(references)) is None
