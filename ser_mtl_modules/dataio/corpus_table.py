"""A corpus that one table describes: from the table to a manifest.

The table has a line a clip, the columns ``file`` and ``emotion``, and where
they are known ``speaker``, ``gender``, ``transcript`` and ``split``, between
commas or tabs. Recipes that ``new-recipe`` writes prepare their corpus by it.
"""

import hashlib
from collections import Counter
from pathlib import Path, PurePath

from ser_mtl_modules.dataio.label_tables import read_header, read_table
from ser_mtl_modules.dataio.manifest import (
    build_rows,
    fingerprint,
    is_current,
    write_manifest,
)
from ser_mtl_modules.errors import SerMtlError, nearest, shortlist
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

NEEDED = ("file", "emotion")
OPTIONAL = ("speaker", "gender", "transcript", "split")
# of these, either all clips have one or the column is left out
OF_ALL = {
    "file": "a file, from the table's folder or absolute",
    "emotion": "the emotion of the clip",
    "speaker": "the speaker of the clip, or no such column",
}
GENDERS = {"": "", "f": "F", "female": "F", "m": "M", "male": "M"}
SPLITS = ("train", "valid", "test")
N_PARTS = 10


def prepare_table(data_folder, manifest, corpus, table, skip_bad_audio=False):
    """Writes the manifest of such a corpus, unless it is there already.

    Arguments
    ---------
    data_folder : str or Path
        Has the table in it; files are named from here, or absolute.
    manifest : str or Path
        The CSV to write.
    corpus : str
        As protocol cards call it.
    table : str
        Name of the table.
    skip_bad_audio : bool
        Leave out files that can't be decoded or are truncated, instead of
        stopping with a list of them.
    """
    table = Path(data_folder).absolute() / table
    clips = read_corpus_table(table)
    made_from = {
        "corpus": corpus,
        "data_folder": table.parent,
        "options": {"skip_bad_audio": skip_bad_audio},
        "fingerprint": fingerprint(
            [clip["wav"] for clip in clips], table.parent, [table]
        ),
    }
    if is_current(manifest, **made_from):
        logger.info(f"{manifest} is up to date, nothing to prepare.")
        return
    rows = build_rows(clips, table.parent, skip_bad_audio)
    write_manifest(manifest, rows, **made_from)
    logger.info(f"{manifest}: {len(rows)} utterances.")


def read_corpus_table(table):
    """What a table says of its clips.

    Arguments
    ---------
    table : str or Path
        Files in it are named from its folder, or absolute.

    Returns
    -------
    list of dict
        In the order of the table: ID (the file's name, with the folders that
        the table gives), wav, emotion, speaker, gender (F or M), transcript
        and split, empty where they are not known, and ``part``, one of ten
        that have as many clips of each emotion, for splits where nothing
        better is known.

    Raises
    ------
    SerMtlError
        With all lines that are wrong, or all files that are missing.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.wav").write_bytes(b"")
    >>> _ = (folder / "table.csv").write_text("file,emotion\\na.wav,sad\\n")
    >>> (clip,) = read_corpus_table(folder / "table.csv")
    >>> clip["ID"], clip["emotion"], clip["speaker"], clip["part"]
    ('a', 'sad', '', '0')
    """
    table = Path(table)
    separator, columns = _layout(table)
    clips, wrong, lines = [], [], {}
    for number, values, _ in read_table(table, columns, separator):
        row = {**dict.fromkeys(OPTIONAL, ""), **dict(zip(columns, values))}
        wrong += [
            f"line {number}: found {found!r} as {column}, expected {expected}"
            for column, found, expected in _mistakes(row, columns, lines)
        ]
        id_ = _id(row["file"])
        lines.setdefault(id_, number)
        wav = table.parent / row.pop("file")
        gender = GENDERS.get(row["gender"].lower())
        clips.append({**row, "ID": id_, "wav": wav, "gender": gender})
    if wrong:
        raise SerMtlError(
            f"{table}: {len(wrong)} values are wrong:\n{shortlist(wrong)}\n"
            f"Correct them in the table."
        )
    if not clips:
        raise SerMtlError(
            f"{table}: no line after the one with the columns' names; expected "
            f"one for each clip."
        )
    _check_files(table, clips, lines)
    return _with_parts(clips)


def unread_columns(table):
    """The columns of a table that nothing is done with.

    Arguments
    ---------
    table : str or Path
        The table.

    Returns
    -------
    list of str
    """
    header = read_header(table, _layout(table)[0])
    return [name for name in header if name not in NEEDED + OPTIONAL]


def _layout(table):
    """What separates values, and which of the columns there are."""
    header = read_header(table)
    separator = "\t" if "\t" in "".join(header) else ","
    header = read_header(table, separator)
    for column in NEEDED:
        if column not in header:
            raise SerMtlError(
                f"{table}, line 1: found {separator.join(header)!r}, expected "
                f"names of columns, among them {' and '.join(NEEDED)}, between "
                f"commas or tabs. {nearest(column, header)}"
            )
    return separator, [*NEEDED, *(c for c in OPTIONAL if c in header)]


def _mistakes(row, columns, lines):
    """Column, what is there and what should be, of all that is wrong."""
    for column, expected in OF_ALL.items():
        if column in columns and not row[column]:
            yield column, "", expected
    if row["gender"].lower() not in GENDERS:
        yield "gender", row["gender"], "F, M, female, male, or nothing"
    if "split" in columns and row["split"] not in SPLITS:
        yield "split", row["split"], f"one of {', '.join(SPLITS)}"
    earlier = lines.get(_id(row["file"]))
    if row["file"] and earlier:
        expected = f"one that is not named as that of line {earlier}"
        yield "file", row["file"], expected


def _id(file):
    """The path in one word: two folders may have a clip of the same name."""
    parts = PurePath(file).with_suffix("").parts if file else ()
    return "_".join(part for part in parts if part != "/")


def _check_files(table, clips, lines):
    missing = [
        f"line {lines[clip['ID']]}: {clip['wav']}"
        for clip in clips
        if not clip["wav"].is_file()
    ]
    if missing:
        raise SerMtlError(
            f"{table}: {len(missing)} of {len(clips)} files are not there:\n"
            f"{shortlist(missing)}\nPaths are absolute, or start in "
            f"{table.parent}. Correct them, or remove the lines."
        )


def _with_parts(clips):
    """Dealt like cards, in an order that neither table nor folder decides."""

    def key(clip):
        return hashlib.sha256(clip["ID"].encode()).hexdigest()

    dealt = Counter()
    for clip in sorted(clips, key=key):
        clip["part"] = str(dealt[clip["emotion"]] % N_PARTS)
        dealt[clip["emotion"]] += 1
    return clips
