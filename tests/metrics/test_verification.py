import numpy as np
import pytest

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.metrics.verification import (
    Trials,
    equal_error_rate,
    trials,
)


def reference(scores, same):
    """Tries every threshold; where the two rates cross, they are equal."""
    points = []
    for threshold in [np.inf, *sorted(set(scores), reverse=True)]:
        passed = [score >= threshold for score in scores]
        wrong = [p for p, s in zip(passed, same) if not s]
        missed = [not p for p, s in zip(passed, same) if s]
        points.append((sum(wrong) / len(wrong), sum(missed) / len(missed)))
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if y1 <= x1:  # the line from one point to the next meets y = x
            share = (y0 - x0) / ((y0 - x0) - (y1 - x1))
            return x0 + share * (x1 - x0)


@pytest.fixture
def scored():
    """300 trials of which the better-scored ones tend to be the same."""
    generator = np.random.default_rng(0)
    same = generator.random(300) < 0.2
    return generator.normal(size=300) + 1.5 * same, same


@pytest.mark.parametrize("decimals", [8, 1, 0])  # ever more ties
def test_equals_the_search_over_all_thresholds(scored, decimals):
    scores, same = scored
    scores = scores.round(decimals)
    expected = reference(scores.tolist(), same.tolist())
    assert equal_error_rate(scores, same) == pytest.approx(expected)


def test_many_small_cases_equal_the_search_over_all_thresholds():
    generator = np.random.default_rng(1)
    for _ in range(200):
        scores = generator.integers(0, 5, size=6).astype(float)
        same = np.array([True, False, *(generator.random(4) < 0.5)])
        found = equal_error_rate(scores, same)
        assert found == pytest.approx(reference(scores, same))
        assert 0 <= found <= 1


def test_only_the_order_of_the_scores_matters(scored):
    scores, same = scored
    order = np.random.default_rng(2).permutation(len(same))
    found = equal_error_rate(np.exp(3 * scores[order]), same[order])
    assert found == pytest.approx(equal_error_rate(scores, same))


def test_turning_the_scores_around_gives_the_complement(scored):
    scores, same = scored
    turned = equal_error_rate(-scores, same)
    assert turned == pytest.approx(1 - equal_error_rate(scores, same))


@pytest.mark.parametrize(
    "scores, expected",
    [
        ([4, 3, 2, 1], 0.0),  # all in order
        ([1, 2, 3, 4], 1.0),  # all the wrong way round
        ([1, 1, 1, 1], 0.5),  # nothing known
        ([4, 2, 3, 1], 0.5),  # one of two wrong either way
        ([3, 2, 2, 1], 0.25),  # a tie in the middle is shared
    ],
)
def test_values_by_hand(scores, expected):
    same = [True, True, False, False]
    assert equal_error_rate(scores, same) == pytest.approx(expected)


@pytest.mark.parametrize("same", [[True] * 3, [False] * 3, []])
def test_without_both_kinds_of_trials_there_is_no_rate(same):
    assert equal_error_rate(np.ones(len(same)), same) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_an_error(bad):
    with pytest.raises(SerMtlError, match="1 of 2 speaker trials"):
        equal_error_rate([0.5, bad], [True, False])


def test_trials_are_the_cosines_of_all_pairs():
    embeddings = np.random.default_rng(3).normal(size=(7, 5))
    speakers = list("aabbbca")
    pairs = trials(embeddings, speakers)
    loops = [(i, j) for i in range(7) for j in range(i + 1, 7)]
    assert list(zip(pairs.first, pairs.second)) == loops
    for (i, j), score, same in zip(loops, pairs.scores, pairs.same):
        a, b = embeddings[i], embeddings[j]
        cosine = a @ b / np.sqrt((a @ a) * (b @ b))
        assert score == pytest.approx(cosine, abs=1e-6)
        assert same == (speakers[i] == speakers[j])


def test_trials_ignore_the_norm_of_embeddings():
    embeddings = np.random.default_rng(4).normal(size=(5, 3))
    scales = np.array([[1.0], [10.0], [0.1], [3.0], [1e-3]])
    one, other = (
        trials(z, list("aabbc")) for z in (embeddings, scales * embeddings)
    )
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


def test_utterances_of_unknown_speakers_are_in_no_trial():
    pairs = trials(np.eye(4), ["a", "", "a", ""])
    assert list(zip(pairs.first, pairs.second)) == [(0, 2)]
    assert pairs.same.all()


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_utterances_give_no_trials(n):
    pairs = trials(np.ones((n, 4)), ["a"] * n)
    assert all(len(column) == 0 for column in pairs)


def test_an_embedding_of_zeros_is_like_no_other():
    pairs = trials(np.array([[0.0, 0.0], [1.0, 0.0]]), ["a", "b"])
    assert pairs.scores.tolist() == [0.0]


def test_too_many_pairs_are_drawn_from_alike_every_time():
    embeddings = np.random.default_rng(5).normal(size=(40, 4))
    speakers = [str(i % 4) for i in range(40)]
    all_pairs = trials(embeddings, speakers)
    drawn = trials(embeddings, speakers, maximum=300)
    again = trials(-2 * embeddings, speakers, maximum=300)
    known = {(i, j): (c, s) for i, j, c, s in zip(*all_pairs)}
    pairs = list(zip(drawn.first, drawn.second))
    assert len(set(pairs)) == 300 and set(pairs) < known.keys()
    assert [known[p] for p in pairs] == list(zip(drawn.scores, drawn.same))
    assert pairs == list(zip(again.first, again.second))
    assert isinstance(drawn, Trials)
