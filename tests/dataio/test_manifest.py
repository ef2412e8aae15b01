import csv
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_mtl_modules.dataio.manifest import (
    COLUMNS,
    _name,
    build_rows,
    fingerprint,
    is_current,
    read_manifest,
    write_manifest,
)
from ser_mtl_modules.errors import SerMtlError

MADE_FROM = {
    "corpus": "toy",
    "data_folder": "/data/toy",
    "options": {"skip_bad_audio": False},
    "fingerprint": "0123",
}


def row(id_, **more):
    return {"ID": id_, "wav": f"{{data_root}}/{id_}.wav", "duration": 1, **more}


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "results" / "toy.csv"
    write_manifest(path, [row("b"), row("a")], **MADE_FROM)
    return path


@pytest.fixture
def corpus(tmp_path):
    """Makes clips a, b, … of 10 ms; those named in `bad` are no audio."""

    def make(names, bad=""):
        clips = []
        for seed, name in enumerate(names):
            path = tmp_path / "corpus" / f"{name}.wav"
            path.parent.mkdir(exist_ok=True)
            samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 160)
            soundfile.write(path, samples, 16000)
            if name in bad:
                path.write_bytes(b"no audio")
            clips.append({"ID": name, "wav": path, "emotion": "05"})
        return clips, tmp_path / "corpus"

    return make


def test_rows_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "toy.csv"
    text = 'He said: "Ü, 1\r\nor 2"'
    written = row(
        "a", start=0.25, stop=None, emotion="05", transcript=text, actor="01"
    )
    write_manifest(path, [written], **MADE_FROM)
    (read,) = read_manifest(path, "/elsewhere").rows.values()
    assert read == {
        **dict.fromkeys(COLUMNS[1:], ""),
        "wav": "/elsewhere/a.wav",
        "duration": 1.0,
        "start": 0.25,
        "stop": None,
        "emotion": "05",
        "transcript": text,
        "actor": "01",
    }


def test_speechbrains_columns_come_first_and_the_corpus_own_last(tmp_path):
    path = tmp_path / "toy.csv"
    write_manifest(path, [row("a", actor="01")], **MADE_FROM)
    header = next(csv.reader(path.open()))
    assert header == [*COLUMNS, "actor"]
    assert header[:3] == ["ID", "duration", "wav"]


def test_rows_are_ordered_by_id(manifest):
    assert list(read_manifest(manifest, "/x").rows) == ["a", "b"]


def test_sidecar_counts_labels_and_speakers(tmp_path):
    path = tmp_path / "toy.csv"
    rows = [row(i, emotion=e, speaker="s") for i, e in ["a1", "b1", "c2"]]
    write_manifest(path, rows, **MADE_FROM)
    assert read_manifest(path, "/x").meta["counts"] == {
        "utterances": 3,
        "emotion": {"1": 2, "2": 1},
        "speaker": {"s": 3},
    }


def test_checksum_does_not_depend_on_where_the_corpus_lies(manifest, tmp_path):
    moved = tmp_path / "moved.csv"
    rows = [row("a"), row("b")]
    write_manifest(moved, rows, **{**MADE_FROM, "data_folder": "/mnt"})
    checksums = {read_manifest(p, "/x").checksum for p in (manifest, moved)}
    assert len(checksums) == 1


def test_an_id_of_two_utterances_is_an_error(tmp_path):
    with pytest.raises(SerMtlError, match="(?s)1 IDs .* a\n"):
        write_manifest(tmp_path / "m.csv", [row("a"), row("a")], **MADE_FROM)


def test_is_current_when_nothing_changed(manifest):
    assert is_current(manifest, **MADE_FROM)


@pytest.mark.parametrize(
    "change",
    [
        {"corpus": "other"},
        {"data_folder": "/data/other"},
        {"options": {"skip_bad_audio": True}},
        {"fingerprint": "4567"},
    ],
)
def test_is_not_current_when_made_from_something_else(manifest, change):
    assert not is_current(manifest, **{**MADE_FROM, **change})


@pytest.mark.parametrize("name", ["toy.csv", "toy.csv.json"])
@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff"])
def test_a_damaged_manifest_is_neither_current_nor_read(
    manifest, name, content
):
    damaged = manifest.with_name(name)
    if content is None:
        damaged.unlink()
    else:
        damaged.write_bytes(content)
    assert not is_current(manifest, **MADE_FROM)
    with pytest.raises(SerMtlError, match="toy.csv: .* preparation again"):
        read_manifest(manifest, "/x")


def test_a_manifest_that_was_edited_is_refused(manifest):
    manifest.write_text(manifest.read_text().replace("a.wav", "b.wav"))
    assert not is_current(manifest, **MADE_FROM)
    with pytest.raises(SerMtlError, match="changed after preparation"):
        read_manifest(manifest, "/x")


def test_a_kill_before_the_renaming_leaves_the_old_manifest(
    manifest, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_manifest(manifest, [row("c")], **MADE_FROM)
    assert list(read_manifest(manifest, "/x").rows) == ["a", "b"]
    assert is_current(manifest, **MADE_FROM)
    names = sorted(path.name for path in manifest.parent.iterdir())
    assert names == ["toy.csv", "toy.csv.json"]


def test_a_kill_between_csv_and_sidecar_is_noticed(manifest, monkeypatch):
    replace, calls = os.replace, []

    def killed_at_the_second(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        replace(*args)

    monkeypatch.setattr(os, "replace", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        write_manifest(manifest, [row("c")], **MADE_FROM)
    assert not is_current(manifest, **MADE_FROM)
    with pytest.raises(SerMtlError, match="Run the prep|run the prep"):
        read_manifest(manifest, "/x")


def test_build_rows_adds_what_decoding_tells(corpus):
    clips, folder = corpus("ab")
    a, b = build_rows(clips, folder)
    assert a["wav"] == "{data_root}/a.wav"
    assert a["duration"] == 0.01 and a["emotion"] == "05"
    assert a["checksum"] != b["checksum"]


def test_slices_of_one_file_have_their_own_length_and_checksum(corpus):
    ((clip,), folder) = corpus("a")
    clips = [
        {**clip, "ID": "a1", "start": 0.0, "stop": 0.004},
        {**clip, "ID": "a2", "start": 0.004, "stop": 0.01},
    ]
    one, two = build_rows(clips, folder)
    assert (one["duration"], two["duration"]) == (0.004, 0.006)
    assert one["checksum"] != two["checksum"]


def test_headers_alone_tell_all_but_the_checksum(corpus, monkeypatch):
    clips, folder = corpus("abc")
    expected = [{**row, "checksum": ""} for row in build_rows(clips, folder)]

    def decoded(*_):
        raise AssertionError("a file was decoded")

    monkeypatch.setattr("ser_mtl_modules.dataio.audio._decode", decoded)
    monkeypatch.setattr("ser_mtl_modules.dataio.manifest.AT_ONCE", 2)
    assert build_rows(clips, folder, headers_only=True) == expected


def test_headers_alone_show_a_truncated_wav_and_what_is_no_audio(corpus):
    clips, folder = corpus("abc", bad="b")
    wav = clips[2]["wav"]
    wav.write_bytes(wav.read_bytes()[:-80])
    with pytest.raises(SerMtlError) as error:
        build_rows(clips, folder, headers_only=True)
    assert "b.wav: cannot be read" in str(error.value)
    assert "c.wav: truncated" in str(error.value)


def test_all_bad_files_are_in_one_error(corpus):
    clips, folder = corpus("abcd", bad="bd")
    with pytest.raises(SerMtlError) as error:
        build_rows(clips, folder)
    message = str(error.value)
    assert "2 of the 4 audio files" in message
    assert "b.wav: cannot be read" in message
    assert "d.wav: cannot be read" in message
    assert "--skip_bad_audio=True" in message


def test_of_many_bad_files_twenty_are_shown(corpus):
    names = "abcdefghijklmnopqrstuvwxy"
    with pytest.raises(SerMtlError) as error:
        build_rows(*corpus(names, bad=names))
    message = str(error.value)
    assert message.count(".wav: ") == 20 and "and 5 more" in message


def test_bad_files_are_left_out_on_request_and_named(corpus, caplog):
    clips, folder = corpus("abc", bad="b")
    rows = build_rows(clips, folder, skip_bad_audio=True)
    assert [row["ID"] for row in rows] == ["a", "c"]
    assert "Left out 1 of 3" in caplog.text
    assert "b.wav: cannot be read" in caplog.text


def test_leaving_out_everything_is_an_error_all_the_same(corpus):
    clips, folder = corpus("ab", bad="ab")
    with pytest.raises(SerMtlError, match="but not all"):
        build_rows(clips, folder, skip_bad_audio=True)


def test_fingerprint_sees_names_and_sizes_but_not_the_place(tmp_path):
    def listing(folder, **sizes):
        (tmp_path / folder).mkdir()
        for name, size in sizes.items():
            (tmp_path / folder / name).write_bytes(bytes(size))
        return fingerprint((tmp_path / folder).iterdir(), tmp_path / folder)

    first = listing("here", a=1, b=2)
    assert first == listing("there", b=2, a=1)
    others = [listing("x", a=1, b=3), listing("y", a=1, c=2), listing("z", a=1)]
    assert first not in others


def test_fingerprint_sees_another_label_of_the_same_length(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("neu")
    before = fingerprint([], tmp_path, [labels])
    labels.write_text("ang")
    assert fingerprint([], tmp_path, [labels]) != before


@pytest.mark.parametrize(
    "file, folder, name",
    [
        ("/x/y/a.wav", "/x", "y/a.wav"),
        ("/xy/a.wav", "/x", "/xy/a.wav"),
        ("/x/a.wav", ".", "/x/a.wav"),
        ("x/a.wav", ".", "x/a.wav"),
        ("x/a.wav", "/x", "x/a.wav"),
        ("/a.wav", "/", "a.wav"),
    ],
)
def test_a_file_is_named_from_the_data_folder_if_it_is_below(
    file, folder, name
):
    assert _name(Path(file), Path(folder)) == name
