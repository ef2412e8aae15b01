"""One rater's line, as the label files of the MSP lab write it.

``WORKER7; Neutral; Neutral,Confused; A:1.000000; V:4.000000; D:1.000000;``

In MSP-Podcast and MSP-IMPROV alike: who rated, the emotion, further ones that
may be free text with any punctuation in it, and the attributes' values. Only
MSP-IMPROV has ``N:`` (naturalness), and not in every line.
"""

import re

NUMBER = r"(NaN|-?\d+(?:\.\d*)?)"
ATTRIBUTES = (
    rf"A:\s*{NUMBER}\s*;\s*V:\s*{NUMBER}\s*;\s*D:\s*{NUMBER}\s*"
    rf"(?:;\s*N:\s*{NUMBER}\s*)?;?"
)
RATING = re.compile(
    rf"([\w-]+)\s*;([^;]*);.*?;?\s*{ATTRIBUTES}", re.ASCII | re.IGNORECASE
)
EXPECTED = (
    "a rater's line such as 'WORKER7; Neutral; Neutral,Sad; A:1.000000; "
    "V:4.000000; D:1.000000;'"
)


def emotion_of(line):
    """What a rater heard first of all.

    Arguments
    ---------
    line : str
        The rater's line.

    Returns
    -------
    str or None
        As it is written; None if this is not a rater's line.

    Example
    -------
    >>> emotion_of("WORKER7; Other-tired; Sad,; A:1.0; V:4.0; D:NaN; N:2.0;")
    'Other-tired'
    >>> emotion_of("WORKER7; Neutral; A:1.0")
    """
    found = RATING.fullmatch(line)
    return found and found[2].strip()


def plain(emotion, known):
    """A rater's emotion as a count is kept under.

    Arguments
    ---------
    emotion : str
        As it is written; ``Other`` may go on with free text.
    known : container of str
        The emotions that a rater could choose, in small letters.

    Returns
    -------
    str or None
        One of ``known``, or "other"; None if it is neither.

    Example
    -------
    >>> plain("Neutral", {"neutral"}), plain("Other-bored; tired", {"neutral"})
    ('neutral', 'other')
    """
    word = emotion.strip().lower()
    if word.startswith("other"):
        return "other"
    return word if word in known else None
