"""IEMOCAP: from the folder of its five sessions to a manifest.

The Interactive Emotional Dyadic Motion Capture Database: in each session an
actress and an actor improvise and play scripted scenes, 151 dialogues cut into
10,039 turns, 12 hours, 16 kHz. Three or more evaluators labelled each turn.

Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee and Narayanan, "IEMOCAP:
interactive emotional dyadic motion capture database", Language Resources and
Evaluation 42, 2008, https://doi.org/10.1007/s10579-008-9076-6

Download: IEMOCAP_full_release, which the University of Southern California
gives to academic users who ask at https://sail.usc.edu/iemocap/. Of each
session only dialog/EmoEvaluation/*.txt, dialog/transcriptions/*.txt and
sentences/wav are needed.
Licence: academic use only, by that form.

Known oddities: the letter in a dialogue's name (Ses01F_impro01) says who wore
the markers of the motion capture, not who speaks; the last field of a turn's
name (Ses01F_impro01_M000) does. Turns called MXX0 and FXX0 are in transcripts
only. macOS left ._ files in the release.

Authors
 * The ser-mtl authors 2026
"""

import re
from pathlib import Path

from ser_mtl_modules.dataio.corpus_files import audio_files, one_of_each_name
from ser_mtl_modules.dataio.label_files import (
    as_counts,
    numbered_lines,
    read_label_file,
    wrong_line,
)
from ser_mtl_modules.dataio.manifest import (
    build_rows,
    fingerprint,
    is_current,
    write_manifest,
)
from ser_mtl_modules.dataio.transcripts import normalise
from ser_mtl_modules.errors import SerMtlError, shortlist
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

SESSIONS = {f"Session{n}": f"Ses{n:02d}" for n in range(1, 6)}
SPEAKERS = [f"{session}{sex}" for session in SESSIONS.values() for sex in "FM"]
EMOTIONS = {
    "ang": "anger",
    "hap": "happiness",
    "exc": "excited",
    "sad": "sadness",
    "neu": "neutral",
    "fru": "frustration",
    "sur": "surprise",
    "fea": "fear",
    "dis": "disgust",
    "oth": "other",
    "xxx": "no label has a majority of the evaluators",
}
STYLES = {"impro": "improvised", "script": "scripted"}

EVALUATIONS = "dialog/EmoEvaluation"
TRANSCRIPTIONS = "dialog/transcriptions"

DIALOG = re.compile(
    r"(?P<session>Ses0[1-5])[FM]"  # who wears the markers
    r"_(?P<style>impro|script)\d\d[ab]?(_\db?)?",
    re.ASCII,
)
TURN = re.compile(
    rf"(?P<dialog>{DIALOG.pattern})_(?P<talker>[FM])\d{{3}}", re.ASCII
)
# Turns without a recording and labels of their own
UNCUT = re.compile(rf"{DIALOG.pattern}_[FM]XX\d*", re.ASCII)
NUMBER = r"\d+(?:\.\d+)?"
MEAN = r"\d(?:\.\d+)?"
# [6.2901 - 8.2357]  Ses01F_impro01_F000  neu  [2.5000, 2.5000, 2.5000]
# with tabs between the fields. Means are from 1 to 5, which is not enforced: what
# raters may have typed beside the scale is the corpus's own.
SUMMARY = re.compile(
    rf"\[{NUMBER} - {NUMBER}\]"
    r"\t(?P<turn>[^\t]+)"
    r"\t(?P<emotion>[^\t]+)"
    rf"\t\[(?P<valence>{MEAN}), *(?P<arousal>{MEAN}), *(?P<dominance>{MEAN})\]",
    re.ASCII,
)
# C-E2:  Neutral; Frustration;  (a remark), but for the remark
RATER = re.compile(
    r"C-(?P<rater>[EFM])\d+:\s*(?P<labels>[A-Za-z; ]*)", re.ASCII
)
# Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
SAID = re.compile(rf"\S+ \[{NUMBER}-{NUMBER}\]:(?P<text>.*)", re.ASCII)


def prepare(data_folder, manifest, skip_bad_audio=False):
    """Writes the manifest of IEMOCAP, unless it is there already.

    Arguments
    ---------
    data_folder : str or Path
        Has ``Session1`` to ``Session5`` in it, or in a folder of it. Sentences
        may be wav or flac.
    manifest : str or Path
        The CSV to write.
    skip_bad_audio : bool
        Leave out files that can't be decoded or are truncated, instead of
        stopping with a list of them.

    Example
    -------
    >>> prepare("/data/IEMOCAP", "results/IEMOCAP.csv")  # doctest: +SKIP
    """
    data_folder = Path(data_folder)
    sessions = find_sessions(data_folder)
    labels = find_texts(sessions, EVALUATIONS)
    texts = find_texts(sessions, TRANSCRIPTIONS)
    wavs = find_sentences(sessions)
    made_from = {
        "corpus": "iemocap",
        "data_folder": data_folder,
        "options": {"skip_bad_audio": skip_bad_audio},
        "fingerprint": fingerprint(wavs, data_folder, labels + texts),
    }
    if is_current(manifest, **made_from):
        logger.info(f"{manifest} is up to date, nothing to prepare.")
        return
    turns = read_evaluations(labels)
    add_transcripts(turns, texts)
    clips = add_sentences(turns, wavs, data_folder)
    rows = build_rows(clips, data_folder, skip_bad_audio)
    write_manifest(manifest, rows, **made_from)
    logger.info(f"{manifest}: {len(rows)} utterances.")


# ---- the tree


def find_sessions(data_folder):
    """The five sessions' folders.

    Arguments
    ---------
    data_folder : Path
        The release, or a folder with it, not more than two levels above. It
        isn't searched at any depth: beside what is needed there are some
        hundred thousand files.

    Returns
    -------
    list of Path
        Of Session1 to Session5.
    """
    if not data_folder.is_dir():
        raise SerMtlError(
            f"{data_folder}: there is no such folder. --data_folder names the "
            f"folder with IEMOCAP's Session1 to Session5."
        )
    for above in ("", "*/", "*/*/"):
        found = [*data_folder.glob(f"{above}Session[1-5]")]
        if found:
            break
    else:
        raise SerMtlError(
            f"{data_folder}: IEMOCAP is not here. Looked for Session1 to "
            f"Session5 in it and two levels below. Ask for "
            f"IEMOCAP_full_release at https://sail.usc.edu/iemocap/ and give "
            f"its folder as --data_folder."
        )
    releases = sorted({path.parent for path in found})
    if len(releases) > 1:
        raise SerMtlError(
            f"{data_folder}: IEMOCAP is here more than once:\n"
            f"{shortlist([str(path) for path in releases])}\nGive one of them "
            f"as --data_folder."
        )
    sessions = [releases[0] / name for name in SESSIONS]
    missing = [path.name for path in sessions if not path.is_dir()]
    if missing:
        raise SerMtlError(
            f"{releases[0]}: no folder {', '.join(missing)}; expected all of "
            f"Session1 to Session5. Unpack the release again."
        )
    return sessions


def find_texts(sessions, folder):
    """A text file for each dialogue, without folders and what is hidden.

    Arguments
    ---------
    sessions : list of Path
        As `find_sessions` gives them.
    folder : str
        `EVALUATIONS` or `TRANSCRIPTIONS`.

    Returns
    -------
    list of Path
        Sorted within a session.
    """
    files, wrong = [], []
    for session in sessions:
        of_session = [
            path
            for path in sorted((session / folder).glob("*.txt"))
            if path.is_file() and not path.name.startswith(".")
        ]
        if not of_session:
            raise SerMtlError(
                f"{session / folder}: no text files here; expected one of "
                f"each dialogue, such as {SESSIONS[session.name]}F_impro01.txt."
                f" Unpack the release again."
            )
        for path in of_session:
            dialog = DIALOG.fullmatch(path.stem)
            if not dialog or dialog["session"] != SESSIONS[session.name]:
                wrong.append(str(path))
        files += of_session
    if wrong:
        raise SerMtlError(
            f"{len(wrong)} text files are not named after a dialogue of their "
            f"session, such as Ses01F_impro01.txt in Session1:\n"
            f"{shortlist(wrong)}\nName them as in the release, or remove what "
            f"does not belong there."
        )
    return files


def find_sentences(sessions):
    """The recordings of all turns.

    Arguments
    ---------
    sessions : list of Path
        As `find_sessions` gives them.

    Returns
    -------
    list of Path
        One of each name, without turns that are not cut (``MXX0``).
    """
    wavs = one_of_each_name(
        path
        for session in sessions
        for path in audio_files(session, "sentences/wav/*/*")
    )
    return [path for path in wavs if not UNCUT.fullmatch(path.stem)]


# ---- what the files say


def read_evaluations(files):
    """The turns of all dialogues.

    Arguments
    ---------
    files : list of Path
        Of EmoEvaluation.

    Returns
    -------
    dict
        ID -> columns of the manifest, but for transcript and audio.
    """
    turns = {}
    for path in files:
        turns.update(parse_evaluation(read_label_file(path), path))
    missing = sorted(
        set(SPEAKERS) - {turn["speaker"] for turn in turns.values()}
    )
    if missing:
        raise SerMtlError(
            f"{files[0].parents[3]}: no labels of {', '.join(missing)}; "
            f"expected turns of all of {', '.join(SPEAKERS)}. Unpack the "
            f"release again."
        )
    return turns


def parse_turn(name):
    """What the name of a turn says.

    Arguments
    ---------
    name : str
        Dialogue, and the talker's letter with a number.

    Returns
    -------
    dict or None
        Columns of the manifest; None if it is no turn's name.

    Example
    -------
    >>> turn = parse_turn("Ses03M_impro05a_F012")
    >>> turn["speaker"], turn["gender"], turn["session"], turn["style"]
    ('Ses03F', 'F', 'Ses03', 'improvised')
    """
    turn = TURN.fullmatch(name)
    return turn and {
        "ID": name,
        "speaker": turn["session"] + turn["talker"],
        "gender": turn["talker"],
        "session": turn["session"],
        "style": STYLES[turn["style"]],
        "dialog": turn["dialog"],
    }


def parse_evaluation(text, path):
    """What a file of EmoEvaluation says.

    Lines of attributes (``A-E3: val 3; act 2; dom  2;``) are not read: their
    means stand in the turn's first line, and some of their fields are empty.

    Arguments
    ---------
    text : str
        All of the file.
    path : Path
        Named after the dialogue.

    Returns
    -------
    dict
        ID -> columns of the manifest. ``raters`` are the evaluators' labels,
        ``self_report`` those that actors gave themselves; who gave two labels
        is counted in both.
    """
    turns, turn = {}, None
    for number, line in numbered_lines(text):
        try:
            if line.startswith("["):
                turn = parse_summary(line, path.stem)
                if turn["ID"] in turns:
                    raise ValueError(f"each turn once; {turn['ID']} is above")
                turns[turn["ID"]] = turn
            elif line.startswith("C-"):
                rater, labels = parse_rater(line)
                if turn is None:
                    raise ValueError("a turn before its raters")
                turn["raters" if rater == "E" else "self_report"] += labels
            elif not line.startswith(("A-", "%")):
                raise ValueError("a turn ([), a rater (C-, A-) or a header (%)")
        except ValueError as expected:
            raise wrong_line(path, number, line, expected) from None
    return {
        name: {
            **turn,
            "raters": as_counts(turn["raters"]),
            "self_report": as_counts(turn["self_report"]),
        }
        for name, turn in turns.items()
        if not UNCUT.fullmatch(name)
    }


def parse_summary(line, dialog):
    """The first line of a turn: its majority label, and means of attributes.

    Arguments
    ---------
    line : str
        Begins with ``[``.
    dialog : str
        Whose turn it is.

    Returns
    -------
    dict
        Columns of the manifest, with lists for labels to come; no more than
        these and the ID of a turn that is not cut.

    Raises
    ------
    ValueError
        With what was expected.
    """
    summary = SUMMARY.fullmatch(line)
    if not summary:
        raise ValueError(
            "a turn such as '[6.2901 - 8.2357]<TAB>Ses01F_impro01_F000<TAB>neu"
            "<TAB>[2.5000, 2.5000, 2.5000]'"
        )
    name, emotion = summary["turn"], summary["emotion"]
    labels = {"raters": [], "self_report": []}
    if UNCUT.fullmatch(name):
        return {"ID": name, **labels}
    turn = parse_turn(name)
    if not turn or turn["dialog"] != dialog:
        raise ValueError(f"a turn of this dialogue, such as {dialog}_F000")
    if emotion not in EMOTIONS:
        raise ValueError(f"one of the labels {', '.join(EMOTIONS)}")
    means = {
        name: float(summary[name])
        for name in ("arousal", "valence", "dominance")
    }
    return {**turn, "emotion": emotion, **means, **labels}


def parse_rater(line):
    """The labels of one rater.

    Arguments
    ---------
    line : str
        Begins with ``C-``.

    Returns
    -------
    (str, list of str)
        E for an evaluator, F or M for the actress or actor; the labels in
        lower case.

    Raises
    ------
    ValueError
        With what was expected.

    Example
    -------
    >>> parse_rater("C-E2:\\tNeutral; Frustration;\\t(curious)")
    ('E', ['neutral', 'frustration'])
    """
    rater = RATER.fullmatch(line.partition("(")[0].strip())
    if not rater:
        raise ValueError("a rater's labels such as 'C-E2:<TAB>Neutral;<TAB>()'")
    labels = [label.strip() for label in rater["labels"].lower().split(";")]
    return rater["rater"], [label for label in labels if label]


def parse_transcription(text, path):
    """What a file of transcriptions says.

    Lines that don't begin with a turn's name are passed over: there are stray
    ones (``M: ...``), and turns that are not cut.

    Arguments
    ---------
    text : str
        All of the file.
    path : Path
        For messages.

    Returns
    -------
    dict
        ID -> what was said, normalised.
    """
    said = {}
    for number, line in numbered_lines(text):
        name = line.split(maxsplit=1)[0].rstrip(":")
        if not TURN.fullmatch(name):
            continue
        found = SAID.fullmatch(line)
        if not found:
            expected = f"'{name} [006.2901-008.2357]: Excuse me.'"
            raise wrong_line(path, number, line, expected)
        if name in said:
            expected = f"each turn once, and {name} stands above"
            raise wrong_line(path, number, line, expected)
        said[name] = normalise(found["text"])
    return said


def add_transcripts(turns, files):
    """Gives each turn what was said; empty, and logged, where nobody knows.

    Arguments
    ---------
    turns : dict
        As `read_evaluations` gives them; they get a ``transcript``.
    files : list of Path
        Of transcriptions.
    """
    said = {}
    for path in files:
        said.update(parse_transcription(read_label_file(path), path))
    for name, turn in turns.items():
        turn["transcript"] = said.get(name, "")
    without = sorted(set(turns) - set(said))
    if without:
        logger.warning(
            f"{len(without)} of {len(turns)} turns are not in the "
            f"transcriptions; their transcripts are left empty:\n"
            f"{shortlist(without, most=3)}"
        )


def add_sentences(turns, wavs, data_folder):
    """Gives each turn its recording.

    Arguments
    ---------
    turns : dict
        As `read_evaluations` gives them.
    wavs : list of Path
        As `find_sentences` gives them.
    data_folder : Path
        For messages.

    Returns
    -------
    list of dict
        The turns with ``wav``.
    """
    recorded = {path.stem: path for path in wavs}
    wrong = [
        f"{name}: evaluated, but not in sentences/wav"
        for name in sorted(set(turns) - set(recorded))
    ]
    wrong += [
        f"{recorded[name]}: not in EmoEvaluation"
        for name in sorted(set(recorded) - set(turns))
    ]
    wrong += [
        f"{path}: expected in a folder {turns[name]['dialog']}"
        for name, path in recorded.items()
        if name in turns and path.parent.name != turns[name]["dialog"]
    ]
    if wrong:
        raise SerMtlError(
            f"{data_folder}: {len(wrong)} turns don't have one recording and "
            f"one evaluation each:\n{shortlist(wrong)}\nUnpack the release "
            f"again."
        )
    return [{**turn, "wav": recorded[name]} for name, turn in turns.items()]
