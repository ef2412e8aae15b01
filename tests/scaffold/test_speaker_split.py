"""Splits by speaker that are even, and the same every time."""

import random

import pytest

from ser_mtl_modules.scaffold.speaker_split import FEW, split_speakers


def clips(speaker, gender="F", emotions=("calm", "sad"), n=5):
    return [
        {"speaker": speaker, "gender": gender, "emotion": emotion}
        for emotion in emotions
        for _ in range(n)
    ]


def corpus(n_speakers, n_clips=lambda i: 5):
    return [
        row
        for i in range(n_speakers)
        for row in clips(f"s{i:03}", "FM"[i % 2], n=n_clips(i))
    ]


def shares(rows, sets, **wanted):
    """What each set has of the clips that are as wanted."""
    rows = [r for r in rows if all(r[k] == v for k, v in wanted.items())]
    return {
        name: sum(row["speaker"] in who for row in rows) / len(rows)
        for name, who in sets.items()
    }


@pytest.mark.parametrize("n_speakers", [3, 4, 5, 7, 20, FEW + 1, 200])
def test_every_speaker_is_in_one_set_and_no_set_is_empty(n_speakers):
    rows = corpus(n_speakers)
    sets = split_speakers(rows)
    assert list(sets) == ["train", "valid", "test"]
    found = sum(sets.values(), [])
    assert sorted(found) == sorted({row["speaker"] for row in rows})
    assert all(sets.values())


@pytest.mark.parametrize("n_speakers", [20, 200])
def test_clips_and_genders_are_shared_as_wanted(n_speakers):
    rows = corpus(n_speakers, n_clips=lambda i: 3 + (i * 7) % 11)
    sets = split_speakers(rows)
    for wanted in ({}, {"gender": "F"}, {"gender": "M"}, {"emotion": "sad"}):
        found = shares(rows, sets, **wanted)
        assert found["train"] == pytest.approx(0.6, abs=0.05)
        assert found["test"] == pytest.approx(0.2, abs=0.05)


def test_two_genders_are_in_every_set_where_ten_speakers_allow_it():
    rows = corpus(10)
    for who in split_speakers(rows).values():
        assert {int(name[1:]) % 2 for name in who} == {0, 1}


def test_the_order_of_rows_changes_nothing():
    rows = corpus(9, n_clips=lambda i: 2 + i % 3)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert split_speakers(shuffled) == split_speakers(rows)


@pytest.mark.parametrize("n_speakers", [3, 6, FEW + 1])
def test_an_emotion_that_one_speaker_has_is_in_train(n_speakers):
    rows = corpus(n_speakers) + clips("rare", emotions=["awe"], n=1)
    assert "rare" in split_speakers(rows)["train"]


def test_one_speaker_with_nearly_all_clips_trains():
    rows = clips("big", n=50) + clips("a", n=1) + clips("b", n=1)
    assert split_speakers(rows)["train"] == ["big"]
