"""MSP-Podcast: from its folder of clips and label files to a manifest.

Turns of podcasts, two to twelve seconds, English, mostly 16 kHz mono, each
rated by several people; 73,042 turns in release 1.8, 267,905 in 2.0.

Lotfian and Busso, "Building Naturalistic Emotionally Balanced Speech Corpus by
Retrieving Emotional Speech from Existing Podcast Recordings", IEEE Transactions
on Affective Computing 10(4), 2019, https://doi.org/10.1109/TAFFC.2017.2736999

The corpus is free for academic use after an agreement with UT Dallas is signed
(https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html);
nothing of it can be fetched for you.
Releases 1.8 to 2.0 and the bundle of the Interspeech 2025 challenge are read.

Known oddities: many turns of Train have an unknown speaker, who may be in any
other split; one clip is stereo at 44.1 kHz; a file may be missing; Test3 has
no labels. The folder of previous releases holds older labels and removed clips,
and is not looked into.

Authors
 * The ser-mtl authors 2026
"""

import hashlib
from collections import Counter
from pathlib import Path

from mspodcast_labels import (
    NAME,
    read_consensus,
    read_partitions,
    read_raters,
    read_speakers,
    recording_of,
)

from ser_mtl_modules.dataio.corpus_files import audio_files, one_of_each_name
from ser_mtl_modules.dataio.manifest import (
    build_rows,
    fingerprint,
    is_current,
    write_manifest,
)
from ser_mtl_modules.dataio.transcript_files import read_transcripts
from ser_mtl_modules.errors import SerMtlError, shortlist
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

# Below the release's folder. Brackets, because the spelling differs by release
CONSENSUS = "[Ll]abel*/labels_con[cs]ensus.csv"
RAW = {
    "raters": "[Ll]abel*/labels_detailed.csv",
    "partitions": "[Pp]artition*.txt",
    "speakers": "[Ss]peaker_ids.txt",
}
AUDIO = "[Aa]udio*/**/*"
TRANSCRIPTS = "[Tt]ranscript*/**/*.txt"
HIDDEN = "Test3"  # the split whose labels are not public
# One of 264,705 files is known to be missing; more than this share of them is
# an archive that was not unpacked
MAY_MISS = 0.001
UNKNOWN = {
    "emotion": "",
    "arousal": "",
    "valence": "",
    "dominance": "",
    "speaker": "",
    "gender": "",
}


def prepare(data_folder, manifest, skip_bad_audio=False):
    """Writes the manifest of MSP-Podcast, unless it is there already.

    Durations come from the files' headers: decoding 400 hours would take hours.
    So a clip that is broken inside is found when it is read.

    Arguments
    ---------
    data_folder : str or Path
        Has the folders Labels and Audios in it, perhaps in a folder such as
        ``MSP-PODCAST-Publish-1.11``.
    manifest : str or Path
        The CSV to write.
    skip_bad_audio : bool
        Leave out files that are damaged or missing, instead of stopping with
        a list of them.

    Example
    -------
    >>> prepare("/data/MSP-Podcast", "results/manifest.csv")  # doctest: +SKIP
    """
    data_folder = Path(data_folder)
    labels = find_labels(data_folder)
    root = labels["consensus"].parents[1]
    audio = find_audio(root)
    texts = sorted(root.glob(TRANSCRIPTS))
    made_from = {
        "corpus": "msp-podcast",
        "data_folder": data_folder,
        "options": {"skip_bad_audio": skip_bad_audio},
        "fingerprint": fingerprint(
            [*audio.values(), *texts], data_folder, labels.values()
        ),
    }
    if is_current(manifest, **made_from):
        logger.info(f"{manifest} is up to date, nothing to prepare.")
        return
    clips = read_labels(labels, HIDDEN)
    check_audio(clips, audio, data_folder, skip_bad_audio)
    spoken = read_transcripts([path for path in texts if path.stem in clips])
    clips = [
        {
            "ID": id_,
            "wav": audio[id_],
            **clip,
            "transcript": spoken.get(id_, ""),
        }
        for id_, clip in clips.items()
        if id_ in audio
    ]
    rows = build_rows(clips, data_folder, skip_bad_audio, headers_only=True)
    write_manifest(manifest, rows, **made_from)
    logger.info(f"{manifest}: {len(rows)} utterances.")
    log_unknown_speakers(rows)


def find_labels(data_folder):
    """The label files of one release, by what is in them.

    Arguments
    ---------
    data_folder : Path
        The release's folder or one that has it in it.

    Returns
    -------
    dict of str to Path
        ``consensus``, and those of ``raters``, ``partitions`` and ``speakers``
        that are there.
    """
    if not data_folder.is_dir():
        raise SerMtlError(
            f"{data_folder}: there is no such folder. --data_folder names the "
            f"folder that has MSP-Podcast's folders Labels and Audios in it."
        )
    found = []
    # No deeper: older labels are below Previous_releases_information
    for above in ("", "*/"):
        found = found or sorted(data_folder.glob(f"{above}{CONSENSUS}"))
    if not found:
        raise SerMtlError(
            f"{data_folder}: MSP-Podcast is not here. Looked for "
            f"Labels/labels_consensus.csv in it and in its folders. Get the "
            f"corpus from UT Dallas (https://ecs.utdallas.edu/research/"
            f"researchlabs/msp-lab/MSP-Podcast.html), unpack Labels.zip and "
            f"Audios.tar.gz side by side, and give the folder that they are in "
            f"as --data_folder."
        )
    if len(found) > 1:
        raise SerMtlError(
            f"{data_folder}: labels of more than one release:\n"
            f"{shortlist([str(path) for path in found])}\nGive the folder of "
            f"one release as --data_folder."
        )
    labels = {"consensus": found[0]}
    for name, pattern in RAW.items():
        there = sorted(found[0].parents[1].glob(pattern))
        if len(there) > 1:
            raise SerMtlError(
                f"{there[0].parent}: {' and '.join(p.name for p in there)} are "
                f"both there; expected one. Remove what is not the release's."
            )
        if there:
            labels[name] = there[0]
    return labels


def find_audio(root):
    """The audio files of a release, by clip.

    Arguments
    ---------
    root : Path
        The release's folder.

    Returns
    -------
    dict of str to Path
    """
    files = one_of_each_name(audio_files(root, AUDIO))
    wrong = [path for path in files if not NAME.fullmatch(path.stem)]
    if wrong:
        logger.warning(
            f"{len(wrong)} files are not named as in MSP-Podcast, and are left "
            f"out:\n{shortlist([str(path) for path in wrong], most=3)}"
        )
    return {path.stem: path for path in files if NAME.fullmatch(path.stem)}


def read_labels(labels, hidden=HIDDEN):
    """Everything that the label files say of the clips.

    Arguments
    ---------
    labels : dict of str to Path
        As `find_labels` gives them.
    hidden : str
        The split whose clips may have no labels.

    Returns
    -------
    dict of str to dict
        Columns of the manifest by clip, the labelled ones first. Clips that
        are in a partition only have an empty emotion.
    """
    clips = read_consensus(labels["consensus"])
    raters = read_raters(labels["raters"]) if "raters" in labels else {}
    splits, speakers = {}, {}
    if "partitions" in labels:
        splits = read_partitions(labels["partitions"])
        _check_splits(clips, splits, labels, hidden)
    if "speakers" in labels:
        speakers = read_speakers(labels["speakers"])
    for id_, split in splits.items():
        if id_ not in clips:
            clips[id_] = {**UNKNOWN, **speakers.get(id_, {}), "split": split}
    for id_, clip in clips.items():
        clip["raters"] = raters.get(id_, "")
        clip["session"] = recording_of(id_)
        clip["speaker_tenth"] = tenth_of(clip["speaker"])
    return clips


def _check_splits(clips, splits, labels, hidden):
    """Both files agree, and all that is not hidden has labels."""
    differ = [
        f"{id_}: {clip['split']} and {splits[id_]}"
        for id_, clip in clips.items()
        if splits.get(id_, clip["split"]) != clip["split"]
    ]
    differ += [
        f"{id_}: no labels, and {split}"
        for id_, split in splits.items()
        if id_ not in clips and split != hidden
    ]
    if differ:
        raise SerMtlError(
            f"{labels['consensus']} and {labels['partitions']} don't agree on "
            f"{len(differ)} files:\n{shortlist(differ)}\nTake both from the "
            f"same release, and unpack them again."
        )


def tenth_of(speaker):
    """One of ten groups that the known speakers fall into, by their name.

    For cards that need a valid set of speakers of Train.

    Example
    -------
    >>> tenth_of("30"), tenth_of("31"), tenth_of("")
    ('7', '9', '')
    """
    if not speaker:
        return ""
    return str(int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % 10)


def check_audio(clips, audio, data_folder, skip_bad_audio):
    """There is audio of the labelled clips, all but a few.

    Arguments
    ---------
    clips : dict of str to dict
        As `read_labels` gives them.
    audio : dict of str to Path
        As `find_audio` gives them.
    data_folder : Path
        For messages.
    skip_bad_audio : bool
        Any number may be missing.
    """
    labelled = [id_ for id_, clip in clips.items() if clip["emotion"]]
    missing = [id_ for id_ in labelled if id_ not in audio]
    allowed = max(1, round(MAY_MISS * len(labelled)))
    if len(missing) == len(labelled) or (
        len(missing) > allowed and not skip_bad_audio
    ):
        raise SerMtlError(
            f"{data_folder}: no audio of {len(missing)} of {len(labelled)} "
            f"labelled clips:\n{shortlist(missing)}\nUnpack Audios.tar.gz "
            f"beside the folder of labels; --skip_bad_audio=True leaves "
            f"missing clips out, but not all."
        )
    hidden = [id_ for id_ in clips.keys() - set(labelled) if id_ not in audio]
    without = sorted(audio.keys() - clips.keys())
    for what, ids in {
        "labelled clips have no audio, and are left out": missing,
        "clips without labels have no audio, and are left out": sorted(hidden),
        "audio files are in no label file, and are left out": without,
    }.items():
        if ids:
            logger.warning(f"{len(ids)} {what}:\n{shortlist(ids, most=3)}")


def log_unknown_speakers(rows):
    """Says how many clips of each split have no known speaker."""
    every = Counter(row["split"] for row in rows)
    unknown = Counter(row["split"] for row in rows if not row["speaker"])
    if unknown:
        words = [f"{unknown[s]} of {every[s]} in {s}" for s in sorted(unknown)]
        logger.info(
            f"Speaker unknown: {', '.join(words)}. Who is unknown in Train may "
            f"be heard in any other split."
        )
