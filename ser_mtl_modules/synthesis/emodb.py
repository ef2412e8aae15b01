"""A sample corpus in the layout and under the names of EMODB.

The corpus's ten speakers and 535 clips: how often each of them is in which
emotion is the corpus's, gaps and all. They say its ten German sentences, with an
English accent; which sentence and version a clip is, is ours.
"""

from pathlib import Path

from ser_mtl_modules.synthesis.corpus import (
    Utterance,
    settings_of,
    write_corpus,
)

EMOTIONS = {
    "W": "angry",
    "L": "bored",
    "E": "disgust",
    "A": "fearful",
    "F": "happy",
    "N": "neutral",
    "T": "sad",
}
# Each speaker's sex, and number of clips in these emotions
SPEAKERS = {
    "03": ("male", (14, 5, 1, 4, 7, 11, 7)),
    "08": ("female", (12, 10, 0, 6, 11, 10, 9)),
    "09": ("female", (13, 4, 8, 1, 4, 9, 4)),
    "10": ("male", (10, 8, 1, 8, 4, 4, 3)),
    "11": ("male", (11, 8, 2, 10, 8, 9, 7)),
    "12": ("male", (12, 5, 2, 6, 2, 4, 4)),
    "13": ("female", (12, 10, 8, 7, 10, 9, 5)),
    "14": ("female", (16, 8, 8, 12, 8, 7, 10)),
    "15": ("male", (13, 9, 5, 8, 6, 11, 4)),
    "16": ("female", (14, 14, 11, 7, 11, 5, 9)),
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem "
    "Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder "
    "runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und "
    "habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
VERSION = 1


def names(speaker, clips_per_speaker=None):
    """The names of a speaker's clips.

    Arguments
    ---------
    speaker : str
        A key of `SPEAKERS`.
    clips_per_speaker : int, optional
        No more than that.

    Returns
    -------
    list of str
        Emotions take turns, as long as there are clips of them.

    Example
    -------
    >>> names("08", 7)
    ['08a01Wa', '08a01La', '08a01Aa', '08a01Fa', '08a01Na', '08a01Ta', '08a02Wa']
    """
    codes, (_, counts) = list(SENTENCES), SPEAKERS[speaker]
    found = [
        f"{speaker}{codes[i % len(codes)]}{emotion}{'ab'[i // len(codes)]}"
        for i in range(max(counts))
        for emotion, count in zip(EMOTIONS, counts)
        if i < count
    ]
    return found[:clips_per_speaker]


def utterance(name):
    """What the name of a clip says.

    Arguments
    ---------
    name : str
        From `names`.

    Returns
    -------
    Utterance
    """
    speaker, sentence, emotion = name[:2], name[2:5], name[5]
    return Utterance(
        name=name,
        path=Path("wav") / f"{name}.wav",
        speaker=speaker,
        sex=SPEAKERS[speaker][0],
        emotion=EMOTIONS[emotion],
        text=SENTENCES[sentence],
    )


def write_emodb(folder, seed=1986, clips_per_speaker=None):
    """Writes the corpus, or what is missing of it.

    Arguments
    ---------
    folder : str or path-like
        Gets `wav`, and a file with the settings.
    seed : int
        Another one gives other voices and other clips.
    clips_per_speaker : int, optional
        The first of `names`, for a smaller corpus. All by default.

    Returns
    -------
    int
        How many clips were written.
    """
    utterances = [
        utterance(name)
        for speaker in SPEAKERS
        for name in names(speaker, clips_per_speaker)
    ]
    settings = settings_of("EMODB", VERSION, seed)
    return write_corpus(folder, settings, utterances)
