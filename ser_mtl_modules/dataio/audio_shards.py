"""A corpus's files in a few large ones: zip archives that store them as they are.

Hundreds of thousands of small files are slow on the file systems of clusters.
Archives are read by fsspec, at any place of them and in any order, so batches,
their order, and a run that goes on after a kill are the same as from files. That
is why it isn't webdataset or lhotse's Shar: they read from the beginning of a
shard to its end and shuffle what is near.
"""

import json
import os
import zipfile
from pathlib import Path

import fsspec
from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError

INDEX = "shards.json"
# also before 1980, which zip begins with
ANY_YEAR = {"strict_timestamps": False}


def pack(manifest, data_folder, folder, shard_bytes=10**9):
    """Copies all files of a manifest into shards.

    A shard is written whole or not at all. One that has the same files, by name,
    size and time, is kept: the same call goes on after a kill.

    Arguments
    ---------
    manifest : Manifest
        With the files' paths on this machine.
    data_folder : str or Path
        Where the corpus is; in the shards, files are called as below it.
    folder : str or Path
        Gets the shards and their index.
    shard_bytes : int
        A shard is closed before it gets larger, unless a file alone is.

    Returns
    -------
    int
        How many shards there are.

    Raises
    ------
    SerMtlError
        If a file is not below the data folder, or is not there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shards = _plan(manifest, data_folder, shard_bytes)
    n_files = sum(map(len, shards))
    # disable=None: no bar where the output is a file
    with tqdm(total=n_files, desc="Shards", unit="file", disable=None) as bar:
        for i, files in enumerate(shards):
            if not _is_whole(folder / _name(i), files):
                _write(folder / _name(i), files, data_folder)
            bar.update(len(files))
    index = {name: _name(i) for i, files in enumerate(shards) for name in files}
    with atomic_write(folder / INDEX) as file:
        json.dump(index, file)
    return len(shards)


def _plan(manifest, data_folder, shard_bytes):
    """For each shard its files' sizes and times, by name."""
    shards, room = [], 0
    for wav in sorted({row["wav"] for row in manifest.rows.values()}):
        name = _below(wav, data_folder)
        try:
            item = zipfile.ZipInfo.from_file(wav, name, **ANY_YEAR)
        except OSError as error:
            raise SerMtlError(
                f"{wav}: can't be read ({error.strerror}). It is in the "
                "manifest; is the data folder the one that was prepared?"
            ) from error
        if item.file_size > room or not shards:
            shards.append({})
            room = shard_bytes
        shards[-1][name] = _stamp(item)
        room -= item.file_size
    return shards


def _name(i):
    return f"{i:05d}.zip"


def _below(wav, data_folder):
    """A file's name in the shards."""
    name = Path(os.path.relpath(wav, data_folder)).as_posix()
    if name.startswith("../"):
        raise SerMtlError(f"{wav}: is not below {data_folder}.")
    return name


def _stamp(item):
    """What changes with a file: its size, and its time to two seconds."""
    *date, second = item.date_time
    return item.file_size, (*date, second // 2)  # zip has even seconds alone


def _is_whole(path, files):
    """Whether a shard is there and has just these files."""
    try:
        with zipfile.ZipFile(path) as shard:
            there = {item.filename: _stamp(item) for item in shard.filelist}
    except (OSError, zipfile.BadZipFile):
        return False
    return there == files


def _write(path, names, data_folder):
    with atomic_write(path, binary=True) as file:
        with zipfile.ZipFile(file, "w", **ANY_YEAR) as shard:
            for name in names:
                shard.write(Path(data_folder, name), name)


class AudioShards:
    """Finds a corpus's files in shards that `pack` made.

    Arguments
    ---------
    folder : str or Path
        With the shards and their index; also a place that fsspec can read,
        such as ``s3://bucket/folder`` (with its package for that).
    data_folder : str or Path
        Where the manifest says that the corpus is.

    Raises
    ------
    SerMtlError
        If there is no index.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "shards.json").write_text('{"a/b.wav": "00000.zip"}')
    24
    >>> url = AudioShards(folder, "/corpus").locate("/corpus/a/b.wav")
    >>> url == f"zip://a/b.wav::{folder}/00000.zip"
    True
    """

    def __init__(self, folder, data_folder):
        self.folder, self.data_folder = str(folder).rstrip("/"), data_folder
        try:
            with fsspec.open(f"{self.folder}/{INDEX}", "rt") as file:
                self.index = json.load(file)
        except (OSError, ValueError) as error:
            raise SerMtlError(
                f"{self.folder}/{INDEX}: can't be read ({error}). Write the "
                "shards with `python -m ser_mtl_modules pack`."
            ) from error

    def locate(self, wav):
        """Where a file is, for `read_audio`.

        Arguments
        ---------
        wav : str or Path
            As in the manifest.

        Returns
        -------
        str
            As fsspec has it: ``zip://NAME::SHARD``.

        Raises
        ------
        SerMtlError
            If it is in no shard.
        """
        name = _below(wav, self.data_folder)
        if name not in self.index:
            raise SerMtlError(
                f"{name}: is in no shard of {self.folder}. Was the corpus "
                "prepared again? `python -m ser_mtl_modules pack` adds files."
            )
        return f"zip://{name}::{self.folder}/{self.index[name]}"
