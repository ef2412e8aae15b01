"""EMODB in small: its layout, names and gaps, a fraction of its clips."""

from pathlib import Path

import soundfile
from tiny_ravdess import RATE, ROOT, clip

RECIPE = ROOT / "recipes" / "EMODB"
EMOTIONS = "WLEAFNT"  # in the order of the card's classes
SENTENCES = "a01 a02 a04 a05 a07 b01 b02 b03 b09 b10".split()
# How many clips of each emotion a speaker has, as Burkhardt et al. left them
CLIPS = {
    "03": (14, 5, 1, 4, 7, 11, 7),
    "08": (12, 10, 0, 6, 11, 10, 9),
    "09": (13, 4, 8, 1, 4, 9, 4),
    "10": (10, 8, 1, 8, 4, 4, 3),
    "11": (11, 8, 2, 10, 8, 9, 7),
    "12": (12, 5, 2, 6, 2, 4, 4),
    "13": (12, 10, 8, 7, 10, 9, 5),
    "14": (16, 8, 8, 12, 8, 7, 10),
    "15": (13, 9, 5, 8, 6, 11, 4),
    "16": (14, 14, 11, 7, 11, 5, 9),
}


def listing(most=None):
    """Names with as many clips of a speaker and emotion as the corpus has.

    Sentences and versions are ours. With ``most`` there are no more than that
    of each emotion.
    """
    for speaker, counts in CLIPS.items():
        for emotion, count in zip(EMOTIONS, counts):
            for i in range(count if most is None else min(most, count)):
                version = "abcdef"[i // len(SENTENCES)]
                yield f"{speaker}{SENTENCES[i % 10]}{emotion}{version}"


def write_corpus(folder, most=1, seconds=0.35):
    """Short clips: the emotion's overtone, the speaker's pitch."""
    (Path(folder) / "wav").mkdir(parents=True)
    for name in listing(most):
        speaker, take = int(name[:2]), SENTENCES.index(name[2:5])
        emotion = 1 + EMOTIONS.index(name[5])
        soundfile.write(
            Path(folder) / "wav" / f"{name}.wav",
            clip(emotion, speaker, take, seconds=seconds),
            RATE,
        )
    return Path(folder)
