"""Two clips at half their amplitude each, labels by their lengths."""

import torch

from ser_mtl_modules.augment.mixup import draw_partners, shares_of
from ser_mtl_modules.augment.waves import check_waves
from ser_mtl_modules.lobes.masking import frame_mask, relative_to_frames


class LabelAdaptiveMixup(torch.nn.Module):
    """LAM: the mix is half of each, the label is shared by length.

    Kang et al., 2023, as their code does it::

        x~ = x_i / 2 + x_j / 2             of clips with the same peak
        y~ = (L_i y_i + L_j y_j) / (L_i + L_j)

    They bring every clip's peak to 1 and cut or pad all to a window of
    100,000 samples. Here the partner is brought to the clip's own peak, so
    that mixed clips are as loud as the others, and the mix is as long as the
    longer of the two. With a longer partner a clip's own label is not the
    first any more. Where either clip is silent there is no mixing.

    Arguments
    ---------
    prob : float
        Share of clips that are mixed.

    Example
    -------
    >>> mix = LabelAdaptiveMixup(prob=1.0)
    >>> _, wav_lens, shares = mix(torch.randn(2, 90), torch.tensor([1.0, 0.5]))
    >>> wav_lens
    tensor([1., 1.])
    >>> shares
    tensor([[0.6667, 0.3333],
            [0.6667, 0.3333]])
    """

    def __init__(self, prob=0.5):
        super().__init__()
        self.prob = prob

    @torch.no_grad()
    def forward(self, wavs, wav_lens):
        """Mixes a batch; a mixed clip is as long as the longer of the two."""
        check_waves(wavs, "mixup", "ser_mtl_modules.augment.mixup.NoMixup")
        n = len(wavs)
        if n < 2:
            return wavs, wav_lens, torch.eye(n, device=wavs.device)
        partner = draw_partners(n).to(wavs.device)
        chosen = (torch.rand(n) < self.prob).to(wavs.device)
        n_samples = relative_to_frames(wav_lens, wavs.shape[1])
        inside = frame_mask(n_samples, wavs.shape[1])
        clips = wavs.masked_fill(~inside, 0.0)
        peak = clips.abs().amax(dim=1)
        mix = chosen & (peak > 0) & (peak[partner] > 0)
        gain = peak / torch.where(peak > 0, peak, 1.0)[partner]
        mixed = (clips + gain[:, None] * clips[partner]) / 2
        both = n_samples + n_samples[partner]
        return (
            torch.where(mix[:, None], mixed, wavs),
            torch.where(mix, wav_lens.maximum(wav_lens[partner]), wav_lens),
            shares_of(partner, mix * n_samples[partner] / both),
        )
