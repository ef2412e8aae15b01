import json
import os

import numpy as np
import pytest
import torch

from ser_mtl_modules.dataio import level_file
from ser_mtl_modules.dataio.level_file import LevelFile
from ser_mtl_modules.errors import SerMtlError

SHAPE = (2, 5)


def clips(n=12):
    rng = np.random.default_rng(0)
    return {
        f"clip, {i}": rng.standard_normal((3 + i % 4, *SHAPE)).astype("f4")
        for i in range(n)
    }


def write(path, wanted):
    """What a cache does: loads what is whole and adds what is missing."""
    file = LevelFile(path, SHAPE)
    file.load()
    missing = [name for name in wanted if name not in file.clips]
    with file.writing():
        for name in missing:
            file.append(name, wanted[name])
    return missing


def opened(path):
    file = LevelFile(path, SHAPE)
    file.load()
    return file


def assert_whole(path, wanted):
    file = opened(path)
    assert file.is_sealed() and set(file.clips) == set(wanted)
    for name, array in wanted.items():
        assert torch.equal(file.read(name), torch.from_numpy(array).half())


def test_what_was_written_is_read(tmp_path):
    assert write(tmp_path / "a", clips()) == list(clips())
    assert_whole(tmp_path / "a", clips())


def test_clips_are_added_to_those_that_are_there(tmp_path):
    write(tmp_path / "a", clips(5))
    assert write(tmp_path / "a", clips(12)) == list(clips(12))[5:]
    assert_whole(tmp_path / "a", clips(12))


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("call", range(1, 14))
def test_a_kill_costs_the_clip_at_hand(tmp_path, monkeypatch, call):
    original, calls = level_file._write_all, []

    def killed(file, content):
        calls.append(1)
        if len(calls) == call:  # in the midst of numbers, or of a line
            original(file, content[: len(content) // 2])
            raise Killed
        original(file, content)

    monkeypatch.setattr(level_file, "_write_all", killed)
    with pytest.raises(Killed):
        write(tmp_path / "a", clips())
    monkeypatch.setattr(level_file, "_write_all", original)
    n_whole = (call - 1) // 2
    assert not opened(tmp_path / "a").is_sealed()
    assert list(opened(tmp_path / "a").clips) == list(clips())[:n_whole]
    assert write(tmp_path / "a", clips()) == list(clips())[n_whole:]
    assert_whole(tmp_path / "a", clips())
    n_frames = sum(len(array) for array in clips().values())
    assert os.path.getsize(tmp_path / "a.f16") == n_frames * 20


@pytest.mark.parametrize("ending", ["f16", "index", "seal"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "how", ["truncated", "flipped", "longer", "empty", "gone"]
)
def test_what_is_damaged_is_never_read(tmp_path, ending, seed, how):
    write(tmp_path / "a", clips())
    path = tmp_path / f"a.{ending}"
    content = bytearray(path.read_bytes())
    offset = np.random.default_rng(seed).integers(len(content))
    if how == "truncated":
        path.write_bytes(content[:offset])
    elif how == "flipped":
        content[offset] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(1, 1))  # at another time
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "longer":
        path.write_bytes(content + b"7")
    else:
        path.unlink()
    file = opened(tmp_path / "a")
    for name in file.clips:  # what is said to be there, is
        expected = torch.from_numpy(clips()[name]).half()
        assert torch.equal(file.read(name), expected)
    if ending == "seal" or how == "longer":
        assert len(file.clips) == 12
    if how == "flipped" and ending != "seal":
        # the end of a line makes two of one
        assert len(file.clips) >= (11 if ending == "f16" else 10)
    missing = write(tmp_path / "a", clips())
    assert set(missing) == set(clips()) - set(file.clips)
    assert_whole(tmp_path / "a", clips())


def test_swapped_names_are_found(tmp_path):
    same = {name: clips()["clip, 0"] * i for i, name in enumerate("ab")}
    write(tmp_path / "a", same)
    index = tmp_path / "a.index"
    a, b = map(json.loads, index.read_text().splitlines())
    a[0], b[0] = "b", "a"
    index.write_text(f"{json.dumps(a)}\n{json.dumps(b)}\n")
    os.utime(index, ns=(1, 1))
    assert not opened(tmp_path / "a").clips


def test_a_seal_saves_reading_the_numbers(tmp_path, monkeypatch):
    write(tmp_path / "a", clips())

    def fail(*args):
        raise AssertionError("read")

    monkeypatch.setattr(LevelFile, "_checksum", fail)
    assert len(opened(tmp_path / "a").clips) == 12
    os.utime(tmp_path / "a.f16")
    with pytest.raises(AssertionError):
        opened(tmp_path / "a")


def resident_kb(path):
    """How much of a file's memory map is in memory."""
    with open("/proc/self/smaps") as file:
        lines = iter(file.read().splitlines())
    total = None
    for line in lines:
        if line.endswith(str(path)):
            while not line.startswith("Rss:"):
                line = next(lines)
            total = (total or 0) + int(line.split()[1])
    return total


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="asks Linux")
def test_numbers_are_read_when_they_are_asked_for(tmp_path):
    big = {str(i): np.full((2**15, *SHAPE), i, "f4") for i in range(40)}
    write(tmp_path / "a", big)  # 655 kB a clip, 26 MB in all
    file = opened(tmp_path / "a")
    assert resident_kb(file.data) is None
    assert (file.read("20") == 20).all()
    assert 0 < resident_kb(file.data) < 5000


@pytest.mark.parametrize(
    "array, message",
    [
        (np.ones((3, 2, 4)), r"shape \(3, 2, 4\), expected \[frames, 2, 5\]"),
        (np.ones((3, 5)), "expected"),
        (np.ones((0, *SHAPE)), "no frame"),
        (np.full((3, *SHAPE), 7e4), "reach 70000.0, beyond"),
        (np.full((3, *SHAPE), np.nan), "reach nan, beyond"),
    ],
)
def test_what_can_not_be_stored_names_the_clip(tmp_path, array, message):
    file = LevelFile(tmp_path / "a", SHAPE)
    with pytest.raises(SerMtlError, match=f"clip 7: .*{message}"):
        with file.writing():
            file.append("good", np.ones((3, *SHAPE)))
            file.append("clip 7", array)
    assert list(opened(tmp_path / "a").clips) == ["good"]


def test_the_largest_number_of_half_precision_is_kept(tmp_path):
    write(tmp_path / "a", {"a": np.full((1, *SHAPE), -65504.0, "f4")})
    assert (opened(tmp_path / "a").read("a") == -65504).all()


def test_a_full_disk_is_said_and_what_was_written_stays(tmp_path, monkeypatch):
    original = level_file._write_all

    def full(file, content):
        if b"clip, 4" in content:
            original(file, content[:7])
            raise OSError(28, "No space left on device")
        original(file, content)

    monkeypatch.setattr(level_file, "_write_all", full)
    with pytest.raises(SerMtlError, match="a.f16.*No space.*Make room"):
        write(tmp_path / "a", clips())
    assert len(opened(tmp_path / "a").clips) == 4


def test_an_unknown_clip_is_named(tmp_path):
    write(tmp_path / "a", clips(2))
    with pytest.raises(SerMtlError, match="no levels of clip, 2"):
        opened(tmp_path / "a").read("clip, 2")


def test_clips_of_other_frames_are_not_taken_for_ours(tmp_path):
    write(tmp_path / "a", clips())
    other = LevelFile(tmp_path / "a", (3, 5))
    os.utime(tmp_path / "a.f16")
    other.load()
    assert not other.clips


def test_a_pickle_does_not_hold_the_numbers(tmp_path):
    import pickle

    write(tmp_path / "a", clips())
    file = opened(tmp_path / "a")
    file.read("clip, 1")
    again = pickle.loads(pickle.dumps(file))
    assert again._map is None
    assert torch.equal(again.read("clip, 1"), file.read("clip, 1"))
