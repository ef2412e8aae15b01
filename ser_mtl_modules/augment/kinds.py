"""Kinds of augmentation, which a model can learn to tell apart.

Each clip of a batch gets one kind, or none; which one, is a label that needs
no corpus. The method is MTL-AUG (https://arxiv.org/abs/2207.05298), of which
only the abstract could be read: which kinds there are, and their ranges, are
ours.

A kind is called as ``kind(wavs [b, N], n_samples [b])`` with the clips that are
of it, zero where there is padding, and gives `Changed`. It must not be told by
a trifle: levels and lengths stay as far as they can, and what is masked isn't
silent. All draws are from torch's global generator, which is the CPU's; all
else is on the device of the waves.
"""

from typing import NamedTuple

import torch

from ser_mtl_modules.augment.noises import (
    SPECTRA,
    add_noise,
    check_noises,
    fft_size,
    gain,
    shaped_noise,
)
from ser_mtl_modules.augment.waves import check_waves
from ser_mtl_modules.lobes.masking import frame_mask, relative_to_frames
from speechbrain.augment.time_domain import Resample

NONE = "none"  # the kind of a clip that is as it was


class Changed(NamedTuple):
    """What a kind has made of clips."""

    wavs: torch.Tensor  # [b, N], zero where there is padding
    clean: torch.Tensor  # [b, N], the same speech undisturbed, frame by frame
    n_samples: torch.Tensor  # [b], of either


class Speed(torch.nn.Module):
    """Faster or slower, and higher or lower with it, by resampling.

    A slower clip is cut to the length that it had. The undisturbed clip is
    the changed one, as no other has its length.

    Arguments
    ---------
    percents : list of int
        One is drawn for each clip; 110 is faster.
    """

    def __init__(self, percents=(90, 110)):
        super().__init__()
        self.percents = torch.tensor(percents)
        # the ratio that views.Speed has
        self.resamplers = torch.nn.ModuleList(
            Resample(orig_freq=percent, new_freq=100) for percent in percents
        )

    def forward(self, wavs, n_samples):
        """Changes clips as the module says; gives `Changed`."""
        drawn = torch.randint(len(self.percents), (len(wavs),))
        percents = self.percents[drawn].to(n_samples)
        lens = n_samples * 100 // percents
        lens = lens.clamp(min=1).minimum(n_samples)
        changed = torch.zeros_like(wavs)
        for i, resample in enumerate(self.resamplers):
            rows = (drawn == i).nonzero().flatten().to(wavs.device)
            if len(rows):
                fast = resample(wavs[rows])[:, : wavs.shape[1]]
                changed[rows, : fast.shape[1]] = fast
        changed = changed * frame_mask(lens, wavs.shape[1])
        return Changed(changed, changed, lens)


class Noise(torch.nn.Module):
    """Noise at an exact ratio; the clip's level stays.

    Arguments
    ---------
    snr_low, snr_high : float
        In dB; the ratio is uniform between them.
    noises : list of str
        Keys of ``noises.SPECTRA``, one of which is drawn for each clip.
    """

    def __init__(self, snr_low=0.0, snr_high=20.0, noises=tuple(SPECTRA)):
        super().__init__()
        check_noises(noises)
        self.snr_low = snr_low
        self.snr_high = snr_high
        self.noises = noises

    def forward(self, wavs, n_samples):
        """Changes clips as the module says; gives `Changed`."""
        drawn = torch.randint(len(self.noises), (len(wavs),))
        share = torch.rand(len(wavs)).to(wavs)
        snr_db = self.snr_low + share * (self.snr_high - self.snr_low)
        noise = torch.zeros_like(wavs)
        for i, name in enumerate(self.noises):
            rows = (drawn == i).nonzero().flatten().to(wavs.device)
            if len(rows):
                noise[rows] = shaped_noise(wavs[rows], name)
        noise = noise * frame_mask(n_samples, wavs.shape[1])
        return Changed(add_noise(wavs, noise, snr_db), wavs, n_samples)


class Mask(torch.nn.Module):
    """Stretches of time and bands of frequency without the clip.

    What SpecAugment (Park et al., 2019) does to spectra, on waves: in place of
    a stretch is white noise of the clip's level, in place of the bands white
    noise with the energy that they had. Clips of less than 0.1 s stay as they
    are.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    n_stretches, n_bands : int
        How many of them.
    max_seconds, max_share : float
        A stretch is no longer than that, and no longer than that share of the
        clip; its length is uniform below.
    max_mels : float
        Width of a band on the mel scale; uniform below. 350 are ten of 80
        bands up to 8 kHz.
    """

    MIN_SECONDS = 0.1

    def __init__(
        self,
        sample_rate=16000,
        n_stretches=2,
        max_seconds=0.4,
        max_share=0.1,
        n_bands=2,
        max_mels=350.0,
    ):
        super().__init__()
        self.sample_rate = sample_rate
        self.n_stretches = n_stretches
        self.max_seconds = max_seconds
        self.max_share = max_share
        self.n_bands = n_bands
        self.max_mels = max_mels

    def forward(self, wavs, n_samples):
        """Changes clips as the module says; gives `Changed`."""
        inside = frame_mask(n_samples, wavs.shape[1])
        noise = shaped_noise(wavs, "white")
        noise = noise * gain(noise * inside, wavs)  # it goes on after the clip
        size = fft_size(wavs.shape[1])
        spectrum, other = (torch.fft.rfft(x, n=size) for x in (wavs, noise))
        bands = self._bands(len(wavs), size).to(wavs.device)  # [b, F]
        other = other * gain((other * bands).abs(), (spectrum * bands).abs())
        spectrum = torch.where(bands, other, spectrum)
        masked = torch.fft.irfft(spectrum)[:, : wavs.shape[1]]
        masked = torch.where(self._stretches(inside), noise, masked) * inside
        whole = n_samples < self.MIN_SECONDS * self.sample_rate
        return Changed(
            torch.where(whole[:, None], wavs, masked), wavs, n_samples
        )

    def _bands(self, n_clips, size):
        """True at the frequencies [b, F] that are masked."""
        hz = torch.linspace(0, self.sample_rate / 2, size // 2 + 1)
        mels = 2595 * (1 + hz / 700).log10()
        most = torch.full((n_clips,), self.max_mels)
        return _spans(self.n_bands, most, mels[-1], mels)

    def _stretches(self, inside):
        """True at the samples [b, N] that are masked, of clips' own [b, N]."""
        n_samples = inside.sum(dim=1).cpu()
        longest = self.max_seconds * self.sample_rate
        most = (self.max_share * n_samples).clamp(max=longest)
        at = torch.arange(inside.shape[1])
        spans = _spans(self.n_stretches, most, n_samples, at)
        return spans.to(inside.device)


def _spans(n_spans, most, end, at):
    """Where spans lie that are drawn for each of b clips.

    Arguments
    ---------
    n_spans : int
        For each clip.
    most : torch.Tensor
        The longest possible span, shape [b].
    end : torch.Tensor
        No span goes beyond it, shape [b] or [].
    at : torch.Tensor
        Positions, shape [P].

    Returns
    -------
    torch.Tensor
        True within a span, shape [b, P].
    """
    # double precision, so that every start in a long clip can be drawn
    draws = torch.rand(2, n_spans, len(most), dtype=torch.float64)
    length = draws[0] * most
    start = draws[1] * (end - length)  # [n_spans, b]
    start, stop = start[..., None], (start + length)[..., None]
    return ((start <= at) & (at < stop)).any(dim=0)


class RandomKind(torch.nn.Module):
    """One kind, or none, for each clip of a batch, each as probable.

    A clip that comes out as it was (silence with noise, say) is of no kind.

    Arguments
    ---------
    kinds : dict of str to torch.nn.Module
        By the name that is the label.

    Example
    -------
    >>> augment = RandomKind({"speed": Speed(), "noise": Noise()})
    >>> wavs, wav_lens, labels = augment(torch.randn(99, 500), torch.ones(99))
    >>> sorted(set(labels["augmentation"]))
    ['noise', 'none', 'speed']
    """

    def __init__(self, kinds):
        super().__init__()
        self.kinds = torch.nn.ModuleDict(kinds)

    @torch.no_grad()
    def forward(self, wavs, wav_lens):
        """Changes a batch.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N].
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple
            Waves [B, N], zero where there is padding; relative lengths [B];
            and for the batch ``augmentation``, the kind of each clip, and
            ``clean``, undisturbed waves and relative lengths.
        """
        check_waves(wavs, "augment", "ser_mtl_modules.augment.waves.NoAugment")
        lens = relative_to_frames(wav_lens, wavs.shape[1])
        padding = ~frame_mask(lens, wavs.shape[1])
        wavs = wavs.masked_fill(padding, 0.0)
        changed, clean = wavs.clone(), wavs.clone()
        drawn = torch.randint(1 + len(self.kinds), (len(wavs),))
        for i, kind in enumerate(self.kinds.values(), start=1):
            rows = (drawn == i).nonzero().flatten().to(wavs.device)
            if len(rows):
                # resampling is a convolution, and waves want all their bits
                with torch.autocast(wavs.device.type, enabled=False):
                    made = kind(wavs[rows], lens[rows])
                changed[rows], clean[rows], lens[rows] = made
        names = [NONE, *self.kinds]
        same = (changed == wavs).all(dim=1).tolist()
        kinds = [NONE if s else names[i] for s, i in zip(same, drawn.tolist())]
        wav_lens = lens / wavs.shape[1]
        labels = {"augmentation": kinds, "clean": (clean, wav_lens)}
        return changed, wav_lens, labels
