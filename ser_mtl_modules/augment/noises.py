"""Noise that training may add to clips, and how much of it."""

import torch

from ser_mtl_modules.errors import SerMtlError, nearest


def white(spectrum):
    """The same energy at every frequency."""
    return torch.ones_like(spectrum, dtype=torch.float)


def violet(spectrum):
    """Energy rises by 6 dB an octave: hiss."""
    return _share_of_range(spectrum)


def band(spectrum):
    """White between two frequencies, drawn for each clip; none outside."""
    share = _share_of_range(spectrum)
    edges = torch.rand(len(spectrum), 2).sort(dim=1).values
    # squared: most of what is said is in the lower frequencies
    low, high = edges.square().to(share).unsqueeze(2).unbind(dim=1)
    return ((low <= share) & (share <= high.maximum(low + 1 / 40))).float()


def _share_of_range(spectrum):
    """Frequency of each value, of the highest one, in the spectrum's shape."""
    share = torch.linspace(0, 1, spectrum.shape[1], device=spectrum.device)
    return share.expand(spectrum.shape)


# Magnitudes [B, F] of each kind, in the shape of clips' spectra
SPECTRA = {"white": white, "violet": violet, "band": band}
# All noise that any recipe trains with (waves.SpeedAndNoise and views.Noise have
# white alone). What tests robustness refuses to use any of it.
TRAINING_NOISES = tuple(SPECTRA)


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
