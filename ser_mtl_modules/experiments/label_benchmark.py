"""Seconds and memory that MSP-Podcast's labels take, on generated files.

> python -m ser_mtl_modules.experiments.label_benchmark recipes/MSP-Podcast

By default 300,000 clips of five raters each, as in release 2.0 (``--clips``,
``--raters``). Writes label files into a folder that is removed afterwards and
reads them with the recipe's preparation; then writes the manifest of it, with
durations that are made up, and reads that. ``--audio=N`` also makes N clips of
a tenth of a second and reads their headers. Peaks are of this process and
include what Python and the libraries hold before anything is read.
"""

import argparse
import contextlib
import importlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from ser_mtl_modules.dataio.manifest import (
    build_rows,
    read_manifest,
    write_manifest,
)

EMOTIONS = {
    "A": "Angry",
    "S": "Sad",
    "H": "Happy",
    "U": "Surprise",
    "F": "Fear",
    "D": "Disgust",
    "C": "Contempt",
    "N": "Neutral",
    "O": "Other-tired",
    "X": "Neutral",
}
SPLITS = ("Train", "Train", "Train", "Development", "Test1", "Test2")


def write_labels(folder, n_clips, n_raters):
    """The four label files of a release in a folder.

    Arguments
    ---------
    folder : Path
        Gets ``Labels/*.csv``, ``Partitions.txt`` and ``Speaker_ids.txt``.
    n_clips : int
        Rows of the consensus.
    n_raters : int
        Of each clip.
    """
    labels = folder / "Labels"
    labels.mkdir(parents=True)
    letters = list(EMOTIONS)
    with contextlib.ExitStack() as files:
        consensus, detailed, partitions, speakers = (
            files.enter_context(open(path, "w"))
            for path in (
                labels / "labels_consensus.csv",
                labels / "labels_detailed.csv",
                folder / "Partitions.txt",
                folder / "Speaker_ids.txt",
            )
        )
        consensus.write(
            "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
        )
        detailed.write(
            "FileName,WorkerID,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,"
            "EmoDom\n"
        )
        for i in range(n_clips):
            name = f"MSP-PODCAST_{i // 50:04d}_{i % 50:04d}.wav"
            letter, split = letters[i % 10], SPLITS[i % 6]
            speaker = "Unknown" if i % 7 == 0 else f"{i % 6}{i // 6 % 600}"
            gender = ["Male", "Female"][i % 2]
            consensus.write(
                f"{name},{letter},2.2,4.0,2.6,{speaker},{gender},{split}\n"
            )
            partitions.write(f"{split}; {name}\n")
            speakers.write(f"{name}; {speaker}\n")
            for k in range(n_raters):
                word = EMOTIONS[letters[i % 10 if k % 3 else (i + k) % 10]]
                detailed.write(
                    f'{name},WORKER{k:07d},{word},"{word},Confused",2.0,4.0,3.0'
                    "\n"
                )


def write_audio(folder, n_clips):
    """Clips of a tenth of a second, as `build_rows` takes them."""
    folder.mkdir()
    clips = []
    for i in range(n_clips):
        path = folder / f"{i}.wav"
        soundfile.write(path, np.zeros(1600), 16000)
        clips.append({"ID": str(i), "wav": path})
    return clips


def peak_mb():
    """Megabytes at most so far."""
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**10


@contextlib.contextmanager
def measured(what):
    """Prints how long it took, and the peak until then."""
    before, started = peak_mb(), time.monotonic()
    yield
    seconds = time.monotonic() - started
    print(
        f"{what:32} {seconds:7.1f} s, peak {peak_mb():6.0f} MB "
        f"({before:.0f} before)",
        flush=True,
    )


def main(arguments):
    """Prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--clips", type=int, default=300_000)
    parser.add_argument("--raters", type=int, default=5)
    parser.add_argument("--audio", type=int, default=0)
    args = parser.parse_args(arguments)
    sys.path.insert(0, str(args.recipe.absolute()))
    preparation = importlib.import_module("mspodcast_prepare")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_labels(folder, args.clips, args.raters)
        if args.audio:
            clips = write_audio(folder / "audio", args.audio)
            with measured(f"{args.audio} headers"):
                build_rows(clips, folder, headers_only=True)
        with measured(f"labels of {args.clips} clips"):
            labels = preparation.find_labels(folder)
            clips = preparation.read_labels(labels)
        rows = [
            {"ID": id_, "wav": f"{id_}.wav", "duration": 5.5, **clip}
            for id_, clip in clips.items()
        ]
        csv = folder / "manifest.csv"
        with measured("writing the manifest"):
            write_manifest(csv, rows, "msp-podcast", folder, {}, "")
        del clips, rows
        with measured("reading the manifest"):
            read_manifest(csv, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
