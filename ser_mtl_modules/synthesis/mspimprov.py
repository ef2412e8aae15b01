"""A sample corpus in the layout and under the names of MSP-IMPROV.

All twelve actors, with what is odd in the release's labels: two spellings of the
line of a clip, NaN, lines without ``N:``, a rater's line that is there twice,
free text with punctuation. What is intended is perceived in half of the clips.
Clips have 44.1 kHz, and one is without text.
"""

import itertools
from pathlib import Path

from ser_mtl_modules.randomness import key
from ser_mtl_modules.synthesis.corpus import (
    Utterance,
    settings_of,
    write_corpus,
)
from ser_mtl_modules.synthesis.sentences import sentences

RATE = 44100
SPEAKERS = [f"{sex}{number:02d}" for number in range(1, 7) for sex in "FM"]
# How a letter sounds, what raters call it, and its activation (which is the
# other way round: 1 is excited), valence and dominance
EMOTIONS = {
    "A": ("angry", "Angry", (1.5, 1.5, 4.0)),
    "H": ("happy", "Happy", (2.0, 4.5, 3.0)),
    "N": ("neutral", "Neutral", (3.0, 3.0, 3.0)),
    "S": ("sad", "Sad", (4.0, 2.0, 2.0)),
    "O": ("bored", "Other (bored; or, so?)", (4.0, 2.5, 2.5)),
    "X": ("excited", "Happy", (2.5, 3.5, 3.0)),
}
CLASSES = "AHNS"
STYLES = "PRST"
N_TARGETS = 20  # sentences, which are read (R) and come up improvised (T)
DOUBLED = "MSP-IMPROV-S01H-F01-P-FM01"  # a rater's line is there twice
WITH_NAN = "MSP-IMPROV-S02N-F01-R-FM01"
WITHOUT_N = "MSP-IMPROV-S03S-F01-S-FM01"
WITHOUT_TEXT = "MSP-IMPROV-S04A-F01-T-FM01"
VERSION = 1


def clips(clips_per_speaker):
    """Names and perceived emotions.

    Arguments
    ---------
    clips_per_speaker : int
        Of the four classes; those of session 1 have an O and an X more.

    Returns
    -------
    list of (str, str)
        Emotions and styles take turns. In every second round another emotion
        was intended.

    Example
    -------
    >>> clips(4)[:2]
    [('MSP-IMPROV-S01H-F01-P-FM01', 'A'), ('MSP-IMPROV-S02N-F01-R-FM01', 'H')]
    """
    found = []
    for speaker in SPEAKERS:
        emotions = [CLASSES[i % 4] for i in range(clips_per_speaker)]
        if speaker.endswith("01"):
            emotions += "OX"
        recording = {"F": "FM", "M": "MF"}[speaker[0]]
        for i, emotion in enumerate(emotions):
            turn, round_ = i % 4, i // 4
            intended = CLASSES[(turn + (round_ + 1) % 2) % 4]
            style = STYLES[(turn + round_) % 4]
            name = f"S{i % N_TARGETS + 1:02d}{intended}-{speaker}-{style}"
            found.append(
                (
                    f"MSP-IMPROV-{name}-{recording}{i // N_TARGETS + 1:02d}",
                    emotion,
                )
            )
    return found


def block(name, emotion):
    """The lines of a clip in the file of labels.

    Arguments
    ---------
    name : str
        From `clips`.
    emotion : str
        A key of `EMOTIONS`.

    Returns
    -------
    str
    """
    _, word, (activation, valence, dominance) = EMOTIONS[emotion]
    space = "" if "-M0" in name else " "
    dominance = "NaN" if name == WITH_NAN else f"{dominance:f}"
    natural = "" if name == WITHOUT_N else " N:4.000000;"
    lines = [
        f"UTD-{name[4:]}.avi; {emotion}; A:{activation:f}; V:{valence:f}; "
        f"D:{dominance}{space};{natural}"
    ]
    for rater, heard in enumerate([word, word, "Neutral"]):
        natural = "" if rater == 2 else " N:4.000000;"
        lines.append(
            f"rater-{rater}_x; {heard}; {heard},?!; A:2.000000; V:3.000000; "
            f"D:{dominance};{natural}"
        )
    if name == DOUBLED:
        lines.append(lines[-1])
    return "\n".join(lines) + "\n\n"


def write_mspimprov(folder, seed=1986, clips_per_speaker=16):
    """Writes the corpus, or what is missing of it.

    Arguments
    ---------
    folder : str or path-like
        Gets `Audio`, `Text`, `Evalution.txt` (sic), and a file with the
        settings.
    seed : int
        Another one gives other voices and other clips.
    clips_per_speaker : int
        As for `clips`. 700 are about as many as in MSP-IMPROV.

    Returns
    -------
    int
        How many clips were written.
    """
    made = sentences(key(seed, "MSP-IMPROV"))
    targets = list(itertools.islice(made, N_TARGETS))
    utterances, files, labels = [], {}, []
    for name, emotion in clips(clips_per_speaker):
        scenario, speaker, style = name.split("-")[2:5]
        text = targets[int(scenario[1:3]) - 1] if style in "RT" else next(made)
        folders = Path("Audio", f"session{int(speaker[1:])}", scenario, style)
        utterances.append(
            Utterance(
                name=name,
                path=folders / f"{name}.wav",
                speaker=speaker,
                sex={"F": "female", "M": "male"}[speaker[0]],
                emotion=EMOTIONS[emotion][0],
                text=text,
                sample_rate=RATE,
            )
        )
        labels.append(block(name, emotion))
        if name != WITHOUT_TEXT:
            files[f"Text/{name}.txt"] = f"{text}.\n".encode()
    files["Evalution.txt"] = "".join(labels).encode()
    settings = settings_of(
        "MSP-IMPROV", VERSION, seed, clips_per_speaker=clips_per_speaker
    )
    return write_corpus(folder, settings, utterances, files)
