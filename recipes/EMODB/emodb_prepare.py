"""EMODB: from its folder of clips to a manifest.

The Berlin Database of Emotional Speech: five actors and five actresses say
ten German sentences in seven emotions. Kept are 535 clips whose emotion most
of twenty listeners recognised and found natural: 25 minutes, 16 kHz.

Burkhardt, Paeschke, Rolfes, Sendlmeier and Weiss, "A Database of German
Emotional Speech", Interspeech 2005,
https://doi.org/10.21437/Interspeech.2005-446

Download: download.zip of http://emodb.bilderbar.info; it has no published
checksum, so it is not fetched for you. Only its folder ``wav`` is needed.
Licence: free to use by the corpus's page; CC0-1.0 in audEERING's edition of it
(https://github.com/audeering/emodb), CC BY 4.0 in another (Zenodo 17651657),
which is called 2.0 and may hold other clips.

Known oddities: as clips were selected, speakers have 35 to 71 of them, some
emotions of a speaker are one or two clips, and 08 is never disgusted. A version
is a recording among several, most of which are not there.

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
from ser_mtl_modules.dataio.transcripts import normalise
from ser_mtl_modules.errors import SerMtlError
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

# The fields of a file's name, in its order: 03a01Fa.wav
FIELDS = {
    "speaker": {
        "03": "M",
        "08": "F",
        "09": "F",
        "10": "M",
        "11": "M",
        "12": "M",
        "13": "F",
        "14": "F",
        "15": "M",
        "16": "F",
    },
    "sentence": {
        "a01": "Der Lappen liegt auf dem Eisschrank.",
        "a02": "Das will sie am Mittwoch abgeben.",
        "a04": "Heute abend könnte ich es ihm sagen.",
        "a05": "Das schwarze Stück Papier befindet sich da oben neben dem "
        "Holzstück.",
        "a07": "In sieben Stunden wird es soweit sein.",
        "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
        "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder "
        "runter.",
        "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren "
        "und habe Agnes besucht.",
        "b09": "Ich will das eben wegbringen und dann mit Karl was trinken "
        "gehen.",
        "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
    },
    # German initials
    "emotion": {
        "W": "anger (Wut or Ärger)",
        "L": "boredom (Langeweile)",
        "E": "disgust (Ekel)",
        "A": "fear (Angst)",
        "F": "happiness (Freude)",
        "T": "sadness (Trauer)",
        "N": "neutral",
    },
    "version": dict.fromkeys("abcdef", "of several recordings"),
}
OWN_FIELDS = ("sentence", "version")
WAV_FILES = "**/wav/*"
NAME = re.compile(r"(\d\d)([a-z]\d\d)([A-Z])([a-z])", re.ASCII)


def prepare(data_folder, manifest, skip_bad_audio=False):
    """Writes the manifest of EMODB, unless it is there already.

    Arguments
    ---------
    data_folder : str or Path
        Has a folder ``wav`` with wav or flac files in it, at any depth. What
        else the archive holds (labels, results of listeners) is not read.
    manifest : str or Path
        The CSV to write.
    skip_bad_audio : bool
        Leave out files that can't be decoded or are truncated, instead of
        stopping with a list of them.

    Example
    -------
    >>> prepare("/data/EMODB", "results/EMODB.csv")  # doctest: +SKIP
    """
    data_folder = Path(data_folder)
    files = find_files(data_folder)
    made_from = {
        "corpus": "emodb",
        "data_folder": data_folder,
        "options": {"skip_bad_audio": skip_bad_audio},
        "fingerprint": fingerprint(files, data_folder),
    }
    if is_current(manifest, **made_from):
        logger.info(f"{manifest} is up to date, nothing to prepare.")
        return
    clips = read_names(files, parse_name, data_folder, "EMODB")
    check_complete(clips, data_folder)
    rows = build_rows(clips, data_folder, skip_bad_audio)
    write_manifest(manifest, rows, **made_from)
    logger.info(f"{manifest}: {len(rows)} utterances.")


def find_files(data_folder):
    """The audio files in folders called ``wav``, one of each name.

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
            f"folder that has EMODB's folder wav in it."
        )
    files = one_of_each_name(audio_files(data_folder, WAV_FILES))
    if not files:
        raise SerMtlError(
            f"{data_folder}: EMODB is not here. Looked at any depth for files "
            f"such as wav/03a01Fa.wav (or .flac). Unpack download.zip of "
            f"http://emodb.bilderbar.info and give the folder that has wav in "
            f"it as --data_folder."
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
    known = FIELDS["speaker"]
    missing = sorted(set(known) - {clip["speaker"] for clip in clips})
    if missing:
        raise SerMtlError(
            f"{data_folder}: no audio of speaker {', '.join(missing)}; "
            f"expected all of {', '.join(known)}. Unpack the archive again."
        )


def parse_name(path):
    """What the name of one file says.

    Arguments
    ---------
    path : Path
        Speaker, sentence, emotion and version in a row.

    Returns
    -------
    dict
        Columns of the manifest but those that take decoding.

    Example
    -------
    >>> clip = parse_name(Path("wav/08a04Wb.wav"))
    >>> clip["emotion"], clip["speaker"], clip["gender"], clip["version"]
    ('W', '08', 'F', 'b')
    >>> clip["transcript"]
    'HEUTE ABEND KOENNTE ICH ES IHM SAGEN'
    """
    name = NAME.fullmatch(path.stem)
    if not name:
        raise SerMtlError(
            f"{path}: expected a name of {', '.join(FIELDS)}, such as 03a01Fa"
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
        "emotion": codes["emotion"],
        "speaker": codes["speaker"],
        "gender": FIELDS["speaker"][codes["speaker"]],
        # umlauts are spelled out, as in the transcripts of every corpus
        "transcript": normalise(FIELDS["sentence"][codes["sentence"]]),
        **{field: codes[field] for field in OWN_FIELDS},
    }
