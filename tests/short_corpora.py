"""Sample corpora of short clips, for tests of what is around them."""

from dataclasses import replace
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
    return write_with(
        lambda utterance, *_, **__: tone(utterance, seconds),
        write,
        folder,
        **settings,
    )


def write_in_words(write, folder, **settings):
    """The same, spoken, with two words of each text: some 0.6 s."""
    speak = corpus.speak

    def speak_two(utterance, *args, **kwargs):
        words = " ".join(utterance.text.split()[:2])
        return speak(replace(utterance, text=words), *args, **kwargs)

    return write_with(speak_two, write, folder, **settings)


def write_with(speak, write, folder, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "speak", speak)
        write(folder, **settings)
    return Path(folder)
