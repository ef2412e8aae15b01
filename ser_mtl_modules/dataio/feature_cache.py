"""Levels of a frozen encoder, computed once and read from disk ever after."""

import contextlib
import json
import logging
import shutil
from pathlib import Path

import torch
from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.augment.views import AsIs
from ser_mtl_modules.dataio.lazy_encoder import LazyEncoder, describe, digest
from ser_mtl_modules.dataio.level_file import LevelFile, disk_errors
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.level_encoder import average_frames
from ser_mtl_modules.locks import locked
from speechbrain.utils.distributed import run_on_main

logger = logging.getLogger(__name__)

VERSION = 1  # raised when what was stored before can't be used any more


class CachedLevels:
    """A signal (see ``datasets.py``) that is an encoder's frozen levels.

    A clip's levels are in half precision, and are computed from the clip
    alone, so padding takes no part. They are in ``<folder>/<key>/``, where the
    key stands for encoder and weights, manifest, trimming, levels and
    averaging; there each view has files of its own, to which every fold adds
    the clips that are not there yet. Runs that want the same clips at the same
    time wait for one another.

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
        self._files = None  # by the view's name

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
        self._files = {
            name: LevelFile(folder / name, self.frame_shape) for name in views
        }
        run_on_main(self._fill, [folder, ingredients, views, split, device])
        for file in self._files.values():
            file.load()
        if not self.is_trained:
            self.encoder.forget()

    def _fill(self, folder, ingredients, views, split, device):
        wanted = {name: {} for name in views}
        for name, used in self.views.items():
            for view in used:
                wanted[view.name].update(getattr(split, name))
        # what is sealed and complete needs no lock, nor leave to write
        unfinished = [
            name
            for name, file in self._files.items()
            if not (file.is_sealed() and self._has(file, wanted[name]))
        ]
        if not unfinished:
            return
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
            with atomic_write(folder / "about.json") as file:
                json.dump(ingredients, file, indent=1)
        with contextlib.ExitStack() as lock:
            with disk_errors(folder):
                busy = "the run that computes levels"
                lock.enter_context(locked(folder / "lock", busy))
            for name in unfinished:
                self._files[name].load()
            self._announce(unfinished, wanted, folder)
            for name in unfinished:
                self._compute(
                    views[name], wanted[name], self._files[name], device
                )

    @staticmethod
    def _has(file, rows):
        file.load()
        return set(rows) <= set(file.clips)

    def _announce(self, names, wanted, folder):
        seconds = sum(
            row["duration"]
            for name in names
            for utterance, row in wanted[name].items()
            if utterance not in self._files[name].clips
        )
        n_frames = seconds * self.frame_rate
        n_bytes = n_frames * self._files[names[0]].frame_bytes
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

    def _compute(self, view, rows, file, device):
        missing = {i: row for i, row in rows.items() if i not in file.clips}
        if not missing and file.is_sealed():
            return
        if missing:
            self.encoder.load().to(device)
        with file.writing():
            # disable=None: no bar where the output is a file
            for utterance, row in tqdm(
                missing.items(),
                f"Levels, {view.name}",
                unit="clip",
                disable=None,
            ):
                where = (row[key] for key in ("wav", "start", "stop"))
                wave = self.waves.read(utterance, view, *where)
                with torch.no_grad():
                    levels = self._encode(wave.to(device))
                file.append(utterance, levels.cpu().numpy())

    def _encode(self, wave):
        """Levels of a wave [N], shape [T, L, D] in float32."""
        levels, lens = self.encoder.load().frozen(
            wave[None], torch.ones(1, device=wave.device)
        )
        levels = levels[self.levels].float()
        levels, lens = average_frames(levels, lens, self.average)
        return levels[:, 0, : lens[0]].transpose(0, 1)

    def of_waves(self, wavs, wav_lens):
        """Levels of clips that are not stored, as a batch would hold them.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N].
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Shape [B, T, L, D] and relative lengths [B]. As precise as what is
            stored, in float32: gradients, where waves ask for them, are too
            small for half precision.
        """
        self.encoder.load().to(wavs.device)
        n_samples = (wav_lens * wavs.shape[1]).round().long().tolist()
        clips = [self._encode(wave[:n]) for wave, n in zip(wavs, n_samples)]
        sig = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
        rounded = sig.half().float()
        lens = torch.tensor([len(clip) for clip in clips], device=sig.device)
        return sig + (rounded - sig).detach(), lens / sig.shape[1]

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
        return self._files[view.name].read(utterance)

    def wave(self, utterance, row):
        """The clip of a manifest's row, shape [n_samples]."""
        return self.waves.wave(utterance, row)

    def duration(self, utterance, row):
        """Seconds that are read of a clip: as it is, if it is stored so."""
        # valid comes as it is, so that there always is such a file
        files = [self._files[AsIs().name], *self._files.values()]
        stored = next(f.clips for f in files if utterance in f.clips)
        return stored[utterance][1] / self.frame_rate


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
