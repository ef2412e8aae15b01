"""SAVEE in small: its names, in each way that it is packed."""

from pathlib import Path

import soundfile
from tiny_ravdess import RATE, ROOT, clip

RECIPE = ROOT / "recipes" / "SAVEE"
SPEAKERS = ("DC", "JE", "JK", "KL")
SENTENCES = {"a": 15, "d": 15, "f": 15, "h": 15, "n": 30, "sa": 15, "su": 15}
PACKINGS = {
    "official": "AudioData/{speaker}/{clip}.wav",
    "in one folder": "ALL/{speaker}_{clip}.wav",
    "without a folder": "{speaker}_{clip}.wav",
}


def listing(most=None):
    """(speaker, clip) of the corpus, or no more than that of an emotion."""
    for speaker in SPEAKERS:
        for emotion, count in SENTENCES.items():
            for number in range(1, 1 + min(most or count, count)):
                yield speaker, f"{emotion}{number:02d}"


def write_corpus(folder, packing="official", most=2, seconds=0.35):
    """Short clips: the emotion's overtone, the speaker's pitch."""
    for take, (speaker, name) in enumerate(listing(most)):
        path = Path(folder) / PACKINGS[packing].format(
            speaker=speaker, clip=name
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        emotion = 1 + [*SENTENCES].index(name[:-2])
        voice = 1 + 2 * SPEAKERS.index(speaker)  # odd is a man
        wave = clip(emotion, voice, take, seconds=seconds)
        soundfile.write(path, wave, RATE)
    return Path(folder)
