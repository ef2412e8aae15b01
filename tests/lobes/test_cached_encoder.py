from functools import partial

import pytest
import torch
from fake_encoders import FakeEncoder
from tiny_models import MODELS

from ser_mtl_modules.augment.levels import DropSpans
from ser_mtl_modules.dataio.datasets import Waves
from ser_mtl_modules.dataio.feature_cache import CachedLevels
from ser_mtl_modules.lobes.cached_encoder import CachedEncoder
from ser_mtl_modules.lobes.encoders import PretrainedEncoder
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
    n_averaged = sum(b.numel() for b in average.buffers()) - 1  # the count
    assert n_averaged == sum(p.numel() for p in encoder.parameters())


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


@pytest.mark.parametrize("name", MODELS)
def test_it_gives_what_the_encoder_itself_would(tmp_path, tiny_models, name):
    build = partial(PretrainedEncoder, tiny_models[name], freeze=1)
    cached = CachedEncoder(CachedLevels(build, Waves(), tmp_path)).eval()
    wavs = 0.1 * torch.randn(2, 8000, generator=torch.manual_seed(0))
    wav_lens = torch.tensor([1.0, 0.4])
    itself = build().eval()
    expected, expected_lens = itself(wavs, wav_lens)
    stored, lens = itself.frozen(wavs, wav_lens)  # [L0, B, T, D]
    levels, lens = cached(
        stored.permute(1, 2, 0, 3).half(), lens / stored.shape[2]
    )
    assert torch.equal(lens, expected_lens)
    error = (levels - expected).norm() / expected.norm()
    assert error < 5e-3  # half precision, through two layers
    levels.sin().sum().backward()
    trained = dict(cached.named_parameters())
    n_trained = sum(p.requires_grad for p in itself.parameters())
    assert len(trained) == n_trained
    keys = {n for n in trained if n.endswith("k_proj.bias")}  # moves all alike
    reached = {n for n, p in trained.items() if p.grad is not None}
    assert reached | keys == set(trained)
