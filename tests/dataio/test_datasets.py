"""What the model reads of a clip, and for how long."""

import types

import numpy as np
import pytest
import soundfile

from ser_mtl_modules.dataio.datasets import Waves, dataset


def half(wave, sample_rate):
    """A trimming that leaves the first half."""
    return wave[: len(wave) // 2]


@pytest.fixture
def rows(tmp_path):
    """Two clips of 0.5 and 1 second."""
    made = {}
    for name, seconds in (("a", 0.5), ("b", 1.0)):
        wave = 0.1 * np.sin(np.arange(round(16000 * seconds)))
        soundfile.write(tmp_path / f"{name}.wav", wave, 16000)
        made[name] = {"wav": str(tmp_path / f"{name}.wav"), "start": None}
        made[name].update(stop=None, duration=seconds, emotion="sad")
    return made


def prepared(rows, **settings):
    waves = Waves(trim=half, **settings)
    waves.prepare(types.SimpleNamespace(train=rows, valid={}, test={}), "x")
    return waves


def test_duration_is_that_after_trimming_where_waves_are_in_memory(rows):
    waves = prepared(rows, in_memory=True)
    assert [waves.duration(*row) for row in rows.items()] == [0.25, 0.5]


def test_duration_is_the_manifests_where_files_are_read_on_the_way(rows):
    waves = prepared(rows)
    assert [waves.duration(*row) for row in rows.items()] == [0.5, 1.0]


def test_what_is_in_memory_is_not_read_again(rows, tmp_path):
    waves = prepared(rows, in_memory=True)
    (tmp_path / "b.wav").unlink()
    item = dataset(rows, waves, columns=["emotion"])[1]
    assert item["id"] == "b" and item["emotion"] == "sad"
    assert len(item["sig"]) == len(waves.wave("b", rows["b"])) == 8000
