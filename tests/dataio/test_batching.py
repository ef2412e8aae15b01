from collections import Counter

import pytest
import torch

from ser_mtl_modules.dataio.batching import DurationBatchSampler
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments.benchmark import lengths_of
from ser_mtl_modules.randomness import key

BUDGET = 30.0


@pytest.fixture
def durations():
    generator = torch.Generator().manual_seed(0)
    return (1 + 6 * torch.rand(101, generator=generator)).tolist()


@pytest.fixture
def labels():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(8, (101,), generator=generator).tolist()


def alone(batches, labels):
    """Clips that are alone in their class."""
    counts = [Counter(labels[i] for i in batch) for batch in batches]
    return sum(n == 1 for count in counts for n in count.values())


@pytest.mark.parametrize("with_labels", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("jitter", [0.0, 0.2, 0.9])
def test_every_clip_comes_once_and_within_the_budget(
    durations, labels, with_labels, shuffle, jitter
):
    for seed in range(5):
        sampler = DurationBatchSampler(
            durations,
            BUDGET,
            max_batch_size=12,
            seed=seed,
            shuffle=shuffle,
            jitter=jitter,
            labels=labels if with_labels else None,
        )
        batches = list(sampler)
        assert sorted(i for batch in batches for i in batch) == [*range(101)]
        assert len(sampler) == len(batches)
        for batch in batches:
            padded = max(durations[i] for i in batch) * len(batch)
            assert padded <= BUDGET + 1e-4 and len(batch) <= 12


def test_batches_are_a_function_of_seed_and_epoch(durations):
    def batches(seed, epoch):
        sampler = DurationBatchSampler(durations, BUDGET, seed=seed)
        list(sampler)  # what was asked before does not matter
        torch.rand(3)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert batches(1, 2) == batches(1, 2)
    compositions = {
        frozenset(map(frozenset, batches(seed, epoch)))
        for seed in (1, 2)
        for epoch in (1, 2, 3)
    }
    assert len(compositions) == 6


def test_without_shuffling_batches_go_from_short_to_long(durations):
    sampler = DurationBatchSampler(durations, BUDGET, shuffle=False)
    order = [durations[i] for batch in sampler for i in batch]
    assert order == sorted(durations)
    before = list(sampler)
    sampler.set_epoch(2)
    assert list(sampler) == before


def test_skip_leaves_out_what_a_resumed_run_has_had_and_only_once(durations):
    sampler = DurationBatchSampler(durations, BUDGET, seed=3)
    batches = list(sampler)
    sampler.skip = 4
    assert list(sampler) == batches[4:]
    assert list(sampler) == batches


@pytest.mark.parametrize("n_classes", [2, 4, 8, 30])
def test_with_labels_fewer_clips_are_alone_in_their_class(durations, n_classes):
    generator = torch.Generator().manual_seed(n_classes)
    sums = [0, 0]
    for seed in range(10):
        labels = torch.randint(n_classes, (101,), generator=generator).tolist()
        without, with_labels = (
            alone(
                DurationBatchSampler(
                    durations, BUDGET, seed=seed, labels=given
                ).batches(1),
                labels,
            )
            for given in (None, labels)
        )
        assert with_labels <= without
        sums[0] += without
        sums[1] += with_labels
    assert sums[1] <= 0.8 * sums[0]


def test_no_clip_is_left_alone_for_the_sake_of_another():
    # for a 1 from the second batch, the 0 would be alone there, and a 1 too
    labels = [0, 1, 1, 1] + [1, 1, 2, 2]
    sampler = DurationBatchSampler([1.0] * 8, 4.0, jitter=0.0, labels=labels)
    assert alone(list(sampler), labels) == 1
    # for a 1 that is alone itself, nobody is alone but the 0
    labels = [0, 1, 1, 1] + [1, 2, 2, 2]
    sampler = DurationBatchSampler([1.0] * 8, 4.0, jitter=0.0, labels=labels)
    assert sorted(map(sorted, sampler)) == [[0, 5, 6, 7], [1, 2, 3, 4]]


@pytest.mark.parametrize("labels", [None, [0, 1, 0, 1]])
def test_a_clip_beyond_the_budget_is_a_batch_of_its_own(labels):
    for seed in range(5):
        sampler = DurationBatchSampler(
            [1.0, 9.0, 1.0, 1.0], 4.0, seed=seed, labels=labels
        )
        assert sorted(map(sorted, sampler)) == [[0, 2, 3], [1]]


def test_no_clips_is_an_error():
    with pytest.raises(SerMtlError, match="no clip"):
        DurationBatchSampler([], BUDGET)


@pytest.mark.parametrize("with_labels", [False, True])
def test_each_clip_comes_once_an_epoch_in_one_of_its_views(
    durations, labels, with_labels
):
    given = labels if with_labels else None
    sampler = DurationBatchSampler(durations, BUDGET, labels=given, n_views=3)
    counts = Counter()
    for epoch in range(1, 31):
        indices = [i for batch in sampler.batches(epoch) for i in batch]
        assert sorted(i % 101 for i in indices) == [*range(101)]
        counts.update(i // 101 for i in indices)
    assert set(counts) == {0, 1, 2}
    assert min(counts.values()) > 0.9 * 101 * 10


def test_views_are_a_function_of_seed_and_epoch_and_change_no_batch(durations):
    def views(seed, epoch, n_views=2):
        sampler = DurationBatchSampler(
            durations, BUDGET, seed=seed, n_views=n_views
        )
        return sampler.batches(epoch)

    assert views(1, 2) == views(1, 2)
    drawn = {
        tuple(sorted(i for batch in views(seed, epoch) for i in batch))
        for seed in (1, 2)
        for epoch in (1, 2, 3)
    }
    assert len(drawn) == 6
    clips = [[i % 101 for i in batch] for batch in views(1, 2)]
    assert clips == views(1, 2, n_views=1)


def test_without_shuffling_clips_come_in_every_view(durations):
    def batches(n_views):
        return list(
            DurationBatchSampler(
                durations, BUDGET, shuffle=False, n_views=n_views
            )
        )

    once, twice = batches(1), batches(2)
    assert twice[: len(once)] == once
    assert [[i - 101 for i in batch] for batch in twice[len(once) :]] == once


# 101 clips: of the classes 70, 25, 5 and 1
SKEWED = [0] * 70 + [1] * 25 + [2] * 5 + [3]


def by_class(durations, seed=1, **more):
    return DurationBatchSampler(
        durations, BUDGET, 12, seed, labels=SKEWED, by_class=True, **more
    )


def test_by_class_there_are_as_many_batches_and_each_within_the_budget(
    durations,
):
    for seed in range(5):
        plain = DurationBatchSampler(durations, BUDGET, 12, seed, labels=SKEWED)
        sampler = by_class(durations, seed)
        for epoch in (1, 2, 3):
            batches = sampler.batches(epoch)
            assert len(batches) == len(plain.batches(epoch))
            for batch in batches:
                padded = max(durations[i] for i in batch) * len(batch)
                assert padded <= BUDGET + 1e-4 and len(batch) <= 12


def test_by_class_every_class_comes_as_often(durations):
    sampler = by_class(durations)
    epochs = [sum(sampler.batches(e), []) for e in range(1, 21)]
    counts = Counter(SKEWED[i] for clips in epochs for i in clips)
    mean = sum(counts.values()) / 4
    assert all(abs(n - mean) < 0.05 * mean for n in counts.values())
    assert abs(mean / 20 - 101 / 4) < 4  # about as many clips in an epoch


def test_of_a_class_no_clip_comes_two_times_more_than_another(durations):
    drawn = by_class(durations)._draw(torch.Generator().manual_seed(0))
    assert len(drawn) == 101
    times = Counter(drawn)
    for label in set(SKEWED):
        mine = [times[i] for i in range(101) if SKEWED[i] == label]
        assert max(mine) - min(mine) <= 1


def test_by_class_other_clips_of_a_frequent_class_come_in_each_epoch(durations):
    sampler = by_class(durations)
    heard = set()
    for epoch in range(1, 21):
        heard |= {i for batch in sampler.batches(epoch) for i in batch}
    assert heard == set(range(101))


def test_batches_by_class_are_a_function_of_seed_and_epoch(durations):
    def batches(seed, epoch):
        sampler = by_class(durations, seed)
        list(sampler)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert batches(1, 2) == batches(1, 2)
    assert batches(1, 2) != batches(1, 3) and batches(1, 2) != batches(2, 2)
    sampler = by_class(durations)
    whole = list(sampler)
    sampler.skip = 3  # a resumed run
    assert list(sampler) == whole[3:]


def test_without_shuffling_by_class_changes_nothing(durations):
    plain = DurationBatchSampler(durations, BUDGET, 12, shuffle=False)
    assert list(by_class(durations, shuffle=False)) == list(plain)


def test_by_class_views_are_drawn_as_always(durations):
    sampler = by_class(durations, n_views=3)
    indices = [i for batch in sampler.batches(1) for i in batch]
    assert {i // 101 for i in indices} == {0, 1, 2}
    clips = [[i % 101 for i in batch] for batch in sampler.batches(1)]
    assert clips == by_class(durations).batches(1)


def test_default_batches_are_those_that_published_results_had():
    durations = [1.0 + (7 * i % 11) / 4 for i in range(12)]
    sampler = DurationBatchSampler(
        durations, 9.0, 4, seed=1986, labels=[i % 3 for i in range(12)]
    )
    assert sampler.batches(1) == [
        [2, 11, 8, 5],
        [4, 10, 7],
        [0, 1, 9],
        [6, 3],
    ]


def test_up_to_a_thousand_clips_batches_are_those_that_results_had():
    durations = [1.5 + (7 * i % 391) / 150 for i in range(960)]
    labels = [i % 8 for i in range(960)]
    sampler = DurationBatchSampler(durations, 60.0, 16, 1986, labels=labels)
    assert key(sampler.batches(1)) == 410780971443286278
    more = DurationBatchSampler([1.0] * 1000, 60.0)
    assert more.jitter == sampler.jitter == 0.2


def random_lengths(corpus, n):
    lengths = lengths_of(corpus, n)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return [lengths[i] for i in order.tolist()]


def padding(batches, durations):
    read = sum(durations[i] for batch in batches for i in batch)
    longest = [max(durations[i] for i in batch) for batch in batches]
    padded = sum(len(b) * most for b, most in zip(batches, longest))
    return 1 - read / padded


# clips that a card trains on (of MSP-Podcast far more), and what YAMLs have
LARGE = pytest.mark.parametrize(
    "corpus, n, budget, most",
    [
        ("iemocap", 3762, 60.0, 16),
        ("iemocap", 3762, 96.0, 16),
        ("msp-podcast", 10000, 60.0, 16),
        ("msp-podcast", 10000, 360.0, 64),
    ],
)


@LARGE
def test_of_many_clips_less_than_a_twentieth_is_padding(
    corpus, n, budget, most
):
    durations = random_lengths(corpus, n)
    labels = [i % 8 for i in range(n)]
    sampler = DurationBatchSampler(durations, budget, most, labels=labels)
    assert padding(sampler.batches(1), durations) < 0.05


@LARGE
def test_of_many_clips_others_meet_in_each_epoch(corpus, n, budget, most):
    sampler = DurationBatchSampler(random_lengths(corpus, n), budget, most)
    met = {i: [] for i in range(0, n, n // 100)}
    for epoch in range(1, 6):
        for batch in sampler.batches(epoch):
            for i in met.keys() & set(batch):
                met[i] += [j for j in batch if j != i]
    distinct = [len(set(others)) / len(others) for others in met.values()]
    assert sum(distinct) / len(distinct) > 0.7


def test_by_class_the_clips_of_a_rare_class_seldom_meet_themselves():
    durations = random_lengths("msp-podcast", 20000)
    labels = [1 if i % 50 == 0 else 0 for i in range(20000)]  # 25 times each
    sampler = DurationBatchSampler(
        durations, 60.0, 16, labels=labels, by_class=True
    )
    batches = sampler.batches(1)
    n_again = sum(len(batch) - len(set(batch)) for batch in batches)
    assert n_again < 0.1 * sum(map(len, batches))
