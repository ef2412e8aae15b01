"""A part of another clip over a part of each, at a signal-to-noise ratio.

What both kinds add is sound: the clip itself stays as it is, in the segment
too, and a part of its partner, scaled to the drawn ratio, comes on top.
"""

import torch

from ser_mtl_modules.augment.mixup import shares_of
from ser_mtl_modules.augment.segments import draw_segments
from ser_mtl_modules.augment.waves import check_waves
from ser_mtl_modules.lobes.masking import frame_mask, relative_to_frames

PACKAGE = "ser_mtl_modules.augment"
SILENCE = 1e-10  # mean square below which there is no ratio to be had


def energy_and_time(time, energy):
    """The partner's energy in the segment, times the segment's of the clip."""
    return time * energy


def time_alone(time, energy):
    """The segment's share of the clip, however loud the partner is in it."""
    return time


class EnergyAdaptiveMixup(torch.nn.Module):
    """EAM: labels mixed by how long the partner sounds, and how loud.

    Wang et al. (https://arxiv.org/abs/2512.04551). Of the clip x_i of L_i
    samples and another x_j of the batch, with P the mean squares of the two
    segments and r ~ U[snr_low, snr_high] in dB::

        l   ~ U{1 .. floor(L_i / 2)}
        x~_i = x_i + sqrt(P_i / (10^(r/10) P_j)) x_j   within the segment
        lambda = l / L_i * P_j' / (P_i + P_j') = (l / L_i) / (1 + 10^(r/10))
        y~_i = (1 - lambda) y_i + lambda y_j

    so that lambda is below 0.38 with the paper's range and a clip's own label
    stays the first. We read r as a ratio of the clip to what comes over it; a
    summary of a paper by the same authors has it the other way round, which is
    ``snr_low: -10, snr_high: 5``. Neither clip's padding takes part. Where
    either segment is silent there is no ratio, and no mixing.

    Arguments
    ---------
    snr_low, snr_high : float
        Range of r, in dB.
    prob : float
        Share of clips that are mixed. Ours: that of the method which the
        paper builds on; its own is not known to us.
    share : callable
        The partner's share of the label, of the segment's share of the clip
        and the partner's of the energy within: `energy_and_time` is the
        paper's, `time_alone` shows what the energy is good for.

    Example
    -------
    >>> mix = EnergyAdaptiveMixup(snr_low=0.0, snr_high=0.0, prob=1.0)
    >>> wavs, wav_lens, shares = mix(torch.randn(2, 99), torch.ones(2))
    >>> bool((shares.diag() >= 0.75).all())  # half of the energy, half the time
    True
    """

    def __init__(
        self, snr_low=-5.0, snr_high=10.0, prob=0.5, share=energy_and_time
    ):
        super().__init__()
        self.snr_low = snr_low
        self.snr_high = snr_high
        self.prob = prob
        self.share = share

    @torch.no_grad()
    def forward(self, wavs, wav_lens):
        """Mixes a batch; clips keep their lengths."""
        check_waves(wavs, "mixup", f"{PACKAGE}.level_mixup.LevelMixup")
        n_samples = relative_to_frames(wav_lens, wavs.shape[1])
        segments = draw_segments(n_samples, self.prob)
        snr_db = torch.rand(len(wavs)) * (self.snr_high - self.snr_low)
        ratio = 10 ** ((snr_db + self.snr_low) / 10).to(wavs)
        inside = segments.inside(wavs.shape[1])
        other = segments.laid_over(wavs)
        power, power_of_other = (
            mean_square(x, inside, segments.length) for x in (wavs, other)
        )
        mixed, added = _add(wavs, other, inside, ratio, power, power_of_other)
        share = self.share(segments.length / n_samples, 1 / (1 + ratio))
        return mixed, wav_lens, shares_of(segments.partner, share * added)


class EnergyBasedMixup(torch.nn.Module):
    """EBM: the parent of `EnergyAdaptiveMixup`, whose labels stay hard.

    As the code of SeeNet, of the same laboratory, does it: r is a whole
    number of dB, uniform in -5 .. 5; the energies are those of the whole
    clips, so that the ratio within the segment is another one; every clip is
    mixed; a segment has up to half of the clip. The label does not change.

    Arguments
    ---------
    snr_low, snr_high : int
        Range of r, in dB, both included.
    prob : float
        Share of clips that are mixed.
    """

    def __init__(self, snr_low=-5, snr_high=5, prob=1.0):
        super().__init__()
        self.snr_low = snr_low
        self.snr_high = snr_high
        self.prob = prob

    @torch.no_grad()
    def forward(self, wavs, wav_lens):
        """Mixes a batch; clips keep their lengths and their labels."""
        check_waves(wavs, "mixup", f"{PACKAGE}.mixup.NoMixup")
        n_samples = relative_to_frames(wav_lens, wavs.shape[1])
        segments = draw_segments(n_samples, self.prob)
        snr_db = torch.randint(self.snr_low, self.snr_high + 1, (len(wavs),))
        ratio = 10 ** (snr_db / 10).to(wavs)
        whole = frame_mask(n_samples, wavs.shape[1])
        power = mean_square(wavs, whole, n_samples)
        mixed, _ = _add(
            wavs,
            segments.laid_over(wavs),
            segments.inside(wavs.shape[1]),
            ratio,
            power,
            power[segments.partner],
        )
        return mixed, wav_lens, torch.eye(len(wavs), device=wavs.device)


def mean_square(wavs, inside, n):
    """Mean squares [B] of the n [B] samples where ``inside`` [B, N] is true."""
    squares = wavs.masked_fill(~inside, 0.0).square().sum(dim=1)
    return squares / n.clamp(min=1)


def _add(wavs, other, inside, ratio, power, power_of_other):
    """Adds the other sound inside; says to which clips it came [B]."""
    heard = (power >= SILENCE) & (power_of_other >= SILENCE)
    gain = (power / (ratio * power_of_other.clamp(min=SILENCE))).sqrt()
    mixed = wavs + gain[:, None] * other
    return torch.where(inside & heard[:, None], mixed, wavs), heard
