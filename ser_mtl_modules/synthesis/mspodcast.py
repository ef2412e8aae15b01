"""A sample corpus in the layout and under the names of MSP-Podcast.

As three of its releases write it, with what is odd in them: two spellings of a
label file and several orders of its columns, shapes of the raters' file, unknown
speakers, the labels O and X, names of three and of four parts, a stereo file at
44.1 kHz, test sets that share speakers, Test3 without labels, old labels and
removed clips in the folder of previous releases.
"""

import csv
import io
from pathlib import Path

from ser_mtl_modules.randomness import key
from ser_mtl_modules.synthesis.corpus import (
    Utterance,
    settings_of,
    write_corpus,
)
from ser_mtl_modules.synthesis.sentences import sentences

# How a letter sounds, what raters call it, and its activation, valence and
# dominance
EMOTIONS = {
    "A": ("angry", "Angry", (5.8, 2.2, 5.4)),
    "S": ("sad", "Sad", (2.6, 2.4, 3.2)),
    "H": ("happy", "Happy", (5.2, 5.6, 4.6)),
    "U": ("surprised", "Surprise", (5.4, 4.6, 4.0)),
    "F": ("fearful", "Fear", (5.0, 2.6, 2.8)),
    "D": ("disgust", "Disgust", (4.2, 2.0, 4.8)),
    "C": ("contempt", "Contempt", (3.8, 2.8, 5.0)),
    "N": ("neutral", "Neutral", (3.6, 4.0, 4.0)),
    "O": ("bored", "Other-tired, bored", (2.2, 3.2, 3.4)),
    "X": ("excited", "Happy", (4.8, 4.8, 4.2)),
}
CLASSES = "ASHUFDCN"
# Speakers of each split; 42 is in the tenth that validates for the challenge
SPEAKERS = {
    "Train": ["30", "42", "44", "45", "47", "Unknown"],
    "Development": ["31", "32"],
    "Test1": ["33", "34"],
    "Test2": ["34"],
}
WITH_O_AND_X = ("30", "31")
HIDDEN_SPEAKER = "91"  # of Test3
STEREO = "MSP-PODCAST_1023_0235"
REMOVED = "MSP-PODCAST_0001_0001"
# The first line of a release's consensus file
HEADERS = {
    "1.8": "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set",
    "1.11": "FileName,SpkrID,Gender,EmoClass,EmoAct,EmoVal,EmoDom,Split_Set",
    "2.0": "Split_Set,FileName,EmoVal,EmoAct,EmoDom,EmoClass,Gender,SpkrID",
}
RATERS_HEADERS = {
    "1.8": "FileName,EmoDetail",
    "1.11": "FileName,EmoDetail",
    "2.0": "FileName,WorkerID,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,"
    "EmoDom",
}
PREVIOUS = "Previous_releases_information"
VERSION = 1


def labels(release="2.0", clips_per_speaker=8):
    """What a release says of its labelled clips.

    Arguments
    ---------
    release : str
        A key of `HEADERS`.
    clips_per_speaker : int
        Of the eight classes; two speakers have an O and an X more.

    Returns
    -------
    dict of str to dict
        The columns of its consensus file by clip. Emotions take turns.

    Example
    -------
    >>> labels("1.8")["MSP-PODCAST_1000_0002"]["EmoClass"]
    'H'
    """
    rows = {}
    for split, speakers in SPEAKERS.items():
        for speaker in speakers:
            emotions = [CLASSES[i % 8] for i in range(clips_per_speaker)]
            if speaker in WITH_O_AND_X:
                emotions += "OX"
            for emotion in emotions:
                name = name_of(len(rows))
                activation, valence, dominance = EMOTIONS[emotion][2]
                old = release == "1.8" and split == "Development"
                rows[name] = {
                    "FileName": f"{name}.wav",
                    "EmoClass": emotion,
                    "EmoAct": activation,
                    "EmoVal": valence,
                    "EmoDom": dominance,
                    "SpkrID": speaker,
                    "Gender": gender_of(speaker),
                    "Split_Set": "Validation" if old else split,
                }
    return rows


def name_of(number):
    """The name of a labelled clip; the first one is the stereo file."""
    if number == 0:
        return STEREO
    name = f"MSP-PODCAST_{1000 + number // 10:04d}_{number % 10000:04d}"
    return f"{name}_0001" if number % 4 == 3 else name


def gender_of(speaker):
    """As the label files have it."""
    if speaker == "Unknown":
        return "Unknown"
    return ["Male", "Female"][int(speaker) % 2]


def hidden_clips():
    """The emotion of each clip of Test3, which only we know."""
    return {
        f"MSP-PODCAST_test3_{i:04d}": emotion
        for i, emotion in enumerate(CLASSES, start=1)
    }


def as_csv(header, rows):
    """A table as bytes.

    Arguments
    ---------
    header : str
        Names of the columns.
    rows : iterable of list

    Returns
    -------
    bytes
    """
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header.split(","), *rows])
    return out.getvalue().encode()


def consensus(release, rows):
    """The consensus file of a release, from the rows of `labels`."""
    header = HEADERS[release]
    columns = header.split(",")
    return as_csv(header, [[r[c] for c in columns] for r in rows.values()])


def ratings(release, rows):
    """The raters' file of a release, from the rows of `labels`."""
    table = []
    for row in rows.values():
        word = EMOTIONS[row["EmoClass"]][1]
        for worker, heard in enumerate([word, word, "Neutral"]):
            name, who = row["FileName"], f"WORKER{worker:07d}"
            second = f"{heard},Confused"
            if release == "2.0":
                table.append([name, who, heard, second, "1.0", "4.0", "2.0"])
            else:
                values = "A:1.000000; V:4.000000; D:2.000000;"
                table.append([name, f"{who}; {heard}; {second}; {values}"])
    return as_csv(RATERS_HEADERS[release], table)


def utterance(name, emotion, speaker, text):
    """A clip of the release."""
    stereo = name == STEREO
    return Utterance(
        name=name,
        path=Path("Audios") / f"{name}.wav",
        speaker=speaker,
        sex="female" if gender_of(speaker) == "Female" else "male",
        emotion=EMOTIONS[emotion][0],
        text=text,
        sample_rate=44100 if stereo else 16000,
        channels=2 if stereo else 1,
    )


def write_mspodcast(folder, seed=1986, clips_per_speaker=24, release="2.0"):
    """Writes the corpus, or what is missing of it.

    Arguments
    ---------
    folder : str or path-like
        Gets `Audios`, `Labels`, `Transcripts`, the other folders and files of
        a release, and a file with the settings.
    seed : int
        Another one gives other voices and other clips.
    clips_per_speaker : int
        As for `labels`.
    release : str
        A key of `HEADERS`; 1.8 has no Test3.

    Returns
    -------
    int
        How many clips were written.
    """
    rows = labels(release, clips_per_speaker)
    hidden = {} if release == "1.8" else hidden_clips()
    made = sentences(key(seed, "MSP-Podcast"))
    spelling = "concensus" if release == "1.8" else "consensus"
    old = f"{PREVIOUS}/previous_releases_info/v1.6/label"
    files = {
        f"Labels/labels_{spelling}.csv": consensus(release, rows),
        "Labels/labels_detailed.csv": ratings(release, rows),
        f"{old}/labels_concensus.csv": HEADERS["1.8"].encode()
        + b"\nnot read\n",
    }
    utterances = []
    for name, row in rows.items():
        text = next(made)
        first, _, rest = text.partition(" ")
        written = f"{first}… {rest}.\n"
        files[f"Transcripts/{name}.txt"] = written.encode()
        utterances.append(utterance(name, row["EmoClass"], row["SpkrID"], text))
    utterances += [
        utterance(name, emotion, HIDDEN_SPEAKER, next(made))
        for name, emotion in hidden.items()
    ]
    removed = f"{PREVIOUS}/files_removed_from_prev_versions/v1.6_removed_files"
    utterances.append(
        Utterance(
            name=REMOVED,
            path=Path(removed) / f"{REMOVED}.wav",
            speaker="30",
            sex="male",
            emotion="neutral",
            text=next(made),
        )
    )
    if release != "1.8":
        files |= splits_and_speakers(rows, hidden)
    settings = settings_of(
        "MSP-Podcast",
        VERSION,
        seed,
        clips_per_speaker=clips_per_speaker,
        release=release,
    )
    return write_corpus(folder, settings, utterances, files)


def splits_and_speakers(rows, hidden):
    """The files that list Test3 too.

    Arguments
    ---------
    rows : dict of str to dict
        From `labels`.
    hidden : iterable of str
        The clips of Test3.

    Returns
    -------
    dict of str to bytes
    """
    splits = {name: row["Split_Set"] for name, row in rows.items()}
    speakers = {name: row["SpkrID"] for name, row in rows.items()}
    splits |= dict.fromkeys(hidden, "Test3")
    speakers |= dict.fromkeys(hidden, HIDDEN_SPEAKER)
    known = sorted(set(speakers.values()) - {"Unknown"})
    lines = [f"Speaker_{who}; {gender_of(who)}\n" for who in known]
    lines += [f"{name}.wav;{who}\n" for name, who in speakers.items()]
    listed = [f"{split}; {name}.wav\n" for name, split in splits.items()]
    return {
        "Partitions.txt": "".join(listed).encode(),
        "Speaker_ids.txt": "".join(lines).encode(),
    }
