"""Sample corpora whose clips are short tones, for tests of what is around them."""

from pathlib import Path

import pytest
from tiny_ravdess import clip

from ser_mtl_modules.randomness import key
from ser_mtl_modules.synthesis import corpus
from ser_mtl_modules.synthesis.emotions import EMOTIONS


def tone(utterance, seconds):
    """The emotion's overtone, the speaker's pitch."""
    emotion = 1 + [*EMOTIONS].index(utterance.emotion)
    voice = 2 * (key(utterance.speaker) % 12) + (utterance.sex == "male")
    take = key(utterance.name)
    return clip(emotion, voice, take, utterance.sample_rate, seconds)


def write_in_tones(write, folder, seconds=0.35, **settings):
    """A sample corpus as one of the writers in `synthesis` leaves it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            corpus,
            "speak",
            lambda utterance, *_, **__: tone(utterance, seconds),
        )
        write(folder, **settings)
    return Path(folder)
