"""Speech without any label, beside clips that have some."""

import math
from pathlib import Path

import torch
from torch.utils.data import ConcatDataset

from ser_mtl_modules.dataio.audio import inspect_header
from ser_mtl_modules.dataio.batching import EpochBatchSampler
from ser_mtl_modules.dataio.corpus_files import audio_files
from ser_mtl_modules.dataio.datasets import COLUMNS, Waves, dataset
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.randomness import generator
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

PREFIX = "unlabelled: "  # of the ID of a piece, which no corpus has


class UnlabelledSpeech:
    """Pieces of all audio in a folder, as many in a batch as labelled clips.

    A piece has every column that a clip of the corpus has, and they are empty:
    what a task has no label of takes no part in its loss, so only tasks that
    need none learn from it. It is in no count of classes and in no metric, as
    these are made of the card's clips.

    Arguments
    ---------
    folder : str or Path, optional
        With .wav or .flac files at any depth; none for no such speech.
    waves : Waves, optional
        Reads the pieces.
    seconds : float
        The longest piece; a longer file is cut into equal ones.
    """

    def __init__(self, folder=None, waves=None, seconds=3.0):
        self.folder = folder
        self.waves = waves or Waves()
        self.seconds = seconds

    def rows(self):
        """The pieces as rows of a manifest without labels, by ID.

        Raises
        ------
        SerMtlError
            If there is no audio in the folder, or some that can't be read.
        """
        folder = Path(self.folder).absolute()
        files = [
            (path, inspect_header(path).duration)
            for path in audio_files(folder, "**/*")
        ]
        if not files:
            raise SerMtlError(
                f"unlabelled: {self.folder} holds no .wav or .flac file. Give "
                "--unlabelled='{folder: /path/to/speech}', or leave it out."
            )
        rows = {
            f"{PREFIX}{path.relative_to(folder)} {i + 1}": {
                "wav": str(path),
                "start": start,
                "stop": stop,
                **dict.fromkeys(COLUMNS, ""),
            }
            for path, duration in files
            for i, (start, stop) in enumerate(_pieces(duration, self.seconds))
        }
        hours = sum(duration for _, duration in files) / 3600
        logger.info(
            f"Unlabelled: {len(files)} files below {folder}, {hours:.2f} hours, "
            f"{len(rows)} pieces."
        )
        return rows

    def beside(self, clips, sampler):
        """What training reads: the clips, and the pieces after them.

        Arguments
        ---------
        clips : torch.utils.data.Dataset
            The labelled clips.
        sampler : EpochBatchSampler
            Batches of them.

        Returns
        -------
        tuple
            Dataset and sampler with the pieces; the same ones without a
            folder.
        """
        if self.folder is None:
            return clips, sampler
        pieces = dataset(self.rows(), self.waves)
        both = ConcatDataset([clips, pieces])
        return both, PairedBatchSampler(sampler, len(clips), len(pieces))


def n_labelled(batch):
    """How many clips a batch has before its unlabelled speech begins.

    Arguments
    ---------
    batch : speechbrain.dataio.batch.PaddedBatch
        With the ``id`` of each clip.

    Returns
    -------
    int

    Example
    -------
    >>> from types import SimpleNamespace
    >>> n_labelled(
    ...     SimpleNamespace(id=["03-01", "03-02", "unlabelled: a.wav 1"])
    ... )
    2
    """
    return sum(not utterance.startswith(PREFIX) for utterance in batch.id)


class PairedBatchSampler(EpochBatchSampler):
    """Batches of another sampler, with as many others behind each.

    The others come in a random order, each of them once before any comes
    again, and go on from epoch to epoch where they were. Like the other
    sampler's, the batches are a function of (seed, epoch).

    Arguments
    ---------
    sampler : EpochBatchSampler
        Every epoch of it has the same number of clips; where the number is
        nearly the same, a few of the others are skipped or come again.
    first : int
        Index of the first of the others.
    n : int
        How many of them there are.

    Example
    -------
    >>> from ser_mtl_modules.dataio.batching import DurationBatchSampler
    >>> clips = DurationBatchSampler([1.0, 2.0], 2.0, shuffle=False)
    >>> batches = PairedBatchSampler(clips, first=2, n=2).batches(1)
    >>> [batch[0] for batch in batches], {batch[1] for batch in batches}
    ([0, 1], {2, 3})
    """

    def __init__(self, sampler, first, n):
        super().__init__(sampler.seed)
        self.sampler = sampler
        self.first = first
        self.n = n

    def batches(self, epoch):
        """As of the other sampler, with others in the second half of each."""
        batches = self.sampler.batches(epoch)
        n_clips = sum(len(batch) for batch in batches)
        others = self._others((epoch - 1) * n_clips, epoch * n_clips)
        return [batch + [next(others) for _ in batch] for batch in batches]

    def _others(self, start, stop):
        """Those from one place of the endless order to another."""
        for round_ in range(start // self.n, math.ceil(stop / self.n)):
            rng = generator(self.seed, "unlabelled", round_)
            order = torch.randperm(self.n, generator=rng).tolist()
            begin = max(start - round_ * self.n, 0)
            for i in order[begin : stop - round_ * self.n]:
                yield self.first + i


def _pieces(duration, most):
    """Start and stop of equal pieces, in seconds, none longer than most."""
    n = math.ceil(duration / most)
    edges = [i * duration / n for i in range(n + 1)]
    return list(zip(edges, edges[1:]))
