from types import SimpleNamespace

import pytest
import torch

from ser_mtl_modules.lobes.layer_fusion import (
    Concatenation,
    Last,
    LayerAdapters,
    PostResidual,
    WeightedSum,
    for_each_task,
)
from ser_mtl_modules.lobes.masking import frame_mask

LENS = torch.tensor([5, 2])


@pytest.fixture
def levels():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 2, 5, 6, generator=generator)


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    fusion = WeightedSum(3, 6, 4)
    torch.nn.init.normal_(fusion.scores)
    return fusion


def test_equals_a_loop_over_levels_clips_and_frames(fusion, levels):
    shares = fusion.scores.exp() / fusion.scores.exp().sum()
    expected = torch.zeros(2, 5, 4)
    for b, n in enumerate(LENS):
        for t in range(n):
            mixed = sum(a * level[b, t] for a, level in zip(shares, levels))
            x = fusion.project.weight @ mixed + fusion.project.bias
            variance = x.var(unbiased=False) + fusion.norm.eps
            expected[b, t] = (x - x.mean()) / variance.sqrt()
    torch.testing.assert_close(fusion(levels, LENS), expected)


def test_weights_are_positive_sum_to_one_and_start_out_equal(fusion):
    torch.testing.assert_close(fusion.weights.sum(), torch.tensor(1.0))
    assert (fusion.weights > 0).all()
    torch.testing.assert_close(
        WeightedSum(4, 6, 4).weights, torch.full((4,), 0.25)
    )


def test_padding_is_zero_and_has_no_say(fusion, levels):
    feats = fusion(levels, LENS)
    assert not feats[~frame_mask(LENS, 5)].any()
    levels[:, ~frame_mask(LENS, 5)] = 1e3
    torch.testing.assert_close(fusion(levels, LENS), feats)


def test_gradient_reaches_every_parameter(fusion, levels):
    fusion(levels, LENS).sin().sum().backward()
    assert all(p.grad.any() for p in fusion.parameters())


def test_last_equals_a_weighted_sum_of_the_last_level_alone(levels):
    last, single = Last(3, 6, 4), WeightedSum(1, 6, 4)
    single.load_state_dict(last.state_dict())
    expected = single(levels[2:], LENS)
    torch.testing.assert_close(last(levels, LENS), expected)
    levels[:2] = 7.0
    torch.testing.assert_close(last(levels, LENS), expected)


def test_a_concatenation_is_a_linear_layer_on_levels_side_by_side(levels):
    fusion = Concatenation(3, 6, 4)
    feats = fusion(levels, LENS)
    for b, n in enumerate(LENS):
        side_by_side = torch.cat([level[b, :n] for level in levels], dim=1)
        expected = fusion.norm(fusion.project(side_by_side))
        torch.testing.assert_close(feats[b, :n], expected)
        assert not feats[b, n:].any()
    feats.sin().sum().backward()
    assert all(p.grad.any() for p in fusion.parameters())
    assert fusion.project.weight.grad.any(dim=0).all()  # of every level


def test_a_post_residual_adds_a_mixture_to_the_last_level(levels):
    fusion = PostResidual(3, 6, 4)
    torch.nn.init.normal_(fusion.scores)
    torch.nn.init.normal_(fusion.level_norm.weight)
    shares = fusion.scores.exp() / fusion.scores.exp().sum()
    feats = fusion(levels, LENS)
    for b, n in enumerate(LENS):
        mixed = levels[-1, b, :n] + sum(
            share * fusion.level_norm(level[b, :n])
            for share, level in zip(shares, levels)
        )
        expected = fusion.norm(fusion.project(mixed))
        torch.testing.assert_close(feats[b, :n], expected)
        assert not feats[b, n:].any()
    feats.sin().sum().backward()
    assert all(p.grad.any() for p in fusion.parameters())


def test_layer_adapters_are_a_mixture_of_small_networks(levels):
    fusion = LayerAdapters(3, 6, 4)
    torch.nn.init.normal_(fusion.scores)
    shares = fusion.scores.exp() / fusion.scores.exp().sum()
    feats = fusion(levels, LENS)
    for b, n in enumerate(LENS):
        expected = torch.zeros(n, 4)
        for share, adapt, level in zip(shares, fusion.adapters, levels):
            linear, _, norm = adapt
            inner = torch.nn.functional.gelu(linear(level[b, :n]))
            expected += share * norm(inner)
        torch.testing.assert_close(feats[b, :n], expected)
        assert not feats[b, n:].any()
    feats.sin().sum().backward()
    assert all(p.grad.any() for p in fusion.parameters())


def test_each_task_has_a_fusion_of_its_own(levels):
    encoder = SimpleNamespace(n_levels=3, output_size=6)
    fusions = for_each_task(WeightedSum, ["emotion", "asr"], encoder, 4)
    assert list(fusions) == ["emotion", "asr"]
    assert not {*fusions["emotion"].parameters()} & {
        *fusions["asr"].parameters()
    }
    assert fusions["asr"](levels, LENS).shape == (2, 5, 4)
