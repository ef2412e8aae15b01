import time

import pytest
from hypothesis import (
    given,
    strategies as st,
)

from ser_mtl_modules.dataio.msp_ratings import emotion_of, plain

ATTRIBUTES = "A:3.000000; V:3.500000; D:3.000000"


@pytest.mark.parametrize(
    "line, emotion",
    [
        (f"WORKER1; Neutral; Neutral,Sad; {ATTRIBUTES};", "Neutral"),
        (f"WORKER1; Neutral; Neutral,; {ATTRIBUTES} ; N:4.0;", "Neutral"),
        (f"a-b_9; Sad; ; {ATTRIBUTES}", "Sad"),
        (f"1; Sad; {ATTRIBUTES};", "Sad"),
        (f"1;Other-so; so;Sad, a; b A:; {ATTRIBUTES};", "Other-so"),
        ("1; Happy; ?!,; A:NaN; V:NaN; D:NaN; N:nan;", "Happy"),
        ("1; Happy; x; A:1; V:2; D:-3.;", "Happy"),
        ("1; Happy; x; A:1; V:2;", None),
        ("1; Happy; x; A:one; V:2; D:3;", None),
        (f"two words; Sad; x; {ATTRIBUTES};", None),
        (f"1; Sad; x; {ATTRIBUTES}; N:4; N:4;", None),
        ("", None),
    ],
)
def test_a_line_is_read_or_is_none(line, emotion):
    assert emotion_of(line) == emotion


def test_a_line_of_odd_punctuation_takes_no_time():
    started = time.monotonic()
    assert emotion_of("1; Sad" + "; " * 5000) is None
    assert time.monotonic() - started < 2


@given(st.text(), st.text(alphabet="1A:;. NaV", max_size=40))
def test_any_text_is_a_rating_or_none(text, like):
    for line in (text, like, f"1; {text}; {like}; {ATTRIBUTES};"):
        assert emotion_of(line) is None or ";" not in emotion_of(line)


@given(st.text())
def test_any_emotion_is_known_or_other_or_none(text):
    assert plain(text, {"sad"}) in ("sad", "other", None)
