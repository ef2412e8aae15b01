"""Texts: one normaliser, and characters as CTC's tokens."""

import re
import unicodedata

GERMAN = str.maketrans({"Ä": "AE", "Ö": "OE", "Ü": "UE", "ß": "SS", "ẞ": "SS"})


def normalise(text):
    """Upper-case letters, apostrophes and single spaces; nothing else.

    Tags in brackets go, numerals go, umlauts are written out and other accents
    dropped.

    Arguments
    ---------
    text : str
        As a corpus writes it.

    Returns
    -------
    str

    Example
    -------
    >>> normalise("Don't [LAUGHTER] say: 5 ÄPFEL, café!")
    "DON'T SAY AEPFEL CAFE"
    """
    text = re.sub(r"\[[^\]]*\]|<[^>]*>", " ", text)
    text = text.replace("’", "'").replace("ß", "SS").upper().translate(GERMAN)
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^A-Z' ]", " ", text).split())


class Characters:
    """Letters, apostrophe and space as tokens; token 0 is CTC's blank.

    Example
    -------
    >>> tokens = Characters()
    >>> tokens.decode(tokens.encode("It's me"))
    "IT'S ME"
    >>> len(tokens)
    29
    """

    ALPHABET = " 'ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    normalise = staticmethod(normalise)

    def __len__(self):
        return 1 + len(self.ALPHABET)

    def encode(self, text):
        """Token indices of a text, which is normalised first."""
        return [1 + self.ALPHABET.index(c) for c in normalise(text)]

    def decode(self, indices):
        """The text of token indices; blanks are left out."""
        return "".join(self.ALPHABET[i - 1] for i in indices if i > 0)
