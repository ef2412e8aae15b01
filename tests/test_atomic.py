import os
import stat

import pytest

from ser_mtl_modules.atomic import atomic_write


def test_writes_what_it_is_given_to_the_byte(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "c.csv") as file:
        file.write("glücklich\nfroh\r\n")
    written = (tmp_path / "a" / "b" / "c.csv").read_bytes()
    assert written == "glücklich\nfroh\r\n".encode()


def test_the_old_file_is_there_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with open(path) as reader:
        with atomic_write(path) as file:
            file.write("new")
        assert reader.read() == "old"  # replaced, not written over


def test_after_an_error_nothing_has_changed(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        with atomic_write(path) as file:
            file.write("half")
            raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_once_leave_one_whole_file(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as one, atomic_write(path) as other:
        one.write("one")
        other.write("other")
    assert path.read_text() == "one"  # the outer one is renamed last
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_it_as_any_file(tmp_path):
    with atomic_write(tmp_path / "a.txt"):
        pass
    (tmp_path / "b.txt").touch()
    modes = {stat.S_IMODE(os.stat(p).st_mode) for p in tmp_path.iterdir()}
    assert len(modes) == 1
