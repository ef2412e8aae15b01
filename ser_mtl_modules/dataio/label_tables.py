"""Labels in a table: by the names of its columns, row by row.

A row at a time is read, so a file of millions of ratings needs no memory.
"""

import csv
import math

from ser_mtl_modules.dataio.label_files import wrong_line
from ser_mtl_modules.errors import SerMtlError

LONGEST = 200  # characters of a row that a message shows


def read_table(path, columns, separator=","):
    """Some columns of a table, whatever their order and what else is there.

    Arguments
    ---------
    path : str or Path
        Has a line with the columns' names.
    columns : sequence of str
        Which of them are wanted.
    separator : str
        What stands between the values: a comma or a tab.

    Yields
    ------
    (int, list of str, str)
        The number of a row's last line, its values in the order of
        ``columns``, without white space around them, and the whole row for
        messages. Empty lines are skipped.

    Example
    -------
    >>> path = getfixture("tmp_path") / "labels.csv"
    >>> _ = path.write_text("Val,FileName,Act\\n4.0,a.wav,2.2\\n")
    >>> list(read_table(path, ["FileName", "Val"]))
    [(2, ['a.wav', '4.0'], '4.0,a.wav,2.2')]
    """
    header, rows = _open_table(path, separator)
    places = []
    for column in columns:
        if header.count(column) != 1:
            raise _wrong(
                path,
                1,
                ",".join(header),
                f"the columns {', '.join(columns)}, each once",
            )
        places.append(header.index(column))
    for number, row in rows:
        if len(row) != len(header):
            raise _wrong(
                path,
                number,
                ",".join(row),
                f"{len(header)} values ({', '.join(header)})",
            )
        yield number, [row[i].strip() for i in places], ",".join(row)


def read_header(path, separator=","):
    """The names of a table's columns.

    Arguments
    ---------
    path : str or Path
        The table.
    separator : str
        As for `read_table`.

    Returns
    -------
    list of str
        Empty if nothing is in the file.
    """
    return _open_table(path, separator)[0]


def number_within(text, low, high):
    """Whether a text is a number in a range, both ends included.

    Example
    -------
    >>> [number_within(text, 1, 7) for text in ("2.2", "7", "0.9", "nan", "x")]
    [True, True, False, False, False]
    """
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and low <= value <= high


def _wrong(path, number, text, expected):
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}…"
    return wrong_line(path, number, text, expected)


def _open_table(path, separator):
    """Names of the columns, and rows with the numbers of their lines."""
    rows = _rows(path, separator)
    _, header = next(rows, (0, []))
    return [name.strip() for name in header], rows


def _rows(path, separator):
    reader, number = None, 0
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True, delimiter=separator)
            for row in reader:
                number = reader.line_num
                if row:
                    yield number, row
    except OSError as error:
        raise SerMtlError(
            f"{path}: these labels can't be read ({error.strerror})."
        ) from error
    except csv.Error as error:
        kind = "tab" if separator == "\t" else "comma"
        raise _wrong(
            path, number + 1, str(error), f"{kind}-separated values"
        ) from error
    except UnicodeDecodeError as error:
        raise _wrong(
            path, number + 1, repr(error.object[error.start :][:20]), "UTF-8"
        ) from error
