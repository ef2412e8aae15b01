import pytest

from ser_mtl_modules.dataio import transcript_files
from ser_mtl_modules.dataio.transcript_files import read_transcripts
from ser_mtl_modules.errors import SerMtlError


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_typeset_apostrophes_and_accents_are_read_in_any_encoding(
    tmp_path, encoding
):
    path = tmp_path / "a.txt"
    path.write_bytes("It’s a café.\n".encode(encoding))
    assert read_transcripts([path]) == {"a": "IT'S A CAFE"}


def test_all_files_are_read_however_many_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(transcript_files, "AT_ONCE", 2)
    paths = [tmp_path / f"{name}.txt" for name in "abcde"]
    for path in paths:
        path.write_text(f"This is {path.stem}")
    expected = {path.stem: f"THIS IS {path.stem.upper()}" for path in paths}
    assert read_transcripts(paths) == expected


def test_a_file_that_is_gone_is_our_error(tmp_path):
    with pytest.raises(SerMtlError, match="gone.txt: this transcript can't"):
        read_transcripts([tmp_path / "gone.txt"])
