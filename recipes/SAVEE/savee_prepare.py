"""SAVEE: from its folders of clips to a manifest.

The Surrey Audio-Visual Expressed Emotion Database: four men read sentences of
TIMIT in seven emotions, 480 clips, half an hour, 44.1 kHz.

Haq and Jackson, "Speaker-dependent audio-visual emotion recognition", AVSP
2009, pages 53-58; http://kahlan.eps.surrey.ac.uk/savee/

Download: register at http://personal.ee.surrey.ac.uk/Personal/P.Jackson/SAVEE/
and take the audio (AudioData). Kaggle has a copy of it with all files in one
folder (ejlok1/surrey-audiovisual-expressed-emotion-savee).
Licence: research use only, by that registration.

Known oddities: Info.txt says 15 clips of each emotion and speaker, but neutral
has 30. A sentence of an emotion is the same for all speakers and mostly not
read in any other emotion. Which number is which sentence was not to be found,
so transcripts are empty.

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
from ser_mtl_modules.dataio.manifest import (
    build_rows,
    fingerprint,
    is_current,
    write_manifest,
)
from ser_mtl_modules.errors import SerMtlError
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

SPEAKERS = ("DC", "JE", "JK", "KL")  # all men
# Letters of the names, and how many sentences are read in the emotion
EMOTIONS = {
    "a": ("anger", 15),
    "d": ("disgust", 15),
    "f": ("fear", 15),
    "h": ("happiness", 15),
    "n": ("neutral", 30),
    "sa": ("sadness", 15),
    "su": ("surprise", 15),
}
FOLDERS = (*SPEAKERS, "ALL")
PREFIX = re.compile(r"(?P<speaker>[A-Z]{2})_(?P<clip>.*)", re.ASCII | re.DOTALL)
CLIP = re.compile(r"(?P<emotion>[a-z]+)(?P<number>\d\d)", re.ASCII)


def prepare(data_folder, manifest, skip_bad_audio=False):
    """Writes the manifest of SAVEE, unless it is there already.

    Arguments
    ---------
    data_folder : str or Path
        Has at any depth, as wav or flac, one of: folders of the speakers with
        clips in them (``DC/a01.wav``), clips named after the speakers in a
        folder ``ALL`` (``ALL/DC_a01.wav``), or such clips anywhere else.
    manifest : str or Path
        The CSV to write.
    skip_bad_audio : bool
        Leave out files that can't be decoded or are truncated, instead of
        stopping with a list of them.

    Example
    -------
    >>> prepare("/data/SAVEE", "results/SAVEE.csv")  # doctest: +SKIP
    """
    data_folder = Path(data_folder)
    files = find_files(data_folder)
    made_from = {
        "corpus": "savee",
        "data_folder": data_folder,
        "options": {"skip_bad_audio": skip_bad_audio},
        "fingerprint": fingerprint(files, data_folder),
    }
    if is_current(manifest, **made_from):
        logger.info(f"{manifest} is up to date, nothing to prepare.")
        return
    clips = read_names(files, parse_name, data_folder, "SAVEE")
    check_complete(clips, data_folder)
    rows = build_rows(clips, data_folder, skip_bad_audio)
    write_manifest(manifest, rows, **made_from)
    logger.info(f"{manifest}: {len(rows)} utterances.")


def find_files(data_folder):
    """The audio files of the speakers, one of each clip.

    Arguments
    ---------
    data_folder : Path
        Where to look, at any depth.

    Returns
    -------
    list of Path
        Sorted by speaker and name.
    """
    if not data_folder.is_dir():
        raise SerMtlError(
            f"{data_folder}: there is no such folder. --data_folder names the "
            f"folder with SAVEE's AudioData in it."
        )
    files = one_of_each_name(
        (
            path
            for path in audio_files(data_folder, "**/*")
            if path.parent.name in FOLDERS or PREFIX.fullmatch(path.stem)
        ),
        name=lambda path: "_".join(split_name(path)),
    )
    if not files:
        raise SerMtlError(
            f"{data_folder}: SAVEE is not here. Looked at any depth for files "
            f"such as DC/a01.wav or DC_a01.wav (or .flac). Register at "
            f"http://personal.ee.surrey.ac.uk/Personal/P.Jackson/SAVEE/, and "
            f"give the folder with AudioData in it as --data_folder."
        )
    return files


def check_complete(clips, data_folder):
    """There is audio of every speaker.

    Arguments
    ---------
    clips : list of dict
        As `parse_name` gives them.
    data_folder : Path
        For messages.
    """
    missing = sorted(set(SPEAKERS) - {clip["speaker"] for clip in clips})
    if missing:
        raise SerMtlError(
            f"{data_folder}: no audio of speaker {', '.join(missing)}; "
            f"expected all of {', '.join(SPEAKERS)}. Unpack the archive again."
        )


def split_name(path):
    """Speaker and clip, from the file's name, or from its folder's and its.

    Arguments
    ---------
    path : Path
        ``DC_a01.wav`` in any folder, or ``DC/a01.wav``.

    Returns
    -------
    (str, str)

    Example
    -------
    >>> split_name(Path("ALL/DC_a01.wav")), split_name(Path("DC/a01.wav"))
    (('DC', 'a01'), ('DC', 'a01'))
    """
    prefix = PREFIX.fullmatch(path.stem)
    if prefix:
        return prefix["speaker"], prefix["clip"]
    return path.parent.name, path.stem


def parse_name(path):
    """What the name of one file says.

    Arguments
    ---------
    path : Path
        As for `split_name`.

    Returns
    -------
    dict
        Columns of the manifest but those that take decoding.

    Example
    -------
    >>> clip = parse_name(Path("ALL/JK_sa07.wav"))
    >>> clip["ID"], clip["emotion"], clip["speaker"], clip["gender"]
    ('JK_sa07', 'sa', 'JK', 'M')
    """
    speaker, name = split_name(path)
    if speaker not in SPEAKERS:
        raise SerMtlError(
            f"{path}: unknown speaker '{speaker}'; expected one of "
            f"{', '.join(SPEAKERS)}, as the folder or before the name"
        )
    folder = path.parent.name
    if folder in SPEAKERS and folder != speaker:
        raise SerMtlError(
            f"{path}: a clip of {speaker} in the folder of {folder}; expected "
            f"it in {speaker}"
        )
    clip = CLIP.fullmatch(name)
    if not clip or clip["emotion"] not in EMOTIONS:
        raise SerMtlError(
            f"{path}: expected a name of an emotion ({', '.join(EMOTIONS)}) "
            f"and two digits, such as sa07"
        )
    sentences = EMOTIONS[clip["emotion"]][1]
    if not 1 <= int(clip["number"]) <= sentences:
        raise SerMtlError(
            f"{path}: unknown sentence '{name}'; expected "
            f"{clip['emotion']}01 to {clip['emotion']}{sentences}"
        )
    return {
        "ID": f"{speaker}_{name}",
        "wav": path,
        "emotion": clip["emotion"],
        "speaker": speaker,
        "gender": "M",
        # one for each emotion and number, the same for all speakers
        "sentence": name,
    }
