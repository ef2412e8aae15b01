"""Other vocal tracts and other microphones, on log-mels."""

import torch
import torch.nn.functional as F


class OtherVoice(torch.nn.Module):
    """Stretches the frequency axis, and filters, each clip in its own way.

    Vocal tract length perturbation (Jaitly and Hinton, 2013) moves formants
    as a longer or shorter vocal tract would; the smooth random filter is that
    of another microphone and room, and a random gain is another distance from
    it. Together they make speakers that the corpus doesn't have. Draws from
    torch's global generator.

    Arguments
    ---------
    stretch : float
        The frequency axis is scaled by a factor drawn from 1 ± stretch.
    filter_db : float
        Standard deviation of the filter's gain at its six points, in dB.
    gain_db : float
        Standard deviation of the gain of the whole clip, in dB.

    Example
    -------
    >>> logmels = torch.randn(2, 5, 80)
    >>> torch.equal(OtherVoice(0.0, 0.0)(logmels), logmels)
    True
    """

    POINTS = 6

    def __init__(self, stretch=0.1, filter_db=2.0, gain_db=0.0):
        super().__init__()
        self.stretch = stretch
        self.filter_db = filter_db
        self.gain_db = gain_db

    def forward(self, logmels):
        """Changes log-mels [B, T, M], in dB; the same shape."""
        n_clips, n_frames, n_mels = logmels.shape
        if self.filter_db:
            gains = self.filter_db * torch.randn(n_clips, 1, self.POINTS)
            gains = F.interpolate(
                gains, size=n_mels, mode="linear", align_corners=True
            )
            logmels = logmels + gains.to(logmels)
        if self.gain_db:
            gains = self.gain_db * torch.randn(n_clips, 1, 1)
            logmels = logmels + gains.to(logmels)
        if self.stretch:
            factor = 1 + self.stretch * (2 * torch.rand(n_clips, 1, 1) - 1)
            where = (torch.arange(n_mels) * factor).clamp(max=n_mels - 1)
            below = where.long()  # [B, 1, M]
            share = (where - below).to(logmels)
            below = below.to(logmels.device).expand(-1, n_frames, -1)
            above = (below + 1).clamp(max=n_mels - 1)
            logmels = (1 - share) * logmels.gather(2, below) + share * (
                logmels.gather(2, above)
            )
        return logmels
