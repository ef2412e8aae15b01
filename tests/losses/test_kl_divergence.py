import math

import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.losses.cross_entropy import CrossEntropy
from ser_mtl_modules.losses.kl_divergence import KLDivergence


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(5, 4, generator=generator)
    soft = torch.rand(5, 4, generator=generator).softmax(dim=1)
    soft[0] = torch.tensor([0.7, 0.0, 0.3, 0.0])
    soft[1] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    return logits, soft


def test_equals_the_formula_written_as_loops_and_torch(batch):
    logits, soft = batch
    expected = 0.0
    for row, target in zip(logits.tolist(), soft.tolist()):
        total = sum(math.exp(x) for x in row)
        for x, y in zip(row, target):
            if y > 0:
                expected += y * (math.log(y) - (x - math.log(total))) / 5
    value = KLDivergence()(logits, soft)
    assert value.item() == pytest.approx(expected, rel=1e-5)
    torchs = F.kl_div(logits.log_softmax(1), soft, reduction="batchmean")
    torch.testing.assert_close(value, torchs)


def test_gradient_is_that_of_cross_entropy_and_of_hard_labels_the_value_too(
    batch,
):
    logits, soft = batch
    for targets in (soft, torch.tensor([0, 3, 1, -1, 2])):
        results = []
        for loss in (KLDivergence(), CrossEntropy()):
            x = logits.clone().requires_grad_()
            value = loss(x, targets)
            results.append((value, *torch.autograd.grad(value, x)))
        torch.testing.assert_close(results[0][1], results[1][1])
    torch.testing.assert_close(*results)  # of the hard ones


def test_it_is_zero_where_the_prediction_is_the_label(batch):
    _, soft = batch
    logits = (soft + 1e-12).log()
    assert abs(KLDivergence()(logits, soft).item()) < 1e-6


def test_unknown_targets_are_left_out(batch):
    logits, soft = batch
    known = torch.tensor([True, False, True, True, False])
    expected = KLDivergence()(logits[known], soft[known])
    value = KLDivergence()(logits, soft * known[:, None])
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("targets", [torch.tensor([-1, -1]), torch.zeros(2, 3)])
def test_without_targets_loss_and_gradient_are_zero(targets):
    logits = torch.randn(2, 3, requires_grad=True)
    value = KLDivergence()(logits, targets)
    value.backward()
    assert value == 0 and not logits.grad.any()


def test_half_precision_gives_a_loss_in_single_precision(batch):
    logits, soft = batch
    assert KLDivergence()(logits.half(), soft).dtype == torch.float
