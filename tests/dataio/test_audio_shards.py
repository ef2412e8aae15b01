import os
import shutil
import zipfile
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
import soundfile
import torch

from ser_mtl_modules.dataio.audio import read_audio
from ser_mtl_modules.dataio.audio_shards import AudioShards, pack
from ser_mtl_modules.dataio.datasets import Waves, dataset
from ser_mtl_modules.errors import SerMtlError
from speechbrain.dataio.dataloader import SaveableDataLoader

RATE = 16000


@pytest.fixture
def corpus(tmp_path):
    """Seven files of 2 kB in two folders; one has a clip of its middle."""
    rng = np.random.default_rng(0)
    rows = {}
    for i in range(7):
        path = tmp_path / "corpus" / f"s{i % 2}" / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(1000), RATE, "PCM_16")
        rows[f"{i}"] = {"wav": str(path), "start": None, "stop": None}
    rows["part"] = {**rows["3"], "start": 0.01, "stop": 0.03}
    return SimpleNamespace(rows=rows, folder=tmp_path / "corpus")


@pytest.fixture
def shards(corpus, tmp_path):
    """In which a shard has room for two of the files."""
    n_shards = pack(corpus, corpus.folder, tmp_path / "shards", 5000)
    assert n_shards == 4
    return tmp_path / "shards"


def whole(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_clips_are_the_same_and_the_files_are_not_needed(corpus, shards):
    plain = {i: Waves().wave(i, row) for i, row in corpus.rows.items()}
    corpus.folder.rename(corpus.folder.parent / "elsewhere")
    signal = Waves(shards=AudioShards(shards, corpus.folder))
    for i, row in corpus.rows.items():
        assert torch.equal(signal.wave(i, row), plain[i])
    assert len(plain["part"]) == 320


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_any_format_is_read_from_an_archive(tmp_path, name):
    wave = 0.1 * np.random.default_rng(1).standard_normal((4410, 2))
    soundfile.write(tmp_path / name, wave, 44100)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(tmp_path / name, f"folder/{name}")
    found = read_audio(f"zip://folder/{name}::{tmp_path / 'b.zip'}")
    assert torch.equal(found, read_audio(tmp_path / name))


def test_workers_read_at_the_same_time(corpus, shards):
    signal = Waves(shards=AudioShards(shards, corpus.folder))
    rows = {i: {**row, "x": "x"} for i, row in corpus.rows.items()}
    signal.read("0", lambda wave, _: wave, rows["0"]["wav"])  # opens a shard
    data = dataset(rows, signal, columns=["x"])
    loader = SaveableDataLoader(
        data, num_workers=2, batch_size=None, multiprocessing_context="fork"
    )
    for clip in [*loader] + [*loader]:
        plain = Waves().wave(clip["id"], rows[clip["id"]])
        assert torch.equal(clip["sig"], plain)


def test_shards_keep_to_their_size_and_hold_files_as_they_are(corpus, shards):
    held = {}
    for path in shards.glob("*.zip"):
        with zipfile.ZipFile(path) as shard:
            files = {name: shard.read(name) for name in shard.namelist()}
        assert sum(map(len, files.values())) <= 5000
        held.update(files)
    assert held == {
        path.relative_to(corpus.folder).as_posix(): path.read_bytes()
        for path in corpus.folder.rglob("*.wav")
    }


def test_a_file_larger_than_a_shard_has_one_of_its_own(corpus, tmp_path):
    assert pack(corpus, corpus.folder, tmp_path / "shards", 1) == 7


@pytest.mark.parametrize("damage", ["cut", "gone", "another"])
def test_what_is_whole_is_kept_and_the_rest_written(corpus, shards, damage):
    before = whole(shards)
    shard = shards / "00001.zip"
    if damage == "cut":
        os.truncate(shard, 700)
    elif damage == "gone":
        shard.unlink()
        (shards / "shards.json").unlink()
    else:
        shutil.copy(shards / "00000.zip", shard)
    kept = os.stat(shards / "00002.zip").st_mtime_ns
    pack(corpus, corpus.folder, shards, 5000)
    assert whole(shards) == before
    assert os.stat(shards / "00002.zip").st_mtime_ns == kept


def test_a_file_that_changed_in_place_is_packed_again(corpus, shards):
    path = corpus.folder / "s0" / "4.wav"
    kept = os.stat(shards / "00000.zip").st_mtime_ns
    soundfile.write(path, np.full(1000, 0.25), RATE, "PCM_16")
    os.utime(path, (2e9, 2e9))
    pack(corpus, corpus.folder, shards, 5000)
    signal = Waves(shards=AudioShards(shards, corpus.folder))
    assert (signal.wave("4", corpus.rows["4"]) == 0.25).all()
    assert os.stat(shards / "00000.zip").st_mtime_ns == kept


def test_shards_may_be_elsewhere_than_on_a_disk(corpus, shards):
    elsewhere = fsspec.filesystem("memory")
    elsewhere.put(str(shards), "/shards", recursive=True)
    signal = Waves(shards=AudioShards("memory://shards", corpus.folder))
    for i, row in corpus.rows.items():
        assert torch.equal(signal.wave(i, row), Waves().wave(i, row))


def test_a_plain_file_may_have_colons_in_its_name(corpus, tmp_path):
    plain = corpus.rows["0"]["wav"]
    other = shutil.copy(plain, tmp_path / "12::30.wav")
    assert torch.equal(read_audio(other), read_audio(plain))


def test_mistakes_are_named(corpus, shards, tmp_path):
    with pytest.raises(SerMtlError, match="nowhere/shards.json.*pack"):
        AudioShards(tmp_path / "nowhere", corpus.folder)
    found = AudioShards(shards, corpus.folder)
    with pytest.raises(SerMtlError, match="s0/9.wav: is in no shard of"):
        found.locate(corpus.folder / "s0" / "9.wav")
    with pytest.raises(SerMtlError, match="b.wav: is not below"):
        found.locate(tmp_path / "b.wav")
    os.truncate(shards / "00003.zip", 100)
    with pytest.raises(SerMtlError, match="00003.zip: can't be read"):
        Waves(shards=found).wave("5", corpus.rows["5"])
    shutil.rmtree(corpus.folder / "s1")
    with pytest.raises(SerMtlError, match="1.wav: can't be read.*prepared"):
        pack(corpus, corpus.folder, tmp_path / "others")
