"""What ONNX has no good operator for, as convolutions.

They are put in place of the originals while a model is exported; elsewhere
the originals are faster.
"""

import contextlib
import math

import torch
import torch.nn.functional as F

from speechbrain.augment.time_domain import Resample


def stft(
    wavs,
    n_fft,
    hop_length,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=True,
    return_complex=True,
):
    """``torch.stft`` of real waves, by a convolution with the DFT's basis.

    Arguments
    ---------
    wavs : torch.Tensor
        Shape [B, N].
    n_fft, hop_length : int
        In samples.
    win_length : int, optional
        Not needed, as the window has a length.
    window : torch.Tensor
        Shape [win_length], at most n_fft.
    center, pad_mode
        As in torch.
    normalized, onesided, return_complex
        As they are by default here, and nothing else.

    Returns
    -------
    torch.Tensor
        Complex, shape [B, n_fft / 2 + 1, T].

    Example
    -------
    >>> wave, window = torch.randn(1, 4000), torch.hann_window(400)
    >>> torch.testing.assert_close(
    ...     stft(wave, 512, 160, window=window),
    ...     torch.stft(wave, 512, 160, 400, window, return_complex=True),
    ...     atol=1e-4,
    ...     rtol=0,
    ... )
    """
    if center:
        margin = (n_fft // 2, n_fft // 2)
        wavs = F.pad(wavs[:, None], margin, pad_mode)[:, 0]
    left = (n_fft - len(window)) // 2
    window = F.pad(window, (left, n_fft - len(window) - left))
    times, bins = torch.arange(n_fft), torch.arange(n_fft // 2 + 1)
    # whole numbers first: large angles would lose digits
    turns = (bins[:, None] * times % n_fft).double() / n_fft
    angles = 2 * math.pi * turns  # [F, n_fft]
    basis = torch.cat([angles.cos(), -angles.sin()]).to(window) * window
    parts = F.conv1d(wavs[:, None], basis[:, None], stride=hop_length)
    return torch.complex(*parts.chunk(2, dim=1))


def resample(resampler, wavs):
    """SpeechBrain's ``Resample``, with a length that ONNX can work out.

    Arguments
    ---------
    resampler : speechbrain.augment.time_domain.Resample
        Has the filters.
    wavs : torch.Tensor
        Shape [B, N].

    Returns
    -------
    torch.Tensor
        Shape [B, N'].

    Example
    -------
    >>> resampler, wave = Resample(90, 100), torch.randn(1, 12345)
    >>> torch.equal(resample(resampler, wave), resampler(wave))
    True
    """
    part = resampler.resampler
    old, new = part.orig_freq // part.gcd, part.new_freq // part.gcd
    if old == new:
        return wavs
    padded = F.pad(wavs, (part.width, part.width + old))
    phases = F.conv1d(padded[:, None], part.kernel, stride=old)  # [B, new, K]
    n_samples = (new * wavs.shape[1] + old - 1) // old
    # of a slice the exporter would not know the length
    kept = torch.arange(n_samples, device=wavs.device)
    return phases.transpose(1, 2).flatten(1).index_select(1, kept)


@contextlib.contextmanager
def by_convolutions():
    """Within it, the originals are what is above."""
    original_stft, original_resample = torch.stft, Resample.forward
    torch.stft, Resample.forward = stft, resample
    try:
        yield
    finally:
        torch.stft, Resample.forward = original_stft, original_resample
