"""Noise that training may add to clips, and how much of it."""

import torch

from ser_mtl_modules.errors import SerMtlError, nearest


def brown(spectrum):
    """Energy falls by 6 dB an octave from 1/400 of the range on: rumble."""
    share = _share_of_range(spectrum)
    return (share >= 1 / 400) / share.clamp(min=1 / 400)


def blue(spectrum):
    """Energy rises by 3 dB an octave: hiss."""
    return _share_of_range(spectrum).sqrt()


def speech_shaped(spectrum):
    """As much energy at every frequency as the clip has over its length."""
    return spectrum.abs()


def _share_of_range(spectrum):
    """Frequency of each value, of the highest one, in the spectrum's shape."""
    share = torch.linspace(0, 1, spectrum.shape[1], device=spectrum.device)
    return share.expand(spectrum.shape)


# Magnitudes [B, F] of each kind, of the clips' spectra [B, F]
SPECTRA = {"brown": brown, "blue": blue, "speech-shaped": speech_shaped}
# All noise that any recipe trains with: white is that of waves.SpeedAndNoise
# and views.Noise. What tests robustness must use none of these.
TRAINING_NOISES = ("white", *SPECTRA)


def check_noises(names):
    """Stops where a name is not one of ``SPECTRA``."""
    for name in names:
        if name not in SPECTRA:
            raise SerMtlError(f"noises: no '{name}'. {nearest(name, SPECTRA)}")


def fft_size(n_samples):
    """A size at least as large, of which an FFT is fast.

    Of a prime number of samples it takes five times as long.
    """
    return -(-n_samples // 4096) * 4096


def shaped_noise(wavs, name):
    """Gaussian noise of a kind.

    Draws from torch's global generator, on the CPU.

    Arguments
    ---------
    wavs : torch.Tensor
        Clips, shape [B, N], zero where there is padding.
    name : str
        A key of ``SPECTRA``.

    Returns
    -------
    torch.Tensor
        Shape [B, N], of some level, the same one from beginning to end.
    """
    n_samples = wavs.shape[1]
    spectrum = torch.fft.rfft(wavs, n=fft_size(n_samples))  # [B, F]
    draws = torch.randn(spectrum.shape, dtype=torch.complex64).to(wavs.device)
    noise = torch.fft.irfft(SPECTRA[name](spectrum) * draws)
    return noise[:, :n_samples]


def gain(wavs, other):
    """What makes each of wavs [B, N] as loud as ``other`` [B, N].

    Arguments
    ---------
    wavs, other : torch.Tensor
        Shape [B, N], zero where there is padding.

    Returns
    -------
    torch.Tensor
        Shape [B, 1]; the energies are equal after. Of silence it is 0.

    Example
    -------
    >>> gain(torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    energy, wanted = (
        x.square().sum(dim=1, keepdim=True) for x in (wavs, other)
    )
    return torch.where(energy > 0, wanted / energy, 0.0).sqrt()


def add_noise(wavs, noise, snr_db):
    """Noise on top of clips, at an exact ratio; the clips' levels stay.

    Arguments
    ---------
    wavs, noise : torch.Tensor
        Shape [B, N], both zero where there is padding, which counts for
        nothing.
    snr_db : torch.Tensor
        Energy of the clip over energy of the noise, shape [B].

    Returns
    -------
    torch.Tensor
        Shape [B, N], zero where there is padding, and where a clip is silent.
    """
    noise = noise * gain(noise, wavs) * 10 ** (-snr_db[:, None] / 20)
    noisy = wavs + noise
    return noisy * gain(noisy, wavs)
