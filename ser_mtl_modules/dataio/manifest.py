"""Manifests: every utterance of a corpus in one CSV, written once."""

import csv
import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.dataio.audio import inspect_audio
from ser_mtl_modules.errors import SerMtlError

logger = logging.getLogger(__name__)

# SpeechBrain's own columns first. What a corpus does not know is empty.
COLUMNS = (
    "ID",
    "duration",
    "wav",
    "start",
    "stop",
    "emotion",
    "speaker",
    "gender",
    "transcript",
    "session",
    "style",
    "split",
    "arousal",
    "valence",
    "dominance",
    "raters",
    "checksum",  # of the decoded audio: tells copies under other names
)


class Manifest(NamedTuple):
    """A manifest that was read."""

    rows: dict  # of each utterance by ID, a dict of its columns
    checksum: str  # of the CSV's bytes
    path: str


def sidecar(path):
    """The file beside a manifest that says what it was made from."""
    return Path(f"{path}.json")


def fingerprint(files):
    """A hash of names and sizes: changes when a corpus does.

    Arguments
    ---------
    files : iterable of pathlib.Path
        The corpus's files.

    Returns
    -------
    str
    """
    listing = sorted(f"{file} {file.stat().st_size}" for file in files)
    return hashlib.sha256("\n".join(listing).encode()).hexdigest()


def is_current(path, origin):
    """Whether a manifest was made from just this, and not changed since.

    Arguments
    ---------
    path : str
        The manifest.
    origin : dict
        What `write_manifest` was given.

    Returns
    -------
    bool
    """
    if not (Path(path).exists() and sidecar(path).exists()):
        return False
    made = json.loads(sidecar(path).read_text(encoding="utf-8"))
    return made["origin"] == origin and made["sha256"] == _sha256(path)


def inspect_rows(rows, data_folder, skip_bad_audio=False):
    """Decodes every file once: durations, checksums, and what is damaged.

    Arguments
    ---------
    rows : list of dict
        With ``wav`` relative to ``data_folder``; given ``duration`` (s) and
        ``checksum`` here.
    data_folder : str
        Of the corpus.
    skip_bad_audio : bool
        Leaves damaged files out, and says so, instead of stopping.

    Returns
    -------
    list of dict
        The rows whose audio is sound.

    Raises
    ------
    SerMtlError
        That lists every damaged file.
    """

    def inspect(row):
        try:
            return inspect_audio(str(Path(data_folder) / row["wav"])), None
        except SerMtlError as error:
            return None, str(error)

    with ThreadPoolExecutor() as pool:
        found = list(
            tqdm(
                pool.map(inspect, rows),
                total=len(rows),
                desc="Reading audio",
                disable=None,
            )
        )
    bad = [reason for _, reason in found if reason]
    if bad:
        shown = "\n  ".join(bad[:20])
        more = f"\n  and {len(bad) - 20} more" if len(bad) > 20 else ""
        if not skip_bad_audio:
            raise SerMtlError(
                f"{len(bad)} of {len(rows)} files cannot be used:\n  {shown}"
                f"{more}\nMend them, or leave them out with "
                "--skip_bad_audio=True."
            )
        logger.warning(f"Left out {len(bad)} files:\n  {shown}{more}")
    sound = []
    for row, (info, _) in zip(rows, found):
        if info is not None:
            row["duration"] = f"{info.duration:.6f}"
            row["checksum"] = info.checksum
            sound.append(row)
    return sound


def write_manifest(path, rows, origin):
    """Writes a manifest and its sidecar, each whole or not at all.

    Arguments
    ---------
    path : str
        Of the CSV.
    rows : list of dict
        One for each utterance; ``wav`` is relative to the corpus. Columns
        beyond `COLUMNS` are the corpus's own.
    origin : dict
        What the manifest is made from: corpus, folder, options, fingerprint.
    """
    own = [c for c in (rows[0] if rows else {}) if c not in COLUMNS]
    with atomic_write(path) as file:
        writer = csv.DictWriter(file, [*COLUMNS, *own], restval="")
        writer.writeheader()
        for row in sorted(rows, key=lambda row: row["ID"]):
            writer.writerow({**row, "wav": "{data_root}/" + row["wav"]})
    counts = {}
    for row in rows:
        counts[row["emotion"]] = counts.get(row["emotion"], 0) + 1
    made = {
        "sha256": _sha256(path),
        "origin": origin,
        "utterances": len(rows),
        "emotions": dict(sorted(counts.items())),
    }
    with atomic_write(sidecar(path)) as file:
        json.dump(made, file, indent=2)


def read_manifest(path, data_root):
    """Reads a manifest that nobody has changed since it was made.

    Arguments
    ---------
    path : str
        Of the CSV.
    data_root : str
        The corpus's folder, put in the place of ``{data_root}``.

    Returns
    -------
    Manifest
        Durations, starts and stops are floats or None, the rest is text.

    Raises
    ------
    SerMtlError
        If it is missing, or its content is not what its sidecar says.
    """
    if not Path(path).exists() or not sidecar(path).exists():
        raise SerMtlError(f"{path}: no manifest. Run the preparation first.")
    made = json.loads(sidecar(path).read_text(encoding="utf-8"))
    checksum = _sha256(path)
    if made["sha256"] != checksum:
        raise SerMtlError(
            f"{path}: changed after preparation (its SHA-256 is "
            f"{checksum[:12]}…, {made['sha256'][:12]}… was written). A score "
            "would not say what it was computed on. Delete the file and run "
            "again, which prepares it anew; to leave utterances out, write a "
            "card."
        )
    rows = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            row["wav"] = row["wav"].replace("{data_root}", str(data_root))
            for name in ("duration", "start", "stop"):
                row[name] = float(row[name]) if row[name] else None
            rows[row.pop("ID")] = row
    return Manifest(rows, checksum, str(path))


def _sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
