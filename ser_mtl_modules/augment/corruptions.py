"""What may happen to a clip before a model hears it.

A corruption is called as ``corrupt(wave [N], utterance)`` and gives a wave of
the same length, in which everything is where it was: always the same one for
the same utterance. It has

``group``
    what sort of thing it is: ``noise``, ``room``, ``codec``, ``level``,
``kind``
    which of them,
``level``, ``unit``
    how much of it there is; a number wherever there is one,
``source``
    a checksum of files that it depends on, empty where there are none.

What it draws depends on (seed, kind, utterance) and not on the level: at
another SNR it is the same noise.
"""

import io

import soundfile
import torch
import torchaudio.functional as AF

from ser_mtl_modules.augment.unheard_noises import checksum
from ser_mtl_modules.dataio.audio import RESAMPLER, read_audio
from ser_mtl_modules.randomness import generator


def at_snr(wave, noise, snr_db):
    """A wave and noise over it, at an exact ratio of their energies.

    Arguments
    ---------
    wave, noise : torch.Tensor
        Shape [N].
    snr_db : float
        Energy of the wave over that of the noise in what comes out.

    Returns
    -------
    torch.Tensor
        Shape [N]; silence stays silent.

    Example
    -------
    >>> wave = torch.randn(16000)
    >>> noise = at_snr(wave, 100 * torch.rand(16000), 15) - wave
    >>> ratio = wave.square().sum() / noise.square().sum()
    >>> round(10 * ratio.log10().item(), 2)
    15.0
    """
    level = wave.norm() * 10 ** (-snr_db / 20)
    return wave + noise * level / noise.norm().clamp(min=1e-10)


class Untouched:
    """The clip itself, beside which all else is read.

    Example
    -------
    >>> wave = torch.randn(5)
    >>> Untouched()(wave, "a clip") is wave
    True
    """

    group = "clean"
    kind = "clean"
    level = unit = source = ""

    def __call__(self, wave, utterance):
        """Returns the wave."""
        return wave


class AddNoise:
    """Noise on top of the clip.

    Arguments
    ---------
    noise : callable
        Of ``unheard_noises``.
    snr_db : float
        Over the whole clip, exactly.
    seed : int
        Of the noise; not the experiment's, so that runs hear the same.
    """

    group = "noise"
    unit = "dB SNR"

    def __init__(self, noise, snr_db, seed=0):
        self.noise = noise
        self.kind = noise.kind
        self.level = snr_db
        self.source = noise.source
        self.seed = seed

    def __call__(self, wave, utterance):
        """Adds noise to a wave [N]."""
        rng = generator(self.seed, self.kind, utterance)
        noise = self.noise(rng, len(wave), utterance)
        return at_snr(wave, noise, self.level)


def reverberate(wave, response):
    """A wave in a room, at the same level and beginning at the same time.

    SpeechBrain's function of this name convolves in a circle, so that the end
    of a clip sounds on in its beginning, and cuts responses that are longer
    than the clip.

    Arguments
    ---------
    wave : torch.Tensor
        Shape [N].
    response : torch.Tensor
        The room's, shape [R]; its direct sound is the largest sample.

    Returns
    -------
    torch.Tensor
        Shape [N]; what sounds on after the clip is cut off.

    Example
    -------
    >>> wave = torch.randn(100)
    >>> late = torch.tensor([0.0, 0.0, 0.5])  # nothing but a way to go
    >>> torch.allclose(reverberate(wave, late), wave, atol=1e-5)
    True
    """
    direct = int(response.abs().argmax())
    wet = AF.fftconvolve(wave, response)[direct : direct + len(wave)]
    return wet * wave.norm() / wet.norm().clamp(min=1e-10)


class GeneratedRoom:
    """A room for each clip: noise that dies away after the direct sound.

    Polack's model of a room ("La transmission de l'énergie sonore dans les
    salles", 1988), with as much energy in the reverberation as in the direct
    sound.

    Arguments
    ---------
    rt60_s : float
        Seconds in which it falls by 60 dB.
    sample_rate : int
        In Hz.
    seed : int
        Of the rooms.
    """

    group = "room"
    kind = "generated room"
    unit = "s RT60"
    source = ""

    def __init__(self, rt60_s, sample_rate, seed=0):
        self.level = rt60_s
        self.sample_rate = sample_rate
        self.seed = seed

    def response(self, utterance):
        """Of the clip's room, shape [RT60 in samples]."""
        rng = generator(self.seed, self.kind, utterance)
        n_samples = round(self.level * self.sample_rate)
        fall_db = -60 * torch.arange(n_samples) / n_samples
        tail = torch.randn(n_samples, generator=rng) * 10 ** (fall_db / 20)
        tail[0] = 0.0
        response = tail / tail.norm()
        response[0] = 1.0
        return response

    def __call__(self, wave, utterance):
        """Reverberates a wave [N]."""
        return reverberate(wave, self.response(utterance))


class RecordedRoom:
    """A room whose impulse response was recorded.

    Arguments
    ---------
    file : Path
        Audio; its stem is the room's name.
    sample_rate : int
        Of the waves, in Hz.
    """

    group = "room"
    unit = ""

    def __init__(self, file, sample_rate):
        self.kind = "recorded room"
        self.level = file.stem
        self.source = checksum(file)
        self.response = read_audio(file, sample_rate)

    def __call__(self, wave, utterance):
        """Reverberates a wave [N]."""
        return reverberate(wave, self.response)


class MuLaw:
    """Mu-law samples, of 8 bits on the telephone.

    Arguments
    ---------
    bits : int
        Of a sample.
    """

    group = "codec"
    kind = "mu-law"
    unit = "bits"
    source = ""

    def __init__(self, bits):
        self.level = bits

    def __call__(self, wave, utterance):
        """Codes and decodes a wave [N]; what is beyond full scale is cut."""
        n_values = 2**self.level
        codes = AF.mu_law_encoding(wave.clamp(-1, 1), n_values)
        return AF.mu_law_decoding(codes, n_values)


class BandLimit:
    """Nothing above half of another sample rate: that of the telephone, say.

    Arguments
    ---------
    rate : int
        In Hz.
    sample_rate : int
        Of the waves, in Hz.
    """

    group = "codec"
    kind = "band limit"
    unit = "Hz"
    source = ""

    def __init__(self, rate, sample_rate):
        self.level = rate
        self.sample_rate = sample_rate

    def __call__(self, wave, utterance):
        """Resamples a wave [N] down and up again."""
        there = AF.resample(wave, self.sample_rate, self.level, **RESAMPLER)
        back = AF.resample(there, self.level, self.sample_rate, **RESAMPLER)
        return back[: len(wave)]


class Coded:
    """A lossy format of libsndfile, there and back.

    SpeechBrain's ``CodecAugment`` draws one of three, at their default rates,
    at which little is lost.

    Arguments
    ---------
    format : str
        Of the file, as ``MP3``.
    subtype : str
        As ``MPEG_LAYER_III``.
    compression : float
        From 0 to 1, libsndfile's: 1 is the smallest file.
    sample_rate : int
        In Hz.
    """

    group = "codec"
    unit = "compression"
    source = ""

    def __init__(self, format, subtype, compression, sample_rate):
        self.kind = subtype.lower().replace("mpeg_layer_iii", "mp3")
        self.format = format
        self.subtype = subtype
        self.level = compression
        self.sample_rate = sample_rate

    def __call__(self, wave, utterance):
        """Codes and decodes a wave [N]."""
        file = io.BytesIO()
        soundfile.write(
            file,
            wave.numpy(),
            self.sample_rate,
            format=self.format,
            subtype=self.subtype,
            compression_level=self.level,
        )
        file.seek(0)
        decoded, _ = soundfile.read(file, dtype="float32")
        decoded = torch.from_numpy(decoded)[: len(wave)]
        missing = len(wave) - len(decoded)
        return torch.nn.functional.pad(decoded, (0, missing))


class Gain:
    """Louder or softer.

    Arguments
    ---------
    gain_db : float
        In dB.
    """

    group = "level"
    kind = "gain"
    unit = "dB"
    source = ""

    def __init__(self, gain_db):
        self.level = gain_db

    def __call__(self, wave, utterance):
        """Scales a wave [N]."""
        return wave * 10 ** (self.level / 20)


class Clip:
    """What is above a share of the clip's peak is cut off.

    Arguments
    ---------
    share : float
        Of the peak, in (0, 1].

    Example
    -------
    >>> Clip(0.5)(torch.tensor([0.1, -0.4, 0.2]), "a clip")
    tensor([ 0.1000, -0.2000,  0.2000])
    """

    group = "level"
    kind = "clipping"
    unit = "of the peak"
    source = ""

    def __init__(self, share):
        self.level = share

    def __call__(self, wave, utterance):
        """Clips a wave [N]."""
        most = self.level * wave.abs().max()
        return wave.clamp(-most, most)
