"""How fast a YAML trains, and how fast a plain loop would train the same.

> python -m ser_mtl_modules benchmark recipes/MSP-Podcast/hparams/mtl.yaml

Clips are noise of given lengths, as only lengths matter to speed. The recipe's
batches and the plain loop's, which have a fixed number of clips in random
order, take turns on one model, so whatever else the machine does is shared.
Both are some of the batches of many clips: of few ones, lengths are less alike,
and more of a batch is padding than there would be of a corpus.
"""

import importlib.util
import math
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml
from rich.table import Table
from scipy.optimize import brentq

import speechbrain as sb
from ser_mtl_modules.dataio.datasets import COLUMNS
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.errors import SerMtlError, nearest
from ser_mtl_modules.randomness import generator
from ser_mtl_modules.training import results, settings
from speechbrain.dataio.batch import PaddedBatch

RATE = 16000  # Hz
EMOTIONS = ["anger", "fear", "happiness", "neutral", "sadness", "surprise"]
# Shortest, longest and mean, in seconds. No histogram was at hand, nor audio
# to count one; of all distributions with these three, `lengths_of` takes the
# one of the highest entropy.
KNOWN = {
    # 409 hours of 267,905 turns (arXiv 2509.09791, table VI); turns are cut to
    # between 2.75 and 11 s (Lotfian and Busso, 2019)
    "msp-podcast": (2.75, 11.0, 409 * 3600 / 267905),
    # 6.99 hours of the 5,531 clips with four classes, by EmoBox's lists
    "iemocap": (0.585, 34.14, 6.99 * 3600 / 5531),
}


def lengths_of(name, n):
    """Lengths of n clips, in seconds, from short to long.

    Of a corpus of `KNOWN` they are the quantiles of the distribution with its
    range and mean whose density is an exponential function; of a manifest,
    those of its own lengths.

    Arguments
    ---------
    name : str
        A name in `KNOWN`, or the path of a manifest.
    n : int
        How many.

    Returns
    -------
    list of float

    Example
    -------
    >>> from statistics import mean
    >>> lengths = lengths_of("msp-podcast", 1000)
    >>> [round(f(lengths), 1) for f in (min, max, mean)]
    [2.8, 11.0, 5.5]
    """
    shares = (np.arange(n) + 0.5) / n
    if name in KNOWN:
        return _quantiles(shares, *KNOWN[name]).tolist()
    if not Path(name).exists():
        raise SerMtlError(
            f"--lengths: there is no file {name}, and no such corpus. "
            + nearest(name, KNOWN)
        )
    rows = read_manifest(name, "").rows.values()
    return np.quantile([row["duration"] for row in rows], shares).tolist()


def _quantiles(shares, shortest, longest, mean):
    """Of a density exp(-rate x) between shortest and longest."""
    width = longest - shortest

    def excess(rate):
        return 1 / rate - width / math.expm1(rate * width) + shortest - mean

    # up to where the exponential function overflows
    rate = brentq(excess, 1e-6 / width, 700 / width)
    return shortest - np.log1p(shares * math.expm1(-rate * width)) / rate


def write_clips(folder, lengths):
    """A file of noise, and rows of a manifest for slices of it, by ID.

    Arguments
    ---------
    folder : Path
        Gets the file.
    lengths : list of float
        In seconds, from short to long.

    Returns
    -------
    dict of str to dict
    """
    noise = np.random.default_rng(0).standard_normal(round(lengths[-1] * RATE))
    path = folder / "noise.wav"
    soundfile.write(path, 0.1 * noise, RATE)
    rows = {}
    order = torch.randperm(len(lengths), generator=generator("clips")).tolist()
    for i, place in enumerate(order):
        duration = round(lengths[place] * RATE) / RATE
        rows[f"{i:06}"] = {
            "wav": str(path),
            "start": 0.0,
            "stop": duration,
            "duration": duration,
            **dict.fromkeys(COLUMNS, ""),
            "emotion": EMOTIONS[i % len(EMOTIONS)],
            "speaker": f"speaker {i % 20}",
            "gender": "FM"[i % 2],
            # about as many characters a second as people say
            "transcript": "NOISE " * round(2 * lengths[place]),
            "style": "",
        }
    return rows


def _split_of(rows):
    """A fold that trains on all rows, and hears two otherwise."""
    few = dict(list(rows.items())[:2])
    return SimpleNamespace(
        train=rows,
        valid=few,
        test=few,
        classes=EMOTIONS,
        class_counts=[
            Counter(row["emotion"] for row in rows.values())[name]
            for name in EMOTIONS
        ],
        speakers=sorted({row["speaker"] for row in rows.values()}),
        genders=["F", "M"],
        styles=[""],
    )


def open_training(yaml, flags, folder, split):
    """The Brain and train loader that train.py would make.

    Arguments
    ---------
    yaml : str or Path
        In a recipe's ``hparams``.
    flags : list of str
        As for its train.py.
    folder : Path
        Gets whatever training writes.
    split : object
        The fold.

    Returns
    -------
    tuple
    """
    recipe = Path(yaml).absolute().parents[1]
    spec = importlib.util.spec_from_file_location("train", recipe / "train.py")
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    file, run_opts, overrides = sb.parse_arguments([str(yaml), *flags])
    given = {
        "data_folder": str(folder),
        "output_folder": str(folder),
        **settings.parse(overrides),
    }
    options = settings.plain_settings(
        settings.override(file, given), later=settings.FOUND
    )
    found = {
        key: getattr(split, key) for key in settings.FOUND if key in options
    }
    hparams = load_hyperpyyaml(settings.override(file, {**given, **found}))
    brain = train.make_brain(hparams, run_opts, "UA")
    hparams["signal"].prepare(split, "benchmark", brain.device)
    loader = train.loaders(brain, hparams, split)["train"]
    brain.train_sampler = loader.batch_sampler
    brain.on_fit_start()
    brain.modules.train()
    return brain, loader


@dataclass
class Loop:
    """What several passes over the clips took."""

    n_clips: int = 0
    n_batches: int = 0
    audio: float = 0.0  # seconds
    read: float = 0.0  # samples or frames, of clips
    padded: float = 0.0  # the same, with padding
    waited: float = 0.0  # seconds, for batches
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def add(self, brain, loader, rows):
        """Trains on the batches of the loader once."""
        clocks = time.perf_counter(), time.process_time()
        batches = iter(loader)
        while True:
            before = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - before
            if batch is None:
                break
            data, lens = batch.sig
            self.n_batches += 1
            self.n_clips += len(lens)
            self.read += lens.sum().item() * data.shape[1]
            self.padded += len(lens) * data.shape[1]
            self.audio += sum(rows[i]["duration"] for i in batch.id)
            brain.fit_batch(batch)  # gives the loss, so it waits for a GPU
        self.seconds += time.perf_counter() - clocks[0]
        self.cpu_seconds += time.process_time() - clocks[1]

    @property
    def padding(self):
        """Share of what the model reads that is none of a clip."""
        return 1 - self.read / self.padded


def benchmark(yaml, flags, lengths, n_clips, n_batches, n_passes):
    """Trains by turns on the recipe's batches and on plain ones.

    Arguments
    ---------
    yaml, flags
        As for `open_training`.
    lengths : str
        As for `lengths_of`.
    n_clips : int
        Of which batches are made.
    n_batches : int
        Of each loop in a pass, at most, drawn at random.
    n_passes : int
        How many, after one that isn't counted.

    Returns
    -------
    dict
        ``ours`` and ``plain`` as `Loop`, and under which circumstances.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rows = write_clips(folder, lengths_of(lengths, n_clips))
        brain, loader = open_training(yaml, flags, folder, _split_of(rows))
        sampler = loader.batch_sampler
        batch_size = round(n_clips / len(sampler))
        plain_loader = torch.utils.data.DataLoader(
            loader.dataset,
            batch_size,
            sampler=torch.utils.data.RandomSampler(
                loader.dataset,
                num_samples=min(n_clips, n_batches * batch_size),
                generator=generator("plain"),
            ),
            num_workers=loader.num_workers,
            persistent_workers=loader.num_workers > 0,
            collate_fn=PaddedBatch,
        )
        warm_up, ours, plain = Loop(), Loop(), Loop()
        for brain.epoch in range(1, n_passes + 2):
            sampler.set_epoch(brain.epoch)
            sampler.skip = max(0, len(sampler) - n_batches)
            first = brain.epoch == 1
            (warm_up if first else ours).add(brain, loader, rows)
            (warm_up if first else plain).add(brain, plain_loader, rows)
        return {
            "ours": ours,
            "plain": plain,
            "yaml": str(yaml),
            "lengths": lengths,
            "n_clips": n_clips,
            "device": results.device_name(brain.device),
            "precision": brain.precision,
            "threads": torch.get_num_threads(),
            "peak_memory_mb": results.peak_memory_mb(brain.device),
            "commit": results.commit_of(Path(yaml).parent),
        }


def as_table(measured):
    """What `benchmark` gave, for the terminal.

    Arguments
    ---------
    measured : dict
        As `benchmark` gives it.

    Returns
    -------
    rich.table.Table
    """
    ours, plain = measured["ours"], measured["plain"]
    table = Table(
        title="{yaml}, {n_clips} lengths of {lengths}".format(**measured),
        caption=(
            "{device}, {threads} threads, {precision}; at most "
            "{peak_memory_mb} MB; commit {commit}".format(**measured)
        ),
    )
    table.add_column("")
    for name in ("recipe", "plain", "ratio"):
        table.add_column(name, justify="right")

    def row(name, value, ratio=True):
        here, there = value(ours), value(plain)
        quotient = f"{here / there:.2f}" if ratio else ""
        table.add_row(name, f"{here:.2f}", f"{there:.2f}", quotient)

    row("clips in a batch", lambda x: x.n_clips / x.n_batches, False)
    row("clips a second", lambda x: x.n_clips / x.seconds)
    row("seconds of audio a second", lambda x: x.audio / x.seconds)
    row("clips a second of the processor", lambda x: x.n_clips / x.cpu_seconds)
    row("padding, per cent", lambda x: 100 * x.padding, False)
    row(
        "waiting for data, per cent",
        lambda x: 100 * x.waited / x.seconds,
        False,
    )
    return table
