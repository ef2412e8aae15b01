import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.lobes.masking import frame_mask
from ser_mtl_modules.losses.supcon import SupervisedContrastive
from ser_mtl_modules.tasks.frame_contrastive import FrameContrastive

LENS = torch.tensor([6, 3, 1, 4])
LABELS = torch.tensor([0, 1, 0, -1])


@pytest.fixture
def loss():
    torch.manual_seed(0)
    return FrameContrastive(5, size=3, temperature=0.2)


@pytest.fixture
def frames():
    return torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(1))


def test_equals_the_formula_written_as_loops(loss, frames):
    q, labels = [], []
    for clip, n, label in zip(frames, LENS.tolist(), LABELS.tolist()):
        mean = sum(clip[:n]) / n
        if label >= 0:
            q += [loss.project(0.5 * x + 0.5 * mean) for x in clip[:n]]
            labels += n * [label]
    q = [x / x.norm() for x in q]
    terms = []
    for i, label in enumerate(labels):
        others = [k for k in range(len(q)) if k != i]
        total = sum(torch.exp(q[i] @ q[k] / 0.2) for k in others)
        p = [
            torch.exp(q[i] @ q[k] / 0.2) / total
            for k in others
            if labels[k] == label
        ]
        terms.append(-sum(x.log() for x in p) / len(p))
    expected = sum(terms) / len(terms)
    torch.testing.assert_close(loss(frames, LENS, LABELS), expected)


def test_of_single_frames_it_is_supervised_contrastive_loss(loss, frames):
    labels = torch.tensor([0, 1, 0, 1])
    value = loss(frames[:, :1], torch.ones(4, dtype=torch.long), labels)
    z = F.normalize(loss.project(frames[:, 0]), dim=1)
    expected = SupervisedContrastive(0.2)(z, labels)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("garbage", [1e4, torch.nan, torch.inf])
def test_padding_changes_neither_value_nor_gradient(loss, frames, garbage):
    results, padding = [], ~frame_mask(LENS, 6)
    for content in (1.0, garbage):
        x = frames.clone()
        x[padding] = content
        x.requires_grad_()
        value = loss(x, LENS, LABELS)
        wanted = [x, *loss.parameters()]
        results.append((value, *torch.autograd.grad(value, wanted)))
    torch.testing.assert_close(*results)
    assert not results[0][1][padding].any()


def test_without_a_pair_loss_and_gradient_are_zero(loss, frames):
    frames.requires_grad_()
    ones = torch.ones(2, dtype=torch.long)
    for labels in ([0, 1], [-1, -1]):
        value = loss(frames[:2, :1], ones, torch.tensor(labels))
        value.backward()
        assert value == 0 and not frames.grad.any()
