import pytest
import torch

from ser_mtl_modules.augment.views import AsIs, Noise, Speed
from ser_mtl_modules.augment.waves import SpeedAndNoise

VIEWS = [AsIs(), Speed(90), Speed(110), Noise(15), Noise(15, seed=1), Noise(5)]


@pytest.fixture
def wave():
    return torch.randn(8000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_is_a_function_of_the_utterance(wave, view):
    before = wave.clone()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    once = view(wave, "a")
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(view(wave, "a"), once)
    assert torch.equal(wave, before)


def test_views_differ_and_so_do_their_names(wave):
    out = [view(wave, "a") for view in VIEWS]
    assert len({view.name for view in VIEWS}) == len(VIEWS)
    for i, one in enumerate(out):
        for other in out[:i]:
            assert one.shape != other.shape or not torch.equal(one, other)


def test_each_utterance_has_its_own_noise(wave):
    a, b = (Noise(0)(wave, utterance) - wave for utterance in "ab")
    correlation = (a @ b) / (a.norm() * b.norm())
    assert abs(correlation) < 0.05


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 15.0, 30.0])
@pytest.mark.parametrize("level", [1e-4, 1.0])
def test_snr_is_exact(wave, snr_db, level):
    wave = level * wave
    noise = (Noise(snr_db)(wave, "a") - wave).double()
    ratio = wave.double().square().sum() / noise.square().sum()
    assert 10 * ratio.log10().item() == pytest.approx(snr_db, abs=1e-3)


def test_silence_stays_silent():
    assert not Noise(5)(torch.zeros(100), "a").any()


@pytest.mark.parametrize("percent", [85, 90, 110])
def test_speed_is_that_of_the_other_augmentation(wave, percent):
    other, _, _ = SpeedAndNoise(speeds=[percent])(wave[None], torch.ones(1))
    assert torch.equal(Speed(percent)(wave, "a"), other[0])
