"""MSP-Podcast in small, as different releases write it, with what is odd in it.

What is odd: two spellings of a label file and several orders of its columns,
three shapes of the raters' file, unknown speakers, the labels O and X, names of
three and of four parts, a stereo file at 44.1 kHz, test sets that share
speakers, Test3 without labels, old labels and removed clips in the folder of
previous releases.
"""

import csv
from pathlib import Path

import numpy as np
import soundfile
from tiny_ravdess import RATE, ROOT, clip

RECIPE = ROOT / "recipes" / "MSP-Podcast"
EMOTIONS = "ASHUFDCN"
WORDS = {
    "A": "Angry",
    "S": "Sad",
    "H": "Happy",
    "U": "Surprise",
    "F": "Fear",
    "D": "Disgust",
    "C": "Contempt",
    "N": "Neutral",
    "O": "Other-tired, bored",
    "X": "Happy",
}
# Speakers of each split; 42 is in the tenth that validates for the challenge
SPEAKERS = {
    "Train": ["30", "42", "Unknown"],
    "Development": ["31", "32"],
    "Test1": ["33", "34"],
    "Test2": ["34"],
}
STEREO = "MSP-PODCAST_1023_0235"
HEADERS = {
    "1.8": "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set",
    "1.11": "FileName,SpkrID,Gender,EmoClass,EmoAct,EmoVal,EmoDom,Split_Set",
    "2.0": "Split_Set,FileName,EmoVal,EmoAct,EmoDom,EmoClass,Gender,SpkrID",
}
N_HIDDEN = 3  # clips of Test3


def labels(release="2.0"):
    """The rows of labels_consensus.csv by clip, as dicts of its columns."""
    rows = {}
    for split, speakers in SPEAKERS.items():
        for who in speakers:
            extra = "OX" if who in ("30", "31") else ""
            for take, emotion in enumerate(EMOTIONS + extra):
                number = len(rows)
                name = f"MSP-PODCAST_{1000 + number // 10:04d}_{number:04d}"
                if number % 4 == 1:
                    name += "_0001"
                if number == 0:
                    name = STEREO
                old = release == "1.8" and split == "Development"
                rows[name] = {
                    "FileName": f"{name}.wav",
                    "EmoClass": emotion,
                    "EmoAct": f"{1 + take / 2}",
                    "EmoVal": "4.0",
                    "EmoDom": "2.6",
                    "SpkrID": who,
                    "Gender": "Unknown"
                    if who == "Unknown"
                    else ["Male", "Female"][int(who) % 2],
                    "Split_Set": "Validation" if old else split,
                }
    return rows


def raters(emotion, worker):
    """What the worker-th of three raters of a clip said, in words."""
    return "Neutral" if worker == 2 else WORDS[emotion]


def write_corpus(folder, release="2.0", seconds=0.35):
    """A release with its traps; all of 71 clips, or 68 where Test3 isn't."""
    folder = Path(folder)
    for name in ("Audios", "Labels", "Transcripts"):
        (folder / name).mkdir(parents=True)
    rows = labels(release)
    write_labels(folder, release, rows)
    hidden = [] if release == "1.8" else hidden_clips()
    partitions, speakers = [], {}
    for number, name in enumerate([*rows, *hidden]):
        row = rows.get(name)
        who = int(row["SpkrID"]) if row and row["SpkrID"].isdigit() else 90
        emotion = EMOTIONS.find(row["EmoClass"]) if row else number % 8
        samples = clip(2 + emotion, who, number, seconds=seconds)
        rate = RATE
        if name == STEREO:
            samples = clip(2 + emotion, who, number, 44100, seconds)
            samples, rate = np.stack([samples, samples], axis=1), 44100
        soundfile.write(folder / "Audios" / f"{name}.wav", samples, rate)
        split = row["Split_Set"] if row else "Test3"
        partitions.append(f"{split}; {name}.wav\n")
        speakers[name] = row["SpkrID"] if row else "91"
        if row:
            text = folder / "Transcripts" / f"{name}.txt"
            text.write_text(f"Well… it’s number {number}.\n", "utf-8")
    if release != "1.8":
        (folder / "Partitions.txt").write_text("".join(partitions))
        (folder / "Speaker_ids.txt").write_text(
            "Speaker_30; Male\nSpeaker_91; Female\n\n"
            + "".join(f"{k}.wav;{v}\n" for k, v in speakers.items())
        )
    write_previous(folder, rows)
    return folder


def hidden_clips():
    return [f"MSP-PODCAST_test3_{i:04d}" for i in range(1, 1 + N_HIDDEN)]


def write_labels(folder, release, rows):
    """Both CSVs, spelled and shaped as in the release."""
    old = release == "1.8"
    name = "labels_concensus.csv" if old else "labels_consensus.csv"
    with open(folder / "Labels" / name, "w", newline="") as file:
        writer = csv.DictWriter(file, HEADERS[release].split(","))
        writer.writeheader()
        writer.writerows(rows.values())
    with open(
        folder / "Labels" / "labels_detailed.csv", "w", newline=""
    ) as file:
        writer = csv.writer(file)
        header = "FileName,WorkerID,EmoClass_Major,EmoClass_Second,EmoAct,"
        writer.writerow(
            (header + "EmoVal,EmoDom").split(",")
            if release == "2.0"
            else ["FileName", "EmoDetail"]
        )
        for row in rows.values():
            for worker in range(3):
                word = raters(row["EmoClass"], worker)
                second = f"{word},Confused"
                who = f"WORKER{worker:07d}"
                writer.writerow(
                    [row["FileName"], who, word, second, "1.0", "4.0", "2.0"]
                    if release == "2.0"
                    else [
                        row["FileName"],
                        f"{who}; {word}; {second}; A:1.000000; V:4.000000; "
                        f"D:2.000000;",
                    ]
                )


def write_previous(folder, rows):
    """Labels of an old release, and a clip that was removed since."""
    previous = folder / "Previous_releases_information"
    old = previous / "previous_releases_info" / "v1.6" / "label"
    removed = previous / "files_removed_from_prev_versions"
    old.mkdir(parents=True)
    (old / "labels_concensus.csv").write_text(HEADERS["1.8"] + "\nnot read\n")
    (removed / "v1.6_removed_files").mkdir(parents=True)
    path = removed / "v1.6_removed_files" / "MSP-PODCAST_0001_0001.wav"
    soundfile.write(path, np.zeros(100), RATE)
