"""Label files in lines of text: reading them, and what is said of a wrong line."""

from collections import Counter
from pathlib import Path

from ser_mtl_modules.errors import SerMtlError


def read_label_file(path):
    """The text of a label file, as far as it is UTF-8.

    Labels are ASCII; in raters' remarks there are bytes of other encodings,
    and these are left out.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    str
        With ``\\n`` at the ends of lines.
    """
    return Path(path).read_text(encoding="utf-8", errors="ignore")


def numbered_lines(text):
    """The lines that have something in them.

    Arguments
    ---------
    text : str
        Of a label file.

    Yields
    ------
    (int, str)
        The line's number, from 1, and the line without space around it.

    Example
    -------
    >>> list(numbered_lines("% a header\\n\\n a line\\n"))
    [(1, '% a header'), (3, 'a line')]
    """
    # not splitlines, which breaks at control characters that remarks may have
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def wrong_line(path, number, line, expected):
    """The error for a line that is not as its corpus writes it.

    Arguments
    ---------
    path : str or Path
        The label file.
    number : int
        Of the line, from 1.
    line : str
        What stands there.
    expected : str
        What should.

    Returns
    -------
    SerMtlError
        To be raised.

    Example
    -------
    >>> str(wrong_line("a.txt", 7, "sat", "sad"))[:46]
    "a.txt, line 7: found 'sat', expected sad. Comp"
    """
    return SerMtlError(
        f"{path}, line {number}: found {line!r}, expected {expected}. Compare "
        f"the file with the corpus's own, or correct it."
    )


def as_counts(labels):
    """How often raters gave each label, in the form of the manifest.

    Arguments
    ---------
    labels : iterable of str
        One or more of each rater; without ``:`` and ``|`` in them.

    Returns
    -------
    str
        Sorted by label; empty if there is none.

    Example
    -------
    >>> as_counts(["neutral", "angry", "neutral"])
    'angry:1|neutral:2'
    """
    counts = Counter(labels)
    return "|".join(f"{label}:{counts[label]}" for label in sorted(counts))
