"""RAVDESS: from the folder of its actors to a manifest.

The Ryerson Audio-Visual Database of Emotional Speech and Song: 24 actors say
two sentences in eight emotions, 1440 clips of speech, 1.5 hours, 48 kHz.

Livingstone and Russo, "The Ryerson Audio-Visual Database of Emotional Speech
and Song (RAVDESS)", PLoS ONE 13(5), 2018, e0196391,
https://doi.org/10.1371/journal.pone.0196391

Download: Audio_Speech_Actors_01-24.zip of https://zenodo.org/record/1188976
Licence: CC BY-NC-SA 4.0; the authors sell licences for commercial use.

Known oddities, all of them harmless: five clips are stereo with two equal
channels, and 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07 are one recording.

Authors
 * The ser-mtl authors 2026
"""

import re
from pathlib import Path

from ser_mtl_modules.dataio import corpus_files
from ser_mtl_modules.dataio.download import Archive, fetch
from ser_mtl_modules.dataio.manifest import (
    build_rows,
    fingerprint,
    is_current,
    write_manifest,
)
from ser_mtl_modules.errors import SerMtlError, shortlist
from ser_mtl_modules.synthesis import ravdess as sample_corpus
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

# Size and MD5 as other projects quote them from Zenodo, all the same; unpacked
# 1440 clips of 48 kHz and 16 bit take 513 MB.
ARCHIVE = Archive(
    url="https://zenodo.org/records/1188976/files/"
    "Audio_Speech_Actors_01-24.zip?download=1",
    size=208_468_073,
    md5="bc696df654c87fed845eb13823edef8a",
    unpacked_size=520_000_000,
)

# The fields of a file's name, in its order: 03-01-05-02-01-02-12.wav
FIELDS = {
    "modality": {"01": "audio and video", "02": "video", "03": "audio"},
    "vocal_channel": {"01": "speech", "02": "song"},
    "emotion": {
        "01": "neutral",
        "02": "calm",
        "03": "happy",
        "04": "sad",
        "05": "angry",
        "06": "fearful",
        "07": "disgust",
        "08": "surprised",
    },
    "intensity": {"01": "normal", "02": "strong"},
    "statement": {
        "01": "KIDS ARE TALKING BY THE DOOR",
        "02": "DOGS ARE SITTING BY THE DOOR",
    },
    "repetition": {"01": "first", "02": "second"},
    "actor": {f"{n:02d}": "F" if n % 2 == 0 else "M" for n in range(1, 25)},
}
OWN_FIELDS = (
    "actor",
    "modality",
    "vocal_channel",
    "intensity",
    "statement",
    "repetition",
)
ACTOR_FOLDER = re.compile(r"Actor_(\d\d)", re.ASCII)
NAME = re.compile(r"\d\d(-\d\d){6}", re.ASCII)


def prepare(data_folder, manifest, skip_bad_audio=False):
    """Writes the manifest of RAVDESS, unless it is there already.

    Arguments
    ---------
    data_folder : str or Path
        Has ``Actor_01`` to ``Actor_24`` with wav or flac files in it, at any
        depth. Song is taken too, where it is there; the protocol cards choose.
    manifest : str or Path
        The CSV to write.
    skip_bad_audio : bool
        Leave out files that can't be decoded or are truncated, instead of
        stopping with a list of them.

    Example
    -------
    >>> prepare("/data/RAVDESS", "results/RAVDESS.csv")  # doctest: +SKIP
    """
    data_folder = Path(data_folder)
    files = find_files(data_folder)
    made_from = {
        "corpus": "ravdess",
        "data_folder": data_folder,
        "options": {"skip_bad_audio": skip_bad_audio},
        "fingerprint": fingerprint(
            files, data_folder, data_folder.glob(sample_corpus.SETTINGS)
        ),
    }
    if is_current(manifest, **made_from):
        logger.info(f"{manifest} is up to date, nothing to prepare.")
        return
    clips = corpus_files.read_names(files, parse_name, data_folder, "RAVDESS")
    check_complete(clips, data_folder)
    take_sample_transcripts(clips, data_folder)
    rows = build_rows(clips, data_folder, skip_bad_audio)
    write_manifest(manifest, rows, **made_from)
    logger.info(f"{manifest}: {len(rows)} utterances.")


def download(data_folder):
    """Gets the speech part from Zenodo, unless audio of an actor is there.

    Arguments
    ---------
    data_folder : str or Path
        Made if it is missing. An ``Audio_Speech_Actors_01-24.zip`` in it is
        unpacked instead.

    Example
    -------
    >>> download("/data/RAVDESS")  # doctest: +SKIP
    """
    fetch(ARCHIVE, data_folder, lambda folder: any(audio_files(folder)))


def audio_files(data_folder):
    """All audio of actors, copies too.

    Arguments
    ---------
    data_folder : Path
        Where to look, at any depth; hidden folders are left out.

    Returns
    -------
    iterator of Path
        In the order of depth, then of names.
    """
    return corpus_files.audio_files(data_folder, "**/Actor_??/*")


def find_files(data_folder):
    """The audio files of the actors, one of each name.

    Arguments
    ---------
    data_folder : Path
        Where to look, at any depth.

    Returns
    -------
    list of Path
        Sorted by name.
    """
    if not data_folder.is_dir():
        raise SerMtlError(
            f"{data_folder}: there is no such folder. --data_folder names the "
            f"folder with RAVDESS' Actor_01 to Actor_24; --download=True makes "
            f"it and gets the corpus."
        )
    # Of two copies, the one that lies less deep counts: Kaggle's archive has
    # all actors once more in a folder of it.
    files = corpus_files.one_of_each_name(audio_files(data_folder))
    if not files:
        raise SerMtlError(
            f"{data_folder}: RAVDESS is not here. Looked at any depth for "
            f"files such as Actor_01/03-01-01-01-01-01-01.wav (or .flac). "
            f"Unpack Audio_Speech_Actors_01-24.zip of "
            f"https://zenodo.org/record/1188976 and give its folder as "
            f"--data_folder, or let --download=True do it."
        )
    return files


def check_complete(clips, data_folder):
    """There is audio of every actor.

    Arguments
    ---------
    clips : list of dict
        As `parse_name` gives them.
    data_folder : Path
        For messages.
    """
    missing = sorted(set(FIELDS["actor"]) - {clip["actor"] for clip in clips})
    if missing:
        folders = ", ".join(f"Actor_{actor}" for actor in missing)
        raise SerMtlError(
            f"{data_folder}: no audio of {folders}; expected all of Actor_01 "
            f"to Actor_24. Unpack the archive again."
        )


def take_sample_transcripts(clips, data_folder):
    """Corrects the transcripts if this is our sample corpus.

    Its actors say other sentences than those of RAVDESS, and its file of
    settings says which.

    Arguments
    ---------
    clips : list of dict
        As `parse_name` gives them.
    data_folder : Path
        Of the corpus.
    """
    said = sample_corpus.transcripts(data_folder)
    if said is None:
        return
    keys = [(clip["actor"], clip["statement"]) for clip in clips]
    missing = sorted(set(keys) - set(said))
    if missing:
        raise SerMtlError(
            f"{data_folder / sample_corpus.SETTINGS}: there are clips of "
            f"{len(missing)} sentences that it does not have:\n"
            + shortlist([f"actor {a}, statement {s}" for a, s in missing])
            + "\nDelete the folder, and write the sample corpus again."
        )
    for clip, key in zip(clips, keys):
        clip["transcript"] = said[key].upper()


def parse_name(path):
    """What the name of one file says.

    Arguments
    ---------
    path : Path
        ``Actor_NN/`` and seven codes of two digits.

    Returns
    -------
    dict
        Columns of the manifest but those that take decoding.

    Example
    -------
    >>> clip = parse_name(Path("Actor_12/03-01-05-02-01-02-12.wav"))
    >>> clip["emotion"], clip["speaker"], clip["gender"], clip["style"]
    ('05', '12', 'F', 'strong')
    """
    if not NAME.fullmatch(path.stem):
        raise SerMtlError(
            f"{path}: expected a name of seven two-digit codes "
            f"({'-'.join(FIELDS)}), such as 03-01-05-02-01-02-12"
        )
    codes = dict(zip(FIELDS, path.stem.split("-")))
    for field, code in codes.items():
        if code not in FIELDS[field]:
            raise SerMtlError(
                f"{path}: unknown {field} '{code}'; expected one of "
                f"{', '.join(FIELDS[field])}"
            )
    folder = ACTOR_FOLDER.fullmatch(path.parent.name)
    if not folder or folder[1] != codes["actor"]:
        raise SerMtlError(
            f"{path}: a clip of actor {codes['actor']} in {path.parent.name}; "
            f"expected it in Actor_{codes['actor']}"
        )
    return {
        "ID": path.stem,
        "wav": path,
        "emotion": codes["emotion"],
        "speaker": codes["actor"],
        "gender": FIELDS["actor"][codes["actor"]],
        "transcript": FIELDS["statement"][codes["statement"]],
        "style": FIELDS["intensity"][codes["intensity"]],
        **{field: codes[field] for field in OWN_FIELDS},
    }
