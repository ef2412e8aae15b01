import pytest
import torch

from ser_mtl_modules.augment import noises
from ser_mtl_modules.augment.noises import add_noise, gain, shaped_noise
from ser_mtl_modules.errors import SerMtlError

N = 2**16  # long, so that spectra can be told


def noise_of(name, wavs):
    torch.manual_seed(0)
    return shaped_noise(wavs, name)


def octaves(wave):
    """Energy of a wave in octaves from 125 Hz to 8 kHz, in dB."""
    power = torch.fft.rfft(wave).abs().square()
    hz = torch.linspace(0, 8000, len(power))
    edges = [125 * 2**i for i in range(7)]
    bands = [
        power[(hz >= a) & (hz < b)].sum() for a, b in zip(edges, edges[1:])
    ]
    return 10 * torch.stack(bands).log10()


@pytest.mark.parametrize("name, slope", [("white", 3), ("violet", 9)])
def test_energy_of_an_octave_follows_the_colour(name, slope):
    # density by 0 or 6 dB an octave, and each octave is twice as wide
    steps = octaves(noise_of(name, torch.randn(1, N))[0]).diff()
    torch.testing.assert_close(
        steps, torch.full((5,), float(slope)), atol=0.7, rtol=0
    )


def test_a_band_is_white_inside_and_empty_outside_and_each_clip_has_its_own():
    noise = noise_of("band", torch.randn(50, 4096))
    power = torch.fft.rfft(noise).abs().square()
    bands = []
    for row in power:
        inside = (row > 1e-6 * row.max()).nonzero().flatten()
        bands.append((inside.min().item(), inside.max().item()))
        within = row[inside.min() : inside.max() + 1]
        assert within.sum() > 0.999 * row.sum()
    assert len(set(bands)) > 45  # the narrowest may coincide
    assert min(high - low for low, high in bands) >= 0.9 * 2048 / 40
    middle = sum(low + high for low, high in bands) / 2 / 50
    assert 300 < middle < 1000  # of 2048: rather low


def test_noise_goes_on_from_beginning_to_end_whatever_the_clip_does():
    clip = torch.randn(1, N) * (torch.arange(N) < N // 4)
    for name in noises.SPECTRA:
        quarters = noise_of(name, clip)[0].view(4, -1).square().sum(dim=1)
        assert quarters.max() < 1.2 * quarters.min()


def slowly_added(wav, noise, snr_db):
    """One clip and its noise, without padding, sample by sample."""
    energy = sum(x**2 for x in wav.tolist())
    wanted = energy / 10 ** (snr_db / 10)
    factor = (wanted / sum(x**2 for x in noise.tolist())) ** 0.5
    noisy = [a + factor * b for a, b in zip(wav.tolist(), noise.tolist())]
    level = (energy / sum(x**2 for x in noisy)) ** 0.5
    return torch.tensor([x * level for x in noisy])


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.5, 40.0])
def test_the_ratio_is_exact_and_padding_counts_for_nothing(snr_db):
    torch.manual_seed(0)
    lens = [900, 300, 1]
    wavs, noise = 0.1 * torch.randn(3, 900), 7 * torch.randn(3, 900)
    for i, n in enumerate(lens):
        wavs[i, n:], noise[i, n:] = 0, 0
    found = add_noise(wavs, noise, torch.full((3,), snr_db))
    for i, n in enumerate(lens):
        expected = slowly_added(wavs[i, :n], noise[i, :n], snr_db)
        torch.testing.assert_close(found[i, :n], expected, atol=1e-6, rtol=1e-5)
        assert not found[i, n:].any()


def test_silence_gets_no_noise_and_silent_noise_no_gain():
    silence, noise = torch.zeros(1, 9), torch.ones(1, 9)
    assert not add_noise(silence, noise, torch.zeros(1)).any()
    assert torch.equal(add_noise(noise, silence, torch.zeros(1)), noise)
    assert gain(silence, noise) == 0


def test_an_unknown_noise_is_refused_with_the_nearest():
    with pytest.raises(
        SerMtlError, match="no 'violent'.*Did you mean 'violet'"
    ):
        noises.check_noises(["white", "violent"])
