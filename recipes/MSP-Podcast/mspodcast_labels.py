"""MSP-Podcast's label files, release 1.6 to 2.0, each as a mapping from clips.

A clip is called by its file's name without the suffix. What is read:

``labels_consensus.csv`` (``labels_concensus.csv`` up to 1.9)
    ``FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set``, in any
    order and with further columns. Emotions are letters; attributes go from 1
    to 7; speaker and gender may be ``Unknown``.
``labels_detailed.csv``
    A row for each rater, in one of three shapes: columns with ``Workers`` (1.6)
    or ``WorkerID`` (2.0), or the rater's line of ``labels.txt`` as
    ``EmoDetail`` (1.7 to 1.12).
``Partitions.txt`` (or ``Partition.txt``)
    ``Train; MSP-PODCAST_0001_0066.wav``. The only file that lists Test3, whose
    labels are not public.
``Speaker_ids.txt``
    ``Speaker_30; Male`` and ``MSP-PODCAST_0001_0008.wav; 30``.

``labels.txt`` and the ``.json`` say the same as the CSVs, and are not read.

Authors
 * The ser-mtl authors 2026
"""

import re
from collections import defaultdict

from ser_mtl_modules.dataio.label_files import (
    as_counts,
    numbered_lines,
    read_label_file,
    wrong_line,
)
from ser_mtl_modules.dataio.label_tables import (
    number_within,
    read_header,
    read_table,
)
from ser_mtl_modules.dataio.msp_ratings import (
    EXPECTED as RATERS_LINE,
    emotion_of,
    plain,
)

NAME = re.compile(
    r"(MSP-PODCAST_(?:(\d{4})_\d{4}(?:_\d{4})?|test3_\d{4}))(?:\.wav|\.flac)?",
    re.ASCII,
)
A_NAME = "a file such as MSP-PODCAST_0001_0008.wav"
EMOTIONS = {
    "A": "angry",
    "S": "sad",
    "H": "happy",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
    "O": "other",
    "X": "no agreement of the raters",
}
RATED = set(EMOTIONS.values()) - {EMOTIONS["O"], EMOTIONS["X"]}
GENDERS = {"Male": "M", "Female": "F", "Unknown": ""}
SPLITS = {
    "Train": "Train",
    "Validation": "Development",  # its name up to 1.9
    "Development": "Development",
    "Test1": "Test1",
    "Test2": "Test2",
    "Test3": "Test3",
}
ATTRIBUTES = {"EmoAct": "arousal", "EmoVal": "valence", "EmoDom": "dominance"}
LOWEST, HIGHEST = 1, 7  # of an attribute
CONSENSUS = (
    "FileName",
    "EmoClass",
    *ATTRIBUTES,
    "SpkrID",
    "Gender",
    "Split_Set",
)


def read_consensus(path):
    """What raters agreed on, and who speaks.

    Arguments
    ---------
    path : Path
        ``labels_consensus.csv``.

    Returns
    -------
    dict of str to dict
        Columns of the manifest by clip: emotion, the attributes, speaker,
        gender, split. Empty is what the corpus doesn't know.
    """
    clips = {}
    for line, values, text in read_table(path, CONSENSUS):
        name, emotion, *values, speaker, gender, split = values

        def wrong(expected, line=line, text=text):
            return wrong_line(path, line, text, expected)

        clip = _clip(name)
        if not clip:
            raise wrong(A_NAME)
        if clip in clips:
            raise wrong("each file once")
        if emotion not in EMOTIONS:
            raise wrong(f"EmoClass to be one of {', '.join(EMOTIONS)}")
        values = ["" if v.lower() in ("", "nan") else v for v in values]
        for column, value in zip(ATTRIBUTES, values):
            if value and not number_within(value, LOWEST, HIGHEST):
                raise wrong(f"{column} from {LOWEST} to {HIGHEST}")
        if gender not in GENDERS:
            raise wrong(f"Gender to be one of {', '.join(GENDERS)}")
        if split not in SPLITS:
            raise wrong(f"Split_Set to be one of {', '.join(SPLITS)}")
        if not speaker:
            raise wrong("SpkrID, or Unknown")
        clips[clip] = {
            "emotion": emotion,
            **dict(zip(ATTRIBUTES.values(), values)),
            "speaker": _known(speaker),
            "gender": GENDERS[gender],
            "split": SPLITS[split],
        }
    return clips


def read_raters(path):
    """How many raters heard which emotion first of all.

    Arguments
    ---------
    path : Path
        ``labels_detailed.csv``.

    Returns
    -------
    dict of str to str
        By clip, as ``angry:3|neutral:2``; free text counts as other.
    """
    header = read_header(path)
    in_one = "EmoDetail" in header
    columns = ["FileName", "EmoDetail" if in_one else "EmoClass_Major"]
    heard = defaultdict(list)
    for line, (name, rated), text in read_table(path, columns):
        emotion = emotion_of(rated) if in_one else rated
        if emotion is None:
            raise wrong_line(path, line, text, RATERS_LINE)
        word = plain(emotion, RATED)
        clip = _clip(name)
        if not (word and clip):
            raise wrong_line(
                path,
                line,
                text,
                f"{A_NAME} and one of {', '.join(sorted(RATED))}, Other…",
            )
        heard[clip].append(word)
    return {clip: as_counts(words) for clip, words in heard.items()}


def read_partitions(path):
    """Which split a clip is in.

    Arguments
    ---------
    path : Path
        ``Partitions.txt``.

    Returns
    -------
    dict of str to str
        By clip.
    """
    splits = {}
    for line, text in numbered_lines(read_label_file(path)):
        split, _, name = (part.strip() for part in text.partition(";"))
        clip = _clip(name)
        if not (split in SPLITS and clip):
            raise wrong_line(
                path,
                line,
                text,
                f"'Train; MSP-PODCAST_0001_0066.wav', the first of "
                f"{', '.join(SPLITS)}",
            )
        if splits.setdefault(clip, SPLITS[split]) != SPLITS[split]:
            raise wrong_line(path, line, text, "each file in one split")
    return splits


def read_speakers(path):
    """Who speaks in a clip, and speakers' genders.

    Arguments
    ---------
    path : Path
        ``Speaker_ids.txt``.

    Returns
    -------
    dict of str to dict
        Speaker and gender by clip.
    """
    genders, speakers = {}, {}
    for line, text in numbered_lines(read_label_file(path)):
        who, _, what = (part.strip() for part in text.partition(";"))
        clip = _clip(who)
        if clip and what:
            speakers[clip] = _known(what)
        elif re.fullmatch("Speaker_.+", who) and what in GENDERS:
            genders[who.removeprefix("Speaker_")] = GENDERS[what]
        else:
            raise wrong_line(
                path,
                line,
                text,
                "'Speaker_30; Male' or 'MSP-PODCAST_0001_0008.wav; 30'",
            )
    return {
        clip: {"speaker": speaker, "gender": genders.get(speaker, "")}
        for clip, speaker in speakers.items()
    }


def recording_of(clip):
    """The podcast's number, which all that is cut from it shares.

    Example
    -------
    >>> recording_of("MSP-PODCAST_1023_0235_0001")
    '1023'
    >>> recording_of("MSP-PODCAST_test3_0001")  # not told
    ''
    """
    return NAME.fullmatch(clip)[2] or ""


def _clip(name):
    """The name of a clip without its suffix, or None."""
    found = NAME.fullmatch(name)
    return found and found[1]


def _known(speaker):
    return "" if "unknown" in speaker.lower() else speaker
