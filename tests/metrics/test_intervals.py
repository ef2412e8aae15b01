import time

import numpy as np
import pytest

from ser_mtl_modules.metrics.classification import (
    accuracy,
    confusions,
    macro_f1,
    mean_recall,
)
from ser_mtl_modules.metrics.intervals import (
    Difference,
    interval,
    paired_difference,
)

CLASSES = list("abcd")


def data(n_speakers=12, n_clips=20, chance=0.6, seed=0):
    """Counts and speakers, where some speakers are easier than others."""
    generator = np.random.default_rng(seed)
    speakers = np.repeat([f"s{i:02}" for i in range(n_speakers)], n_clips)
    ease = np.repeat(generator.normal(chance, 0.2, n_speakers), n_clips)
    targets = generator.choice(CLASSES, len(speakers))
    guesses = generator.choice(CLASSES, len(speakers))
    right = generator.random(len(speakers)) < ease
    predictions = np.where(right, targets, guesses)
    return confusions(targets, predictions, CLASSES), speakers


def slowly(counts, speakers, statistic, n, seed):
    """Draws speakers, puts their clips together, scores; n times over."""
    generator = np.random.default_rng(seed)
    names = sorted(set(speakers))
    scores = []
    for _ in range(n):
        drawn = generator.choice(names, len(names))
        clips = np.concatenate([counts[speakers == name] for name in drawn])
        scores.append(float(statistic(clips.sum(axis=0))))
    return scores


@pytest.mark.parametrize("statistic", [mean_recall, accuracy, macro_f1])
def test_equals_resampling_speakers_in_a_loop(statistic):
    counts, speakers = data()
    found = interval(counts, speakers, statistic, n=4000, level=0.9)
    scores = slowly(counts, speakers, statistic, n=4000, seed=5)
    # another generator: equal up to what 4000 resamples leave open
    assert found == pytest.approx(np.quantile(scores, [0.05, 0.95]), abs=0.01)


def test_the_mean_of_independent_clips_has_the_textbook_interval():
    generator = np.random.default_rng(0)
    values = generator.normal(size=400)
    counts = np.stack([values, np.ones(400)], axis=1)
    low, high = interval(
        counts, range(400), lambda s: s[..., 0] / s[..., 1], n=10_000
    )
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.01)
    assert high == pytest.approx(values.mean() + half, abs=0.01)


def test_clips_of_a_speaker_are_not_independent():
    counts, speakers = data()
    by_speaker = interval(counts, speakers, mean_recall)
    by_clip = interval(counts, range(len(counts)), mean_recall)
    width = by_speaker.high - by_speaker.low
    assert width > 1.5 * (by_clip.high - by_clip.low)


def test_order_of_clips_and_names_of_speakers_do_not_matter():
    counts, speakers = data()
    order = np.random.default_rng(1).permutation(len(counts))
    renamed = np.array(["x" + name for name in speakers])
    found = interval(counts[order], renamed[order], mean_recall)
    assert found == interval(counts, speakers, mean_recall)


def test_only_another_seed_gives_other_resamples():
    counts, speakers = data()
    first = interval(counts, speakers, mean_recall, seed=1)
    assert first == interval(counts, speakers, mean_recall, seed=1)
    assert first != interval(counts, speakers, mean_recall, seed=2)


def test_where_all_speakers_are_alike_there_is_no_width():
    counts = confusions("ab" * 5, "aa" * 5, "ab")
    speakers = np.repeat(list("vwxyz"), 2)
    assert interval(counts, speakers, accuracy) == (0.5, 0.5)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_speakers_give_no_interval(n):
    counts = confusions("a" * n, "a" * n, "ab")
    assert interval(counts, ["s"] * n, accuracy) is None
    assert paired_difference(counts, counts, ["s"] * n, accuracy) is None


def test_a_model_does_not_differ_from_itself():
    counts, speakers = data()
    found = paired_difference(counts, counts, speakers, mean_recall)
    assert found == (0, 0, 0) and found.inside_noise


def test_exchanging_the_models_turns_the_difference_around():
    (a, speakers), (b, _) = data(seed=0), data(seed=1)
    one = paired_difference(a, b, speakers, mean_recall)
    other = paired_difference(b, a, speakers, mean_recall)
    assert one == pytest.approx((-other.value, -other.high, -other.low))


def test_difference_is_that_of_the_scores():
    (a, speakers), (b, _) = data(seed=0), data(seed=1)
    found = paired_difference(a, b, speakers, macro_f1)
    expected = macro_f1(a.sum(axis=0)) - macro_f1(b.sum(axis=0))
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high


def test_pairing_finds_what_two_intervals_would_hide():
    # B is right wherever A is, and on one more clip of every speaker
    targets = ["a"] * 60
    speakers = np.repeat(list("uvwxyz"), 10)
    n_right = np.repeat([0, 2, 4, 5, 7, 9], 10)
    place = np.tile(range(10), 6)
    a = confusions(targets, np.where(place < n_right, "a", "b"), "ab")
    b = confusions(targets, np.where(place <= n_right, "a", "b"), "ab")
    assert interval(a, speakers, accuracy).high > accuracy(b.sum(axis=0))
    found = paired_difference(b, a, speakers, accuracy)
    assert found == pytest.approx((0.1, 0.1, 0.1))
    assert not found.inside_noise


@pytest.mark.parametrize(
    "low, high, inside",
    [(-1, 1, True), (0, 1, True), (0.1, 1, False), (-1, -0.1, False)],
)
def test_inside_the_noise_means_that_zero_is_inside(low, high, inside):
    assert Difference(0.5, low, high).inside_noise == inside


def test_counts_and_speakers_must_be_of_the_same_utterances():
    with pytest.raises(ValueError, match="2 utterances.*3"):
        interval(np.ones((2, 1)), ["a", "b", "c"], accuracy)


def test_a_corpus_takes_no_time():
    counts, speakers = data(n_speakers=24, n_clips=60)
    started = time.process_time()
    interval(counts, speakers, mean_recall, n=2000)
    assert time.process_time() - started < 2
