"""Transcripts as characters: one way of writing, for training and for WER."""

import re
import unicodedata

# What German and its neighbours write instead, where stripping the accent (as
# done with every other letter) would give another word: schön is not schon.
SPELLED_OUT = str.maketrans(
    {
        "Ä": "AE",
        "Ö": "OE",
        "Ü": "UE",
        "Æ": "AE",
        "Œ": "OE",
        "Ø": "OE",
        "Å": "AA",
        "Ł": "L",
        "Đ": "D",
        "Ð": "D",
        "Þ": "TH",
        # Apostrophes, as typed and as typeset
        "’": "'",
        "‘": "'",
        "ʼ": "'",
        "`": "'",
        "´": "'",
    }
)
TAG = re.compile(r"\[[^\[\]]*\]|<[^<>]*>")  # [LAUGHTER], <sil>
WITH_DIGIT = re.compile(r"\S*\d\S*")
OTHER = re.compile(r"[^A-Z' ]+")
WITHOUT_LETTER = re.compile(r"(?<![A-Z'])'+(?![A-Z'])")


def normalise(text):
    """Upper-case letters A to Z, apostrophes, and single spaces.

    Umlauts and their like are spelled out, other accents dropped. Tags such as
    ``[LAUGHTER]`` and numerals are dropped too: they don't say how they were
    spoken. Whatever else there is separates words.

    Arguments
    ---------
    text : str
        A transcript as its corpus writes it.

    Returns
    -------
    str
        Empty if nothing is left. Normalising it again changes nothing.

    Example
    -------
    >>> normalise("[LAUGHTER] I don’t know -- it's 9 o'clock!")
    "I DON'T KNOW IT'S O'CLOCK"
    >>> normalise("Der Lappen liegt auf dem Eisschränkchen, schön groß à la")
    'DER LAPPEN LIEGT AUF DEM EISSCHRAENKCHEN SCHOEN GROSS A LA'
    """
    text = TAG.sub(" ", text)
    # ASCII's own accents first: NFKC makes a space and an accent of them.
    text = unicodedata.normalize("NFKC", text.translate(SPELLED_OUT))
    text = text.upper().translate(SPELLED_OUT)
    text = "".join(
        c
        for c in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(c)
    )
    text = OTHER.sub(" ", WITH_DIGIT.sub(" ", text))
    return " ".join(WITHOUT_LETTER.sub(" ", text).split())


class Characters:
    """The characters of normalised text as indices, for CTC.

    Index 0 is the blank and never stands for a character.

    Example
    -------
    >>> characters = Characters()
    >>> len(characters)
    29
    >>> characters.encode("Abc, a")
    [3, 4, 5, 1, 3]
    >>> characters.decode([3, 4, 5, 1, 3])
    'ABC A'
    """

    BLANK = 0
    SYMBOLS = ("", " ", "'", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")

    normalise = staticmethod(normalise)

    def __len__(self):
        return len(self.SYMBOLS)

    def encode(self, text):
        """Indices of a text, which is normalised first.

        Arguments
        ---------
        text : str
            Any text.

        Returns
        -------
        list of int
            Empty if nothing can be spoken in the text.
        """
        return [self.SYMBOLS.index(c) for c in normalise(text)]

    def decode(self, indices):
        """The text that indices stand for.

        Arguments
        ---------
        indices : iterable of int
            Repetitions are kept and blanks say nothing: removing what CTC
            repeats is up to its search.

        Returns
        -------
        str
        """
        return "".join(self.SYMBOLS[i] for i in indices)
