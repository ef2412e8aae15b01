"""Downloads from a server in this process, which misbehaves when told to."""

import hashlib
import io
import random
import shutil
import socket
import sys
import threading
import types
import zipfile
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import ravdess_prepare

from ser_mtl_modules.dataio.download import Archive, download_corpus, fetch
from ser_mtl_modules.dataio.folds import open_fold
from ser_mtl_modules.errors import SerMtlError

NAME = "corpus_01-24.zip"
CLIPS = {
    f"Actor_{actor:02d}/03-01-01-01-01-01-{actor:02d}.wav": random.Random(
        actor
    ).randbytes(60_000)
    for actor in (1, 2, 3, 4)
}


def zipped(files):
    """The bytes of a zip of ``{name: content}``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def archive_of(url, content):
    md5 = hashlib.md5(content).hexdigest()
    return Archive(f"{url}/{NAME}?download=1", len(content), md5, 300_000)


class Server:
    """A file behind HTTP: what it serves, how, and what it was asked for."""

    def __init__(self):
        self.content = zipped(CLIPS)
        self.ranges = True  # whether it knows of them
        self.cut = None  # bytes after which the connection ends
        self.says_length = True
        self.asked = []  # the Range of every request

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(handler):
                self.answer(handler)

            def log_message(handler, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.archive = archive_of(self.url, self.content)

    def answer(self, handler):
        wanted = handler.headers["Range"]
        self.asked.append(wanted)
        first, size = 0, len(self.content)
        if wanted and self.ranges:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if first >= size:
                return handler.send_error(416)
            handler.send_response(206)
            handler.send_header(
                "Content-Range", f"bytes {first}-{size - 1}/{size}"
            )
        else:
            handler.send_response(200)
        if self.says_length:
            handler.send_header("Content-Length", str(size - first))
        handler.end_headers()
        body = self.content[first:]
        handler.wfile.write(body if self.cut is None else body[: self.cut])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")  # it is on this machine
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=[0.01])
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "RAVDESS"


def is_there(folder):
    return any(ravdess_prepare.audio_files(folder))


def assert_whole(folder):
    """All clips as they were packed, and nothing that was for the way."""
    found = {
        path.relative_to(folder / "corpus_01-24").as_posix(): path.read_bytes()
        for path in ravdess_prepare.audio_files(folder)
    }
    assert found == CLIPS
    left = {path.name for path in folder.iterdir()}
    assert left == {NAME, f".{NAME}.lock", "corpus_01-24"}


def part_of(server, folder, n_bytes):
    """What a kill after so many bytes leaves."""
    folder.mkdir()
    part = folder / f"{NAME}.part"
    part.write_bytes(server.content[:n_bytes])
    return part


def test_an_archive_is_downloaded_and_unpacked(server, folder):
    fetch(server.archive, folder, is_there)
    assert_whole(folder)
    assert server.asked == [None]


def test_a_server_need_not_say_how_long_the_file_is(server, folder):
    server.says_length = False
    fetch(server.archive, folder, is_there)
    assert_whole(folder)


@pytest.mark.parametrize("n_bytes", [1, 100_000])
def test_a_killed_download_goes_on(server, folder, n_bytes):
    part_of(server, folder, n_bytes)
    fetch(server.archive, folder, is_there)
    assert_whole(folder)
    assert server.asked == [f"bytes={n_bytes}-"]


def test_a_cut_connection_says_so_and_the_same_call_goes_on(server, folder):
    server.cut = 150_000
    with pytest.raises(SerMtlError, match="goes on from there") as error:
        fetch(server.archive, folder, is_there)
    assert "the connection ended early" in str(error.value)
    assert not is_there(folder)
    server.cut = None
    fetch(server.archive, folder, is_there)
    assert_whole(folder)
    assert server.asked == [None, "bytes=150000-"]


def test_a_server_without_ranges_begins_anew(server, folder):
    server.ranges = False
    part_of(server, folder, 100_000).write_bytes(b"x" * 100_000)
    fetch(server.archive, folder, is_there)
    assert_whole(folder)
    assert server.asked == ["bytes=100000-"]


def test_a_kill_before_the_last_rename_costs_nothing(server, folder):
    part_of(server, folder, len(server.content))
    fetch(server.archive, folder, is_there)
    assert_whole(folder)
    assert server.asked == []


def test_more_than_the_archive_is_begun_anew(server, folder):
    part_of(server, folder, 0).write_bytes(server.content + b"more")
    fetch(server.archive, folder, is_there)
    assert_whole(folder)
    assert server.asked == [None]


def test_another_file_than_expected_replaces_nothing(server, folder):
    part = part_of(server, folder, 100_000)
    server.content, server.ranges = b"<html>Please log in", False
    with pytest.raises(SerMtlError, match="the server offers '19', expected"):
        fetch(server.archive, folder, is_there)
    assert part.stat().st_size == 100_000


@pytest.mark.parametrize("where", ["server", "part"])
def test_a_wrong_checksum_removes_what_came(server, folder, where):
    right = server.content
    wrong = b"x" + right[1:]
    if where == "part":
        part_of(server, folder, 100_000).write_bytes(wrong[:100_000])
    else:
        server.content = wrong
    with pytest.raises(SerMtlError) as error:
        fetch(server.archive, folder, is_there)
    assert hashlib.md5(wrong).hexdigest() in str(error.value)
    assert server.archive.md5 in str(error.value)
    assert "is removed" in str(error.value)
    assert [path.name for path in folder.iterdir()] == [f".{NAME}.lock"]
    server.content = right
    fetch(server.archive, folder, is_there)
    assert_whole(folder)


def test_without_a_network_it_says_what_to_do_by_hand(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    content = zipped(CLIPS)
    archive = archive_of(url, content)
    with pytest.raises(SerMtlError) as error:
        fetch(archive, folder, is_there)
    for said in ("Connection refused", archive.url, f"at {folder / NAME}"):
        assert said in str(error.value)
    (folder / NAME).write_bytes(content)  # as it says
    fetch(archive, folder, is_there)
    assert_whole(folder)


def test_a_server_that_refuses_is_quoted(server, folder):
    part = part_of(server, folder, 100_000)
    server.content = server.content[:50_000]
    with pytest.raises(SerMtlError, match="HTTP Error 416"):
        fetch(server.archive, folder, is_there)
    assert part.exists()


def test_a_zip_that_is_there_is_unpacked_without_asking(server, folder):
    folder.mkdir()
    (folder / NAME).write_bytes(server.content)
    fetch(server.archive, folder, is_there)
    assert_whole(folder)
    assert server.asked == []


@pytest.mark.parametrize(
    "given", [lambda content: content[:-1], lambda content: b"x" + content[1:]]
)
def test_a_wrong_zip_of_the_user_is_named_and_left(server, folder, given):
    folder.mkdir()
    path = folder / NAME
    path.write_bytes(given(server.content))
    with pytest.raises(SerMtlError, match="is not the archive as published"):
        fetch(server.archive, folder, is_there)
    assert path.read_bytes() == given(server.content)
    assert not is_there(folder) and server.asked == []


def test_nothing_happens_where_the_corpus_is(server, folder):
    actor = folder / "Actor_01"
    actor.mkdir(parents=True)
    (actor / "03-01-01-01-01-01-01.flac").touch()
    fetch(server.archive, folder, is_there)
    assert server.asked == []
    assert list(folder.iterdir()) == [actor]


def test_of_two_processes_the_second_finds_the_work_done(server, folder):
    answers = iter([False, True])  # before and after it waited
    fetch(server.archive, folder, lambda _: next(answers))
    assert server.asked == []


@pytest.mark.parametrize(
    "name", ["../outside.wav", "/outside.wav", "a/../../b"]
)
def test_names_that_point_out_of_the_folder_are_refused(server, folder, name):
    server.content = zipped({**CLIPS, name: b"evil"})
    archive = archive_of(server.url, server.content)
    with pytest.raises(SerMtlError, match="points out of the folder"):
        fetch(archive, folder, is_there)
    assert not is_there(folder)
    assert {p.name for p in folder.iterdir()} == {NAME, f".{NAME}.lock"}
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("cleans_up", [True, False])
def test_a_kill_while_unpacking_leaves_no_half_corpus(
    server, folder, monkeypatch, cleans_up
):
    extract, calls = zipfile.ZipFile.extract, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 3:
            raise Killed
        return extract(*args)

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extract", killed)
        if not cleans_up:  # a real kill runs no ``finally``
            patch.setattr(shutil, "rmtree", lambda *args, **kwargs: None)
        with pytest.raises(Killed):
            fetch(server.archive, folder, is_there)
    assert not is_there(folder)
    assert (folder / ".corpus_01-24.unpacking").exists() != cleans_up
    fetch(server.archive, folder, is_there)
    assert_whole(folder)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "free, what", [(400_000, "and its content"), (100_000, "the content of")]
)
def test_a_full_disk_is_said_before(server, folder, monkeypatch, free, what):
    if what == "the content of":  # only unpacking is left
        folder.mkdir()
        (folder / NAME).write_bytes(server.content)
    usage = namedtuple("usage", "total used free")(10**6, 0, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SerMtlError, match=f"{what}.*Make room"):
        fetch(server.archive, folder, is_there)
    assert server.asked == [] and not is_there(folder)


def test_what_is_in_the_way_is_named_and_left(server, folder):
    other = folder / "corpus_01-24" / "other.txt"
    other.parent.mkdir(parents=True)
    other.touch()
    with pytest.raises(SerMtlError, match=f"{other.parent}: cannot be written"):
        fetch(server.archive, folder, is_there)
    assert other.exists() and not is_there(folder)


def test_a_data_folder_that_is_a_file_is_named(server, folder):
    folder.touch()
    with pytest.raises(SerMtlError, match=f"{folder}: cannot be written"):
        fetch(server.archive, folder, is_there)


def test_ravdess_comes_to_where_its_preparation_looks(
    server, folder, monkeypatch
):
    monkeypatch.setattr(ravdess_prepare, "ARCHIVE", server.archive)
    download_corpus(ravdess_prepare, str(folder))
    assert len(ravdess_prepare.find_files(folder)) == len(CLIPS)


def test_a_corpus_that_has_no_download_says_where_to_get_it():
    preparation = types.ModuleType(
        "iemocap_prepare",
        "IEMOCAP.\n\nAsk at https://sail.usc.edu/iemocap\n\nAuthors\n * We",
    )
    preparation.__file__ = "recipes/IEMOCAP/iemocap_prepare.py"
    with pytest.raises(SerMtlError) as error:
        download_corpus(preparation, "data")
    assert "by hand" in str(error.value)
    assert "Ask at https://sail.usc.edu/iemocap" in str(error.value)
    assert "We" not in str(error.value).split()


@pytest.mark.parametrize("wanted", [False, True])
def test_a_fold_downloads_its_corpus_when_told_to(
    monkeypatch, tmp_path, wanted
):
    calls = []

    def prepare(*args, **kwargs):
        calls.append("prepare")
        raise Killed

    preparation = types.ModuleType("a_prepare")
    preparation.download = lambda folder: calls.append(f"download {folder}")
    preparation.prepare = prepare
    monkeypatch.setitem(sys.modules, "a_prepare", preparation)
    monkeypatch.setattr(sys, "path", [*sys.path])
    fold = ("a_prepare", "data", "manifest.csv", "a card", 1)
    with pytest.raises(Killed):
        open_fold(tmp_path, *fold, download=wanted)
    assert calls == ["download data"] * wanted + ["prepare"]
