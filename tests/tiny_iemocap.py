"""IEMOCAP's names and counts, and a small tree with all that is odd in it."""

from pathlib import Path

import soundfile
from tiny_ravdess import RATE, ROOT, clip

RECIPE = ROOT / "recipes" / "IEMOCAP"
LABELS = ("ang", "hap", "exc", "neu", "sad")
# Turns of each speaker, and how many have each of these labels
SPEAKERS = {
    "Ses01F": (873, (147, 69, 63, 171, 78)),
    "Ses01M": (946, (82, 66, 80, 213, 116)),
    "Ses02F": (859, (67, 70, 96, 135, 113)),
    "Ses02M": (952, (70, 47, 114, 227, 84)),
    "Ses03F": (1048, (92, 80, 48, 130, 172)),
    "Ses03M": (1088, (148, 55, 103, 190, 133)),
    "Ses04F": (987, (205, 31, 154, 76, 62)),
    "Ses04M": (1116, (122, 34, 84, 182, 81)),
    "Ses05F": (1033, (78, 77, 82, 221, 132)),
    "Ses05M": (1137, (92, 66, 217, 163, 113)),
}
# Of the others it is known how many there are in all
OTHERS = {"xxx": 2507, "fru": 1849, "sur": 107, "fea": 40, "oth": 3, "dis": 2}
# Improvised clips of a session by label. Sums over labels and over sessions are
# the corpus's; the numbers are one table of several that have these sums.
IMPROVISED = {
    "Ses01": (95, 134, 142, 97, 53),
    "Ses02": (26, 60, 76, 314, 54),
    "Ses03": (30, 30, 70, 295, 202),
    "Ses04": (103, 25, 94, 257, 55),
    "Ses05": (35, 35, 281, 136, 244),
}
IMPROVISED_OTHERS = 4784 - 2943
# How many clips with these labels a talker has in dialogues called Ses01F; the
# rest is in those called Ses01M
IN_SES01F = {"Ses01F": 237, "Ses01M": 270}


def dialogs():
    """The names of all 151 dialogues."""
    for number in range(1, 6):
        for side in "FM":
            prefix = f"Ses{number:02d}{side}"
            for i in range(1, 8 if number == 1 else 9):
                twice = prefix == "Ses03M" and i in (5, 8)
                for part in "ab" if twice else [""]:
                    yield f"{prefix}_impro{i:02d}{part}"
            for script in ("01_1", "01_2", "01_3", "02_1", "02_2"):
                yield f"{prefix}_script{script}"
            yield f"{prefix}_script03_1"
            yield f"{prefix}_script03_2"
            if prefix == "Ses05M":
                yield f"{prefix}_script01_1b"


def listing():
    """ID and label of 10,039 turns.

    Names have the official ids' shape. Per speaker, label, session, style and,
    in session 1, side of the dialogue there are as many as in the corpus,
    where that is known.
    """
    others = [label for label, n in OTHERS.items() for _ in range(n)]
    n_others, improvised = len(others), {}
    for session, counts in IMPROVISED.items():
        for label, count in zip(LABELS, counts):
            improvised[session, label] = count
    names = {}  # side of the dialogue and style -> dialogues, taken in turn
    for dialog in dialogs():
        style = "impro" if "impro" in dialog else "script"
        names.setdefault((dialog[:6], style), []).append(dialog)
    numbers = {}
    for speaker, (n_turns, counts) in SPEAKERS.items():
        session, talker = speaker[:5], speaker[5]
        labels = [x for x, n in zip(LABELS, counts) for _ in range(n)]
        for i in range(n_turns):
            if i < len(labels):
                label = labels[i]
                improvised[session, label] -= 1
                is_improvised = improvised[session, label] >= 0
                first = IN_SES01F.get(speaker, len(labels) // 2)
            else:
                label = others.pop()
                k = n_others - len(others)  # spread evenly over all of them
                share = IMPROVISED_OTHERS / n_others
                is_improvised = int(k * share) > int((k - 1) * share)
                first = (len(labels) + n_turns) // 2
            side = session + ("F" if i < first else "M")
            style = "impro" if is_improvised else "script"
            dialog = names[side, style][i % len(names[side, style])]
            number = numbers[dialog, talker] = (
                numbers.get((dialog, talker), -1) + 1
            )
            yield f"{dialog}_{talker}{number:03d}", label


HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"
RATERS = """\
C-E2:\tNeutral;\t()
C-E3:\tNeutral; Frustration;\t(curious)
C-E4:\tAnger;\t()
C-{talker}1:\tExcited;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  ;\t(mostly calm)
A-{talker}1:\tval 3; act 2; dom  3;\t()
"""


def evaluation(turns):
    """A file of EmoEvaluation, of (ID, label) of its turns."""
    blocks = [
        f"[{i}.2901 - {i + 2}.5]\t{name}\t{label}\t[2.5000, 3.0000, 4.5000]\n"
        + RATERS.format(talker=name[-4])
        for i, (name, label) in enumerate(turns, start=6)
    ]
    return HEADER + "\n" + "\n".join(blocks)


# A session's dialogues on either side, and the labels of either talker
SAMPLE = {
    "F_impro01": ("ang", "hap", "neu", "sad", "xxx"),
    "M_script01_1": ("exc", "neu", "sad", "ang", "fru"),
}
IRREGULAR = {
    "Ses03": {"M_impro05a": ("sad",), "M_impro05b": ("neu",)},
    "Ses05": {"M_script01_1b": ("hap",)},
}


def sample():
    """Dialogue -> its (ID, label)."""
    return {
        session + dialog: [
            (f"{session}{dialog}_{talker}{i:03d}", label)
            for i, label in enumerate(labels)
            for talker in "FM"
        ]
        for session in IMPROVISED
        for dialog, labels in (SAMPLE | IRREGULAR.get(session, {})).items()
    }


def write_corpus(folder, seconds=0.35):
    """All speakers in short clips: the label's overtone, the talker's pitch.

    With what else is in the release: turns that are not cut, lines of
    transcripts without a turn, fields and remarks as raters left them,
    folders of single raters' labels, and what macOS leaves.
    """
    takes = 0
    for dialog, turns in sample().items():
        session = Path(folder) / f"Session{int(dialog[3:5])}"
        labels = session / "dialog" / "EmoEvaluation"
        texts = session / "dialog" / "transcriptions"
        wavs = session / "sentences" / "wav" / dialog
        for made in (labels / "Attribute", labels / "Categorical", texts, wavs):
            made.mkdir(parents=True, exist_ok=True)
        content = evaluation(turns).replace("curious", "na\xefve")
        (labels / f"{dialog}.txt").write_bytes(content.encode("latin-1"))
        (labels / f"._{dialog}.txt").write_bytes(b"\0\5\x16\7Mac OS X")
        (labels / "Categorical" / f"{dialog}_e2_cat.txt").write_text(
            f"{turns[0][0]}  :Neutral; ()\n"
        )
        lines = [
            f"{name} [{i:03}.2901-{i + 2:03}.5000]: It's turn {label}. [LAUGHTER]"
            for i, (name, label) in enumerate(turns, start=6)
        ]
        lines.insert(1, f"{dialog}_MXX0 [005.1000-005.4000]: Mm-hmm.")
        lines.insert(2, "F: Can you hear me?")
        (texts / f"{dialog}.txt").write_text("\n".join(lines) + "\n")
        (wavs / f"._{turns[0][0]}.wav").write_bytes(b"\0\5\x16\7Mac OS X")
        for name, label in turns:
            takes += 1
            emotion = 1 + (*LABELS, *OTHERS).index(label)
            voice = 2 * int(dialog[3:5]) - (name[-4] == "M")  # odd is a man
            wave = clip(emotion, voice, takes, seconds=seconds)
            soundfile.write(wavs / f"{name}.wav", wave, RATE)
    return Path(folder)
