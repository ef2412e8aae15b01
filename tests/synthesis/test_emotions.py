from dataclasses import asdict

import numpy as np
import pytest

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis.emotions import (
    CUES,
    EMOTIONS,
    FIELDS,
    SPREAD,
    UNITS,
    draw_expression,
)


def draw(emotion, intensity="normal", without=None, n=400):
    """Many expressions, in `UNITS`, [n, fields]."""
    rng = np.random.default_rng(0)
    drawn = [
        asdict(draw_expression(emotion, intensity, rng, without))
        for _ in range(n)
    ]
    return np.array([[d[field] for field in FIELDS] for d in drawn]) / UNITS


def test_cues_move_every_field_of_an_expression_once():
    expression = draw_expression("happy", "strong", np.random.default_rng(0))
    assert sorted(FIELDS) == sorted(asdict(expression))


@pytest.mark.parametrize("emotion", [e for e in EMOTIONS if e != "neutral"])
def test_strong_is_farther_from_neutral_than_normal(emotion):
    signed = slice(0, FIELDS.index("roughness"))
    normal, strong = (
        np.linalg.norm(draw(emotion, intensity).mean(0)[signed])
        for intensity in ("normal", "strong")
    )
    assert strong > 1.2 * normal


def test_neutral_is_the_speakers_habit():
    means = draw("neutral").mean(0)[: FIELDS.index("roughness")]
    np.testing.assert_allclose(means, 0.0, atol=4 * SPREAD / 20)


@pytest.mark.parametrize("cue", CUES)
def test_without_a_cue_it_is_neutral_and_the_others_stay(cue):
    all_cues, others = draw("angry"), draw("angry", without=cue)
    out = [FIELDS.index(field) for field in CUES[cue]]
    stay = [i for i in range(len(FIELDS)) if i not in out]
    np.testing.assert_array_equal(others[:, stay], all_cues[:, stay])
    np.testing.assert_array_equal(others[:, out], draw("neutral")[:, out])


@pytest.mark.parametrize("cue", CUES)
def test_no_cue_alone_tells_the_emotions_apart(cue):
    """Neighbours on each cue are nearer than two spreads, for most of them."""
    field = FIELDS.index(CUES[cue][0])
    means = np.sort([row[field] for row in EMOTIONS.values()])
    assert np.mean(np.diff(means) < 2 * SPREAD) >= 0.5


def test_an_unknown_cue_is_an_error_that_names_the_nearest():
    with pytest.raises(SerMtlError, match="Did you mean 'pitch_level'"):
        draw("angry", without="pitch_lvl")
