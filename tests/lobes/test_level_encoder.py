"""Levels that are made as a cache would hold them."""

import torch
from fake_encoders import FakeEncoder

from ser_mtl_modules.lobes.level_encoder import LevelEncoder, average_frames


def test_averages_of_a_remainder_count_what_is_there():
    levels = torch.randn(2, 1, 11, 3)
    for n in range(1, 13):
        means, lens = average_frames(levels, torch.tensor([11]), n)
        last = (11 - 1) // n * n
        assert lens.tolist() == [means.shape[2]]
        torch.testing.assert_close(means[:, :, -1], levels[:, :, last:].mean(2))


def test_padding_takes_no_part():
    torch.manual_seed(0)
    encoder = LevelEncoder(FakeEncoder(), levels=[0, 2], average=3).eval()
    clips = [0.1 * torch.randn(n) for n in (4000, 1120, 161)]
    batch = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    lens = torch.tensor([len(c) / len(clips[0]) for c in clips])
    together, n_frames = encoder(batch, lens)
    for i, clip in enumerate(clips):
        alone, n = encoder(clip[None], torch.ones(1))
        assert n == n_frames[i] == alone.shape[2]
        torch.testing.assert_close(together[:, i, :n], alone[:, 0])
        assert not together[:, i, n:].any()


def test_a_trained_part_stands_on_what_is_rounded():
    wave = 0.1 * torch.randn(1, 3200)
    whole = FakeEncoder(freeze=1).eval()
    levels, lens = LevelEncoder(whole)(wave, torch.ones(1))
    stored, _ = whole.frozen(wave, torch.ones(1))
    expected = whole.upper(stored.half().float(), lens)
    assert torch.equal(levels, expected) and len(levels) == 3
