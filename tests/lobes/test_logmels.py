import pytest
import torch

from ser_mtl_modules.lobes.logmels import LogMels
from speechbrain.lobes.features import Fbank


@pytest.fixture
def clip():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4000, generator=generator).cumsum(dim=0) / 100


def test_log_mels_are_speechbrains_where_nothing_is_below_the_floor(clip):
    expected = Fbank(n_mels=40, n_fft=512, win_length=25, f_max=8000)
    logmels, lens = LogMels(n_mels=40)(clip[None], torch.ones(1))
    wanted = expected(clip[None])[0]
    assert wanted.max() - wanted.min() < LogMels.RANGE_DB
    torch.testing.assert_close(logmels[0, 0], wanted)
    assert lens.tolist() == [26]


def test_the_floor_is_the_clips_own(clip):
    clip[2000:] *= 1e-6
    logmels, lens = LogMels()(
        torch.stack([clip, 100 * clip]), torch.tensor([1.0, 0.4])
    )
    for values, n in zip(logmels[:, 0], lens):
        own = values[:n]
        assert own.min() >= own.max() - LogMels.RANGE_DB - 1e-3
    assert logmels[0, 0].min() == logmels[0, 0].max() - LogMels.RANGE_DB


@pytest.mark.parametrize("n", [1, 159, 160, 3999])
def test_frames_are_the_same_alone_and_padded(clip, n):
    model, batch = LogMels(windows=[25, 50]), torch.randn(2, 4000)
    batch[0, :n] = clip[:n]
    alone, _ = model(clip[None, :n], torch.ones(1))
    padded, lens = model(batch, torch.tensor([n / 4000, 1.0]))
    torch.testing.assert_close(padded[0, :, : lens[0]], alone[0])
