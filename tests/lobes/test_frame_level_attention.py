import math

import pytest
import torch

from ser_mtl_modules.lobes.frame_level_attention import FrameLevelAttention
from ser_mtl_modules.lobes.masking import masked_mean

LENS = torch.tensor([6, 3, 1])


@pytest.fixture
def pool():
    torch.manual_seed(0)
    pool = FrameLevelAttention(4, n_heads=2)
    torch.nn.init.normal_(pool.attend.in_proj_bias)
    torch.nn.init.normal_(pool.attend.out_proj.bias)
    return pool


@pytest.fixture
def feats():
    return torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(1))


def frames_of(pool, clip):
    """F' of one clip [T, D] of two heads, one frame and head at a time."""
    attend = pool.attend
    q, k, v = (clip @ attend.in_proj_weight.T + attend.in_proj_bias).chunk(3, 1)
    seen = []
    for t in range(len(clip)):
        heads = []
        for part in (slice(0, 2), slice(2, 4)):
            e = [torch.exp(q[t, part] @ x[part] / math.sqrt(2)) for x in k]
            heads.append(sum(a * x[part] for a, x in zip(e, v)) / sum(e))
        seen.append(attend.out_proj(torch.cat(heads)))
    return clip + torch.stack(seen)


def test_equals_the_formula_written_as_loops(pool, feats):
    for i, n in enumerate(LENS.tolist()):
        frames = frames_of(pool, feats[i, :n])
        torch.testing.assert_close(pool.frames(feats, LENS)[i, :n], frames)
        e = [torch.exp(pool.score.weight[0] @ x) for x in frames]
        expected = sum(a * x for a, x in zip(e, frames)) / sum(e)
        torch.testing.assert_close(pool(feats, LENS)[i], expected)


def test_without_a_projection_it_is_the_mean_of_the_frames(pool, feats):
    torch.nn.init.zeros_(pool.score.weight)
    expected = masked_mean(pool.frames(feats, LENS), LENS)
    torch.testing.assert_close(pool(feats, LENS), expected)


def test_without_self_attention_frames_are_as_they_were(pool, feats):
    torch.nn.init.zeros_(pool.attend.out_proj.weight)
    torch.nn.init.zeros_(pool.attend.out_proj.bias)
    torch.testing.assert_close(pool.frames(feats[:1], LENS[:1]), feats[:1])


def test_it_does_not_know_the_order_of_frames(pool, feats):
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    mixed = pool(feats[:1, order], LENS[:1])
    torch.testing.assert_close(mixed, pool(feats[:1], LENS[:1]))


def test_there_are_16_heads_by_default():
    assert FrameLevelAttention(32).attend.num_heads == 16


def test_gradient_reaches_every_parameter(pool, feats):
    pool(feats, LENS).sin().sum().backward()
    for name, parameter in pool.named_parameters():
        assert parameter.grad.any(), name
