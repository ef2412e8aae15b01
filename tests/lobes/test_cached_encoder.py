from functools import partial

import torch
from fake_encoders import FakeEncoder

from ser_mtl_modules.augment.levels import DropSpans
from ser_mtl_modules.dataio.datasets import Waves
from ser_mtl_modules.dataio.feature_cache import CachedLevels
from ser_mtl_modules.lobes.cached_encoder import CachedEncoder
from ser_mtl_modules.training.averaging import WeightAverage

STORED = torch.randn(3, 10, 2, 6).half()  # [B, T, L0, D]
LENS = torch.tensor([1.0, 0.5, 0.3])


def partly_trained(folder, **settings):
    build = partial(FakeEncoder, freeze=1)
    return CachedEncoder(CachedLevels(build, Waves(), folder), **settings)


def test_the_trained_part_is_held_and_the_frozen_one_is_not(tmp_path):
    encoder = partly_trained(tmp_path)
    assert list(encoder.state_dict()) == [
        "trained.above.weight",
        "trained.above.bias",
    ]
    assert all(p.requires_grad for p in encoder.parameters())
    average = WeightAverage(encoder, 0.5)
    assert len(list(average.buffers())) == 1 + 2


def test_the_trained_part_learns_and_is_loaded(tmp_path):
    encoder = partly_trained(tmp_path)
    levels, _ = encoder(STORED, LENS)
    levels.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in encoder.parameters())
    with torch.no_grad():
        for p in encoder.parameters():
            p.mul_(2)
    other = partly_trained(tmp_path).eval()
    encoder.eval()
    assert not torch.equal(encoder(STORED, LENS)[0], other(STORED, LENS)[0])
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(encoder(STORED, LENS)[0], other(STORED, LENS)[0])


def test_the_trained_part_knows_whether_it_is_trained(tmp_path):
    encoder = partly_trained(tmp_path)
    twice = [encoder.train()(STORED, LENS)[0] for _ in range(2)]
    assert not torch.equal(*twice)  # dropout
    twice = [encoder.eval()(STORED, LENS)[0] for _ in range(2)]
    assert torch.equal(*twice)


def test_the_frozen_part_moves_with_the_trained_one(tmp_path):
    encoder = partly_trained(tmp_path).to("meta")
    (whole,) = encoder._whole
    assert all(p.device.type == "meta" for p in whole.parameters())


def test_padding_takes_no_part_and_each_clip_is_as_alone(tmp_path):
    encoder = partly_trained(tmp_path).eval()
    stored = STORED.clone()
    stored[1, 5:], stored[2, 3:] = torch.nan, 7.0
    levels, lens = encoder(stored, LENS)
    assert lens.tolist() == [10, 5, 3]
    for i, n in enumerate(lens.tolist()):
        alone, _ = encoder(stored[i : i + 1, :n], torch.ones(1))
        torch.testing.assert_close(levels[:, i, :n], alone[:, 0])
        assert not levels[:, i, n:].any()


def test_the_mask_acts_in_training_alone_and_below_the_trained_part(tmp_path):
    def everything(levels, lens):
        return 0 * levels

    encoder = partly_trained(tmp_path, mask=everything)
    assert not encoder.train()(STORED, LENS)[0][:2].any()
    assert encoder.eval()(STORED, LENS)[0][:2].any()


def test_the_mask_leaves_what_is_stored_as_it_is(tmp_path):
    before = STORED.clone()
    mask = DropSpans(longest=1.0, longest_dim=1.0)
    partly_trained(tmp_path, mask=mask).train()(STORED, LENS)
    assert torch.equal(STORED, before)
