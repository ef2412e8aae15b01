"""A file is written whole or not at all."""

import contextlib
import os
import uuid
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path, binary=False):
    """Opens a file that takes its place only when it is complete.

    What is written goes to a temporary file beside ``path``, to the disk, and
    then under its name. If the block raises, or the machine stops, what was at
    ``path`` before is still there.

    Arguments
    ---------
    path : str or path-like
        The file to write; folders that are missing are made.
    binary : bool
        For bytes, and not for text.

    Yields
    ------
    file object
        Open for bytes, or for text in UTF-8. Line ends are written as they are
        given, as the ``csv`` module wants it.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> with atomic_write(folder / "new" / "a.txt") as file:
    ...     _ = file.write("first")
    >>> try:
    ...     with atomic_write(folder / "new" / "a.txt") as file:
    ...         _ = file.write("half of the sec")
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt:
    ...     print([p.read_text() for p in (folder / "new").iterdir()])
    ['first']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # a name of its own, so that two writers never share a temporary file
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with _opened(temporary, binary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _opened(path, binary):
    if binary:
        return open(path, "xb")
    return open(path, "x", encoding="utf-8", newline="")


def _sync_folder(folder):
    """Makes the new name itself survive a power cut (POSIX asks for it)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
