import pytest
import torch

from ser_mtl_modules.lobes.masking import (
    frame_mask,
    masked_mean,
    relative_to_frames,
)


@pytest.mark.parametrize("n_frames", [1, 7, 250, 99_991])
def test_relative_lengths_give_back_the_frames_they_were_made_of(n_frames):
    lens = torch.arange(1, n_frames + 1)
    lens = lens[:: max(n_frames // 1000, 1)]
    assert torch.equal(relative_to_frames(lens / n_frames, n_frames), lens)


def test_frames_are_at_least_one_and_at_most_all():
    lens = relative_to_frames(torch.tensor([0.0, 1e-6, 1.0, 1.01]), 10)
    assert lens.tolist() == [1, 1, 10, 10]


def test_mask_equals_a_loop_over_clips_and_frames():
    lens = [3, 1, 4, 0]
    mask = frame_mask(torch.tensor(lens), 4)
    assert mask.tolist() == [[t < n for t in range(4)] for n in lens]


def test_mean_equals_that_of_each_clip_alone_whatever_the_padding_holds():
    feats = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
    lens = torch.tensor([5, 2, 1])
    expected = torch.stack([f[:n].mean(0) for f, n in zip(feats, lens)])
    feats[~frame_mask(lens, 5)] = torch.nan
    torch.testing.assert_close(masked_mean(feats, lens), expected)
