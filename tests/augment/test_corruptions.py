"""What happens to clips happens as said, and nothing else does."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ser_mtl_modules.augment import (
    corruptions as c,
    unheard_noises as noises,
)

RATE = 16000


def tone(n_samples=16000, level=0.1):
    """A harmonic tone that begins and ends."""
    t = torch.arange(n_samples) / RATE
    wave = sum(torch.sin(2 * torch.pi * 180 * k * t) / k for k in range(1, 15))
    return level * wave * torch.sin(torch.pi * t / t[-1].clamp(min=1e-9)) ** 2


def snr_db(wave, other):
    change = (other.double() - wave.double()).square().sum()
    return 10 * (wave.double().square().sum() / change).log10().item()


def all_corruptions(tmp_path):
    response = np.zeros(2000, dtype=np.float32)
    response[[70, 300, 900]] = [0.8, -0.4, 0.2]
    soundfile.write(tmp_path / "room.wav", response, RATE, subtype="FLOAT")
    return [
        c.Untouched(),
        c.AddNoise(noises.Coloured("pink", 1), 10),
        c.AddNoise(noises.Siren(RATE), -5),
        c.GeneratedRoom(0.5, RATE),
        c.RecordedRoom(tmp_path / "room.wav", RATE),
        c.MuLaw(8),
        c.BandLimit(8000, RATE),
        c.Coded("MP3", "MPEG_LAYER_III", 0.9, RATE),
        c.Coded("OGG", "VORBIS", 1.0, RATE),
        c.Coded("OGG", "OPUS", 1.0, RATE),
        c.Gain(-20),
        c.Clip(0.3),
    ]


@pytest.mark.parametrize("n_samples", [1, 50, 999, 16000])
def test_length_stays_and_what_was_there_is_not_touched(tmp_path, n_samples):
    wave = tone(n_samples) + 0.01
    before = wave.clone()
    for corrupt in all_corruptions(tmp_path):
        changed = corrupt(wave, "a")
        assert changed.shape == wave.shape, corrupt.kind
        assert changed.dtype == torch.float32
        assert changed.isfinite().all(), corrupt.kind
    assert torch.equal(wave, before)


def test_a_corruption_is_a_function_of_the_utterance(tmp_path):
    wave = tone(8000)
    for corrupt in all_corruptions(tmp_path):
        torch.manual_seed(1)
        state = torch.get_rng_state()
        once = corrupt(wave, "a")
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(corrupt(wave, "a"), once), corrupt.kind


def test_nothing_moves_in_time(tmp_path):
    wave = tone(16000) + 0.02 * torch.randn(
        16000, generator=torch.Generator().manual_seed(0)
    )
    for corrupt in all_corruptions(tmp_path):
        changed = corrupt(wave, "a")
        both = (
            torch.fft.rfft(changed, n=32000)
            * torch.fft.rfft(wave, n=32000).conj()
        )
        lag = torch.fft.irfft(both).argmax().item()
        assert min(lag, 32000 - lag) <= 1, corrupt.kind


@pytest.mark.parametrize("level", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("snr", [20, 0, -5, 7.5])
def test_snr_is_exact(snr, level):
    wave = tone(12345, level)
    for noise in (
        noises.Coloured("red", 2),
        noises.Hum(RATE),
        noises.Siren(RATE),
        noises.Clicks(RATE),
    ):
        noisy = c.AddNoise(noise, snr)(wave, "a")
        assert snr_db(wave, noisy) == pytest.approx(snr, abs=0.01)


def test_at_another_snr_it_is_the_same_noise_and_for_another_clip_not():
    wave, noise = tone(), noises.Coloured("pink", 1)
    loud = c.AddNoise(noise, 0)(wave, "a") - wave
    soft = c.AddNoise(noise, 20)(wave, "a") - wave
    torch.testing.assert_close(loud, 10 * soft, atol=1e-5, rtol=1e-3)
    other = c.AddNoise(noise, 0)(wave, "b") - wave
    assert abs(loud @ other) < 0.2 * loud.norm() * other.norm()


def test_silence_stays_silent():
    silent = torch.zeros(500)
    assert not c.AddNoise(noises.Coloured("pink", 1), 0)(silent, "a").any()
    assert not c.GeneratedRoom(0.3, RATE)(silent, "a").any()


def test_a_room_is_a_convolution_from_the_direct_sound_on():
    wave, response = torch.randn(300), torch.randn(80)
    response[20] = 9.0
    expected = np.convolve(wave.numpy(), response.numpy())[20:320]
    expected *= np.linalg.norm(wave) / np.linalg.norm(expected)
    np.testing.assert_allclose(
        c.reverberate(wave, response), expected, atol=1e-4
    )


def test_a_response_longer_than_the_clip_is_no_matter():
    wave, response = torch.randn(50), torch.randn(400)
    response[3] = 9.0
    expected = np.convolve(wave.numpy(), response.numpy())[3:53]
    expected *= np.linalg.norm(wave) / np.linalg.norm(expected)
    np.testing.assert_allclose(
        c.reverberate(wave, response), expected, atol=1e-4
    )


def test_a_generated_room_dies_away_in_its_time():
    response = c.GeneratedRoom(0.4, RATE).response("a")
    assert response[0] == response.abs().max() == 1
    assert response[1:].norm() == pytest.approx(1, abs=1e-3)
    energy = response[1:].square().flip(0).cumsum(0).flip(0)  # still to come
    fall_db = 10 * (energy[3200] / energy[0]).log10()
    assert fall_db.item() == pytest.approx(-30, abs=1.5)


def test_the_telephone_has_nothing_above_four_kilohertz():
    wave = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    power = torch.fft.rfft(c.BandLimit(8000, RATE)(wave, "a")).abs().square()
    before = torch.fft.rfft(wave).abs().square()
    assert power[4200:].sum() < 1e-4 * before[4200:].sum()
    assert power[100:3600].sum() == pytest.approx(
        before[100:3600].sum().item(), rel=0.01
    )


def test_codecs_lose_something_and_not_much():
    wave = tone() + 0.01 * torch.randn(
        16000, generator=torch.Generator().manual_seed(0)
    )
    for corrupt in (
        c.MuLaw(8),
        c.Coded("MP3", "MPEG_LAYER_III", 0.9, RATE),
        c.Coded("OGG", "VORBIS", 1.0, RATE),
    ):
        assert 5 < snr_db(wave, corrupt(wave, "a")) < 50, corrupt.kind


def test_a_room_of_another_file_is_another(tmp_path):
    for name, place in (("a", 5), ("b", 9)):
        response = np.zeros(20, dtype=np.float32)
        response[[0, place]] = 0.5, 0.4
        soundfile.write(tmp_path / f"{name}.wav", response, RATE)
    a, b = (
        c.RecordedRoom(Path(tmp_path / f"{name}.wav"), RATE) for name in "ab"
    )
    assert a.source != b.source and (a.level, b.level) == ("a", "b")
