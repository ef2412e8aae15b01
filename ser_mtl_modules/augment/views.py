"""A few fixed forms of a clip, for what is computed once and kept.

An augmentation that is drawn anew in every step can't be cached; one of a few
views can. Every view is called as ``view(wave [N], utterance)`` and gives
another wave [N'], always the same one for the same utterance. Its ``name``
says all that the result depends on, and is part of a file's name.
"""

import torch

from ser_mtl_modules.augment.corruptions import at_snr
from ser_mtl_modules.randomness import generator
from speechbrain.augment.time_domain import Resample


class AsIs:
    """The clip itself, as valid and test want it.

    Example
    -------
    >>> wave = torch.randn(5)
    >>> AsIs()(wave, "a clip") is wave
    True
    """

    name = "as-is"

    def __call__(self, wave, utterance):
        """Returns the wave."""
        return wave


class Speed:
    """Faster or slower speech, by the resampling of ``SpeedAndNoise``.

    Arguments
    ---------
    percent : int
        100 is as it is, 110 is faster and higher.

    Example
    -------
    >>> len(Speed(80)(torch.randn(16000), "a clip"))
    20000
    """

    def __init__(self, percent):
        self.name = f"speed-{percent}"
        # the ratio that SpeechBrain's SpeedPerturb has; that one would draw
        # from the global generator to choose among one speed
        self.resample = Resample(orig_freq=percent, new_freq=100)

    def __call__(self, wave, utterance):
        """Resamples a wave [N], to [N * 100 / percent]."""
        return self.resample(wave[None])[0]


class Noise:
    """White noise on top of the clip, each utterance's its own.

    Arguments
    ---------
    snr_db : float
        Energy of the clip over energy of the noise, exactly.
    seed : int
        Of the noise. Not the experiment's: then each seed of a sweep would
        have to compute a cache of its own.

    Example
    -------
    >>> wave = torch.randn(16000)
    >>> noise = Noise(snr_db=15)(wave, "a clip") - wave
    >>> ratio = wave.square().sum() / noise.square().sum()
    >>> round(10 * ratio.log10().item(), 2)
    15.0
    """

    def __init__(self, snr_db, seed=0):
        self.snr_db = snr_db
        self.seed = seed
        self.name = f"noise-{snr_db:g}dB-{seed}"

    def __call__(self, wave, utterance):
        """Adds noise to a wave [N]; silence stays silent."""
        rng = generator(self.seed, "noise", self.snr_db, utterance)
        noise = torch.randn(len(wave), generator=rng)
        return at_snr(wave, noise, self.snr_db)
