"""Speed and noise on batches of waves, by SpeechBrain's augmentations.

Every augmentation is called as ``augment(wavs [B, N], wav_lens [B])`` and gives
waves, relative lengths, and what is known of the batch from then on: a dict of
labels by name, which tasks read as they read the corpus's. Those here give
none; ``kinds.py`` has one that does.
"""

import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.masking import frame_mask
from speechbrain.augment.time_domain import AddNoise, SpeedPerturb


def check_waves(wavs, key, instead):
    """Stops what changes waves where a batch holds stored levels.

    Arguments
    ---------
    wavs : torch.Tensor
        What the batch holds.
    key : str
        Of the YAML, under which the caller stands.
    instead : str
        The class that may stand there.
    """
    if wavs.ndim != 2:
        raise SerMtlError(
            f"{key} takes waves, and the batch is of shape {list(wavs.shape)}: "
            "with CachedLevels as the signal it holds stored levels. Give "
            f"--{key}='!new:{instead}'; what changes waves stands in the "
            "signal's views (augment/views.py)."
        )


class NoAugment(torch.nn.Module):
    """Clips as they are, also where they are not waves but stored levels.

    Example
    -------
    >>> wavs = torch.randn(2, 9)
    >>> NoAugment()(wavs, torch.ones(2))[0] is wavs
    True
    """

    def forward(self, wavs, wav_lens):
        """Returns the waves, their lengths, and no labels."""
        return wavs, wav_lens, {}


class SpeedAndNoise(torch.nn.Module):
    """Another speed for a batch, and noise at an exact SNR for some clips.

    SpeechBrain's ``AddNoise`` measures a clip's level over its padded length,
    scales the clip down and writes noise into padding; here each clip gets
    its noise alone and its level back. Draws from torch's global generator.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    speeds : list of int
        Per cent; one is drawn for each batch, so that relative lengths stay.
    noise_prob : float
        Share of clips with white noise.
    snr_low : float
        In dB.
    snr_high : float
        In dB.
    """

    def __init__(
        self,
        sample_rate=16000,
        speeds=(90, 100, 110),
        noise_prob=0.0,
        snr_low=5.0,
        snr_high=25.0,
    ):
        super().__init__()
        self.speed = SpeedPerturb(sample_rate, speeds=list(speeds))
        self.noise_prob = noise_prob
        self.noise = AddNoise(snr_low=snr_low, snr_high=snr_high)

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
            Waves [B, N'], zero where there is padding; the relative lengths;
            and no labels.
        """
        check_waves(wavs, "augment", f"{__name__}.NoAugment")
        wavs = self.speed(wavs)
        n_samples = (wav_lens * wavs.shape[1]).round().long()
        noisy = torch.rand(len(wavs)) < self.noise_prob
        if noisy.any():
            wavs = wavs.clone()
        for i in noisy.nonzero().flatten().tolist():
            clip = wavs[i : i + 1, : n_samples[i]]
            wavs[i, : n_samples[i]] = self._with_noise(clip)[0]
        wavs = wavs.masked_fill(~frame_mask(n_samples, wavs.shape[1]), 0.0)
        return wavs, wav_lens, {}

    def _with_noise(self, clip):
        """Noise on one clip [1, N], which keeps its own level."""
        level = clip.square().mean().sqrt()
        if level == 0:
            return clip  # of silence there is no SNR
        noisy = self.noise(clip, torch.ones(1, device=clip.device))
        return noisy * level / noisy.square().mean().sqrt()
