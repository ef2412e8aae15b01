"""Gets a corpus's archive, whole or not at all, and unpacks it.

Only on request (``--download=True``), and only where the corpus is not there.
The archive grows in ``<name>.part``; a broken download goes on where it was.
It is unpacked in a hidden folder beside, which gets its name when all is in
it: no kill leaves a part of a corpus that looks like the whole.
"""

import contextlib
import hashlib
import http.client
import os
import shutil
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from tqdm import tqdm

from ser_mtl_modules import __version__
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.locks import locked
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

CHUNK = 1 << 16  # bytes
TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    """A zip of a corpus, as its authors published it.

    Arguments
    ---------
    url : str
        Its path ends with the name of the file.
    size : int
        Bytes.
    md5 : str
        What the publisher says; hexadecimal.
    unpacked_size : int
        Bytes, about; to see beforehand whether there is room.

    Example
    -------
    >>> archive = Archive("https://a.org/files/corpus.zip?download=1", 1, "", 2)
    >>> archive.name, archive.stem
    ('corpus.zip', 'corpus')
    """

    url: str
    size: int
    md5: str
    unpacked_size: int

    @property
    def name(self):
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def stem(self):
        return PurePosixPath(self.name).stem


def download_corpus(preparation, data_folder):
    """What ``--download=True`` does, before the preparation.

    Arguments
    ---------
    preparation : module
        Of a corpus. If it can be had without asking somebody it has
        ``download(data_folder)``; if not, its docstring says where to ask.
    data_folder : str or Path
        Where the corpus is wanted.
    """
    if not hasattr(preparation, "download"):
        about = (preparation.__doc__ or "").partition("\nAuthors")[0].strip()
        raise SerMtlError(
            f"--download=True: {preparation.__name__} downloads nothing, this "
            f"corpus has to be got by hand. Give its folder as --data_folder, "
            f"without --download. {preparation.__file__} says of it:\n{about}"
        )
    preparation.download(data_folder)


def fetch(archive, folder, is_there):
    """Downloads and unpacks an archive, unless the corpus is there.

    The archive is kept as ``<folder>/<name>.zip``; one that was put there by
    hand is used, without a network. Its content comes to ``<folder>/<name>/``.
    Of several processes one does this, and the others wait for it.

    Arguments
    ---------
    archive : Archive
        What to get.
    folder : str or Path
        Where to; made if it is missing.
    is_there : callable
        ``is_there(folder)`` says whether there is nothing to do.
    """
    folder = Path(folder)
    if is_there(folder):
        return
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / f".{archive.name}.lock"
        with locked(lock, "the run that downloads"):
            if is_there(folder):  # another process was faster
                return
            path = folder / archive.name
            if path.exists():
                _check_given(archive, path)
            else:
                _download(archive, path)
            _unpack(path, folder / archive.stem)
    logger.info(f"{path} is unpacked and no longer needed.")


# ---- downloading


def _download(archive, path):
    """Makes ``path`` out of what there is of it and what the server has."""
    part = path.with_name(f"{path.name}.part")
    have = part.stat().st_size if part.exists() else 0
    if have > archive.size:  # not of this archive
        have = 0
    needed = archive.size - have + archive.unpacked_size
    _check_room(path.parent, needed, f"{archive.name} and its content")
    if have < archive.size:
        _receive(archive, part, have)
    found = _md5(part)
    if found != archive.md5:
        part.unlink()
        raise SerMtlError(
            f"{archive.url}: what came has the MD5 checksum {found}, expected "
            f"{archive.md5}. {part} is removed; the same command begins anew. "
            f"{_by_hand(archive, path)}"
        )
    os.replace(part, path)


def _receive(archive, part, have):
    """Appends to ``part``, which has ``have`` bytes, until it is complete."""
    headers = {"User-Agent": f"ser-mtl/{__version__}"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(archive.url, headers=headers)
    with _network_errors(archive, part):
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    with response:
        with _network_errors(archive, part):
            have = _begin(response, archive, have)
        # without Range the server begins at the beginning, and so do we
        file = open(part, "ab" if have else "wb")
        bar = tqdm(
            desc=archive.name,
            total=archive.size,
            initial=have,
            unit="B",
            unit_scale=True,
            disable=None,  # no bar where the output is a file
        )
        with file, bar:
            while have < archive.size:
                with _network_errors(archive, part):
                    chunk = response.read(min(CHUNK, archive.size - have))
                    if not chunk:
                        raise ConnectionError("the connection ended early")
                file.write(chunk)
                bar.update(len(chunk))
                have += len(chunk)
            file.flush()
            os.fsync(file.fileno())


def _begin(response, archive, have):
    """The first byte that the server sends, if it sends our archive at all.

    A login page of a network, say, must not replace what is there.
    """
    if response.status == http.client.PARTIAL_CONTENT:
        offered = response.headers["Content-Range"]
        expected = f"bytes {have}-{archive.size - 1}/{archive.size}"
    else:
        offered = response.headers["Content-Length"]
        expected = str(archive.size)
        have = 0
    if offered not in (expected, None):  # None: the checksum will tell
        raise ConnectionError(
            f"the server offers '{offered}', expected '{expected}'"
        )
    return have


@contextlib.contextmanager
def _network_errors(archive, part):
    """Says what there is already, and how to go on."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        have = part.stat().st_size if part.exists() else 0
        so_far = (
            f"{_mb(have)} of {_mb(archive.size)} MB are in {part}; the same "
            f"command goes on from there. "
            if have
            else "With a network, the same command tries again. "
        )
        raise SerMtlError(
            f"{archive.url}: cannot be downloaded "
            f"({str(error).strip('<>') or type(error).__name__}). {so_far}"
            f"{_by_hand(archive, part.with_suffix(''))}"
        ) from error


def _by_hand(archive, path):
    return (
        f"Or download {archive.name} by hand, put it at {path}, and give the "
        f"same command: it needs no network then."
    )


# ---- checking


def _check_given(archive, path):
    """Refuses a zip that is not the archive; it is left where it is."""
    size = path.stat().st_size
    # a wrong size need not be read to be known as wrong
    found = _md5(path) if size == archive.size else "not computed"
    if found != archive.md5:
        raise SerMtlError(
            f"{path}: is not the archive as published, or not all of it: "
            f"{size} bytes, MD5 checksum {found}; expected {archive.size} "
            f"bytes, {archive.md5}. Delete it: the same command then downloads "
            f"{archive.url}, or put the right file there."
        )


def _md5(path):
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _check_room(folder, needed, what):
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SerMtlError(
            f"{folder}: {what} take {_mb(needed)} MB, {_mb(free)} MB are free "
            f"there. Make room, or name another folder by --data_folder."
        )


def _mb(n_bytes):
    return f"{n_bytes / 1e6:.0f}"


# ---- unpacking


def _unpack(path, target):
    """Makes the folder ``target`` of the zip ``path``, in one instant."""
    hidden = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(hidden, ignore_errors=True)  # of a killed run
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_names(path, members)
            size = sum(member.file_size for member in members)
            _check_room(path.parent, size, f"the content of {path.name}")
            # disable=None: no bar where the output is a file
            for member in tqdm(members, "Unpacking", unit="file", disable=None):
                archive.extract(member, hidden)
        os.sync()  # the name must not reach the disk before the content
        os.rename(hidden, target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _check_names(path, members):
    """Refuses members that would be written somewhere else.

    ``ZipFile.extract`` would put them somewhere inside, under another name.
    """
    for member in members:
        name = PurePosixPath(member.filename)
        if name.is_absolute() or ".." in name.parts:
            raise SerMtlError(
                f"{path}: '{name}' in it points out of the folder; nothing "
                f"was unpacked. An archive of a corpus has no such names."
            )


# ---- the folder


@contextlib.contextmanager
def _disk_errors(folder):
    """Says what the system says, where everything lies that we write."""
    try:
        yield
    except OSError as error:
        raise SerMtlError(
            f"{error.filename2 or error.filename or folder}: cannot be "
            f"written ({error.strerror or error}). What was downloaded is "
            f"kept. Make room, move what is in the way, or name another "
            f"folder by --data_folder; then give the same command."
        ) from error
