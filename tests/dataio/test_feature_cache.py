import json
import multiprocessing
import os
import random
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from fake_encoders import FakeEncoder, FrozenFbank

from ser_mtl_modules.augment.views import AsIs, Noise, Speed
from ser_mtl_modules.dataio import feature_cache, level_file
from ser_mtl_modules.dataio.batching import DurationBatchSampler
from ser_mtl_modules.dataio.datasets import COLUMNS, Waves, dataset
from ser_mtl_modules.dataio.feature_cache import CachedLevels
from ser_mtl_modules.dataio.level_file import LevelFile
from ser_mtl_modules.dataio.trimming import trim_silence
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.cached_encoder import CachedEncoder
from ser_mtl_modules.lobes.masking import frame_mask
from ser_mtl_modules.locks import locked
from speechbrain.dataio.batch import PaddedBatch

RATE = 16000


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Two clips for each set, three for train; of different lengths."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    rows = {}
    for i, n in enumerate((3200, 5000, 1611, 2000, 4100, 170, 3000)):
        path = folder / f"{i}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(n), RATE, "FLOAT")
        rows[f"clip-{i}"] = {
            **dict.fromkeys(COLUMNS, "x"),
            "wav": str(path),
            "start": None,
            "stop": None,
            "duration": n / RATE,
        }
    ids = list(rows)
    return SimpleNamespace(
        train={i: rows[i] for i in ids[:3]},
        valid={i: rows[i] for i in ids[3:5]},
        test={i: rows[i] for i in ids[5:]},
    )


def everything(split):
    return {**split.train, **split.valid, **split.test}


@pytest.fixture(autouse=True)
def counters():
    FakeEncoder.built = 0
    FakeEncoder.encoded.clear()


def cache(folder, encoder=FakeEncoder, waves=None, **settings):
    return CachedLevels(encoder, waves or Waves(), folder, **settings)


def prepared(folder, split, manifest="manifest", **settings):
    signal = cache(folder, **settings)
    FakeEncoder.encoded.clear()  # of the description
    signal.prepare(split, manifest)
    return signal


def batch(rows, signal, views=None):
    data = dataset(rows, signal, views)
    return PaddedBatch([data[i] for i in range(len(data))])


def close(levels, expected):
    """Within half precision: 11 bits."""
    torch.testing.assert_close(levels, expected, rtol=1e-3, atol=1e-6)


# ---- what is read is what the encoder gives


@pytest.mark.parametrize(
    "build",
    [
        FakeEncoder,
        partial(FakeEncoder, freeze=1),
        partial(FrozenFbank, channels=[4, 4], size=8, n_blocks=2),
    ],
)
def test_cached_levels_are_those_of_the_encoder(tmp_path, split, build):
    signal = prepared(tmp_path, split, encoder=build)
    encoder = CachedEncoder(signal).eval()
    whole = build().eval()
    rows = everything(split)
    sig = batch(rows, signal).sig
    assert sig.data.dtype == torch.float16
    with torch.no_grad():
        levels, lens = encoder(*sig)
        expected, expected_lens = whole(*batch(rows, Waves()).sig)
    assert lens.tolist() == expected_lens.tolist()
    close(levels, expected[:, :, : levels.shape[2]])
    for name in ("n_levels", "output_size", "frame_rate"):
        assert getattr(encoder, name) == getattr(whole, name)
    assert levels.shape[0] == encoder.n_levels
    assert levels.shape[3] == encoder.output_size


def test_batches_hold_the_utterance_and_its_labels(tmp_path, split):
    signal = prepared(tmp_path, split, views=[AsIs(), Speed(90)])
    made = batch(split.train, signal, signal.views["train"])
    assert made.id == [*split.train] * 2
    assert made.emotion == ["x"] * 6


@pytest.mark.parametrize("levels", [None, [0], [2, 0], [-1, 1]])
@pytest.mark.parametrize("average", [1, 2, 3, 40])
def test_levels_and_averages_equal_a_slow_reference(
    tmp_path, split, levels, average
):
    signal = prepared(tmp_path, split, levels=levels, average=average)
    encoder = CachedEncoder(signal)
    assert encoder.frame_rate == 100 / average
    assert encoder.n_levels == (len(levels) if levels else 3)
    for utterance, row in everything(split).items():
        wave = Waves().read(utterance, AsIs(), row["wav"])
        found, _ = FakeEncoder().frozen(wave[None], torch.ones(1))
        expected = [found[i, 0] for i in (levels or [0, 1, 2])]
        for j, level in enumerate(expected):
            groups = [
                level[t : t + average] for t in range(0, len(level), average)
            ]
            reference = torch.stack([sum(g) / len(g) for g in groups])
            stored = signal.read(utterance, AsIs())[:, j].float()
            torch.testing.assert_close(stored, reference, rtol=1e-3, atol=1e-4)


def test_an_averaged_batch_has_the_frames_of_each_clip(tmp_path, split):
    signal = prepared(tmp_path, split, average=7)
    sig = batch(everything(split), signal).sig
    levels, lens = CachedEncoder(signal)(*sig)
    n_samples = [
        round(r["duration"] * RATE) for r in everything(split).values()
    ]
    assert lens.tolist() == [-(-max(n // 160, 1) // 7) for n in n_samples]
    mask = frame_mask(lens, levels.shape[2])[None, ..., None]
    assert not levels.masked_select(~mask).any()


class Wide(FakeEncoder):
    """Has frames beyond the clip, which it says."""

    def frozen(self, wavs, wav_lens):
        levels, lens = super().frozen(wavs, wav_lens)
        return torch.nn.functional.pad(levels, (0, 0, 0, 2)), lens


def test_frames_beyond_the_clip_are_not_stored(tmp_path, split):
    signal = prepared(tmp_path, split, encoder=Wide)
    assert len(signal.read("clip-0", AsIs())) == 20


# ---- views


def test_train_has_all_views_and_the_rest_is_as_it_is(tmp_path, split):
    views = [Speed(90), Noise(snr_db=10)]
    signal = prepared(tmp_path, split, views=views)
    for name in ("valid", "test"):
        assert [v.name for v in signal.views[name]] == ["as-is"]
    folder = next(tmp_path.glob("*/about.json")).parent
    held = {}
    for path in folder.rglob("*.index"):
        lines = path.read_text().splitlines()
        held.setdefault(path.parent.name, set()).update(
            json.loads(line)[0] for line in lines
        )
    assert held == {
        "as-is": {*split.valid, *split.test},
        "speed-90": {*split.train},
        "noise-10dB-0": {*split.train},
    }


def test_a_view_is_the_encoder_s_of_the_changed_clip(tmp_path, split):
    views = [AsIs(), Speed(90), Noise(snr_db=10)]
    signal = prepared(tmp_path, split, views=views)
    data = dataset(split.train, signal, signal.views["train"])
    assert len(data) == 9
    for i, view in enumerate(views):
        for j, (utterance, row) in enumerate(split.train.items()):
            wave = view(Waves().read(utterance, AsIs(), row["wav"]), utterance)
            expected, _ = FakeEncoder().frozen(wave[None], torch.ones(1))
            item = data[j + 3 * i]
            assert item["id"] == utterance
            close(item["sig"].float(), expected[:, 0].transpose(0, 1))


def test_epochs_draw_views_and_a_batch_gets_the_drawn_ones(tmp_path, split):
    signal = prepared(tmp_path, split, views=[AsIs(), Speed(80)])
    rows, views = split.train, signal.views["train"]
    data = dataset(rows, signal, views)
    sampler = DurationBatchSampler(
        [row["duration"] for row in rows.values()], 9.0, n_views=len(views)
    )
    frames = set()
    for epoch in range(1, 9):
        sampler.set_epoch(epoch)
        (indices,) = sampler
        items = [data[i] for i in indices]
        assert sorted(item["id"] for item in items) == sorted(rows)
        frames |= {len(i["sig"]) for i in items if i["id"] == "clip-0"}
    assert frames == {20, 25}


# ---- the key


@pytest.mark.parametrize(
    "change",
    [
        {"encoder": partial(FakeEncoder, seed=1)},
        {"encoder": partial(FakeEncoder, freeze=1)},
        {"encoder": partial(FakeEncoder, size=7)},
        {"manifest": "another"},
        {"levels": [0, 1]},
        {"levels": [0, 2, 1]},
        {"average": 2},
        {"waves": Waves(trim=trim_silence)},
        {"waves": Waves(trim=partial(trim_silence, range_db=30.0))},
    ],
    ids=[
        "seed",
        "freeze",
        "size",
        "manifest",
        "levels",
        "order",
        "average",
        "trim",
        "range_db",
    ],
)
def test_whatever_matters_is_in_the_key(tmp_path, split, change):
    base = {"waves": Waves(trim=partial(trim_silence, range_db=35.0))}
    prepared(tmp_path, split, **base)
    assert FakeEncoder.encoded
    prepared(tmp_path, split, **{**base, **change})
    assert len(FakeEncoder.encoded) == 7
    assert len([*tmp_path.glob("*/about.json")]) == 2


def test_another_name_for_the_same_weights_is_the_same_cache(tmp_path, split):
    prepared(tmp_path, split)
    prepared(tmp_path, split, encoder=partial(FakeEncoder, gain=1.0))
    assert not FakeEncoder.encoded
    assert len([*tmp_path.glob("encoders/*")]) == 2


def test_a_new_view_is_computed_and_nothing_else(tmp_path, split):
    prepared(tmp_path, split, views=[AsIs()])
    prepared(tmp_path, split, views=[AsIs(), Noise(snr_db=10)])
    assert len(FakeEncoder.encoded) == 3
    prepared(tmp_path, split, views=[AsIs(), Noise(snr_db=10, seed=1)])
    assert len(FakeEncoder.encoded) == 3


def test_another_fold_adds_what_is_missing(tmp_path, split):
    first = SimpleNamespace(train=split.train, valid=split.valid, test={})
    prepared(tmp_path, first)
    prepared(tmp_path, split)
    assert len(FakeEncoder.encoded) == 2
    swapped = SimpleNamespace(
        train=split.test, valid=split.valid, test=split.train
    )
    prepared(tmp_path, swapped, views=[Speed(90)])
    assert len(FakeEncoder.encoded) == 2  # as-is is there for all


def test_what_can_not_be_told_from_others_is_refused(tmp_path, split):
    signal = cache(tmp_path, waves=Waves(trim=lambda wave, rate: wave))
    with pytest.raises(SerMtlError, match="<lambda>.*without a name"):
        signal.prepare(split, "manifest")


# ---- once


def test_a_second_run_does_not_even_load_the_encoder(tmp_path, split):
    first = prepared(tmp_path, split)
    FakeEncoder.built = 0
    second = prepared(tmp_path, split)
    assert FakeEncoder.built == 0 and not FakeEncoder.encoded
    for utterance in everything(split):
        assert torch.equal(
            first.read(utterance, AsIs()), second.read(utterance, AsIs())
        )


def test_the_second_run_draws_the_same_random_numbers(tmp_path, split):
    def run():
        torch.manual_seed(3), random.seed(3), np.random.seed(3)
        signal = prepared(tmp_path, split, views=[Speed(90), Noise(20)])
        CachedEncoder(signal)
        return torch.rand(2).tolist(), random.random(), np.random.rand()

    assert run() == run()


def test_a_complete_cache_may_be_read_only(tmp_path, split, monkeypatch):
    prepared(tmp_path, split)

    def refuse(*args, **kwargs):
        raise AssertionError("writes")

    monkeypatch.setattr(LevelFile, "writing", refuse)
    monkeypatch.setattr(feature_cache, "locked", refuse)
    monkeypatch.setattr(feature_cache, "atomic_write", refuse)
    prepared(tmp_path, split)


def test_a_clip_that_is_stored_in_another_view_alone_has_a_duration(
    tmp_path, split
):
    half = Speed(200)
    signal = prepared(tmp_path, split, views=[half], test_views=[half])
    for rows, view in [
        (split.train, half), (split.valid, AsIs()), (split.test, half)
    ]:  # fmt: skip
        for name, row in rows.items():
            n_frames = len(signal.read(name, view))
            assert signal.duration(name, row) == n_frames / signal.frame_rate


def test_the_frozen_encoder_is_let_go(tmp_path, split):
    signal = prepared(tmp_path, split)
    assert signal.encoder._encoder is None
    encoder = CachedEncoder(signal)
    assert not [*encoder.parameters()] and not encoder.state_dict()


def test_changed_weights_in_a_folder_are_noticed(tmp_path, split):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.bin").write_text("1")
    build = partial(Folder, str(weights))
    cached = tmp_path / "cache"
    prepared(cached, split, encoder=build)
    FakeEncoder.built = 0
    prepared(cached, split, encoder=build)
    assert FakeEncoder.built == 0
    (weights / "model.bin").write_text("23")
    prepared(cached, split, encoder=build)
    assert FakeEncoder.built == 1 and len(FakeEncoder.encoded) == 7


class Folder(FakeEncoder):
    """Its weights are in a folder."""

    def __init__(self, source):
        with open(f"{source}/model.bin") as file:
            super().__init__(seed=int(file.read()))


def test_changed_weights_of_a_name_are_noticed_when_loaded(tmp_path, split):
    prepared(tmp_path, split)
    (path,) = tmp_path.glob("encoders/*")
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "checksum": "of before"}))
    with pytest.raises(SerMtlError, match="other weights.*run the same"):
        prepared(tmp_path, split)
    prepared(tmp_path, split)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"class": "x"}'])
def test_a_damaged_description_is_made_again(tmp_path, split, damage):
    prepared(tmp_path, split)
    (path,) = tmp_path.glob("encoders/*")
    whole = path.read_text()
    path.write_text(damage)
    prepared(tmp_path, split)
    assert path.read_text() == whole and not FakeEncoder.encoded


# ---- kills, damage, company


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("call", range(1, 21, 2))
def test_a_killed_preparation_goes_on_where_it_was(
    tmp_path, split, monkeypatch, call
):
    views = [AsIs(), Speed(90)]
    whole = prepared(tmp_path / "whole", split, views=views)
    original, calls = level_file._write_all, []

    def killed(file, content):
        calls.append(1)
        if len(calls) == call:
            original(file, content[: len(content) // 3])
            raise Killed
        original(file, content)

    monkeypatch.setattr(level_file, "_write_all", killed)
    with pytest.raises(Killed):
        prepared(tmp_path / "killed", split, views=views)
    monkeypatch.setattr(level_file, "_write_all", original)
    again = prepared(tmp_path / "killed", split, views=views)
    assert len(FakeEncoder.encoded) == 10 - (call - 1) // 2
    for utterance in split.train:
        for view in views:
            assert torch.equal(
                again.read(utterance, view), whole.read(utterance, view)
            )


def test_files_cut_anywhere_are_completed(tmp_path, split):
    whole = prepared(tmp_path / "whole", split)
    rng = np.random.default_rng(0)
    for trial in range(12):
        copy = tmp_path / f"{trial}"
        shutil.copytree(tmp_path / "whole", copy)
        for path in [p for p in copy.rglob("*") if p.is_file()]:
            if rng.random() < 0.5:
                os.truncate(path, rng.integers(path.stat().st_size + 1))
        again = prepared(copy, split)
        for utterance in everything(split):
            assert torch.equal(
                again.read(utterance, AsIs()), whole.read(utterance, AsIs())
            )
        prepared(copy, split)
        assert not FakeEncoder.encoded


def test_an_edited_number_is_computed_again(tmp_path, split):
    whole = prepared(tmp_path, split)
    expected = whole.read("clip-3", AsIs())
    shard = whole._stored["as-is"].shard("clip-3")
    first, _, _ = shard.clips["clip-3"]
    with open(shard.data, "r+b") as file:
        file.seek(first * shard.frame_bytes)
        file.write(b"\x00\x01\x02\x03")
    os.utime(shard.data, ns=(1, 1))
    again = prepared(tmp_path, split)
    assert FakeEncoder.encoded == [2000]
    assert torch.equal(again.read("clip-3", AsIs()), expected)


def prepare_elsewhere(folder, split, queue):
    signal = CachedLevels(Slow, Waves(), folder)
    FakeEncoder.encoded.clear()
    signal.prepare(split, "manifest")
    queue.put(len(FakeEncoder.encoded))


class Slow(FakeEncoder):
    """Long enough at work to be met there."""

    def frozen(self, wavs, wav_lens):
        import time

        time.sleep(0.05)
        return super().frozen(wavs, wav_lens)


def test_two_processes_at_once_share_the_work(tmp_path, split):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [
        context.Process(target=prepare_elsewhere, args=(tmp_path, split, queue))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    counts = [queue.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert sum(counts) == 7
    whole = prepared(tmp_path / "whole", split, encoder=Slow)
    shared = prepared(tmp_path, split, encoder=Slow)
    assert not FakeEncoder.encoded
    for utterance in everything(split):
        assert torch.equal(
            shared.read(utterance, AsIs()), whole.read(utterance, AsIs())
        )


class Waits(BaseException):
    """Ends a test where a run would wait."""


def test_where_another_is_at_a_shard_the_others_are_done_first(
    tmp_path, split, monkeypatch
):
    shard = prepared(tmp_path, split)._stored["as-is"].shard("clip-3")
    shutil.rmtree(shard.data.parent)
    shard.data.parent.mkdir()

    def no_waiting(path, waiting_for=None):
        if waiting_for:
            raise Waits
        return locked(path)

    monkeypatch.setattr(feature_cache, "locked", no_waiting)
    with locked(shard.data.with_suffix(".lock")):
        with pytest.raises(Waits):
            prepared(tmp_path, split)
    assert 0 < len(FakeEncoder.encoded) < 7
    assert 2000 not in FakeEncoder.encoded  # clip 3
    before = len(FakeEncoder.encoded)
    prepared(tmp_path, split)
    assert before + len(FakeEncoder.encoded) == 7


def test_ranks_begin_at_different_shards(tmp_path, split, monkeypatch):
    monkeypatch.setattr(feature_cache, "ddp_barrier", lambda: None)
    monkeypatch.setattr(feature_cache, "n_ranks", lambda: 3)
    orders = []
    for rank in range(3):
        monkeypatch.setattr(feature_cache, "rank", lambda rank=rank: rank)
        prepared(tmp_path / f"{rank}", split)
        orders.append(FakeEncoder.encoded[:])
    assert len({order[0] for order in orders}) == 3
    assert len({frozenset(order) for order in orders}) == 1


# ---- mistakes


def test_a_folder_that_can_not_be_written_is_said(tmp_path, split):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SerMtlError, match="file.*cannot be written"):
        cache(tmp_path / "file" / "features")


def test_a_full_disk_is_said_and_the_rest_is_kept(tmp_path, split, monkeypatch):
    signal, original = cache(tmp_path), level_file._write_all

    def full(file, content):
        if b"clip-4" in content:
            raise OSError(28, "No space left on device")
        original(file, content)

    monkeypatch.setattr(level_file, "_write_all", full)
    with pytest.raises(SerMtlError, match="No space left on device.*is kept"):
        signal.prepare(split, "manifest")
    monkeypatch.setattr(level_file, "_write_all", original)
    prepared(tmp_path, split)
    assert len(FakeEncoder.encoded) == 3  # clips 4 to 6


def test_an_encoder_that_can_not_be_loaded_is_no_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        cache(tmp_path, encoder=partial(Folder, "nowhere"))


def test_levels_beyond_half_precision_name_the_clip(tmp_path, split):
    with pytest.raises(SerMtlError, match="clip-0: its levels reach .*beyond"):
        prepared(tmp_path, split, encoder=Loud)


class Loud(FakeEncoder):
    """Some pre-trained models do have such dimensions."""

    def frozen(self, wavs, wav_lens):
        levels, lens = super().frozen(wavs, wav_lens)
        return 1e6 * levels, lens


class Wrong(FakeEncoder):
    def frozen(self, wavs, wav_lens):
        levels, lens = super().frozen(wavs, wav_lens)
        return levels[0], lens


class Changing(FakeEncoder):
    def frozen(self, wavs, wav_lens):
        levels, lens = super().frozen(wavs, wav_lens)
        return levels[..., : 5 if wavs.shape[1] < RATE else None], lens


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"encoder": partial(FakeEncoder, freeze=1), "average": 2}, "trained"),
        ({"encoder": partial(FakeEncoder, freeze=1), "levels": [0]}, "trained"),
        ({"levels": [3]}, "numbers from 0 to 2, as the encoder has 3"),
        ({"levels": []}, "numbers from 0 to 2"),
        ({"levels": [True]}, "numbers from 0 to 2"),
        ({"average": 0}, "average: 0; expected"),
        ({"average": 1.5}, "average: 1.5; expected"),
        ({"waves": Waves(sample_rate=8000)}, "waves have 8000 Hz"),
        ({"encoder": Wrong}, r"shape \[1, 100, 6\].*expected \[L, 1, T, D\]"),
        ({"encoder": Changing}, r"clip-0: levels of shape \(20, 3, 5\)"),
    ],
)
def test_mistakes_are_named(tmp_path, split, settings, message):
    with pytest.raises(SerMtlError, match=message):
        prepared(tmp_path, split, **settings)
