"""A sample corpus in the layout and under the names of SAVEE.

The corpus's four men, emotions and numbers of sentences, 480 clips in all, in
each of the ways that it is packed. The sentences are others. As in SAVEE, most
of them are read in one emotion only, by all four men: who reads the text knows
the emotion.
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

SPEAKERS = ("DC", "JE", "JK", "KL")
# The emotion, and how many sentences are read in it
EMOTIONS = {
    "a": ("angry", 15),
    "d": ("disgust", 15),
    "f": ("fearful", 15),
    "h": ("happy", 15),
    "n": ("neutral", 30),
    "sa": ("sad", 15),
    "su": ("surprised", 15),
}
N_COMMON = 3  # the first of each emotion
N_SPECIFIC = 2  # the next ones, which are read in neutral too
PACKINGS = {
    "official": "AudioData/{speaker}/{clip}.wav",
    "in one folder": "ALL/{speaker}_{clip}.wav",  # Kaggle's
    "without a folder": "{speaker}_{clip}.wav",
}
# The mistake is the corpus's: neutral has 30
INFO = "Four male speakers, 15 sentences for each of the 7 categories.\n"
VERSION = 1


def names(clips_per_speaker=None):
    """What each speaker's clips are called.

    Arguments
    ---------
    clips_per_speaker : int, optional
        No more than that.

    Returns
    -------
    list of str
        Emotions take turns.

    Example
    -------
    >>> names(8), len(names())
    (['a01', 'd01', 'f01', 'h01', 'n01', 'sa01', 'su01', 'a02'], 120)
    """
    found = [
        f"{emotion}{number:02d}"
        for number in range(1, 31)
        for emotion, (_, count) in EMOTIONS.items()
        if number <= count
    ]
    return found[:clips_per_speaker]


def texts(seed):
    """The sentences of the corpus.

    Arguments
    ---------
    seed : int
        Of the corpus.

    Returns
    -------
    dict of str to str
        By the clip's name. Neutral has the common ones, those that are specific
        to another emotion, and more of its own.

    Example
    -------
    >>> said = texts(1986)
    >>> said["a01"] == said["su01"] == said["n01"], said["a04"] == said["n04"]
    (True, True)
    >>> said["a04"] in [said[name] for name in names() if name[0] not in "an"]
    False
    """
    made = sentences(key(seed, "SAVEE"))

    def some(n):
        return list(itertools.islice(made, n))

    common, found, specific = some(N_COMMON), {}, []
    for emotion, (_, count) in EMOTIONS.items():
        if emotion != "n":
            found[emotion] = common + some(count - N_COMMON)
            specific += found[emotion][N_COMMON:][:N_SPECIFIC]
    count = EMOTIONS["n"][1]
    found["n"] = common + specific + some(count - N_COMMON - len(specific))
    return {
        f"{emotion}{number:02d}": text
        for emotion, of_emotion in found.items()
        for number, text in enumerate(of_emotion, start=1)
    }


def write_savee(folder, seed=1986, clips_per_speaker=None, packing="official"):
    """Writes the corpus, or what is missing of it.

    Arguments
    ---------
    folder : str or path-like
        Gets the clips as they are packed, and a file with the settings.
    seed : int
        Another one gives other voices and other clips.
    clips_per_speaker : int, optional
        The first of `names`, for a smaller corpus. All 120 by default.
    packing : str
        A key of `PACKINGS`.

    Returns
    -------
    int
        How many clips were written.
    """
    said = texts(seed)
    pattern = PACKINGS[packing]
    utterances = [
        Utterance(
            name=f"{speaker}_{name}",
            path=Path(pattern.format(speaker=speaker, clip=name)),
            speaker=speaker,
            sex="male",
            emotion=EMOTIONS[name[:-2]][0],
            text=said[name],
        )
        for speaker in SPEAKERS
        for name in names(clips_per_speaker)
    ]
    settings = settings_of("SAVEE", VERSION, seed, packing=packing)
    files = {f"{pattern.partition('{')[0]}Info.txt": INFO.encode()}
    return write_corpus(folder, settings, utterances, files)
