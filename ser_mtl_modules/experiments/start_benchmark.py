"""Seconds and memory until a large corpus trains.

> python -m ser_mtl_modules.experiments.start_benchmark \\
>     recipes/MSP-Podcast/protocols.yaml msp-podcast-official-2.0 265000

Makes a corpus whose files all are links to one, and its manifest as after
preparation, with labels, sets and speakers that the card takes and the lengths
of MSP-Podcast. Then a fresh process does what train.py does before its first
step, but for the model: it looks whether the corpus is as it was prepared, reads
card and manifest, and makes fold, datasets, an epoch's batches, and the first
batch.
Of every part it prints when it was done, and how long the processor had worked
by then: on a machine that does other things, too, this is less.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.corpus_files import audio_files, one_of_each_name
from ser_mtl_modules.dataio.manifest import (
    COLUMNS,
    DATA_ROOT,
    fingerprint,
    is_current,
    read_manifest,
    write_manifest,
)
from ser_mtl_modules.errors import said_plainly
from ser_mtl_modules.experiments.benchmark import RATE, lengths_of

LONGEST = 11.0  # seconds
SPLITS = [*["Train"] * 6, "Development", "Test1", "Test1", "Test2"]


def write_rows(folder, n_rows):
    """A corpus of links to one file of noise, and its manifest.

    Arguments
    ---------
    folder : Path
        Gets all.
    n_rows : int
        How many.

    Returns
    -------
    Path
        Of the manifest.
    """
    noise = np.random.default_rng(0).standard_normal(round(LONGEST * RATE))
    soundfile.write(folder / "all.wav", 0.1 * noise, RATE)
    order = np.random.default_rng(1).permutation(n_rows)
    lengths = np.array(lengths_of("msp-podcast", n_rows))[order]
    rows = [
        {
            **dict.fromkeys(COLUMNS, ""),
            "ID": f"MSP-PODCAST_{i:07}",
            "duration": round(length, 3),
            "wav": f"{DATA_ROOT}/Audios/MSP-PODCAST_{i:07}.wav",
            "start": 0.0,
            "stop": round(length, 3),
            "emotion": "ACDFHNNNSU"[i // len(SPLITS) % 10],
            "speaker": f"{SPLITS[i % len(SPLITS)]} {i % 1777}",
            "gender": "FM"[i % 2],
            "transcript": "NOISE " * round(2 * length),
            "split": SPLITS[i % len(SPLITS)],
        }
        for i, length in enumerate(lengths.tolist())
    ]
    (folder / "Audios").mkdir()
    for row in rows:
        os.symlink("../all.wav", folder / "Audios" / f"{row['ID']}.wav")
    path = folder / "manifest.csv"
    write_manifest(path, rows, **made_from(folder))
    return path


def made_from(folder):
    """What the manifest depends on, as a preparation finds it."""
    files = one_of_each_name(audio_files(folder, "Audios/**/*"))
    return {
        "corpus": "msp-podcast",
        "data_folder": folder,
        "options": {},
        "fingerprint": fingerprint(files, folder),
    }


def done(part):
    """Says how long the processor has worked for this process."""
    print(f"{time.process_time():7.1f} s  {part}", flush=True)


def start(protocols, card, path):
    """What train.py does before its first step; prints when each is done."""
    # not above: the time that it takes to import them counts
    from ser_mtl_modules.dataio.batching import DurationBatchSampler
    from ser_mtl_modules.dataio.datasets import Waves, dataset
    from speechbrain.dataio.batch import PaddedBatch

    done("imports")
    folder = Path(path).parent
    assert is_current(path, **made_from(folder))
    done("nothing to prepare")
    manifest = read_manifest(path, folder)
    done("manifest")
    split = load_card(protocols, card).split(manifest, 1, check_counts=False)
    done("fold")
    signal, sets = Waves(), (split.train, split.valid, split.test)
    datasets = [dataset(rows, signal) for rows in sets]
    done("datasets")
    samplers = [
        DurationBatchSampler(
            [row["duration"] for row in rows.values()],
            max_batch_duration=60.0,
            max_batch_size=16,
            seed=1986,
            shuffle=rows is split.train,
            labels=[row["emotion"] for row in rows.values()],
        )
        for rows in sets
    ]
    batches = [sampler.batches(1) for sampler in samplers]
    done(f"{sum(map(len, batches))} batches")
    PaddedBatch([datasets[0][i] for i in batches[0][0]])
    done("first batch")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"at most {peak:.2f} GB", flush=True)


def main(arguments):
    """Writes the rows, and starts a process that reads them."""
    if arguments[0] == "start":
        return start(*arguments[1:])
    protocols, card, n_rows = arguments
    with tempfile.TemporaryDirectory() as folder:
        path = write_rows(Path(folder), int(n_rows))
        command = [sys.executable, "-m", __spec__.name, "start"]
        print("    clock  processor  done")
        began = time.monotonic()
        with subprocess.Popen(
            [*command, protocols, card, str(path)],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            for line in process.stdout:
                seconds = time.monotonic() - began
                print(f"{seconds:7.1f} s  {line}", end="", flush=True)
        return process.returncode


if __name__ == "__main__":
    with said_plainly():
        sys.exit(main(sys.argv[1:]))
