from types import SimpleNamespace

import pytest
import torch

from ser_mtl_modules.lobes.frame_level_attention import FrameLevelAttention
from ser_mtl_modules.lobes.pooling import UtteranceNorm
from ser_mtl_modules.losses.cross_entropy import CrossEntropy
from ser_mtl_modules.losses.kl_divergence import KLDivergence
from ser_mtl_modules.tasks.frame_contrastive import FrameContrastive
from ser_mtl_modules.tasks.multi_loss import MultiLossClassification

CLASSES = ["neutral", "happy", "sad"]
LENS = torch.tensor([6, 4, 1, 2])
SOFT = torch.tensor([[0.7, 0.3, 0], [0, 0, 0], [0, 0.4, 0.6], [0, 0, 1]])


def batch(*emotions):
    return SimpleNamespace(emotion=list(emotions))


@pytest.fixture
def task():
    torch.manual_seed(0)
    return MultiLossClassification(
        16,
        CLASSES,
        FrameLevelAttention,
        size=5,
        logit_losses={"focal": CrossEntropy(gamma=2.0)},
        frame_losses={"supcon": FrameContrastive(16, size=4)},
    )


@pytest.fixture
def feats():
    return torch.randn(4, 6, 16, generator=torch.Generator().manual_seed(1))


def test_the_head_is_two_linear_layers_on_what_is_pooled(task, feats):
    prediction = task(feats, LENS)
    embeddings = task.embed(task.pool(feats, LENS))
    torch.testing.assert_close(prediction.embeddings, embeddings)
    torch.testing.assert_close(prediction.logits, task.classify(embeddings))
    frames = task.pool.frames(feats, LENS)
    torch.testing.assert_close(prediction.frames, frames)


def test_each_loss_gets_what_it_is_for(task, feats):
    prediction = task(feats, LENS)
    found = task.losses("emotion", prediction, SOFT, lambda term: True)
    labels = torch.tensor([0, -1, 2, 2])  # most of each clip, or unknown
    supcon = task.frame_losses["supcon"]
    expected = {
        "emotion": KLDivergence()(prediction.logits, SOFT),
        "focal": CrossEntropy(gamma=2.0)(prediction.logits, SOFT),
        "supcon": supcon(prediction.frames, LENS, labels),
    }
    torch.testing.assert_close(found, expected)


def test_what_is_not_wanted_is_not_computed(task, feats):
    prediction = task(feats, LENS)._replace(frames=None, lens=None)
    found = task.losses("emotion", prediction, SOFT, lambda term: False)
    assert list(found) == ["emotion"]


def test_a_clip_gets_the_same_alone_as_in_a_batch(task, feats):
    together = task(feats, LENS)
    for i, n in enumerate(LENS):
        alone = task(feats[i : i + 1, :n], LENS[i : i + 1])
        torch.testing.assert_close(alone.logits[0], together.logits[i])
        torch.testing.assert_close(alone.embeddings[0], together.embeddings[i])


def test_gradient_reaches_every_parameter(task, feats):
    prediction = task(feats, LENS)
    losses = task.losses("emotion", prediction, SOFT, lambda term: True)
    sum(losses.values()).backward()
    assert all(p.grad.any() for p in task.parameters())


def test_without_labels_losses_and_gradients_are_zero(task, feats):
    target = task.target(batch("", "fear", "", ""))
    assert target.tolist() == [-1] * 4
    losses = task.losses("emotion", task(feats, LENS), target, lambda _: True)
    assert not any(losses.values())
    sum(losses.values()).backward()
    grads = [p.grad for p in task.parameters() if p.grad is not None]
    assert grads and not any(g.any() for g in grads)


def test_a_norm_stands_behind_the_pooling(feats):
    task = MultiLossClassification(
        16, CLASSES, FrameLevelAttention, norm=UtteranceNorm
    )
    expected = task.embed(task.norm(task.pool(feats, LENS)))
    torch.testing.assert_close(task(feats, LENS).embeddings, expected)


def test_every_utterance_is_described_by_its_probabilities(task, feats):
    prediction = task(feats, LENS)
    emotions = ["sad", "", "happy", "sad"]
    rows = task.describe(prediction, batch(*emotions))
    assert [row["target"] for row in rows] == emotions
    for row, logits in zip(rows, prediction.logits):
        p = [row[f"p_{name}"] for name in CLASSES]
        assert p == pytest.approx(logits.softmax(dim=0).tolist())
        assert row["prediction"] == CLASSES[p.index(max(p))]
