import re

import pytest
from hypothesis import (
    given,
    strategies as st,
)

from ser_mtl_modules.dataio.transcripts import Characters, normalise


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Kids are talking by the door.", "KIDS ARE TALKING BY THE DOOR"),
        ("  two\tspaces \n", "TWO SPACES"),
        ("well-known, isn't it?", "WELL KNOWN ISN'T IT"),
        ("isn’t isn`t isn´t", "ISN'T ISN'T ISN'T"),
        ("a ' b '' c", "A B C"),
        ("[LAUGHTER] so<sil>[BREATHING]what", "SO WHAT"),
        ("half [a tag", "HALF A TAG"),
        ("I have 2 dogs, the 3rd ran", "I HAVE DOGS THE RAN"),
        ("schön Über Straße ÄRGER", "SCHOEN UEBER STRASSE AERGER"),
        ("scho\u0308n", "SCHOEN"),  # o and a combining diaeresis
        ("café naïve Łódź œuvre", "CAFE NAIVE LODZ OEUVRE"),
        ("ﬁn 1ª m² ½ ªb", "FIN AB"),
        ("привет", ""),
        ("", ""),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected


@given(st.text())
def test_normalised_text_is_words_of_letters_and_stays_so(text):
    normal = normalise(text)
    assert re.fullmatch(r"([A-Z']+( [A-Z']+)*)?", normal)
    assert all(re.search("[A-Z]", word) for word in normal.split())
    assert normalise(normal) == normal


@given(st.text())
def test_decode_undoes_encode(text):
    characters = Characters()
    indices = characters.encode(text)
    assert characters.decode(indices) == normalise(text)
    assert all(0 < i < len(characters) for i in indices)


def test_blanks_say_nothing_and_repetitions_stay():
    assert Characters().decode([0, 3, 0, 3, 3, 0]) == "AAA"


def test_characters_normalise_as_everybody_does():
    assert Characters().normalise("ä [X]") == normalise("ä [X]") == "AE"
