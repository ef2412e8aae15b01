"""From the rows of a card's set to what the model reads, and its labels.

What the model reads of a clip is up to a *signal*, an object of the YAML:
`Waves` here, or ``CachedLevels`` of ``feature_cache``. Every signal has

``views``
    for ``train``, ``valid`` and ``test`` a list of the forms that a clip may
    come in (``augment/views.py``),
``prepare(split, manifest_checksum, device)``
    which computes, before training, what is not computed on the way,
``read(utterance, view, wav, start, stop)``
    which gives a tensor with time first,
``encoder_of_waves(encoder)``
    which gives what makes levels of clips from elsewhere,
``wave(utterance, row)``
    which gives the clip as it is heard, [n_samples], for pictures,
``duration(utterance, row)``
    which says how many seconds of it are read, for batches of even size.
"""

import speechbrain as sb
from ser_mtl_modules.augment.views import AsIs
from ser_mtl_modules.dataio.audio import read_audio

COLUMNS = ("emotion", "speaker", "gender", "transcript", "style")
COLUMNS += ("arousal", "valence", "dominance", "raters")


def no_trim(wave, sample_rate):
    """Leaves a wave as it is."""
    return wave


class Waves:
    """The clips themselves, for an encoder that runs in every step.

    Arguments
    ---------
    sample_rate : int
        Of the waves, in Hz; every file is resampled to it.
    trim : callable
        ``trim(wave [n_samples], sample_rate)``, a part of the wave.
    in_memory : bool
        Reads all waves before training and keeps them (16 kHz: 230 MB an
        hour). Batches are then of what trimming leaves, with less padding.
    shards : AudioShards, optional
        Where the files are instead (``audio_shards.py``).
    """

    def __init__(
        self, sample_rate=16000, trim=no_trim, in_memory=False, shards=None
    ):
        self.sample_rate = sample_rate
        self.trim = trim
        self.in_memory = in_memory
        self.shards = shards
        self.views = {name: [AsIs()] for name in ("train", "valid", "test")}
        self._kept = {}

    def prepare(self, split, manifest_checksum, device="cpu"):
        """Reads what is kept in memory; all else is read on the way.

        Arguments
        ---------
        split : object
            Rows by ID as ``train``, ``valid`` and ``test``.
        manifest_checksum, device
            Not needed here.
        """
        if self.in_memory:
            for rows in (split.train, split.valid, split.test):
                for utterance, row in rows.items():
                    self.wave(utterance, row)

    def read(self, utterance, view, wav, start=None, stop=None):
        """Reads a clip.

        Arguments
        ---------
        utterance : str
            Its ID, which a view may depend on.
        view : callable
            ``view(wave, utterance)``, another form of the clip.
        wav : str or Path
            The file.
        start, stop : float or None
            Seconds in the file.

        Returns
        -------
        torch.Tensor
            Shape [n_samples].
        """
        return view(self._wave(wav, start, stop), utterance)

    def wave(self, utterance, row):
        """The clip of a manifest's row, shape [n_samples]."""
        return self._wave(row["wav"], row["start"], row["stop"])

    def encoder_of_waves(self, encoder):
        """The model's own encoder, which hears waves."""
        return encoder

    def duration(self, utterance, row):
        """Seconds after trimming; before it for what is not in memory."""
        wave = self._kept.get((row["wav"], row["start"], row["stop"]))
        if wave is None:
            return row["duration"]
        return len(wave) / self.sample_rate

    def _wave(self, *where):
        if where in self._kept:
            return self._kept[where]
        wav, start, stop = where
        if self.shards:
            wav = self.shards.locate(wav)
        wave = read_audio(wav, self.sample_rate, start, stop)
        wave = self.trim(wave, self.sample_rate)
        if self.in_memory:
            self._kept[where] = wave
        return wave


def dataset(rows, signal, views=None, columns=COLUMNS):
    """A SpeechBrain dataset of one set of a fold.

    Arguments
    ---------
    rows : dict of str to dict
        The manifest's rows by ID, as a card's split gives them.
    signal : Waves or CachedLevels
        Reads a clip.
    views : list of callable, optional
        The forms that each clip comes in: item ``clip + n_clips * view`` is
        a clip in a view. By default the clip as it is.
    columns : iterable of str
        Columns of the manifest that come along, as strings.

    Returns
    -------
    speechbrain.dataio.dataset.DynamicItemDataset
        Items ``id`` (the utterance's, whatever the view), ``sig`` with time
        first, and the columns.
    """

    @sb.utils.data_pipeline.takes("utterance", "view", "wav", "start", "stop")
    @sb.utils.data_pipeline.provides("sig")
    def read(*clip):
        return signal.read(*clip)

    items = {
        (i, utterance): {"utterance": utterance, "view": view, **row}
        for i, view in enumerate(views or [AsIs()])
        for utterance, row in rows.items()
    }
    output_keys = {"id": "utterance", "sig": "sig", **{c: c for c in columns}}
    return sb.dataio.dataset.DynamicItemDataset(
        items, dynamic_items=[read], output_keys=output_keys
    )
