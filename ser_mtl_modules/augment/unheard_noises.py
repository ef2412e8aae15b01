"""Noise for tests, of kinds that no training hears.

A noise is called as ``noise(rng, n_samples, utterance)`` and gives a wave
[n_samples] of any level: the generator ``rng`` is all that it draws from. Its
``kind`` says what it is, and its ``source`` is a checksum of the files that it
comes from, if there are any.
"""

import hashlib
import math
from pathlib import Path

import torch

from ser_mtl_modules.dataio.audio import read_audio
from ser_mtl_modules.errors import SerMtlError, shortlist

AUDIO = (".wav", ".flac", ".ogg", ".mp3")


def refuse_shared(trained, tested, what="kinds of noise"):
    """Stops a test with noise that training may have heard.

    Arguments
    ---------
    trained, tested : iterable of str
        Kinds, or checksums of files.
    what : str
        For the message.

    Raises
    ------
    SerMtlError
        If something is in both.

    Example
    -------
    >>> refuse_shared({"white"}, ["pink", "hum"])
    """
    if shared := sorted(set(trained) & set(tested)):
        raise SerMtlError(
            f"{len(shared)} {what} are both in training and in the test:\n"
            f"{shortlist(shared)}\nA score in noise that was trained on says "
            "nothing of other noise. Leave them out of the test."
        )


class Coloured:
    """Noise whose power falls as 1 / f ** exponent.

    Arguments
    ---------
    kind : str
        What its colour is called.
    exponent : float
        1 is pink, 2 is red (or brown), -1 is blue.

    Example
    -------
    >>> pink = Coloured("pink", 1)(torch.Generator(), 32000, "a clip")
    >>> power = torch.fft.rfft(pink).abs().square()  # bins of half a hertz
    >>> ratio = power[200:400].mean() / power[8000:16000].mean()
    >>> round(ratio.item() / 40)
    1
    """

    source = ""

    def __init__(self, kind, exponent):
        self.kind = kind
        self.exponent = exponent

    def __call__(self, rng, n_samples, utterance):
        """Filters white noise."""
        spectrum = torch.fft.rfft(torch.randn(n_samples, generator=rng))
        bins = torch.arange(len(spectrum)).clamp(min=1)
        shape = bins ** (-self.exponent / 2)
        shape[0] = 0.0 if len(shape) > 1 else 1.0  # no constant
        return torch.fft.irfft(spectrum * shape, n=n_samples)


class Hum:
    """The mains and their harmonics, of 50 or 60 Hz.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    """

    kind = "hum"
    source = ""
    HARMONICS = 20

    def __init__(self, sample_rate):
        self.sample_rate = sample_rate

    def __call__(self, rng, n_samples, utterance):
        """Harmonics k of amplitude 1 / k and any phase."""
        frequency = 50 + 10 * torch.randint(2, (), generator=rng)
        k = torch.arange(1, self.HARMONICS + 1)[:, None]
        phases = torch.rand(len(k), 1, generator=rng)
        cycles = k * frequency * torch.arange(n_samples) / self.sample_rate
        return ((2 * math.pi * (cycles + phases)).sin() / k).sum(dim=0)


class Siren:
    """A tone that goes up and down between 500 and 1500 Hz.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    """

    kind = "siren"
    source = ""

    def __init__(self, sample_rate):
        self.sample_rate = sample_rate

    def __call__(self, rng, n_samples, utterance):
        """Once up and down in one to three seconds."""
        period, phase = torch.rand(2, generator=rng)
        seconds = torch.arange(n_samples) / self.sample_rate
        turn = 2 * math.pi * (seconds / (1 + 2 * period) + phase)
        frequency = 1000 + 500 * turn.sin()
        cycles = frequency.double().cumsum(0) / self.sample_rate
        return (2 * math.pi * cycles).sin().float()


class Clicks:
    """Bursts of 5 ms, eight in a second, at any time and of any level.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    """

    kind = "clicks"
    source = ""

    def __init__(self, sample_rate):
        self.sample_rate = sample_rate

    def __call__(self, rng, n_samples, utterance):
        """At least one burst, also in a short clip."""
        n_clicks = max(1, round(8 * n_samples / self.sample_rate))
        at = torch.randint(n_samples, (n_clicks,), generator=rng)
        level = torch.rand(n_clicks, generator=rng) + 0.1
        size = self.sample_rate // 50
        fade = (-torch.arange(size) / (0.005 * self.sample_rate)).exp()
        bursts = torch.randn(n_clicks, size, generator=rng) * fade
        noise = torch.zeros(n_samples + size)
        for i, burst in zip(at.tolist(), bursts * level[:, None]):
            noise[i : i + size] += burst
        return noise[:n_samples]


class Voices:
    """What other speakers of a corpus say.

    Arguments
    ---------
    wave_of : callable
        ``wave_of(utterance)``, shape [n_samples].
    speakers : dict of str to str
        The speaker of each utterance; empty where it is not known.
    """

    def __init__(self, wave_of, speakers):
        self.wave_of = wave_of
        self.speakers = speakers
        self.clips = {}  # by speaker
        for utterance, speaker in sorted(speakers.items()):
            if speaker:
                self.clips.setdefault(speaker, []).append(utterance)

    def talk(self, rng, n_samples, utterance, n_talkers):
        """Some speakers at once, each at the same level.

        Arguments
        ---------
        rng : torch.Generator
            Chooses them and what they say.
        n_samples : int
            How long.
        utterance : str
            Whose speaker is not among them.
        n_talkers : int
            At most; a small corpus may not have as many others.

        Returns
        -------
        torch.Tensor
            Shape [n_samples].
        """
        others = sorted(self.clips.keys() - {self.speakers[utterance]})
        if not others:
            raise SerMtlError(
                f"{utterance}: there is no other speaker in valid and test "
                "who could talk at the same time. Choose a card or a suite "
                "without babble."
            )
        order = torch.randperm(len(others), generator=rng).tolist()
        talk = torch.zeros(n_samples)
        for i in order[:n_talkers]:
            said = self._say(rng, n_samples, self.clips[others[i]])
            talk += said / said.norm().clamp(min=1e-10)
        return talk

    def _say(self, rng, n_samples, clips):
        """Clips in any order, one after the other, from anywhere on."""
        order = torch.randperm(len(clips), generator=rng).tolist()
        said = [self.wave_of(clips[order[0]])]
        start = int(torch.randint(len(said[0]), (), generator=rng))
        while sum(map(len, said)) - start < n_samples:
            said.append(self.wave_of(clips[order[len(said) % len(clips)]]))
        return torch.cat(said)[start : start + n_samples]


class Talkers:
    """Other speakers at the same time: one, or many for babble.

    Arguments
    ---------
    kind : str
        What it is called.
    voices : Voices
        Who can talk.
    n_talkers : int
        At most.
    """

    source = ""

    def __init__(self, kind, voices, n_talkers):
        self.kind = kind
        self.voices = voices
        self.n_talkers = n_talkers

    def __call__(self, rng, n_samples, utterance):
        """What they say."""
        return self.voices.talk(rng, n_samples, utterance, self.n_talkers)


class SpeechShaped:
    """Noise with the spectrum of other speakers' speech, and no words in it.

    Their magnitude spectrum with random phases. With ``modulation`` it comes
    and goes as syllables do.

    Arguments
    ---------
    kind : str
        What it is called.
    voices : Voices
        Who lends the spectrum.
    sample_rate : int
        In Hz.
    modulation : float
        In Hz; 0 is steady noise.
    """

    source = ""
    TALKERS = 6

    def __init__(self, kind, voices, sample_rate, modulation=0.0):
        self.kind = kind
        self.voices = voices
        self.sample_rate = sample_rate
        self.modulation = modulation

    def __call__(self, rng, n_samples, utterance):
        """Speech with other phases."""
        talk = self.voices.talk(rng, n_samples, utterance, self.TALKERS)
        size = torch.fft.rfft(talk).abs()
        phases = 2 * math.pi * torch.rand(len(size) + 1, generator=rng)
        noise = torch.fft.irfft(torch.polar(size, phases[1:]), n=n_samples)
        seconds = torch.arange(n_samples) / self.sample_rate
        turn = 2 * math.pi * self.modulation * seconds + phases[0]
        return noise * (1 + turn.cos()) if self.modulation else noise


class Recordings:
    """Recorded noise of one kind, from files.

    Arguments
    ---------
    kind : str
        What it is called.
    files : list of Path
        Audio; one of them is drawn for each clip, and where it starts.
    sample_rate : int
        In Hz; files of other rates are resampled.
    """

    def __init__(self, kind, files, sample_rate):
        self.kind = kind
        self.files = sorted(files)
        self.sample_rate = sample_rate
        contents = [checksum(file) for file in self.files]
        self.source = hashlib.sha256(repr(contents).encode()).hexdigest()
        self._waves = {}

    def __call__(self, rng, n_samples, utterance):
        """A part of a file, which begins again if it is too short."""
        i = int(torch.randint(len(self.files), (), generator=rng))
        if i not in self._waves:
            wave = read_audio(self.files[i], self.sample_rate)
            if not wave.any():
                raise SerMtlError(f"{self.files[i]}: silence is no noise.")
            self._waves[i] = wave
        wave = self._waves[i]
        start = int(torch.randint(len(wave), (), generator=rng))
        at = (start + torch.arange(n_samples)) % len(wave)
        if not wave[at].any():  # it pauses here
            at = (int(wave.abs().argmax()) + torch.arange(n_samples)) % len(
                wave
            )
        return wave[at]


def checksum(file):
    """SHA-256 of a file's content."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def audio_files(folder):
    """All audio below a folder, by the name of the folder that it lies in.

    Arguments
    ---------
    folder : str or Path
        Given by a user.

    Returns
    -------
    dict of str to list of Path
    """
    found = {}
    for file in sorted(Path(folder).rglob("*")):
        if file.suffix.lower() in AUDIO:
            found.setdefault(file.parent.name, []).append(file)
    if not found:
        raise SerMtlError(
            f"{folder}: there is no audio below it ({', '.join(AUDIO)}). Give "
            "a folder with files, or with a folder of files for each kind."
        )
    return found
