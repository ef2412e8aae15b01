from types import SimpleNamespace

import pytest
import torch

from ser_mtl_modules.augment.mixup import shares_of
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.losses.cross_entropy import CrossEntropy
from ser_mtl_modules.losses.kl_divergence import KLDivergence
from ser_mtl_modules.tasks.classification import Classification
from ser_mtl_modules.tasks.rater_shares import RaterShares

CLASSES = ["anger", "happiness", "neutral", "sadness"]


@pytest.fixture
def task():
    torch.manual_seed(0)
    return Classification(5, CLASSES, soft_labels=RaterShares())


@pytest.fixture
def batch():
    return SimpleNamespace(
        emotion=["anger", "neutral", "sadness", ""],
        raters=["angry:3|other:4|sad:1", "other:5", "", ""],
    )


@pytest.mark.parametrize(
    "votes, expected",
    [
        ("angry:3|neutral:1", [0.75, 0, 0.25, 0]),  # as the MSP lab says it
        ("anger:3|neutral state:1", [0.75, 0, 0.25, 0]),  # as IEMOCAP does
        ("excited:1|happiness:1", [0, 1, 0, 0]),
        ("frustration:2|sadness:1", [0, 0, 0, 1]),
        ("other:3", [0, 0, 0, 0]),
        ("", [0, 0, 0, 0]),
    ],
)
def test_shares_are_of_the_votes_for_classes(votes, expected):
    assert RaterShares().of(votes, CLASSES) == expected


def test_excited_is_itself_where_it_is_a_class():
    classes = ["excited", "happiness"]
    shares = RaterShares().of("excited:3|happiness:1", classes)
    assert shares == [0.75, 0.25]


def test_without_votes_a_clip_has_its_hard_label_if_any(task, batch):
    expected = [[0.75, 0, 0, 0.25], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert task.target(batch).tolist() == expected


def test_of_unanimous_raters_the_loss_is_that_of_hard_labels():
    torch.manual_seed(0)
    logits = torch.randn(2, 4)
    said = SimpleNamespace(
        emotion=["anger", "sadness"], raters=["angry:5", "sad:3"]
    )
    soft = Classification(5, CLASSES, soft_labels=RaterShares()).target(said)
    hard = Classification(5, CLASSES).target(said)
    loss = CrossEntropy([9, 3, 2, 1], "inverse", label_smoothing=0.1)
    torch.testing.assert_close(loss(logits, soft), loss(logits, hard))


def test_the_gradient_of_cross_entropy_is_that_of_the_divergence(task, batch):
    logits = torch.randn(4, 4, requires_grad=True)
    target = task.target(batch)
    a, b = (
        torch.autograd.grad(loss(logits, target), logits)[0]
        for loss in (CrossEntropy(), KLDivergence())
    )
    torch.testing.assert_close(a, b)
    assert not a[3].any()  # nothing is known of it


def test_mixed_clips_have_a_part_of_both_clips_shares(task, batch):
    target = task.target(batch)
    partner, share = torch.tensor([2, 0, 1, 0]), torch.full((4,), 0.4)
    mixed = task.mix(target, shares_of(partner, share))
    expected = 0.6 * target + 0.4 * target[partner]
    torch.testing.assert_close(mixed[:3], expected[:3])
    assert not mixed[3].any()  # half of it is unknown


def test_what_raters_said_is_written_down(task, batch):
    prediction = task(torch.randn(4, 6, 5), torch.tensor([6, 4, 3, 2]))
    rows = task.describe(prediction, batch)
    names = [f"raters_{name}" for name in CLASSES]
    assert [rows[0][name] for name in names] == [0.75, 0, 0, 0.25]
    # that a clip was given its hard label is no vote
    assert [rows[1][name] for name in names] == [""] * 4


def test_a_corpus_without_raters_is_refused(task):
    rows = {"a": {"raters": "other:3"}, "b": {"raters": ""}}
    with pytest.raises(SerMtlError, match="no clip of train has raters.*Leave"):
        task.check(rows)
    task.check({**rows, "c": {"raters": "sad:2"}})
    Classification(5, CLASSES).check(rows)
