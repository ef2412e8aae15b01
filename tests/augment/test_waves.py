import re

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from ser_mtl_modules.augment.mixup import Mixup, NoMixup
from ser_mtl_modules.augment.waves import NoAugment, SpeedAndNoise
from ser_mtl_modules.errors import SerMtlError

N = 160_000  # long, so that noise and clip are all but orthogonal


@pytest.fixture
def wavs():
    """Clips of different levels, zero where there is padding."""
    generator = torch.Generator().manual_seed(0)
    wavs = torch.randn(3, N, generator=generator)
    wavs *= torch.tensor([[0.5], [0.01], [0.1]])
    wavs[1, N // 2 :] = 0
    return wavs


LENS = torch.tensor([1.0, 0.5, 1.0])


def noise_alone(snr, prob=1.0):
    return SpeedAndNoise(
        speeds=[100], noise_prob=prob, snr_low=snr, snr_high=snr
    )


@pytest.mark.parametrize("snr", [20.0, 30.0])
def test_snr_is_exact_and_each_clip_keeps_its_level(wavs, snr):
    torch.manual_seed(0)
    noisy, _, _ = noise_alone(snr)(wavs, LENS)
    for clip, out, n in zip(wavs.double(), noisy.double(), [N, N // 2, N]):
        clip, out = clip[:n], out[:n]
        speech = (out @ clip) / (clip @ clip) * clip
        ratio = speech.square().sum() / (out - speech).square().sum()
        assert 10 * ratio.log10().item() == pytest.approx(snr, abs=0.01)
        assert out.norm().item() == pytest.approx(clip.norm().item(), rel=1e-5)


def test_snr_lies_between_its_bounds_and_differs_between_clips(wavs):
    torch.manual_seed(0)
    augment = SpeedAndNoise(
        speeds=[100], noise_prob=1.0, snr_low=10.0, snr_high=25.0
    )
    found = []
    for clip, out in zip(wavs, augment(wavs, LENS)[0]):
        speech = (out @ clip) / (clip @ clip) * clip
        ratio = speech.square().sum() / (out - speech).square().sum()
        found.append(10 * ratio.log10().item())
    assert 9.9 < min(found) and max(found) < 25.1
    assert max(found) - min(found) > 0.5


@pytest.mark.parametrize("speed", [90, 100, 110])
def test_padding_stays_zero_and_relative_lengths_stay(wavs, speed):
    wavs, lens = wavs[:, : N // 10].clone(), torch.tensor([1.0, 0.3, 0.77])
    wavs += 0.1  # what lies in padding before is gone after
    augment = SpeedAndNoise(speeds=[speed], noise_prob=1.0)
    out, new_lens, labels = augment(wavs, lens)
    assert torch.equal(new_lens, lens) and labels == {}
    assert out.shape[1] == pytest.approx(wavs.shape[1] * 100 / speed, abs=1)
    for row, length in zip(out, lens):
        n = round(length.item() * out.shape[1])
        assert not row[n:].any() and row[:n].any()


def test_the_same_seed_gives_the_same_and_another_seed_does_not(wavs):
    augment = SpeedAndNoise(noise_prob=0.5)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augment(wavs[:, :16000], torch.ones(3))[0])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_silence_stays_silent(wavs):
    wavs[1] = 0
    noisy, _, _ = noise_alone(5.0)(wavs, LENS)
    assert not noisy[1].any() and noisy.isfinite().all()


def test_without_speed_and_noise_clips_stay_as_they_are(wavs):
    out, _, _ = noise_alone(5.0, prob=0.0)(wavs, LENS)
    assert torch.equal(out, wavs)


def test_as_many_clips_as_asked_for_get_noise_and_the_input_stays():
    torch.manual_seed(0)
    wavs = torch.randn(400, 50)
    before = wavs.clone()
    noisy, _, _ = noise_alone(10.0, prob=0.3)(wavs, torch.ones(400))
    share = (noisy != before).any(dim=1).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.06)
    assert torch.equal(wavs, before)


def test_faster_speech_has_higher_tones():
    seconds = torch.arange(16000) / 16000
    tone = torch.sin(2 * torch.pi * 1000 * seconds)[None]
    fast = SpeedAndNoise(speeds=[110])(tone, torch.ones(1))[0][0]
    peak = torch.fft.rfft(fast).abs().argmax().item()
    assert peak * 16000 / len(fast) == pytest.approx(1100, abs=2)


@pytest.mark.parametrize(
    "change, instead",
    [(SpeedAndNoise(), NoAugment), (Mixup(prob=1.0), NoMixup)],
)
def test_stored_levels_are_refused_with_what_to_put_instead(change, instead):
    levels = torch.randn(2, 5, 3, 4).half()  # [B, T, L, D]
    with pytest.raises(SerMtlError, match="CachedLevels.*views") as error:
        change(levels, torch.ones(2))
    name = re.search("--(?:augment|mixup)='(.*?)'", str(error.value))[1]
    made = load_hyperpyyaml(f"change: {name}")["change"]
    assert type(made) is instead
