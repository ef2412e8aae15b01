"""Log-mels of clips, in which padding takes no part."""

import math

import torch

from ser_mtl_modules.lobes.masking import frame_mask
from speechbrain.lobes.features import Fbank


class LogMels(torch.nn.ModuleList):
    """SpeechBrain's ``Fbank``, one for each window, with a floor by clip.

    What is quieter than the clip's loudest band by more than ``RANGE_DB`` is
    raised to that. ``Fbank`` would do so, too, but also ask the frame that
    straddles the clip's end, which only exists where padding follows.

    Arguments
    ---------
    n_mels : int
        Bands, M.
    sample_rate : int
        Of the waves, in Hz.
    windows : list of float
        Of the STFTs, in ms; their hop is 10 ms.

    Example
    -------
    >>> logmels, lens = LogMels(windows=[25, 50])(
    ...     torch.randn(2, 16000), torch.tensor([1.0, 0.5])
    ... )
    >>> logmels.shape, lens.tolist()
    (torch.Size([2, 2, 101, 80]), [101, 51])
    """

    # Below it is the rounding of 16 bits where a recording is quiet: with 80 dB
    # the 48 kHz originals of RAVDESS got other posteriors than copies of them.
    RANGE_DB = 60.0

    def __init__(self, n_mels=80, sample_rate=16000, windows=(25,)):
        super().__init__()
        self.n_mels = n_mels
        self.hop = sample_rate // 100  # 10 ms, Fbank's own
        for window in windows:
            n_fft = 2 ** math.ceil(math.log2(window * sample_rate / 1000))
            fbank = Fbank(
                n_mels=n_mels,
                sample_rate=sample_rate,
                n_fft=n_fft,
                win_length=window,
                f_max=sample_rate / 2,
            )
            fbank.compute_fbanks.top_db = torch.inf  # the floor is drawn here
            self.append(fbank)

    def forward(self, wavs, wav_lens):
        """Computes the log-mels of a batch.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N].
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Log-mels [B, W, T, M], W windows, in dB, which mean nothing where
            there is padding; and frames of each clip [B].
        """
        n_samples = (wav_lens * wavs.shape[1]).round().long()
        # what follows a clip in its row must be what follows it alone: zeros
        silence = ~frame_mask(n_samples, wavs.shape[1])
        wavs = wavs.float().masked_fill(silence, 0.0)
        logmels = torch.stack([fbank(wavs) for fbank in self], 1)
        lens = n_samples // self.hop + 1
        mask = frame_mask(lens, logmels.shape[2])[:, None, :, None]
        loudest = logmels.masked_fill(~mask, -torch.inf).amax((2, 3))
        floor = loudest - self.RANGE_DB
        return logmels.maximum(floor[..., None, None]), lens
