"""Levels of a frozen encoder, computed once and read from disk ever after."""

import contextlib
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.augment.views import AsIs
from ser_mtl_modules.dataio.lazy_encoder import LazyEncoder, describe, digest
from ser_mtl_modules.dataio.level_file import LevelFile, disk_errors
from ser_mtl_modules.dataio.level_shards import LevelShards
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.level_encoder import LevelEncoder, average_frames
from ser_mtl_modules.locks import locked
from ser_mtl_modules.ranks import n_ranks, rank
from speechbrain.utils.distributed import ddp_barrier

logger = logging.getLogger(__name__)

VERSION = 2  # raised when what was stored before can't be used any more


class CachedLevels:
    """A signal (see ``datasets.py``) that is an encoder's frozen levels.

    A clip's levels are in half precision, and are computed from the clip
    alone, so padding takes no part. They are in ``<folder>/<key>/``, where the
    key stands for encoder and weights, manifest, trimming, levels and
    averaging; there each view has a folder of shards, to which every fold adds
    the clips that are not there yet. Ranks, and runs that want the same clips
    at the same time, share the work.

    Without a trained part the encoder is loaded only where clips are missing.

    Arguments
    ---------
    encoder : callable
        Makes the encoder, which has ``frozen``, ``upper`` and ``checksum`` (as
        ``lobes/encoders.py``); ``!name:`` in a YAML.
    waves : Waves
        Reads the clips.
    folder : str or Path
        Where levels are kept; 25 levels of 1024 dimensions and 50 frames a
        second take 9 GB for each hour and view.
    views : list of callable
        The forms in which train comes (``augment/views.py``), one of them for
        each clip and epoch; one that stands here twice is drawn twice as
        often. Valid, which is scored in every epoch, comes as it is.
    test_views : list of callable
        The forms in which test comes, all of which are heard, and the answers
        averaged. The first is the one whose transcript counts.
    levels : list of int, optional
        Those that are kept; all by default. Only without a trained part.
    average : int
        So many neighbouring frames become one, their mean. Only without a
        trained part.
    """

    def __init__(
        self,
        encoder,
        waves,
        folder,
        views=None,
        test_views=None,
        levels=None,
        average=1,
    ):
        self.root = Path(folder)
        self.waves = waves
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        self.encoder = LazyEncoder(encoder, self.root / "encoders")
        self.about = self.encoder.about
        self.average = average
        n_frozen, size = self.about["frozen_shape"]
        self.levels = _chosen(levels, n_frozen)
        self._check(levels)
        self.frame_shape = len(self.levels), size
        as_is = [AsIs()]
        self.views = {
            "train": views or as_is,
            "valid": as_is,
            "test": test_views or as_is,
        }
        self._stored = None  # by the view's name

    def _check(self, levels):
        if self.waves.sample_rate != self.about["sample_rate"]:
            raise SerMtlError(
                f"sample_rate: waves have {self.waves.sample_rate} Hz, and "
                f"{self.about['class']} wants {self.about['sample_rate']} Hz."
            )
        if type(self.average) is not int or self.average < 1:
            raise SerMtlError(
                f"average: {self.average}; expected how many neighbouring "
                "frames become one, 1 or more."
            )
        if self.is_trained and (self.average > 1 or levels is not None):
            raise SerMtlError(
                f"{self.about['class']} has a trained part, which needs its "
                "input as it is: leave out levels and average, or freeze all "
                "of it."
            )

    # ---- what comes out, for those who are built on it

    @property
    def is_trained(self):
        """Whether the encoder has an upper part that is trained."""
        return self.about["is_trained"]

    @property
    def n_levels(self):
        """Levels that the rest of the model gets."""
        return self.about["n_levels"] if self.is_trained else len(self.levels)

    @property
    def output_size(self):
        """D of the levels."""
        return self.about["output_size"]

    @property
    def frame_rate(self):
        """In Hz, after averaging."""
        return self.about["frame_rate"] / self.average

    # ---- before training

    def prepare(self, split, manifest_checksum, device="cpu"):
        """Computes what a fold needs and is not there.

        Arguments
        ---------
        split : object
            Rows by ID as ``train``, ``valid`` and ``test``.
        manifest_checksum : str
            What says that an ID is the same audio as before.
        device : str or torch.device
            Where to compute.
        """
        ingredients = {
            "version": VERSION,
            "encoder": self.about,
            "manifest": manifest_checksum,
            "sample_rate": self.waves.sample_rate,
            "trim": describe(self.waves.trim),
            "levels": self.levels,
            "average": self.average,
        }
        folder = self.root / digest(ingredients)
        views = {v.name: v for set_ in self.views.values() for v in set_}
        self._stored = {
            name: LevelShards(folder / name, self.frame_shape) for name in views
        }
        # what is sealed and complete needs no lock, nor leave to write
        parts = [
            Part(views[name], shard, rows)
            for name, wanted in self._wanted(split).items()
            for shard, rows in self._stored[name].split(wanted)
        ]
        unfinished = [part for part in parts if not part.is_complete()]
        if unfinished:
            with disk_errors(folder):
                folder.mkdir(exist_ok=True)
                with atomic_write(folder / "about.json") as file:
                    json.dump(ingredients, file, indent=1)
            self._announce(unfinished, folder)
            self._fill(unfinished, device)
        ddp_barrier()
        if not self.is_trained:
            self.encoder.forget()

    def _wanted(self, split):
        """Rows by ID, for each view."""
        wanted = {}
        for name, used in self.views.items():
            for view in used:
                wanted.setdefault(view.name, {}).update(getattr(split, name))
        return wanted

    def _announce(self, parts, folder):
        seconds = sum(
            row["duration"] for part in parts for row in part.missing().values()
        )
        frame_bytes = parts[0].shard.frame_bytes
        n_bytes = seconds * self.frame_rate * frame_bytes
        free = shutil.disk_usage(folder).free
        logger.info(
            f"{folder}: up to {n_bytes / 1e9:.1f} GB of levels to compute, "
            f"{free / 1e9:.1f} GB are free."
        )
        if n_bytes > free:
            logger.warning(
                f"{folder}: the disk may become full. Fewer levels, or average "
                "frames, or fewer views need less."
            )

    def _fill(self, parts, device):
        """Computes what others don't, and waits for what they do.

        Ranks, and runs at the same time, begin at different parts, and pass
        over those that another one is at.
        """
        first = rank() * len(parts) // n_ranks()
        parts = [*parts[first:], *parts[:first]]
        n_missing = sum(len(part.missing()) for part in parts)
        busy = []
        # disable=None: no bar where the output is a file
        off = True if rank() else None
        with tqdm(None, "Levels", n_missing, unit="clip", disable=off) as bar:
            for part in parts:
                try:
                    with part.locked():
                        self._compute(part, device, bar)
                except BlockingIOError:
                    busy.append(part)
            for part in busy:
                with part.locked("another run that computes levels"):
                    self._compute(part, device, bar)

    def _compute(self, part, device, bar):
        before = len(part.missing())
        if part.is_complete():
            bar.update(before)
            return
        missing = part.missing()
        bar.update(before - len(missing))
        if missing:
            self.encoder.load().to(device)
        with part.shard.writing():
            for utterance, row in missing.items():
                where = (row[key] for key in ("wav", "start", "stop"))
                wave = self.waves.read(utterance, part.view, *where)
                part.shard.append(utterance, self._encode(wave, device))
                bar.update()

    @torch.no_grad()
    def _encode(self, wave, device):
        """Levels of a wave [N]: an array [T, L, D] in float32."""
        levels, lens = self.encoder.load().frozen(
            wave[None].to(device), torch.ones(1, device=device)
        )
        levels = levels[self.levels].float()
        levels, lens = average_frames(levels, lens, self.average)
        return levels[:, 0, : lens[0]].transpose(0, 1).cpu().numpy()

    def encoder_of_waves(self, encoder):
        """The encoder behind the levels, for clips that are not stored.

        Arguments
        ---------
        encoder : CachedEncoder
            The model's own, which trains the upper layers of this one, if any
            are trained.

        Returns
        -------
        LevelEncoder
        """
        levels = None if self.is_trained else self.levels
        return LevelEncoder(self.encoder.load(), levels, self.average)

    # ---- in training

    def read(self, utterance, view, wav=None, start=None, stop=None):
        """Reads a clip's levels.

        Arguments
        ---------
        utterance : str
            The clip's ID.
        view : callable
            One of ``views``.
        wav, start, stop
            Where the clip is; not needed here.

        Returns
        -------
        torch.Tensor
            Half precision, shape [T, L, D].
        """
        return self._stored[view.name].read(utterance)

    def wave(self, utterance, row):
        """The clip of a manifest's row, shape [n_samples]."""
        return self.waves.wave(utterance, row)

    def duration(self, utterance, row):
        """Seconds that are read of a clip: as it is, if it is stored so."""
        # valid comes as it is, so that this view is always there
        views = [self._stored[AsIs().name], *self._stored.values()]
        stored = next(view for view in views if utterance in view)
        return stored.n_frames(utterance) / self.frame_rate


@dataclass(frozen=True)
class Part:
    """What a fold wants of one shard of one view.

    Arguments
    ---------
    view : callable
        The form of the clips.
    shard : LevelFile
        Where they are to be.
    rows : dict of str to dict
        Of the manifest, by ID.
    """

    view: object
    shard: LevelFile
    rows: dict

    def is_complete(self):
        """Whether all is there, as far as another process says."""
        sealed = self.shard.is_sealed()
        self.shard.load()
        return sealed and not self.missing()

    def missing(self):
        """Rows that were not there when the shard was last looked at."""
        there = self.shard.clips
        return {i: row for i, row in self.rows.items() if i not in there}

    @contextlib.contextmanager
    def locked(self, waiting_for=None):
        """Holds the shard; see ``locks.py``."""
        path = self.shard.data.with_suffix(".lock")
        with contextlib.ExitStack() as lock:
            with disk_errors(path):
                path.parent.mkdir(exist_ok=True)
                lock.enter_context(locked(path, waiting_for))
            yield


def _chosen(levels, n_levels):
    """Indices of the levels that are kept, counted from 0."""
    if levels is None:
        return list(range(n_levels))
    if not levels or any(
        type(i) is not int or not -n_levels <= i < n_levels for i in levels
    ):
        raise SerMtlError(
            f"levels: {levels}; expected a list of numbers from 0 to "
            f"{n_levels - 1}, as the encoder has {n_levels} levels."
        )
    return [i % n_levels for i in levels]
