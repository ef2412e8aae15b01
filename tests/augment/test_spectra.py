import pytest
import torch

from ser_mtl_modules.augment.spectra import OtherVoice


@pytest.fixture
def logmels():
    return torch.randn(3, 4, 80, generator=torch.Generator().manual_seed(0))


def test_the_filter_is_the_same_in_every_frame_smooth_and_each_clips_own():
    torch.manual_seed(0)
    gains = OtherVoice(0.0, filter_db=2.0)(torch.zeros(300, 4, 80))
    assert torch.equal(gains, gains[:, :1].expand_as(gains))
    gains = gains[:, 0]
    # straight lines between six points: at most four bends, on 80 bands each
    # touches two second differences at most
    bends = gains.diff(n=2, dim=1).abs() > 1e-4
    assert bends.sum(dim=1).max() <= 8
    assert gains[:, 0].std().item() == pytest.approx(2.0, rel=0.15)
    assert torch.pdist(gains[:20]).min() > 1


def test_the_filter_adds_to_whatever_is_there(logmels):
    voice = OtherVoice(0.0, 2.0)
    results = []
    for x in (logmels, torch.zeros_like(logmels)):
        torch.manual_seed(5)
        results.append(voice(x) - x)
    torch.testing.assert_close(*results, atol=1e-5, rtol=0)


def test_stretching_equals_linear_interpolation_written_as_a_loop(logmels):
    # of a straight line, band m shows what factor it was stretched by
    lines = torch.arange(80.0).expand(3, 4, 80)
    stretch = OtherVoice(0.1, 0.0)
    torch.manual_seed(7)
    factors = (stretch(lines)[:, 0, 50] / 50).tolist()
    torch.manual_seed(7)
    out = stretch(logmels)
    assert len({round(f, 4) for f in factors}) == 3
    for clip, factor in enumerate(factors):
        assert 0.9 <= factor <= 1.1
        for m in range(80):
            where = min(m * factor, 79)
            low, share = int(where), where - int(where)
            high = min(low + 1, 79)
            expected = (1 - share) * logmels[clip, :, low]
            expected = expected + share * logmels[clip, :, high]
            torch.testing.assert_close(
                out[clip, :, m], expected, atol=1e-3, rtol=0
            )


def test_a_flat_spectrum_stays_flat_when_stretched():
    flat = torch.full((5, 2, 80), -3.0)
    torch.testing.assert_close(OtherVoice(0.2, 0.0)(flat), flat)


def test_shape_and_input_stay_and_the_seed_decides(logmels):
    before, results = logmels.clone(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(OtherVoice()(logmels))
    assert torch.equal(logmels, before)
    assert results[0].shape == logmels.shape
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_the_gain_is_one_number_for_a_clip():
    torch.manual_seed(0)
    gains = OtherVoice(0.0, 0.0, gain_db=3.0)(torch.zeros(300, 4, 80))
    assert torch.equal(gains, gains[:, :1, :1].expand_as(gains))
    assert gains[:, 0, 0].std().item() == pytest.approx(3.0, rel=0.15)
