"""What a finished run is put through: suites of conditions.

A condition is called as ``condition(model, view, waves, utterances, target)``
for a batch and gives the main task's prediction, and for each clip how far its
energy is above that of what was changed, in dB. Like the corruptions
(``augment/corruptions.py``) it has ``group``, ``kind``, ``level`` and ``unit``;
its ``name`` says all that a result depends on, and is part of a file's name.
"""

import re

import torch
import torch.nn.functional as F

from ser_mtl_modules.augment import (
    corruptions,
    unheard_noises as noises,
)
from ser_mtl_modules.augment.attacks import SignedGradient
from ser_mtl_modules.lobes.masking import frame_mask

SNRS_DB = (20, 15, 10, 5, 0, -5)
TALKERS = 6  # of babble
STEPS = {"steps": 10, "step": 0.2}  # of BIM and PGD


def name_of(*parts):
    """A name for a file, from words and numbers.

    Example
    -------
    >>> name_of("noise", "babble", -5, "dB SNR", "")
    'noise_babble_-5_dB-SNR'
    """
    words = [re.sub(r"[^\w.+-]+", "-", str(p)) for p in parts if p != ""]
    return "_".join(words)


def padded(waves, device):
    """A batch [B, N] of waves [n_samples], and relative lengths [B]."""
    wavs = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    lens = torch.tensor([len(wave) / wavs.shape[1] for wave in waves])
    return wavs.to(device), lens.to(device)


def predict(model, wavs, wav_lens):
    """The prediction of a model's main task."""
    main = next(iter(model.tasks))
    return model(wavs, wav_lens, [main])[main]


def ratio_db(clean, change):
    """Energy of clips over that of what was changed, over all but the batch.

    Arguments
    ---------
    clean, change : torch.Tensor
        Shape [B, ...].

    Returns
    -------
    torch.Tensor
        Shape [B], in dB; infinite where nothing was changed.
    """
    signal, noise = (
        x.double().square().flatten(1).sum(1) for x in (clean, change)
    )
    return 10 * (signal / noise).log10()


class Corrupted:
    """Clips that something happened to.

    Arguments
    ---------
    corrupt : callable
        Of ``augment/corruptions.py``.
    """

    def __init__(self, corrupt):
        self.corrupt = corrupt
        self.group, self.kind = corrupt.group, corrupt.kind
        self.level, self.unit = corrupt.level, corrupt.unit
        self.name = name_of(
            self.group, self.kind, self.level, self.unit, corrupt.source[:12]
        )

    def __call__(self, model, view, waves, utterances, target):
        """As the module says."""
        changed = [self.corrupt(*clip) for clip in zip(waves, utterances)]
        ratios = [
            ratio_db(wave[None], (other - wave)[None])
            for wave, other in zip(waves, changed)
        ]
        heard = [view(*clip) for clip in zip(changed, utterances)]
        with torch.no_grad():
            prediction = predict(model, *padded(heard, target.device))
        return prediction, torch.cat(ratios)


class OnWaves:
    """Waves are attacked; epsilon is a share of the clip's RMS."""

    name = "waves"
    unit = "of the clip's RMS"

    def __call__(self, model, wavs, wav_lens):
        """What is attacked, its unit, its mask, and how it is answered."""
        n_samples = (wav_lens * wavs.shape[1]).round().long()
        mask = frame_mask(n_samples, wavs.shape[1])
        rms = (wavs.square().sum(1) / n_samples).sqrt()

        def answer(x):
            return predict(model, x, wav_lens)

        return wavs, rms[:, None] * mask, mask, answer


class OnLogMels:
    """Log-mels are attacked; epsilon is in dB.

    For an encoder that has ``logmels`` and ``of_logmels``. The SNR is that of
    log-mels less their mean over the clip: a level is no signal.
    """

    name = "log-mels"
    unit = "dB of log-mels"

    def __call__(self, model, wavs, wav_lens):
        """What is attacked, its unit, its mask, and how it is answered."""
        main = next(iter(model.tasks))
        sig = model.signal.of_waves(wavs, wav_lens)
        with torch.no_grad():
            logmels, lens = model.encoder.logmels(*sig)
        mask = frame_mask(lens, logmels.shape[1])[:, :, None, None]

        def answer(x):
            levels = model.encoder.of_logmels(x, lens)
            return model.of_levels(*levels, [main])[main]

        return logmels, mask.float(), mask, answer


class Attacked:
    """Clips that were made to be misheard.

    Arguments
    ---------
    attack : SignedGradient
        How.
    space : OnWaves or OnLogMels
        What is changed.
    """

    group = "attack"

    def __init__(self, attack, space):
        self.attack = attack
        self.space = space
        self.kind = f"{attack.kind}, {space.name}"
        self.level, self.unit = attack.epsilon, space.unit
        steps = f"{attack.steps}x{attack.step}"
        self.name = name_of(
            self.group, attack.kind, steps, self.level, self.unit
        )

    def __call__(self, model, view, waves, utterances, target):
        """As the module says."""
        heard = [view(*clip) for clip in zip(waves, utterances)]
        wavs, wav_lens = padded(heard, target.device)
        clean, unit, mask, answer = self.space(model, wavs, wav_lens)

        def loss(x):
            return F.cross_entropy(answer(x).logits, target, reduction="none")

        attacked = self.attack(loss, clean, unit, utterances)
        with torch.no_grad():
            prediction = answer(attacked)
        return prediction, ratio_db(
            _less_mean(clean, mask), (attacked - clean) * mask
        )


def _less_mean(x, mask):
    """Of each clip, zero where there is padding."""
    over = tuple(range(1, x.ndim))
    n_values = mask.expand_as(x).sum(over, keepdim=True)
    mean = (x * mask).sum(over, keepdim=True) / n_values
    return (x - mean) * mask


# ---- suites


def generated_noises(sample_rate, voices):
    """Ten kinds that need no files, and that no training here hears."""
    return [
        noises.Coloured("pink", 1),
        noises.Coloured("red", 2),
        noises.Coloured("blue", -1),
        noises.Hum(sample_rate),
        noises.Siren(sample_rate),
        noises.Clicks(sample_rate),
        noises.SpeechShaped("speech-shaped", voices, sample_rate),
        noises.SpeechShaped("modulated", voices, sample_rate, modulation=4.0),
        noises.Talkers("talker", voices, 1),
        noises.Talkers("babble", voices, TALKERS),
    ]


def recorded_noises(folder, sample_rate):
    """A noise for each folder of files below a folder."""
    return [
        noises.Recordings(kind, files, sample_rate)
        for kind, files in noises.audio_files(folder).items()
    ]


def rooms(folder, rt60s, sample_rate):
    """The recorded rooms of a folder; generated ones where there is none."""
    if folder is None:
        return [corruptions.GeneratedRoom(s, sample_rate) for s in rt60s]
    return [
        corruptions.RecordedRoom(file, sample_rate)
        for files in noises.audio_files(folder).values()
        for file in files
    ]


def attacks(kinds, spaces):
    """Attacks of some kinds, in spaces with the epsilons for each."""
    known = {
        "FGSM": {},
        "BIM": STEPS,
        "PGD": {**STEPS, "random_start": True},
    }
    return [
        Attacked(SignedGradient(kind, epsilon, **known[kind]), space)
        for space, epsilons in spaces.items()
        for kind in kinds
        for epsilon in epsilons
    ]


def standard(noise, sample_rate, rooms_folder, on_logmels):
    """Noise at six SNRs, rooms, codecs, levels, and three attacks.

    Arguments
    ---------
    noise : list
        Of `generated_noises` or `recorded_noises`.
    sample_rate : int
        In Hz.
    rooms_folder : str or Path, optional
        With impulse responses.
    on_logmels : bool
        Whether the encoder has log-mels to be attacked.

    Returns
    -------
    list
        Of conditions, the clean one first.
    """
    spaces = {OnWaves(): (0.001, 0.003, 0.01, 0.03)}
    if on_logmels:
        spaces[OnLogMels()] = (0.1, 0.3, 1.0)
    changed = [
        corruptions.Untouched(),
        *[_at(sound, snr_db) for sound in noise for snr_db in SNRS_DB],
        *rooms(rooms_folder, (0.3, 0.6, 1.2), sample_rate),
        corruptions.MuLaw(8),
        corruptions.BandLimit(8000, sample_rate),
        corruptions.BandLimit(4000, sample_rate),
        corruptions.Coded("MP3", "MPEG_LAYER_III", 0.9, sample_rate),
        corruptions.Coded("OGG", "VORBIS", 1.0, sample_rate),
        corruptions.Coded("OGG", "OPUS", 1.0, sample_rate),
        *map(corruptions.Gain, (-20, -10, 10)),
        *map(corruptions.Clip, (0.3, 0.1)),
    ]
    return [
        *map(Corrupted, changed),
        *attacks(["FGSM", "BIM", "PGD"], spaces),
    ]


def quick(noise, sample_rate, rooms_folder, on_logmels):
    """A look in a minute or two: arguments are those of `standard`."""
    spaces = {OnWaves(): (0.003, 0.03)}
    if on_logmels:
        spaces[OnLogMels()] = (0.3, 3.0)
    chosen = [noise[i] for i in sorted({0, len(noise) // 2, len(noise) - 1})]
    changed = [
        corruptions.Untouched(),
        *[_at(sound, snr_db) for sound in chosen for snr_db in (20, 10, 0)],
        *rooms(rooms_folder, (0.6,), sample_rate),
        corruptions.Coded("OGG", "OPUS", 1.0, sample_rate),
        corruptions.Gain(-10),
        corruptions.Clip(0.1),
    ]
    return [*map(Corrupted, changed), *attacks(["FGSM", "PGD"], spaces)]


def _at(sound, snr_db):
    return corruptions.AddNoise(sound, snr_db)


SUITES = {"standard": standard, "quick": quick}
