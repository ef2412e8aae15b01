"""Convolutions give what they stand in for."""

import pytest
import torch

from ser_mtl_modules.inference.convolved import by_convolutions
from speechbrain.augment.time_domain import Resample

N_SAMPLES = [512, 800, 961, 16000, 54321]


@pytest.mark.parametrize("n_samples", N_SAMPLES)
@pytest.mark.parametrize("n_fft, win_length", [(400, 400), (512, 400)])
@pytest.mark.parametrize(
    "center, pad_mode", [(True, "constant"), (False, None)]
)
def test_stft(n_samples, n_fft, win_length, center, pad_mode):
    torch.manual_seed(0)
    wavs = torch.randn(2, n_samples)
    window = torch.hamming_window(win_length)
    arguments = (wavs, n_fft, 160, win_length, window, center, pad_mode)
    expected = torch.stft(*arguments, return_complex=True)
    with by_convolutions():
        found = torch.stft(*arguments, return_complex=True)
    # of sums of 400 numbers
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_stft_of_a_tone_is_quiet_elsewhere():
    """So that log-mels keep their range: 80 dB and more below the loudest."""
    times = torch.arange(16000).double() / 16000
    tone = torch.sin(2 * torch.pi * 1000 * times).float()
    window = torch.hann_window(400)
    with by_convolutions():
        found = torch.stft(tone[None], 400, 160, window=window)
    power = found[0, :, 10:-10].abs().square().mean(1)
    assert power.argmax() == 25  # 1000 Hz in steps of 40 Hz
    assert 10 * (power[60:].max() / power.max()).log10() < -100


@pytest.mark.parametrize("n_samples", N_SAMPLES)
@pytest.mark.parametrize("percent", [90, 100, 110])
def test_resample(n_samples, percent):
    wavs, resampler = torch.randn(2, n_samples), Resample(percent, 100)
    expected = resampler(wavs)
    with by_convolutions():
        torch.testing.assert_close(resampler(wavs), expected, atol=0, rtol=0)


def test_originals_come_back():
    before = torch.stft, Resample.forward
    with pytest.raises(ZeroDivisionError), by_convolutions():
        assert torch.stft is not before[0]
        raise ZeroDivisionError
    assert (torch.stft, Resample.forward) == before
