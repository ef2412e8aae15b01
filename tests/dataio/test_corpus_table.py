"""Tables that users write, right and wrong."""

import shutil

import pytest
import soundfile
from hypothesis import (
    HealthCheck,
    given,
    settings,
    strategies as st,
)
from tiny_ravdess import RATE, clip

from ser_mtl_modules.dataio.corpus_table import (
    prepare_table,
    read_corpus_table,
    unread_columns,
)
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.errors import SerMtlError


@pytest.fixture
def write(tmp_path):
    """A function that writes a table and an empty file for each clip."""

    def write(text, files=("a.wav", "b/a.wav")):
        for name in files:
            (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / name).touch()
        table = tmp_path / "data" / "table.csv"
        table.write_text(text, encoding="utf-8")
        return table

    return write


def test_columns_are_found_by_name_between_commas_or_tabs(write):
    text = "emotion,notes,gender,file\nsad,x,female,a.wav\ncalm,,M,b/a.wav\n"
    clips = read_corpus_table(write(text))
    assert [c["ID"] for c in clips] == ["a", "b_a"]
    assert [c["emotion"] for c in clips] == ["sad", "calm"]
    assert [c["gender"] for c in clips] == ["F", "M"]
    assert {c["speaker"] + c["transcript"] + c["split"] for c in clips} == {""}
    tabs = text.replace(",", "\t")
    assert read_corpus_table(write(tabs)) == clips
    assert unread_columns(write(tabs)) == ["notes"]


def test_absolute_files_may_lie_anywhere(write, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "c.wav"
    elsewhere.parent.mkdir()
    soundfile.write(elsewhere, clip(1, 1, 1), RATE)
    table = write(f"file,emotion\na.wav,sad\n{elsewhere},sad\n")
    soundfile.write(table.parent / "a.wav", clip(1, 2, 1), RATE)
    prepare_table(table.parent, tmp_path / "m.csv", "mine", table.name)
    moved = shutil.copytree(table.parent, tmp_path / "moved")
    rows = read_manifest(tmp_path / "m.csv", moved).rows.values()
    assert {row["wav"] for row in rows} == {
        str(moved / "a.wav"),
        str(elsewhere),
    }


def test_a_changed_label_makes_the_manifest_new_and_nothing_else_does(
    write, tmp_path
):
    table, manifest = write("file,emotion\na.wav,sad\n"), tmp_path / "m.csv"
    soundfile.write(table.parent / "a.wav", clip(1, 2, 1), RATE)
    prepare_table(table.parent, manifest, "mine", table.name)
    before = manifest.stat().st_mtime_ns
    prepare_table(table.parent, manifest, "mine", table.name)
    assert manifest.stat().st_mtime_ns == before
    table.write_text("file,emotion\na.wav,mad\n")
    prepare_table(table.parent, manifest, "mine", table.name)
    (row,) = read_manifest(manifest, table.parent).rows.values()
    assert row["emotion"] == "mad" and row["part"] == "0"


def test_parts_have_as_many_clips_of_each_emotion_in_any_order(write):
    lines = [f"{e}{i}.wav,{e}\n" for e in ("sad", "calm") for i in range(20)]
    files = [line.partition(",")[0] for line in lines]

    def parts(lines):
        clips = read_corpus_table(
            write("file,emotion\n" + "".join(lines), files)
        )
        return {clip["ID"]: clip["part"] for clip in clips}

    found = parts(lines)
    assert found == parts(lines[::-1])
    for emotion in ("sad", "calm"):
        of = sorted(part for id_, part in found.items() if emotion in id_)
        assert of == sorted("0123456789" * 2)


HEAD = "file,emotion,speaker,gender,transcript,split\n"
GOOD = "a.wav,sad,s1,F,hello,train\n"


@pytest.mark.parametrize(
    "line, message",
    [
        (",sad,s1,F,,train", "line 3: found '' as file, expected a file, from"),
        ("b/a.wav,,s1,F,,train", "line 3: found '' as emotion, expected the"),
        ("b/a.wav,sad,,F,,train", "found '' as speaker, expected the speaker"),
        ("b/a.wav,sad,s1,X,,train", "found 'X' as gender, expected F, M, fem"),
        ("b/a.wav,sad,s1,F,,dev", "found 'dev' as split, expected one of tra"),
        ("b/a.wav,sad,s1,F,,", "found '' as split, expected one of train, val"),
        ("a.wav,sad,s1,F,,train", "found 'a.wav' as file, expected one that"),
        ("b/a.wav,sad,s1,F,,train,x", "line 3: found 'b/a.wav,sad,s1,F,,trai"),
        ('b/a.wav,sad,s1,F,"x"y,train', "line 3: found .* comma-separated"),
        ("c.wav,sad,s1,F,,train", "1 of 2 files are not there:\n.*line 3: .*c"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_what_was_expected(
    write, line, message
):
    table = write(f"{HEAD}{GOOD}{line}\n")
    with pytest.raises(SerMtlError, match=message) as error:
        read_corpus_table(table)
    assert str(table) in str(error.value)


def test_all_that_is_wrong_is_named_at_once(write):
    table = write(f"{HEAD}a.wav,,s1,Q,,train\nb/a.wav,sad,,F,,train\n")
    with pytest.raises(SerMtlError, match="3 values are wrong") as error:
        read_corpus_table(table)
    assert str(error.value).count("\n  line ") == 3


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "line 1: found '', expected names of columns"),
        ("wav,emotion\na.wav,sad\n", "line 1: found 'wav,emotion', expected"),
        ("file,emotions\na.wav,sad\n", "Did you mean 'emotions'"),
        ("file,emotion\n", "no line after the one with the columns' names"),
        ("file,emotion,file\na,sad,b\n", "line 1: .* each once"),
    ],
)
def test_a_table_without_its_columns_is_refused(write, text, message):
    with pytest.raises(SerMtlError, match=message):
        read_corpus_table(write(text))


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(SerMtlError, match="nowhere.csv: .*can't be read"):
        read_corpus_table(tmp_path / "nowhere.csv")


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_our_error(write, text):
    table = write(f"file,emotion,gender\n{text}")
    try:
        clips = read_corpus_table(table)
    except SerMtlError as error:
        assert str(table) in str(error)
    else:
        assert all(clip["emotion"] for clip in clips)
