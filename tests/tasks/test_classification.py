from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.losses.cross_entropy import CrossEntropy
from ser_mtl_modules.tasks.classification import Classification

CLASSES = ["neutral", "happy", "sad"]
LENS = torch.tensor([6, 4, 1, 2])


def batch(*emotions):
    return SimpleNamespace(emotion=list(emotions))


@pytest.fixture(params=[None, 7], ids=["linear", "hidden"])
def task(request):
    torch.manual_seed(0)
    return Classification(5, CLASSES, hidden_size=request.param)


@pytest.fixture
def feats():
    return torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(1))


def test_targets_are_places_among_the_classes_and_unknown_ones_minus_1(task):
    target = task.target(batch("sad", "neutral", "", "fear", "Happy"))
    assert target.tolist() == [2, 0, -1, -1, -1]


def test_the_column_is_the_one_that_was_asked_for():
    task = Classification(5, ["F", "M"], label="gender")
    assert task.target(SimpleNamespace(gender=["M", "F"])).tolist() == [1, 0]


def test_loss_is_torchs_cross_entropy_over_known_labels(task, feats):
    prediction = task(feats, LENS)
    target = task.target(batch("sad", "", "happy", "sad"))
    expected = F.cross_entropy(prediction.logits, target, ignore_index=-1)
    torch.testing.assert_close(task.loss(prediction, target), expected)


def test_a_criterion_of_ones_own_is_used(feats):
    focal = CrossEntropy(gamma=2.0)
    task = Classification(5, CLASSES, loss=focal)
    prediction, target = task(feats, LENS), torch.tensor([0, 1, 2, 0])
    expected = focal(prediction.logits, target)
    assert task.loss(prediction, target) == expected


def test_without_labels_loss_and_gradient_are_zero(task, feats):
    loss = task.loss(task(feats, LENS), task.target(batch(*[""] * 4)))
    loss.backward()
    assert loss == 0
    assert not any(p.grad.any() for p in task.parameters())


def test_a_clip_gets_the_same_alone_as_in_a_batch(task, feats):
    task.eval()  # in training the batch norm sees the batch
    together = task(feats, LENS)
    for i, n in enumerate(LENS):
        alone = task(feats[i : i + 1, :n], LENS[i : i + 1])
        torch.testing.assert_close(alone.logits[0], together.logits[i])
        torch.testing.assert_close(alone.embeddings[0], together.embeddings[i])


def test_gradient_reaches_every_parameter(task, feats):
    target = torch.tensor([0, 1, 2, 0])
    task.loss(task(feats, LENS), target).backward()
    assert all(p.grad.any() for p in task.parameters())


def test_embeddings_are_those_that_the_classifier_sees(task, feats):
    logits, embeddings = task(feats, LENS)
    torch.testing.assert_close(task.classify(embeddings), logits)
    assert embeddings.shape[1] in (7, 10)  # hidden, or means and deviations


def test_every_utterance_is_described_by_its_probabilities(feats):
    task = Classification(5, CLASSES, prefix="x_")
    prediction = task(feats, LENS)
    rows = task.describe(prediction, batch("sad", "", "happy", "sad"))
    assert [row["x_target"] for row in rows] == ["sad", "", "happy", "sad"]
    for row, logits in zip(rows, prediction.logits):
        p = [row[f"x_p_{name}"] for name in CLASSES]
        expected = logits.exp() / logits.exp().sum()
        assert p == pytest.approx(expected.tolist())
        assert row["x_prediction"] == CLASSES[p.index(max(p))]
        assert len(row) == 5
