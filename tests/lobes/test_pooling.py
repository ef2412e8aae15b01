import pytest
import torch

from ser_mtl_modules.lobes.frame_level_attention import FrameLevelAttention
from ser_mtl_modules.lobes.masking import frame_mask
from ser_mtl_modules.lobes.pooling import (
    AttentiveStatisticsPooling,
    MaxPooling,
    MeanPooling,
    UtteranceNorm,
)

LENS = torch.tensor([6, 3, 1])


@pytest.fixture
def pool():
    torch.manual_seed(0)
    return AttentiveStatisticsPooling(4, attention_size=5)


@pytest.fixture
def feats():
    return torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(1))


def test_equals_the_formula_written_as_loops(pool, feats):
    first, _, second = pool.score
    expected = []
    for clip, n in zip(feats, LENS.tolist()):
        scores = []
        for x in clip[:n]:
            hidden = torch.tanh(first.weight @ x + first.bias)
            scores.append(torch.exp(second.weight[0] @ hidden))
        w = [score / sum(scores) for score in scores]
        mean = sum(a * x for a, x in zip(w, clip))
        square = sum(a * x**2 for a, x in zip(w, clip))
        # 1e-5 is the floor of the variance, as of a single frame
        deviation = (square - mean**2).clamp(min=1e-5).sqrt()
        expected.append(torch.cat([mean, deviation]))
    torch.testing.assert_close(
        pool(feats, LENS), torch.stack(expected), atol=1e-5, rtol=1e-4
    )


def test_one_frame_is_its_own_mean_and_has_a_finite_gradient(pool):
    x = torch.randn(1, 1, 4, requires_grad=True)
    out = pool(x, torch.tensor([1]))
    out.sum().backward()
    torch.testing.assert_close(out[0, :4], x[0, 0])
    assert (out[0, 4:] < 0.01).all() and x.grad.isfinite().all()


def test_deviation_does_not_suffer_from_a_large_mean(pool, feats):
    near = pool(feats[:1], LENS[:1])[0, 4:]
    pool.score[0].bias.data -= 1000 * pool.score[0].weight.sum(dim=1)
    far = pool(feats[:1] + 1000, LENS[:1])[0, 4:]
    torch.testing.assert_close(far, near, rtol=1e-2, atol=0)


def test_norm_equals_torchs_for_two_clips_and_its_evaluation_for_one():
    pooled = 3 + 2 * torch.randn(5, 4)
    norm, plain = UtteranceNorm(4), torch.nn.BatchNorm1d(4)
    torch.testing.assert_close(norm(pooled), plain(pooled))
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    alone = norm(pooled[:1])
    torch.testing.assert_close(norm.state_dict(), before)
    torch.testing.assert_close(alone, plain.eval()(pooled[:1]))
    torch.testing.assert_close(norm.eval()(pooled), plain(pooled))


# ---- what all kinds have in common


@pytest.fixture(
    params=[
        AttentiveStatisticsPooling,
        FrameLevelAttention,
        MaxPooling,
        MeanPooling,
    ]
)
def any_pool(request):
    torch.manual_seed(0)
    heads = {"n_heads": 2} if request.param is FrameLevelAttention else {}
    return request.param(4, **heads)


def test_attention_sums_to_one_over_the_frames_of_a_clip(any_pool, feats):
    weights = any_pool.attention(feats, LENS)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
    assert not weights[~frame_mask(LENS, 6)].any()


@pytest.mark.parametrize("garbage", [0.0, 1e4, torch.nan, torch.inf])
def test_padding_changes_neither_value_nor_gradient(any_pool, feats, garbage):
    results = []
    for content in (1.0, garbage):
        x = feats.clone()
        x[~frame_mask(LENS, 6)] = content
        x.requires_grad_()
        out = any_pool(x, LENS)
        wanted = [x, *any_pool.parameters()]
        results.append([out, *torch.autograd.grad(out.sin().sum(), wanted)])
        results[-1].append(any_pool.attention(x, LENS))
        assert not results[-1][1][~frame_mask(LENS, 6)].any()
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("training", [True, False])
def test_a_clip_gets_the_same_alone_as_in_a_batch(any_pool, feats, training):
    any_pool.train(training)
    with torch.no_grad():  # torch's attention has another way there
        together = any_pool(feats, LENS)
        for i, n in enumerate(LENS):
            alone = any_pool(feats[i : i + 1, :n], LENS[i : i + 1])
            torch.testing.assert_close(alone[0], together[i])


def test_pooling_is_over_the_frames_that_it_says(any_pool, feats):
    frames = any_pool.frames(feats, LENS)
    assert not frames[~frame_mask(LENS, 6)].any()
    assert torch.equal(any_pool.over(frames, LENS), any_pool(feats, LENS))


def test_output_size_is_that_of_the_output(any_pool, feats):
    assert any_pool(feats, LENS).shape == (3, any_pool.output_size)


def test_mean_and_maximum_are_those_of_each_clip_alone(feats):
    clips = [clip[:n] for clip, n in zip(feats, LENS)]
    mean, highest = MeanPooling(4)(feats, LENS), MaxPooling(4)(feats, LENS)
    torch.testing.assert_close(mean, torch.stack([c.mean(0) for c in clips]))
    assert torch.equal(highest, torch.stack([c.amax(0) for c in clips]))
