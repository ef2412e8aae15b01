import logging
from pathlib import Path

import pytest

from ser_mtl_modules.dataio.corpus_files import (
    audio_files,
    one_of_each_name,
    read_names,
)
from ser_mtl_modules.errors import SerMtlError


@pytest.fixture
def folder(tmp_path):
    for name in (
        "wav/b.wav",
        "wav/a.FLAC",
        "wav/._a.wav",
        "wav/a.txt",
        "again/wav/b.flac",
        "again/wav/c.wav",
        ".hidden/wav/d.wav",
        "__MACOSX/wav/e.wav",
        "f.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_audio_is_found_at_any_depth_without_what_is_hidden(folder):
    found = names(audio_files(folder, "**/wav/*"), folder)
    assert found == [
        "wav/a.FLAC",
        "wav/b.wav",
        "again/wav/b.flac",
        "again/wav/c.wav",
    ]


def test_a_hidden_folder_above_the_corpus_hides_nothing(folder):
    hidden = folder / ".hidden"
    assert names(audio_files(hidden, "**/wav/*"), hidden) == ["wav/d.wav"]


def test_of_copies_the_first_counts_and_it_is_said(folder, caplog):
    with caplog.at_level(logging.WARNING):
        files = one_of_each_name(audio_files(folder, "**/wav/*"))
    expected = ["wav/a.FLAC", "wav/b.wav", "again/wav/c.wav"]
    assert names(files, folder) == expected
    assert "1 files are there more than once" in caplog.text


def test_all_wrong_names_are_said_at_once():
    def refuse_long(path):
        if len(path.stem) > 1:
            raise SerMtlError(f"{path}: too long")
        return path.stem

    good = [Path("a.wav"), Path("b.wav")]
    assert read_names(good, refuse_long, "data", "TINY") == ["a", "b"]
    with pytest.raises(SerMtlError) as error:
        read_names(
            [Path("cc.wav"), *good, Path("dd.wav")], refuse_long, "data", "TINY"
        )
    message = str(error.value)
    assert "2 files below data are not named as in TINY" in message
    assert "cc.wav: too long" in message and "dd.wav: too long" in message


def test_names_can_be_made_of_the_folder_too(folder):
    files = one_of_each_name(
        audio_files(folder, "**/wav/*"),
        name=lambda path: f"{path.parents[1].name}/{path.stem}",
    )
    assert len(files) == 4


def test_files_come_by_depth_then_as_paths_are_ordered(tmp_path):
    for name in ("b/1.wav", "b-a/1.wav", "b/c/1.wav", "a/2.wav", "3.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    files = list(audio_files(tmp_path, "**/*"))
    assert files == sorted(files, key=lambda path: (len(path.parts), path))
    names = [path.relative_to(tmp_path).as_posix() for path in files]
    assert names == ["3.wav", "a/2.wav", "b/1.wav", "b-a/1.wav", "b/c/1.wav"]
