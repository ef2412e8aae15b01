"""A trained model, to be asked about any recording."""

import contextlib
import ctypes
from pathlib import Path
from typing import NamedTuple

import huggingface_hub
import numpy as np
import torch

from ser_mtl_modules.dataio.audio import inspect_header, read_audio
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference import safe_folder
from ser_mtl_modules.inference.speech_model import SpeechModel
from ser_mtl_modules.inference.windows import combined, spans
from ser_mtl_modules.randomness import untouched
from speechbrain.inference.interfaces import Pretrained
from speechbrain.utils.fetching import FetchConfig, LocalStrategy

SHORTEST_S = 0.05


class Attention(NamedTuple):
    """Where emotion looks in a recording, and at which other tasks."""

    start_s: list  # of each frame, in seconds of the recording
    stop_s: list
    # by task, and "pooling": the weight of each frame, with a sum of 1
    over_time: dict
    over_tasks: dict  # the share of each auxiliary task; they sum to 1


class EmotionRecognizer(Pretrained):
    """Emotions of recordings, by name and with probabilities.

    Made by `from_hparams` of a folder that
    ``python -m ser_mtl_modules export RUN FOLDER`` has written, or of its copy
    on the Hugging Face hub. A recording is heard as the clips of the test set
    were: silence at its ends cut away, in every view that was averaged over.

    What is longer than ``window_s`` is heard in windows of that length, which
    overlap by ``overlap_s`` or more, each as a clip of its own; probabilities
    and embeddings are means over windows, weighed by the seconds that were
    heard of each. Files are read a window at a time, so an hour takes the
    memory of two windows.

    Arguments
    ---------
    modules, hparams, run_opts, freeze_params
        As for SpeechBrain's ``Pretrained``; `from_hparams` gives them.

    Example
    -------
    >>> recognizer = EmotionRecognizer.from_hparams("mine")  # doctest: +SKIP
    >>> recognizer.classify_file("a.flac")  # doctest: +SKIP
    (tensor([[0.07, 0.93]]), tensor([0.93]), tensor([1]), ['sad'])
    """

    MODULES_NEEDED = ["encoder", "layer_fusions", "co_attention", "tasks"]
    HPARAMS_NEEDED = ["sample_rate", "classes", "signal", "views"]
    HPARAMS_NEEDED += ["window_s", "overlap_s"]

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.model = SpeechModel(self.mods)
        self.tasks = list(self.mods["tasks"])

    @classmethod
    def from_hparams(
        cls,
        source,
        hparams_file=safe_folder.YAML,
        overrides=None,
        savedir=None,
        trust=False,
        fetch_config=FetchConfig(),
        **options,
    ):
        """Loads an export; nothing that it says is run unless you trust it.

        The folder is checked before anything of it is loaded: weights are
        safetensors, and the YAML names classes that exports are made of
        (``safe_yaml.py``) and nothing else.

        Arguments
        ---------
        source : str or Path
            The folder of an export, or its name on the Hugging Face hub.
        hparams_file : str
            The name of the YAML.
        overrides : dict, optional
            Changes to the YAML, by you and hence not checked.
        savedir : str or Path, optional
            Where to keep what comes from the hub; by default beside the hub's
            cache.
        trust : bool
            True loads without checks: for a model with classes of your own.
            It can run any program.
        fetch_config : speechbrain.utils.fetching.FetchConfig
            ``revision`` pins a version of the hub.
        **options
            ``run_opts={"device": "cuda"}``, ``freeze_params=False``.

        Returns
        -------
        EmotionRecognizer

        Raises
        ------
        SerMtlError
            If there is no such folder, or it is not as exports are.
        """
        folder = _local(source, savedir, fetch_config)
        if not trust:
            safe_folder.check_folder(folder, hparams_file)
        try:
            with untouched():  # weights are drawn before they are loaded
                return super().from_hparams(
                    source=str(folder),
                    hparams_file=hparams_file,
                    overrides={**(overrides or {}), "folder": str(folder)},
                    local_strategy=LocalStrategy.NO_LINK,
                    **options,
                )
        except SerMtlError:
            raise
        except Exception as error:  # whatever a YAML's arguments may do
            raise SerMtlError(
                f"{folder}: can't be loaded ({type(error).__name__}: "
                f"{str(error)[:300]}). Expected a folder that `python -m "
                "ser_mtl_modules export RUN FOLDER` has written, with a "
                "version as new as this one's or older."
            ) from error

    @property
    def classes(self):
        """Names of the emotions, in the order of the probabilities."""
        return self.hparams.classes

    # ---- SpeechBrain's methods

    def load_audio(self, path, savedir=None):
        """Reads a file as one wave [n_samples], at the model's rate."""
        return read_audio(path, self.hparams.sample_rate)

    def encode_batch(self, wavs, wav_lens=None):
        """What emotions are told from.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N], at ``hparams.sample_rate``.
        wav_lens : torch.Tensor, optional
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, 1, E].
        """
        embeddings = []
        for wave in _clips(wavs, wav_lens):
            parts = list(self._windows_of(wave))
            embedded = [
                len(part) * self.model.embedding(part, self.hparams.views)
                for _, part in parts
            ]
            n_samples = sum(len(part) for _, part in parts)
            embeddings.append(sum(embedded) / n_samples)
        return torch.stack(embeddings)[:, None]

    def classify_batch(self, wavs, wav_lens=None):
        """Emotions of a batch of waves.

        Arguments
        ---------
        wavs, wav_lens
            As for `encode_batch`.

        Returns
        -------
        tuple
            Probabilities [B, C], that of the best class [B], its index [B],
            and a list of its names.
        """
        rows = [
            self._say(self._windows_of(wave), "")
            for wave in _clips(wavs, wav_lens)
        ]
        return self._as_tuple(rows)

    def classify_file(self, path):
        """The emotion of a file of any rate, channels and length.

        Arguments
        ---------
        path : str or Path
            In a format that libsndfile reads.

        Returns
        -------
        tuple
            As for `classify_batch`, of a batch of one.
        """
        return self._as_tuple([self.describe_file(path)])

    def forward(self, wavs, wav_lens=None):
        """As `classify_batch`."""
        return self.classify_batch(wavs, wav_lens)

    def _as_tuple(self, rows):
        table = [[row[f"p_{name}"] for name in self.classes] for row in rows]
        p = torch.tensor(table)
        score, index = p.max(dim=1)
        return p, score, index, [self.classes[i] for i in index.tolist()]

    # ---- all that is known of a recording

    def describe_file(self, path, attention=False):
        """All that the model's tasks say of a file.

        Arguments
        ---------
        path : str or Path
            As for `classify_file`.
        attention : bool
            Whether to look where emotion looks, too.

        Returns
        -------
        dict
            ``prediction`` and ``p_<class>``, and where the model has the
            tasks: ``gender_prediction`` and ``gender_p_<class>``,
            ``embedding`` of the speaker, an array of norm 1, ``hypothesis``,
            what was said, ``arousal_estimate`` and so on. With
            ``attention``, an `Attention`. The name of the file without its
            ending is its ``ID``.
        """
        said = self._say(self._windows_in(path), Path(path).stem, attention)
        unknown = ("speaker", "gender", "style", "transcript")
        return {
            key: value
            for key, value in said.items()
            if key not in unknown and not key.endswith("target")
        }

    def _say(self, windows, utterance, attention=False):
        rows, n_samples, looks = [], [], []
        views = self.hparams.views
        for start, wave in windows:
            rows.append(self.model.answers(wave, views, utterance))
            n_samples.append(len(wave))
            if attention:
                looks.append((start, *self._look(wave, utterance)))
            if len(rows) > 1:
                _give_memory_back()
        row = combined(rows, [n / self.hparams.sample_rate for n in n_samples])
        if attention:
            row["attention"] = self._joined(looks, n_samples)
        return row

    def _look(self, wave, utterance):
        heard = self.hparams.views[0](wave, utterance)
        return self.model.attention(heard)

    def _joined(self, looks, n_samples):
        """Attention over a recording from that over its windows.

        A window's weights count as much as its answer does.
        """
        rate, total = self.hparams.sample_rate, sum(n_samples)
        starts, stops, over_time, over_tasks = [], [], {}, {}
        for (start, times, tasks), n in zip(looks, n_samples):
            n_frames = len(next(iter(times.values())))
            edges = start + np.linspace(0, n / rate, n_frames + 1)
            starts += edges[:-1].tolist()
            stops += edges[1:].tolist()
            for name, weights in times.items():
                shares = (weights * n / total).tolist()
                over_time.setdefault(name, []).extend(shares)
            for name, share in tasks.items():
                so_far = over_tasks.get(name, 0.0)
                over_tasks[name] = so_far + share * n / total
        return Attention(starts, stops, over_time, over_tasks)

    # ---- windows

    def _windows_in(self, path):
        """Seconds where a window starts to be heard, and its wave."""
        duration = inspect_header(path).duration
        if duration < SHORTEST_S:
            raise SerMtlError(
                f"{path}: {1000 * duration:.0f} ms, and a recording of "
                f"{1000 * SHORTEST_S:.0f} ms or more is expected."
            )
        rate = self.hparams.sample_rate
        for start, stop in self._spans(duration):
            yield self._trimmed(start, read_audio(path, rate, start, stop))

    def _windows_of(self, wave):
        rate = self.hparams.sample_rate
        for start, stop in self._spans(len(wave) / rate):
            part = wave[round(start * rate) : round(stop * rate)]
            yield self._trimmed(start, part)

    def _spans(self, duration_s):
        window_s, overlap_s = self.hparams.window_s, self.hparams.overlap_s
        return spans(duration_s, window_s, overlap_s)

    def _trimmed(self, start, wave):
        rate = self.hparams.sample_rate
        part = self.hparams.signal.trim(wave, rate)
        # it is a part of the wave, in the same memory
        skipped = part.storage_offset() - wave.storage_offset()
        return start + skipped / rate, part


def _give_memory_back():
    """Makes glibc return what is free.

    Tensors of windows of other lengths leave holes in its heap: without this,
    a file of 30 minutes took 1.5 times the memory of a minute.
    """
    # another C library, another system: nothing to do
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _clips(wavs, wav_lens):
    """The waves of a batch without padding, on the CPU."""
    if wav_lens is None:
        wav_lens = torch.ones(len(wavs))
    n_samples = (wav_lens.cpu() * wavs.shape[1]).round().long().tolist()
    return [wave[:n] for wave, n in zip(wavs.cpu(), n_samples)]


def _local(source, savedir, fetch_config):
    """The folder of a model, downloaded if it is a name on the hub."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.absolute()
    if savedir is None:
        cache = Path(huggingface_hub.constants.HF_HOME)
        savedir = cache / "ser_mtl" / str(source).replace("/", "--")
    try:
        # files, not links into a cache: links out of the folder are refused
        return Path(
            huggingface_hub.snapshot_download(
                str(source),
                revision=fetch_config.revision,
                local_dir=savedir,
                allow_patterns=list(safe_folder.READ),
                local_files_only=not fetch_config.allow_network,
            )
        ).absolute()
    except (OSError, ValueError, RuntimeError) as error:
        raise SerMtlError(
            f"{source}: no folder, and not to be had from the Hugging Face "
            f"hub ({type(error).__name__}). Give the folder of an export, or "
            "download it where there is a network and give that."
        ) from error
