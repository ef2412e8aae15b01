"""From the rows of a card's set to waves and their labels."""

import speechbrain as sb
from ser_mtl_modules.dataio.audio import read_audio

COLUMNS = ("emotion", "speaker", "gender", "transcript", "style")


def no_trim(wave, sample_rate):
    """Leaves a wave as it is."""
    return wave


def dataset(rows, sample_rate, trim=no_trim, in_memory=False, columns=COLUMNS):
    """A SpeechBrain dataset of one set of a fold.

    Arguments
    ---------
    rows : dict of str to dict
        The manifest's rows by ID, as a card's split gives them.
    sample_rate : int
        Of the waves, in Hz; every file is resampled to it.
    trim : callable
        ``trim(wave [n_samples], sample_rate)``, a part of the wave.
    in_memory : bool
        Keeps waves after the first epoch (16 kHz: 230 MB an hour).
    columns : iterable of str
        Columns of the manifest that come along, as strings.

    Returns
    -------
    speechbrain.dataio.dataset.DynamicItemDataset
        Items ``id``, ``sig`` [n_samples], and the columns.
    """
    kept = {}

    @sb.utils.data_pipeline.takes("wav", "start", "stop")
    @sb.utils.data_pipeline.provides("sig")
    def wave(wav, start, stop):
        key = (wav, start, stop)
        if key in kept:
            return kept[key]
        samples = trim(read_audio(wav, sample_rate, start, stop), sample_rate)
        if in_memory:
            kept[key] = samples
        return samples

    return sb.dataio.dataset.DynamicItemDataset(
        rows, dynamic_items=[wave], output_keys=["id", "sig", *columns]
    )
