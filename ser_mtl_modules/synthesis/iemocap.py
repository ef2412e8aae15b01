"""A sample corpus in the layout and under the names of IEMOCAP.

All ten speakers, in an improvised and a scripted dialogue a session and in the
dialogues with irregular names, with what is odd in the release: the letter in a
dialogue's name is not the talker's; turns called MXX0 are in transcripts only,
as are lines without a turn; raters left values out and wrote remarks in another
encoding; there are folders of single raters' labels, and ._ files of macOS.
"""

from pathlib import Path

from ser_mtl_modules.randomness import key
from ser_mtl_modules.synthesis.corpus import (
    Utterance,
    settings_of,
    write_corpus,
)
from ser_mtl_modules.synthesis.sentences import sentences

SESSIONS = [f"Ses{number:02d}" for number in range(1, 6)]
# How a label sounds, what its raters call it, and its valence, activation and
# dominance. Where raters don't agree, something that is none of the four classes
LABELS = {
    "ang": ("angry", "Anger", (1.5, 4.0, 4.5)),
    "hap": ("happy", "Happiness", (4.0, 3.5, 3.0)),
    "exc": ("excited", "Excited", (4.5, 4.5, 3.5)),
    "neu": ("neutral", "Neutral", (3.0, 2.5, 2.5)),
    "sad": ("sad", "Sadness", (2.0, 2.0, 2.0)),
    "fru": ("frustrated", "Frustration", (2.0, 3.5, 3.5)),
    "sur": ("surprised", "Surprise", (3.5, 4.0, 3.0)),
    "fea": ("fearful", "Fear", (1.5, 3.5, 1.5)),
    "dis": ("disgust", "Disgust", (1.5, 3.0, 3.5)),
    "oth": ("bored", "Other", (2.5, 1.5, 2.5)),
    "xxx": ("contempt", "Anger", (2.5, 3.0, 3.5)),
}
# A session's two dialogues: four labels take turns, with one of others between
DIALOGS = {
    "F_impro01": (("ang", "hap", "neu", "sad"), ("xxx", "sur", "xxx", "oth")),
    "M_script01_1": (
        ("exc", "neu", "sad", "ang"),
        ("fru", "fea", "fru", "dis"),
    ),
}
IRREGULAR = {  # a turn of each speaker
    "Ses03": {"M_impro05a": "sad", "M_impro05b": "neu"},
    "Ses05": {"M_script01_1b": "hap"},
}
VERSION = 1

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"
RATERS = """\
C-E2:\t{first};\t()
C-E3:\t{second}; Frustration;\t(na\xefve)
C-E4:\tNeutral;\t()
C-{talker}1:\t{first};\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  ;\t(mostly calm)
A-{talker}1:\tval 3; act 2; dom  3;\t()
"""
SHADOW = b"\0\5\x16\7Mac OS X"  # what macOS keeps beside a file


def turns(clips_per_speaker):
    """The turns of each dialogue, and their labels.

    Arguments
    ---------
    clips_per_speaker : int
        In the two dialogues that every session has, in equal parts.

    Returns
    -------
    dict of str to list of (str, str)
        By dialogue; IDs and labels.

    Example
    -------
    >>> turns(10)["Ses01M_script01_1"][:2]
    [('Ses01M_script01_1_F000', 'exc'), ('Ses01M_script01_1_M000', 'exc')]
    """
    found = {}
    for session in SESSIONS:
        for dialog, (four, others) in DIALOGS.items():
            found[session + dialog] = [
                four[i % 5] if i % 5 < 4 else others[i // 5 % len(others)]
                for i in range((clips_per_speaker + 1) // 2)
            ]
        for dialog, label in IRREGULAR.get(session, {}).items():
            found[session + dialog] = [label]
    return {
        dialog: [
            (f"{dialog}_{talker}{i:03d}", label)
            for i, label in enumerate(labels)
            for talker in "FM"
        ]
        for dialog, labels in found.items()
    }


def evaluation(turns):
    """A file of EmoEvaluation.

    Arguments
    ---------
    turns : list of (str, str)
        IDs and labels of a dialogue.

    Returns
    -------
    str
    """
    blocks = []
    for i, (name, label) in enumerate(turns, start=6):
        _, word, means = LABELS[label]
        means = ", ".join(f"{mean:.4f}" for mean in means)
        second = "Sadness" if label == "xxx" else word
        blocks.append(
            f"[{i}.2901 - {i + 2}.5]\t{name}\t{label}\t[{means}]\n"
            + RATERS.format(first=word, second=second, talker=name[-4])
        )
    return HEADER + "\n" + "\n".join(blocks)


def transcription(turns, said):
    """A file of transcriptions.

    Arguments
    ---------
    turns : list of (str, str)
        IDs and labels of a dialogue.
    said : dict of str to str
        What was said, by ID.

    Returns
    -------
    str
        With a turn that is not cut, a line without a turn, and laughter.
    """
    lines = [
        f"{name} [{i:03}.2901-{i + 2:03}.5000]: {said[name]}. [LAUGHTER]"
        for i, (name, _) in enumerate(turns, start=6)
    ]
    dialog = turns[0][0].rpartition("_")[0]
    lines.insert(1, f"{dialog}_MXX0 [005.1000-005.4000]: Mm-hmm.")
    lines.insert(2, "F: Can you hear me?")
    return "\n".join(lines) + "\n"


def write_iemocap(folder, seed=1986, clips_per_speaker=40):
    """Writes the corpus, or what is missing of it.

    Arguments
    ---------
    folder : str or path-like
        Gets `Session1` to `Session5`, and a file with the settings.
    seed : int
        Another one gives other voices and other clips.
    clips_per_speaker : int
        As for `turns`. 1000 are about as many as in IEMOCAP.

    Returns
    -------
    int
        How many clips were written.
    """
    made = sentences(key(seed, "IEMOCAP"))
    utterances, files = [], {}
    for dialog, of_dialog in turns(clips_per_speaker).items():
        session = Path(f"Session{int(dialog[3:5])}")
        wavs = session / "sentences" / "wav" / dialog
        texts = session / "dialog" / "transcriptions" / f"{dialog}.txt"
        labels = session / "dialog" / "EmoEvaluation"
        said = {name: next(made) for name, _ in of_dialog}
        first = of_dialog[0][0]
        files |= {
            labels / f"{dialog}.txt": evaluation(of_dialog).encode("latin-1"),
            labels / f"._{dialog}.txt": SHADOW,
            labels / "Categorical" / f"{dialog}_e2_cat.txt": (
                f"{first}  :Neutral; ()\n".encode()
            ),
            labels / "Attribute" / f"{dialog}_e3_atr.txt": (
                f"{first}  :act 2; :val 3; :dom  2; ()\n".encode()
            ),
            texts: transcription(of_dialog, said).encode(),
            wavs / f"._{first}.wav": SHADOW,
        }
        utterances += [
            Utterance(
                name=name,
                path=wavs / f"{name}.wav",
                # who talks, not who wears the markers
                speaker=name[:5] + name[-4],
                sex={"F": "female", "M": "male"}[name[-4]],
                emotion=LABELS[label][0],
                text=said[name],
            )
            for name, label in of_dialog
        ]
    settings = settings_of(
        "IEMOCAP", VERSION, seed, clips_per_speaker=clips_per_speaker
    )
    return write_corpus(folder, settings, utterances, files)
