"""Manifests: what is in a corpus, one row an utterance, nothing decided yet.

A manifest is a CSV in SpeechBrain's columns and more of them. It holds every
utterance with its raw label; which of them take part, and as what, is up to
the protocol cards. Beside it lies a sidecar, ``<manifest>.json``, with the
CSV's checksum and all that it was made from: preparation is skipped as long as
both agree, and a manifest that somebody edited is refused.
"""

import csv
import hashlib
import io
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.dataio.audio import inspect_audio, inspect_header
from ser_mtl_modules.errors import SerMtlError, shortlist
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

# What a corpus doesn't know stays empty. A corpus's own fields come after.
COLUMNS = (
    "ID",
    "duration",  # seconds
    "wav",
    "start",  # seconds in the file, empty: all of it
    "stop",
    "emotion",  # the corpus's own label
    "speaker",
    "gender",  # F or M
    "transcript",
    "session",
    "style",
    "split",  # the corpus's own
    "arousal",
    "valence",
    "dominance",
    "raters",  # counts, as angry:3|neutral:2
    "checksum",  # of the decoded audio, empty where only headers were read
)
NUMBERS = ("duration", "start", "stop")
DATA_ROOT = "{data_root}"
AT_ONCE = 4096  # files that wait for a thread; each takes a kilobyte or two
VERSION = 1  # of the CSV and the sidecar; raised when old ones can't be used


@dataclass(frozen=True)
class Manifest:
    """A manifest as `read_manifest` gives it.

    Arguments
    ---------
    path : Path
        The CSV.
    rows : dict
        ID -> the other columns, as SpeechBrain's datasets want it, in the
        order of the file. All are str, with
        ``wav`` as a path that exists on this machine, and duration, start and
        stop as float or None.
    checksum : str
        SHA-256 of the CSV. It does not depend on where the corpus lies.
    meta : dict
        The sidecar: corpus, data_folder, options, fingerprint, counts.
    """

    path: Path
    rows: dict
    checksum: str
    meta: dict


def fingerprint(files, data_folder, label_files=()):
    """A checksum of names and sizes: changes when files come, go or change.

    Arguments
    ---------
    files : iterable of Path
        All that the preparation reads, but for label files.
    data_folder : str or Path
        What the names are relative to.
    label_files : iterable of Path
        Text whose content counts, too: another label has the same length.

    Returns
    -------
    str
    """
    data_folder = Path(data_folder)
    listing = sorted(
        f"{_name(file, data_folder)} {os.path.getsize(file)}\n"
        for file in files
    )
    listing += sorted(
        f"{_name(file, data_folder)} "
        f"{hashlib.sha256(Path(file).read_bytes()).hexdigest()}\n"
        for file in label_files
    )
    return hashlib.sha256("".join(listing).encode()).hexdigest()


def build_rows(clips, data_folder, skip_bad_audio=False, headers_only=False):
    """Looks into every clip's file, and makes rows of those that are well.

    Arguments
    ---------
    clips : list of dict
        ID, wav (a Path, below the data folder or absolute), what is known of
        the other columns, and the corpus's own fields.
    data_folder : str or Path
        Where the corpus is.
    skip_bad_audio : bool
        Leave out what can't be decoded, and log it, instead of raising.
    headers_only : bool
        Decode nothing: for corpora of which that would take hours. Damage
        inside a file is found when it is read then, and copies of a clip
        under another name are not found.

    Returns
    -------
    list of dict
        The clips with duration, checksum, and ``wav`` below ``{data_root}``
        if it is there.
    """
    data_folder = Path(data_folder)
    rows, bad = [], []
    for clip, info in zip(clips, _inspect_all(clips, headers_only)):
        if isinstance(info, SerMtlError):
            bad.append(str(info))
            continue
        rows.append(
            {
                **clip,
                "wav": _name(clip["wav"], data_folder, f"{DATA_ROOT}/"),
                "duration": round(info.duration, 6),
                "checksum": info.checksum,
            }
        )
    if bad and not (skip_bad_audio and rows):
        raise SerMtlError(
            f"{len(bad)} of the {len(clips)} audio files below {data_folder} "
            f"can't be used:\n{shortlist(bad)}\nGet them again from the "
            f"corpus; --skip_bad_audio=True leaves them out, but not all."
        )
    if bad:
        logger.warning(
            f"Left out {len(bad)} of {len(clips)} audio files, as "
            f"skip_bad_audio says:\n{shortlist(bad, most=len(bad))}"
        )
    return rows


def write_manifest(path, rows, corpus, data_folder, options, fingerprint):
    """Writes the CSV and its sidecar, each whole or not at all.

    Arguments
    ---------
    path : str or Path
        The CSV; folders are made.
    rows : list of dict
        As `build_rows` gives them, all with the same keys.
    corpus : str
        The name that protocol cards call the corpus by.
    data_folder : str or Path
        Where the corpus is.
    options : dict
        What the rows depend on besides the corpus; JSON types.
    fingerprint : str
        See the function of this name.
    """
    assert rows, "a preparation says itself that there is no utterance"
    path = Path(path)
    twice = [k for k, n in Counter(row["ID"] for row in rows).items() if n > 1]
    if twice:
        raise SerMtlError(
            f"{data_folder}: {len(twice)} IDs belong to more than one "
            f"utterance:\n{shortlist(sorted(twice))}\nAn ID names one "
            f"utterance; correct the preparation of {corpus}."
        )
    text = _as_csv(sorted(rows, key=lambda row: row["ID"]))
    meta = {
        **_provenance(corpus, data_folder, options, fingerprint),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "counts": {
            "utterances": len(rows),
            "emotion": _count(rows, "emotion"),
            "speaker": _count(rows, "speaker"),
        },
    }
    # Between the two a kill leaves a CSV that the sidecar does not know, which
    # nobody reads and the next preparation makes again.
    with atomic_write(path) as file:
        file.write(text)
    with atomic_write(_sidecar(path)) as file:
        json.dump(meta, file, indent=1, ensure_ascii=False)


def is_current(path, corpus, data_folder, options, fingerprint):
    """Whether a manifest is there, whole, and what would be written again.

    Arguments
    ---------
    path, corpus, data_folder, options, fingerprint
        As for `write_manifest`.

    Returns
    -------
    bool
    """
    try:
        checksum = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        meta = _read_sidecar(path)
    except (OSError, ValueError):
        return False
    expected = _provenance(corpus, data_folder, options, fingerprint)
    return meta == {**meta, **expected, "sha256": checksum}


def read_manifest(path, data_root):
    """Reads a manifest that is as its preparation left it.

    Arguments
    ---------
    path : str or Path
        The CSV.
    data_root : str or Path
        Where the corpus is on this machine.

    Returns
    -------
    Manifest

    Example
    -------
    >>> path = getfixture("tmp_path") / "tiny.csv"
    >>> row = {"ID": "a", "wav": "{data_root}/a.wav", "duration": 1.5}
    >>> write_manifest(path, [row], "tiny", "/data/tiny", {}, "")
    >>> manifest = read_manifest(path, "/elsewhere")
    >>> manifest.rows["a"]["wav"], manifest.rows["a"]["duration"]
    ('/elsewhere/a.wav', 1.5)
    >>> manifest.rows["a"]["start"], manifest.rows["a"]["speaker"]
    (None, '')
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        meta = _read_sidecar(path)
    except (OSError, ValueError) as error:
        raise SerMtlError(
            f"{path}: this manifest or its sidecar {_sidecar(path).name} can't "
            f"be read ({error}). Run the preparation again."
        ) from error
    checksum = hashlib.sha256(content).hexdigest()
    if meta.get("version") != VERSION or meta.get("sha256") != checksum:
        raise SerMtlError(
            f"{path}: changed after preparation (or made by another version); "
            f"its content is not what {_sidecar(path).name} says. Delete it "
            f"and run the preparation again; other labels or a choice of "
            f"utterances belong into a protocol card."
        )
    # no DictReader: it takes twice as long
    lines = csv.reader(io.StringIO(content.decode(), newline=""))
    _, *columns = next(lines)  # after ID
    rows = {id_: dict(zip(columns, values)) for id_, *values in lines}
    root = str(data_root)
    for row in rows.values():
        row["wav"] = row["wav"].replace(DATA_ROOT, root)
        for name in NUMBERS:
            row[name] = float(row[name]) if row[name] else None
    return Manifest(path, rows, checksum, meta)


def _name(file, data_folder, root=""):
    """A file as it is called below the data folder, or all of an outside path."""
    n_above = len(data_folder.parts)
    # relative_to says the same, slowly
    if file.anchor == data_folder.anchor and (
        file.parts[:n_above] == data_folder.parts
    ):
        return root + "/".join(file.parts[n_above:])
    return file.as_posix()


def _inspect_all(clips, headers_only):
    """What is in every clip's file, or the error that says why it is bad."""
    look = inspect_header if headers_only else inspect_audio

    def inspect(clip):
        try:
            return look(clip["wav"], clip.get("start"), clip.get("stop"))
        except SerMtlError as error:
            return error

    pool = ThreadPoolExecutor()  # reading and hashing release the GIL
    # disable=None: no bar where the output is a file
    bar = tqdm(total=len(clips), desc="Audio", unit="file", disable=None)
    try:
        for i in range(0, len(clips), AT_ONCE):
            for info in pool.map(inspect, clips[i : i + AT_ONCE]):
                bar.update()
                yield info
    finally:  # Ctrl-C should not wait for a hundred thousand files
        bar.close()
        pool.shutdown(cancel_futures=True)


def _read_sidecar(path):
    meta = json.loads(_sidecar(path).read_text(encoding="utf-8"))
    if not isinstance(meta, dict):
        raise ValueError("no mapping in it")
    return meta


def _provenance(corpus, data_folder, options, fingerprint):
    """The part of the sidecar that says what a manifest was made from."""
    return {
        "version": VERSION,
        "corpus": corpus,
        "data_folder": str(Path(data_folder).resolve()),
        "options": options,
        "fingerprint": fingerprint,
    }


def _count(rows, column):
    counts = Counter(str(row.get(column, "")) for row in rows)
    return dict(sorted(counts.items()))


def _as_csv(rows):
    own = [name for name in rows[0] if name not in COLUMNS]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, [*COLUMNS, *own], restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)  # None is written as nothing
    return text.getvalue()


def _sidecar(path):
    return Path(f"{path}.json")
