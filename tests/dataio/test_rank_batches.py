"""Ranks share the batches that one process would have."""

import pytest

from ser_mtl_modules.dataio.batching import DurationBatchSampler
from ser_mtl_modules.dataio.rank_batches import RankBatchSampler
from ser_mtl_modules.dataio.unlabelled import PairedBatchSampler
from ser_mtl_modules.errors import SerMtlError

DURATIONS = [1.0 + i % 7 for i in range(53)]


def clips(shuffle=True, most=16):
    return DurationBatchSampler(DURATIONS, 30.0, most, seed=3, shuffle=shuffle)


def shares(sampler, n_ranks, epoch=2, **kwargs):
    """The batches of every rank."""
    return [
        RankBatchSampler(sampler, rank, n_ranks, **kwargs).batches(epoch)
        for rank in range(n_ranks)
    ]


def flat(batches):
    return sorted(i for batch in batches for i in batch)


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 5, 64])
def test_evaluation_has_every_batch_once(n_ranks):
    batches = clips(shuffle=False).batches(1)
    ranks = shares(clips(shuffle=False), n_ranks)
    assert sorted(sum(ranks, [])) == sorted(batches)


@pytest.mark.parametrize("n_ranks", [2, 3, 5, 8])
def test_training_has_equally_many_batches_and_every_clip(n_ranks):
    ranks = shares(clips(), n_ranks, even=True)
    assert len({len(batches) for batches in ranks}) == 1
    assert flat(sum(ranks, [])) == list(range(len(DURATIONS)))
    # within the budget, and a half has two clips at least
    whole = {frozenset(batch) for batch in clips().batches(2)}
    for batch in sum(ranks, []):
        assert max(DURATIONS[i] for i in batch) * len(batch) <= 30.0
        assert frozenset(batch) in whole or len(batch) > 1


def test_a_step_is_the_next_batches_of_one_process():
    batches = clips().batches(2)
    batches = batches[: len(batches) // 2 * 2]
    first, second = shares(clips(), 2)
    assert [b for step in zip(first, second) for b in step] == batches


def test_more_ranks_than_batches_share_the_clips_of_one():
    one = DurationBatchSampler([1.0] * 16, 16.0, seed=1)
    ranks = shares(one, 4, even=True)
    assert [len(batch) for (batch,) in ranks] == [4, 4, 4, 4]


def test_unlabelled_clips_stay_behind_labelled_ones():
    labelled = DurationBatchSampler([1.0] * 6, 6.0, seed=1)
    paired = PairedBatchSampler(labelled, first=6, n=4)
    for (batch,) in shares(paired, 2, even=True):
        unlabelled = [i >= 6 for i in batch]
        assert unlabelled == sorted(unlabelled) and not unlabelled[0]


def test_small_batches_are_left_out_not_cut_and_others_in_each_epoch():
    alone = DurationBatchSampler([1.0] * 7, 1.0, seed=1)
    left_out = set()
    for epoch in range(1, 6):
        ranks = shares(alone, 3, epoch, even=True)
        assert [len(batches) for batches in ranks] == [2, 2, 2]
        left_out |= set(range(7)) - set(flat(sum(ranks, [])))
    assert len(left_out) > 1


def test_too_many_ranks_are_an_error():
    alone = DurationBatchSampler([1.0] * 3, 1.0, seed=1)
    with pytest.raises(SerMtlError, match="Take fewer ranks"):
        shares(alone, 4, even=True)


def test_a_resumed_rank_skips_what_it_has_had():
    sampler = RankBatchSampler(clips(), 1, 2, even=True)
    sampler.set_epoch(2)
    batches = list(sampler)
    sampler.skip = 2
    assert list(sampler) == batches[2:] and len(sampler) == len(batches)
