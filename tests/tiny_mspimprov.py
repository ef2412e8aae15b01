"""MSP-IMPROV in small, with what is odd in its labels.

What is odd: two spellings of the line of a clip (and of the file), NaN, lines
without ``N:``, raters' lines that are there twice, free text with punctuation, an
intended emotion that is not the perceived one, 44.1 kHz, clips without text.
"""

from pathlib import Path

import soundfile
from tiny_ravdess import ROOT, clip

RECIPE = ROOT / "recipes" / "MSP-IMPROV"
RATE = 44100
EMOTIONS = "AHNS"
WORDS = {
    "A": "Angry",
    "H": "Happy",
    "N": "Neutral",
    "S": "Sad",
    "O": "Other (bored; or, so?)",
    "X": "Happy",
}
STYLES = "PRST"
DOUBLED = "MSP-IMPROV-S01H-F01-P-FM01"  # a rater's line is there twice
WITH_NAN = "MSP-IMPROV-S02N-F01-R-FM02"
WITHOUT_N = "MSP-IMPROV-S03S-F01-S-FM03"
WITHOUT_TEXT = "MSP-IMPROV-S04A-F01-T-FM04"


def listing():
    """Name and perceived emotion of each clip; another one was intended."""
    for session in range(1, 7):
        for sex in "FM":
            extra = "OX" if session == 1 else ""
            for take, emotion in enumerate(EMOTIONS + extra):
                intended = EMOTIONS[(take + 1) % 4]
                yield (
                    f"MSP-IMPROV-S{take + 1:02d}{intended}-{sex}{session:02d}-"
                    f"{STYLES[take % 4]}-FM{take + 1:02d}",
                    emotion,
                )


def block(name, emotion):
    """The lines of a clip in the file of labels."""
    space = "" if "-M0" in name else " "
    dominance = "NaN" if name == WITH_NAN else "3.000000"
    natural = "" if name == WITHOUT_N else " N:4.000000;"
    lines = [
        f"UTD-{name[4:]}.avi; {emotion}; A:2.000000; V:3.500000; "
        f"D:{dominance}{space};{natural}"
    ]
    for rater, word in enumerate([WORDS[emotion], WORDS[emotion], "Neutral"]):
        natural = "" if rater == 2 else " N:4.000000;"
        lines.append(
            f"rater-{rater}_x; {word}; {word},?!; A:2.000000; V:3.000000; "
            f"D:{dominance};{natural}"
        )
    if name == DOUBLED:
        lines.append(lines[-1])
    return "\n".join(lines) + "\n\n"


def write_corpus(folder, seconds=0.35):
    """All speakers, four emotions each and a few O and X: 52 clips."""
    folder = Path(folder)
    (folder / "Text").mkdir(parents=True)
    labels = []
    for number, (name, emotion) in enumerate(listing()):
        _, _, scenario, speaker, style, _ = name.split("-")
        session = int(speaker[1:])
        path = folder / "Audio" / f"session{session}" / scenario / style
        path.mkdir(parents=True, exist_ok=True)
        who = 2 * session + "FM".index(speaker[0])
        kind = 2 + "AHNSOX".index(emotion)
        samples = clip(kind, who, number, RATE, seconds)
        soundfile.write(path / f"{name}.wav", samples, RATE)
        labels.append(block(name, emotion))
        if name != WITHOUT_TEXT:
            text = folder / "Text" / f"{name}.txt"
            text.write_text("How can I not?\n")
    (folder / "Evalution.txt").write_text("".join(labels))
    return folder
