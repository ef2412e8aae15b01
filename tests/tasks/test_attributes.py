from types import SimpleNamespace

import pytest
import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.tasks.attributes import ATTRIBUTES, Attributes


@pytest.fixture
def task():
    torch.manual_seed(0)
    return Attributes(8, scale=[1, 7])


@pytest.fixture
def batch():
    return SimpleNamespace(
        id=["a", "b", "c"],
        arousal=["1", "7", "4.0"],
        valence=["2.5", "", "4"],
        dominance=["", "", ""],
    )


def test_the_ends_of_the_scale_are_one_and_minus_one(task, batch):
    target = task.target(batch)
    nan = torch.nan
    expected = [[-1, -0.5, nan], [1, nan, nan], [0, 0, nan]]
    torch.testing.assert_close(target, torch.tensor(expected), equal_nan=True)


def test_what_is_written_down_is_on_the_raters_scale(task, batch):
    prediction = torch.tensor([[-1.0, 0, 1], [0.5, 0, 0], [0, 0, 0]])
    rows = task.describe(prediction, batch)
    assert rows[0] == {
        "arousal_target": "1",
        "arousal_estimate": 1.0,
        "valence_target": "2.5",
        "valence_estimate": 4.0,
        "dominance_target": "",
        "dominance_estimate": 7.0,
    }
    assert rows[1]["arousal_estimate"] == 5.5
    assert len(rows) == 3


def test_padding_has_no_part(task):
    task.eval()
    feats, lens = torch.randn(2, 9, 8), torch.tensor([9, 4])
    both = task(feats, lens)
    alone = task(feats[1:, :4], lens[1:])
    torch.testing.assert_close(both[1:], alone)


def test_the_gradient_reaches_every_parameter(task, batch):
    prediction = task(torch.randn(3, 5, 8), torch.tensor([5, 4, 2]))
    task.loss(prediction, task.target(batch)).backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert task.estimate.weight.grad[:2].any(dim=1).all()
    assert not task.estimate.weight.grad[2].any()  # nobody rated dominance


def test_a_batch_without_labels_costs_nothing(task):
    nobody = SimpleNamespace(**{name: ["", ""] for name in ATTRIBUTES})
    prediction = task(torch.randn(2, 5, 8), torch.tensor([5, 4]))
    loss = task.loss(prediction, task.target(nobody))
    loss.backward()
    assert loss == 0
    assert not any(p.grad.any() for p in task.parameters())


def test_there_is_no_loss_in_evaluation(task, batch):
    task.eval()
    prediction = task(torch.randn(3, 5, 8), torch.tensor([5, 4, 2]))
    assert task.loss(prediction, task.target(batch)) is None


def test_what_is_built_after_it_begins_as_without_it():
    torch.manual_seed(3)
    expected = torch.nn.Linear(4, 4).weight
    torch.manual_seed(3)
    Attributes(8, scale=[1, 5])
    assert torch.equal(torch.nn.Linear(4, 4).weight, expected)


def test_a_train_set_without_any_attribute_is_refused(task):
    row = dict.fromkeys(ATTRIBUTES, "")
    task.check({"a": row, "b": {**row, "dominance": "3"}})
    with pytest.raises(SerMtlError, match="no clip of train.*valence.*Leave"):
        task.check({"a": row})
