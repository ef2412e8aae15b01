import pytest
import torch

from ser_mtl_modules.dataio.trimming import trim_silence

RATE = 16000


def tone(seconds):
    return torch.sin(torch.arange(round(seconds * RATE)) / 5)


def quiet(seconds, level=0.0):
    generator = torch.Generator().manual_seed(0)
    return level * torch.randn(round(seconds * RATE), generator=generator)


@pytest.mark.parametrize("level", [0.0, 1e-3])
@pytest.mark.parametrize("gain", [1.0, 1e-3])
def test_what_is_quiet_goes_and_a_margin_stays(level, gain):
    wave = torch.cat([quiet(0.7, level), tone(0.5), quiet(0.4, level)])
    trimmed = trim_silence(gain * wave, RATE, margin=0.1)
    # a frame of 25 ms that has a little speech counts as speech
    assert len(trimmed) / RATE == pytest.approx(0.7, abs=0.05)
    start = round(0.6 * RATE)
    first = (len(wave) - len(trimmed) - round(0.3 * RATE)) / RATE
    assert first == pytest.approx(start / RATE, abs=0.05)
    assert trimmed.abs().max() == gain * wave.abs().max()


def test_the_result_is_a_part_of_the_wave_with_all_of_the_speech():
    wave = torch.cat([quiet(0.3), tone(0.2), quiet(0.5), tone(0.2), quiet(0.3)])
    trimmed = trim_silence(wave, RATE, margin=0.0)
    starts = [
        s
        for s in range(len(wave) - len(trimmed) + 1)
        if s % 160 == 0 and torch.equal(wave[s : s + len(trimmed)], trimmed)
    ]
    assert starts and trimmed.count_nonzero() == wave.count_nonzero()


def test_the_range_decides_what_is_quiet():
    wave = torch.cat([0.01 * tone(0.5), tone(0.5)])  # 40 dB apart
    assert len(trim_silence(wave, RATE, range_db=45)) == len(wave)
    assert len(trim_silence(wave, RATE, range_db=35)) < 0.65 * RATE


@pytest.mark.parametrize(
    "wave",
    [torch.zeros(RATE), tone(0.02), tone(1), torch.zeros(0)],
    ids=["silence", "shorter than a frame", "speech alone", "nothing"],
)
def test_where_nothing_can_be_cut_all_stays(wave):
    assert torch.equal(trim_silence(wave, RATE), wave)


def test_a_wave_whose_only_sound_is_in_no_frame_stays_as_it_is():
    wave = torch.zeros(400 + 100)  # one frame, and some samples
    wave[-1] = 1.0
    assert torch.equal(trim_silence(wave, RATE), wave)
