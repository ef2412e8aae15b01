from types import SimpleNamespace

import pytest
import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.tasks.augmentation_type import AugmentationType

KINDS = {"speed": None, "noise": None}
LENS = torch.tensor([6, 4, 2])


@pytest.fixture
def task():
    torch.manual_seed(0)
    return AugmentationType(5, KINDS, hidden_size=7)


def batch(*kinds):
    return SimpleNamespace(augmentation=list(kinds), id=["a", "b", "c"])


def test_targets_are_the_kinds_in_the_order_of_the_yaml_after_none(task):
    target = task.target(batch("noise", "none", "speed"))
    assert target.tolist() == [2, 0, 1]


def test_loss_is_cross_entropy_that_reaches_every_parameter(task):
    prediction = task(torch.randn(3, 6, 5), LENS)
    target = task.target(batch("noise", "none", "speed"))
    loss = task.loss(prediction, target)
    expected = torch.nn.functional.cross_entropy(prediction.logits, target)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(p.grad.any() for p in task.parameters())


def test_in_evaluation_there_is_no_loss_and_nothing_to_write(task):
    task.eval()
    clean = SimpleNamespace(id=["a", "b", "c"])
    prediction = task(torch.randn(3, 6, 5), LENS)
    assert task.loss(prediction, task.target(clean)) is None
    assert task.describe(prediction, clean) == [{}, {}, {}]


def test_training_without_kinds_is_refused_with_what_to_do(task):
    with pytest.raises(SerMtlError, match="--augment=.*RandomKind"):
        task.target(SimpleNamespace(id=["a"]))
