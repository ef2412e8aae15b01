"""Other speech beside the clips of a corpus, in step with them."""

from collections import Counter

import numpy as np
import pytest
import soundfile

from ser_mtl_modules.dataio.batching import DurationBatchSampler
from ser_mtl_modules.dataio.datasets import COLUMNS, Waves
from ser_mtl_modules.dataio.unlabelled import (
    PairedBatchSampler,
    UnlabelledSpeech,
)
from ser_mtl_modules.errors import SerMtlError

RATE = 16000


def clips(seed=3):
    durations = (1 + np.random.default_rng(0).random(23)).tolist()
    return DurationBatchSampler(durations, 8.0, seed=seed)


@pytest.mark.parametrize("n", [1, 7, 23, 100])
def test_every_batch_has_as_many_others_as_clips(n):
    paired = PairedBatchSampler(clips(), first=23, n=n)
    for epoch in (1, 2, 3):
        alone = clips().batches(epoch)
        batches = paired.batches(epoch)
        assert [batch[: len(batch) // 2] for batch in batches] == alone
        others = [i for b in batches for i in b[len(b) // 2 :]]
        assert len(others) == 23
        assert all(23 <= i < 23 + n for i in others)


@pytest.mark.parametrize("n", [1, 7, 23, 100])
def test_no_other_comes_again_before_all_have_come(n):
    paired = PairedBatchSampler(clips(), first=23, n=n)
    heard = [
        i
        for epoch in range(1, 11)
        for batch in paired.batches(epoch)
        for i in batch[len(batch) // 2 :]
    ]
    assert len(heard) == 230
    for start in range(0, 230 - n + 1, n):
        assert len(set(heard[start : start + n])) == n
    counts = Counter(heard)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_batches_are_a_function_of_seed_and_epoch():
    one, other = (PairedBatchSampler(clips(), first=23, n=9) for _ in "ab")
    one.batches(1), one.batches(2)  # what was asked before does not matter
    assert one.batches(3) == other.batches(3)
    assert one.batches(3) != one.batches(4)
    assert one.batches(3) != PairedBatchSampler(clips(4), 23, 9).batches(3)


def test_a_resumed_epoch_goes_on_with_both():
    whole, resumed = (PairedBatchSampler(clips(), 23, 9) for _ in "ab")
    for sampler in (whole, resumed):
        sampler.set_epoch(5)
    resumed.skip = 3
    batches = list(whole)
    assert list(resumed) == batches[3:]
    assert len(resumed) == len(batches)
    assert list(resumed) == batches  # the next time it is whole again


@pytest.fixture
def folder(tmp_path):
    """Files of 0.5, 1 and 2.3 seconds, two of them deeper, and no audio."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name, seconds in (
        ("a.wav", 0.5),
        ("deep/a.flac", 1.0),
        ("deep/er/b.wav", 2.3),
    ):
        wave = 0.1 * np.sin(np.arange(round(RATE * seconds)))
        soundfile.write(tmp_path / name, wave, RATE)
    (tmp_path / "notes.txt").write_text("no audio")
    return tmp_path


def test_pieces_are_equal_whole_and_none_is_too_long(folder):
    rows = UnlabelledSpeech(folder, seconds=1.0).rows()
    by_file = {}
    for row in rows.values():
        by_file.setdefault(row["wav"], []).append((row["start"], row["stop"]))
    lengths = {path.rpartition("/")[2]: len(p) for path, p in by_file.items()}
    assert lengths == {"a.wav": 1, "a.flac": 1, "b.wav": 3}
    for pieces in by_file.values():
        assert pieces[0][0] == 0
        for (_, stop), (start, _) in zip(pieces, pieces[1:]):
            assert stop == start
        durations = [stop - start for start, stop in pieces]
        assert max(durations) <= 1.0 + 1e-9
        assert max(durations) - min(durations) < 1e-9


def test_pieces_are_read_in_full(folder):
    speech = UnlabelledSpeech(folder, Waves(RATE), seconds=1.0)
    both, _ = speech.beside([], clips())
    n_samples = sum(len(both[i]["sig"]) for i in range(len(both)))
    assert n_samples == round(RATE * 3.8)


def test_no_piece_has_a_label(folder):
    for row in UnlabelledSpeech(folder).rows().values():
        assert all(row[column] == "" for column in COLUMNS)


def test_without_a_folder_nothing_changes():
    data, sampler = object(), object()
    assert UnlabelledSpeech().beside(data, sampler) == (data, sampler)


def test_a_folder_without_audio_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SerMtlError, match="holds no .wav.*--unlabelled"):
            UnlabelledSpeech(folder).rows()


def test_damaged_audio_is_named(folder):
    (folder / "bad.wav").write_bytes(b"nothing")
    with pytest.raises(SerMtlError, match="bad.wav"):
        UnlabelledSpeech(folder).rows()
