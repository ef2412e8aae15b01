"""MSP-IMPROV: from its folder of clips and labels to a manifest.

Six sessions, a man and a woman each, in which twenty sentences are said in four
emotions: improvised on the way to the sentence, and read; with what was said
before and between the takes. 8,438 turns, 44.1 kHz, rated by several people.

Busso, Parthasarathy, Burmania, AbdelWahab, Sadoughi and Provost, "MSP-IMPROV: An
Acted Corpus of Dyadic Interactions to Study Emotion Perception", IEEE
Transactions on Affective Computing 8(1), 2017,
https://doi.org/10.1109/TAFFC.2016.2515617

The corpus is free for academic use after an agreement with UT Dallas is signed
(https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html);
nothing of it can be fetched for you.

Known oddities: the release calls its labels ``Evalution.txt`` (sic), and clips
``UTD-….avi`` there; values may be NaN, ``N:`` (naturalness) may be missing, and
a rater's line may be there twice. Activation runs from 1 (excited) to 5 (calm);
the manifest's arousal is 6 minus it. The emotion in a clip's name is what the
scenario was written for; raters agree with it in half of the clips.

Authors
 * The ser-mtl authors 2026
"""

import re
from pathlib import Path

from ser_mtl_modules.dataio.corpus_files import (
    audio_files,
    one_of_each_name,
    read_names,
)
from ser_mtl_modules.dataio.label_files import (
    as_counts,
    numbered_lines,
    read_label_file,
    wrong_line,
)
from ser_mtl_modules.dataio.label_tables import number_within
from ser_mtl_modules.dataio.manifest import (
    build_rows,
    fingerprint,
    is_current,
    write_manifest,
)
from ser_mtl_modules.dataio.msp_ratings import (
    ATTRIBUTES,
    EXPECTED as RATERS_LINE,
    emotion_of,
    plain,
)
from ser_mtl_modules.dataio.transcript_files import read_transcripts
from ser_mtl_modules.errors import SerMtlError, shortlist
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

# The fields of a clip's name, in its order: MSP-IMPROV-S01A-F01-P-FM01
FIELDS = {
    "sentence": [f"{i:02d}" for i in range(1, 21)],
    "intended": ["A", "H", "N", "S"],  # the scenario's emotion, not the label
    "speaker": [f"{sex}{i:02d}" for i in range(1, 7) for sex in "FM"],
    "style": {
        "P": "between takes",
        "R": "read",
        "S": "improvised",
        "T": "target sentence",  # improvised, too
    },
}
NAME = re.compile(
    r"MSP-IMPROV-S(\d\d)([A-Z])-([A-Z]\d\d)-([A-Z])-[FM][FM]\d\d", re.ASCII
)
OWN_FIELDS = ("sentence", "intended")
EMOTIONS = {
    "A": "angry",
    "H": "happy",
    "N": "neutral",
    "S": "sad",
    "O": "other",
    "X": "no agreement of the raters",
}
RATED = {EMOTIONS[letter] for letter in "AHNS"}
LOWEST, HIGHEST = 1, 5  # of an attribute

WAV_FILES = "**/MSP-IMPROV-*"
TEXT_FILES = "**/MSP-IMPROV-*.txt"
LABEL_FILES = ("Evalution.txt", "Evaluation.txt")  # the release's, and right
HEAD = re.compile(
    rf"UTD-(IMPROV-[\w-]+)\.avi\s*;\s*([A-Z])\s*;\s*{ATTRIBUTES}", re.ASCII
)
HEAD_LINE = (
    "'UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.000000; V:3.500000; D:3.000000 ; "
    "N:4.000000;'"
)


def prepare(data_folder, manifest, skip_bad_audio=False):
    """Writes the manifest of MSP-IMPROV, unless it is there already.

    Arguments
    ---------
    data_folder : str or Path
        Has ``Evalution.txt`` in it or in one of its folders, and the clips at
        any depth, wav or flac; transcripts where there are any.
    manifest : str or Path
        The CSV to write.
    skip_bad_audio : bool
        Leave out files that are damaged or missing, instead of stopping with
        a list of them.

    Example
    -------
    >>> prepare("/data/MSP-IMPROV", "results/manifest.csv")  # doctest: +SKIP
    """
    data_folder = Path(data_folder)
    labels_file = find_labels(data_folder)
    files = one_of_each_name(audio_files(data_folder, WAV_FILES))
    texts = sorted(data_folder.glob(TEXT_FILES))
    made_from = {
        "corpus": "msp-improv",
        "data_folder": data_folder,
        "options": {"skip_bad_audio": skip_bad_audio},
        "fingerprint": fingerprint(
            [*files, *texts], data_folder, [labels_file]
        ),
    }
    if is_current(manifest, **made_from):
        logger.info(f"{manifest} is up to date, nothing to prepare.")
        return
    clips = read_names(files, parse_name, data_folder, "MSP-IMPROV")
    labels = read_labels(labels_file)
    check_complete(clips, labels, data_folder, skip_bad_audio)
    spoken = read_transcripts(texts)
    clips = [
        {**clip, **labels[clip["ID"]], "transcript": spoken.get(clip["ID"], "")}
        for clip in clips
        if clip["ID"] in labels
    ]
    rows = build_rows(clips, data_folder, skip_bad_audio)
    write_manifest(manifest, rows, **made_from)
    logger.info(f"{manifest}: {len(rows)} utterances.")


def find_labels(data_folder):
    """The file of labels, under either name, at most one folder down.

    Arguments
    ---------
    data_folder : Path
        Where to look.

    Returns
    -------
    Path
    """
    if not data_folder.is_dir():
        raise SerMtlError(
            f"{data_folder}: there is no such folder. --data_folder names the "
            f"folder that has MSP-IMPROV's Evalution.txt in it."
        )
    found = sorted(
        path
        for name in LABEL_FILES
        for above in ("", "*/")
        for path in data_folder.glob(f"{above}{name}")
    )
    if not found:
        raise SerMtlError(
            f"{data_folder}: MSP-IMPROV is not here. Looked for "
            f"{' or '.join(LABEL_FILES)} in it and in its folders. Get the "
            f"corpus from UT Dallas (https://ecs.utdallas.edu/research/"
            f"researchlabs/msp-lab/MSP-Improv.html), and give the folder that "
            f"labels and audio are in as --data_folder."
        )
    if len(found) > 1:
        raise SerMtlError(
            f"{data_folder}: more than one file of labels:\n"
            f"{shortlist([str(path) for path in found])}\nKeep the release's."
        )
    return found[0]


def parse_name(path):
    """What the name of one file says.

    Arguments
    ---------
    path : Path
        Sentence and intended emotion, speaker, style, recording and turn.

    Returns
    -------
    dict
        Columns of the manifest but those of labels, text and decoding.

    Example
    -------
    >>> clip = parse_name(Path("MSP-IMPROV-S01A-F03-P-FM01.wav"))
    >>> clip["speaker"], clip["session"], clip["style"], clip["intended"]
    ('F03', '3', 'between takes', 'A')
    """
    name = NAME.fullmatch(path.stem)
    if not name:
        raise SerMtlError(
            f"{path}: expected a name such as MSP-IMPROV-S01A-F01-P-FM01"
        )
    codes = dict(zip(FIELDS, name.groups()))
    for field, code in codes.items():
        if code not in FIELDS[field]:
            raise SerMtlError(
                f"{path}: unknown {field} '{code}'; expected one of "
                f"{', '.join(FIELDS[field])}"
            )
    return {
        "ID": path.stem,
        "wav": path,
        "speaker": codes["speaker"],
        "gender": codes["speaker"][0],
        "session": str(int(codes["speaker"][1:])),
        "style": FIELDS["style"][codes["style"]],
        **{field: codes[field] for field in OWN_FIELDS},
    }


def read_labels(path):
    """What raters heard, by clip.

    A clip has a line of what they agreed on, then one of each rater; an empty
    line may follow.

    Arguments
    ---------
    path : Path
        ``Evalution.txt``.

    Returns
    -------
    dict of str to dict
        Columns of the manifest: emotion, the attributes, naturalness, raters.
    """
    clips, ratings = {}, {}
    clip = None
    for number, line in numbered_lines(read_label_file(path)):
        head = HEAD.fullmatch(line)
        if head:
            clip = f"MSP-{head[1]}"
            if clip in clips:
                raise wrong_line(path, number, line, "each clip once")
            clips[clip] = _agreed(path, number, line, head)
            ratings[clip] = {}
            continue
        if line.startswith("UTD-") or clip is None:
            raise wrong_line(path, number, line, HEAD_LINE)
        emotion = emotion_of(line)
        word = emotion and plain(emotion, RATED)
        if not word:
            expected = f"{RATERS_LINE}, {', '.join(sorted(RATED))} or Other…"
            raise wrong_line(path, number, line, expected)
        ratings[clip][line] = word  # the same line twice counts once
    return {
        clip: {**agreed, "raters": as_counts(ratings[clip].values())}
        for clip, agreed in clips.items()
    }


def _agreed(path, number, line, head):
    """The consensus of one clip; NaN and what is missing become empty."""
    emotion, *values = head.groups()[1:]
    if emotion not in EMOTIONS:
        expected = f"an emotion of {', '.join(EMOTIONS)}"
        raise wrong_line(path, number, line, expected)
    values = [
        "" if value is None or value.lower() == "nan" else value
        for value in values
    ]
    for value in values:
        if value and not number_within(value, LOWEST, HIGHEST):
            expected = f"values from {LOWEST} to {HIGHEST}, or NaN"
            raise wrong_line(path, number, line, expected)
    activation, valence, dominance, naturalness = values
    if activation:  # the release's 1 is excited, everyone else's is calm
        activation = f"{LOWEST + HIGHEST - float(activation):g}"
    return {
        "emotion": emotion,
        "arousal": activation,
        "valence": valence,
        "dominance": dominance,
        "naturalness": naturalness,
    }


def check_complete(clips, labels, data_folder, skip_bad_audio):
    """Clips have labels, labels have clips, and every speaker is there.

    Arguments
    ---------
    clips : list of dict
        As `parse_name` gives them.
    labels : dict of str to dict
        As `read_labels` gives them.
    data_folder : Path
        For messages.
    skip_bad_audio : bool
        Whether audio may be missing.
    """
    ids = {clip["ID"] for clip in clips}
    missing = sorted(labels.keys() - ids)
    if missing and not (skip_bad_audio and ids & labels.keys()):
        raise SerMtlError(
            f"{data_folder}: no audio of {len(missing)} of {len(labels)} "
            f"labelled clips:\n{shortlist(missing)}\nUnpack the folder Audio "
            f"again; --skip_bad_audio=True leaves them out, but not all."
        )
    for what, some in {
        "labelled clips have no audio, and are left out": missing,
        "clips have no labels, and are left out": sorted(ids - labels.keys()),
    }.items():
        if some:
            logger.warning(f"{len(some)} {what}:\n{shortlist(some, most=3)}")
    known = FIELDS["speaker"]
    gone = sorted(set(known) - {clip["speaker"] for clip in clips})
    if gone:
        raise SerMtlError(
            f"{data_folder}: no audio of speaker {', '.join(gone)}; expected "
            f"all of {', '.join(known)}. Unpack the corpus again."
        )
