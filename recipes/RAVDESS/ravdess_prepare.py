"""Prepares RAVDESS: the corpus's tree becomes a manifest.

Livingstone & Russo, 2018: The Ryerson Audio-Visual Database of Emotional
Speech and Song, PLoS ONE 13(5): e0196391, https://zenodo.org/record/1188976,
CC BY-NC-SA 4.0. Speech, audio only, is ``Audio_Speech_Actors_01-24.zip``.

Authors
 * The ser-mtl authors 2026
"""

import logging
from pathlib import Path

from ser_mtl_modules.dataio.manifest import (
    fingerprint,
    inspect_rows,
    is_current,
    write_manifest,
)
from ser_mtl_modules.errors import SerMtlError

logger = logging.getLogger(__name__)

N_ACTORS = 24
SUFFIXES = (".wav", ".flac")
# The seven fields of a name such as 03-01-06-01-02-01-12, with their values
FIELDS = {
    "modality": ("01", "02", "03"),  # full AV, video only, audio only
    "vocal_channel": ("01", "02"),  # speech, song
    # neutral, calm, happy, sad, angry, fearful, disgust, surprised
    "emotion": tuple(f"{i:02d}" for i in range(1, 9)),
    "intensity": ("01", "02"),  # normal, strong
    "statement": ("01", "02"),
    "repetition": ("01", "02"),
    "actor": tuple(f"{i:02d}" for i in range(1, N_ACTORS + 1)),
}
STATEMENTS = {
    "01": "KIDS ARE TALKING BY THE DOOR",
    "02": "DOGS ARE SITTING BY THE DOOR",
}
INTENSITIES = {"01": "normal", "02": "strong"}


def prepare(data_folder, manifest, skip_bad_audio=False):
    """Writes the manifest of all utterances, unless it is there already.

    Arguments
    ---------
    data_folder : str
        Has ``Actor_01`` to ``Actor_24`` in it, at any depth, with ``.wav`` or
        ``.flac`` files.
    manifest : str
        Path of the CSV to write.
    skip_bad_audio : bool
        Leaves damaged files out instead of stopping.

    Raises
    ------
    SerMtlError
        If there is no RAVDESS, an actor is missing, a name has an unknown
        code, or a file is damaged.

    Example
    -------
    >>> prepare("/data/RAVDESS", "results/manifest.csv")  # doctest: +SKIP
    """
    files = find_files(data_folder)
    origin = {
        "corpus": "ravdess",
        "data_folder": str(Path(data_folder).resolve()),
        "skip_bad_audio": bool(skip_bad_audio),
        "fingerprint": fingerprint(files),
    }
    if is_current(manifest, origin):
        logger.info(f"{manifest} is up to date.")
        return
    rows = [
        {"wav": str(file.relative_to(data_folder)), **parse_name(file)}
        for file in files
    ]
    missing = set(FIELDS["actor"]) - {row["actor"] for row in rows}
    if missing:
        raise SerMtlError(
            f"{data_folder}: no clip of actor {', '.join(sorted(missing))}; "
            f"RAVDESS has {N_ACTORS}. Unpack the archive anew."
        )
    rows = inspect_rows(rows, data_folder, skip_bad_audio)
    write_manifest(manifest, rows, origin)


def find_files(data_folder):
    """The corpus's audio files, one for each name.

    The Kaggle copy holds every file twice, in a nested folder too.

    Arguments
    ---------
    data_folder : str
        As for `prepare`.

    Returns
    -------
    list of pathlib.Path
    """
    found = {}
    for file in sorted(Path(data_folder).rglob("Actor_*/*")):
        if file.suffix.lower() in SUFFIXES and not file.name.startswith("."):
            found.setdefault(file.stem, file)
    if not found:
        raise SerMtlError(
            f"{data_folder}: no RAVDESS here; looked for Actor_*/*.wav and "
            ".flac in it and below. Pass --data_folder=FOLDER, into which "
            "Audio_Speech_Actors_01-24.zip of "
            "https://zenodo.org/record/1188976 was unpacked."
        )
    return list(found.values())


def parse_name(file):
    """The columns that a file's name holds.

    Arguments
    ---------
    file : pathlib.Path
        Whose stem is seven fields of two digits.

    Returns
    -------
    dict of str to str

    Example
    -------
    >>> row = parse_name(Path("Actor_12/03-01-06-01-02-01-12.wav"))
    >>> row["emotion"], row["gender"], row["style"], row["transcript"]
    ('06', 'F', 'normal', 'DOGS ARE SITTING BY THE DOOR')
    """
    values = file.stem.split("-")
    if len(values) != len(FIELDS):
        raise SerMtlError(
            f"{file}: the name has {len(values)} fields, {len(FIELDS)} of two "
            "digits were expected, as in 03-01-06-01-02-01-12. Rename the "
            "file, or move it away."
        )
    row = dict(zip(FIELDS, values))
    for field, value in row.items():
        if value not in FIELDS[field]:
            raise SerMtlError(
                f"{file}: {field} '{value}' in the name; expected one of "
                f"{', '.join(FIELDS[field])}. Rename the file, or move it away."
            )
    return {
        "ID": file.stem,
        **row,
        "speaker": row["actor"],
        "gender": "M" if int(row["actor"]) % 2 else "F",
        "transcript": STATEMENTS[row["statement"]],
        "style": INTENSITIES[row["intensity"]],
    }
