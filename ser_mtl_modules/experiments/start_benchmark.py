"""Seconds and memory until a large corpus trains.

> python -m ser_mtl_modules.experiments.start_benchmark \\
>     recipes/MSP-Podcast/protocols.yaml msp-podcast-official-2.0 265000

Writes a manifest as after preparation, whose rows all are of one file, with
labels, sets and speakers that the card takes and the lengths of MSP-Podcast.
Then a fresh process does what train.py does before its first step, but for the
model: card, manifest, fold, datasets, an epoch's batches, and the first batch.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.manifest import (
    COLUMNS,
    DATA_ROOT,
    read_manifest,
    write_manifest,
)
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments.benchmark import RATE, lengths_of

LONGEST = 11.0  # seconds
SPLITS = [*["Train"] * 6, "Development", "Test1", "Test1", "Test2"]


def write_rows(folder, n_rows):
    """A file of noise, and a manifest of it.

    Arguments
    ---------
    folder : Path
        Gets both.
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
            "wav": f"{DATA_ROOT}/all.wav",
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
    path = folder / "manifest.csv"
    write_manifest(path, rows, "msp-podcast", folder, {}, "")
    return path


def start(protocols, card, path):
    """What train.py does before its first step; prints when each is done."""
    # not above: the time that it takes to import them counts
    from ser_mtl_modules.dataio.batching import DurationBatchSampler
    from ser_mtl_modules.dataio.datasets import Waves, dataset
    from speechbrain.dataio.batch import PaddedBatch

    print("imports", flush=True)
    manifest = read_manifest(path, Path(path).parent)
    print("manifest", flush=True)
    split = load_card(protocols, card).split(manifest, 1, check_counts=False)
    print("fold", flush=True)
    signal, sets = Waves(), (split.train, split.valid, split.test)
    datasets = [dataset(rows, signal) for rows in sets]
    print("datasets", flush=True)
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
    print(f"{sum(map(len, batches))} batches", flush=True)
    PaddedBatch([datasets[0][i] for i in batches[0][0]])
    print("first batch", flush=True)
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
    try:
        sys.exit(main(sys.argv[1:]))
    except SerMtlError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
