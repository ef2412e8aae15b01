import math
from types import SimpleNamespace

import pytest
import torch

from ser_mtl_modules.tasks.speaker import Speaker

LENS = torch.tensor([40, 1, 9, 3])


@pytest.fixture
def task():
    torch.manual_seed(0)
    task = Speaker(
        6, ["01", "02", "03"], embedding_size=5, channels=[8, 8, 8, 8, 12]
    )
    for module in task.modules():  # as if it had been trained
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.running_mean, std=0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return task


@pytest.fixture
def feats():
    return torch.randn(4, 40, 6, generator=torch.Generator().manual_seed(1))


def test_a_clip_gets_the_same_embedding_alone_as_in_a_batch(task, feats):
    task.eval()
    together = task(feats, LENS)
    for i, n in enumerate(LENS):
        alone = task(feats[i : i + 1, :n], LENS[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=0)
    # those of different clips differ, or the above says little
    assert torch.pdist(together).min() > 1e-3


def test_padding_has_no_effect_in_training_either(task, feats):
    task.train()
    results = []
    for content in (0.0, 100.0):
        x = feats.clone()
        for clip, n in zip(x, LENS):
            clip[n:] = content
        torch.manual_seed(3)
        results.append(task(x, LENS))
    torch.testing.assert_close(*results)


def test_segments_in_training_are_parts_of_their_clips(task):
    feats = torch.arange(40.0).expand(3, 40)[..., None].repeat(1, 1, 6)
    lens = torch.tensor([40, 12, 30])
    starts = set()
    for _ in range(20):
        segments = task._segments(feats, lens)[..., 0]
        assert segments.shape == (3, 12)  # the shortest clip
        assert (segments.diff(dim=1) == 1).all()
        assert (segments[:, -1] < lens).all()
        starts.add(segments[0, 0].item())
    assert len(starts) > 5


def test_embeddings_are_of_norm_one(task, feats):
    for embeddings in (task.train()(feats, LENS), task.eval()(feats, LENS)):
        assert embeddings.shape == (4, 5)
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))


@pytest.mark.parametrize("n_frames", [1, 20])
def test_training_with_a_single_clip_works(task, feats, n_frames):
    embeddings = task.train()(feats[:1], torch.tensor([n_frames]))
    loss = task.loss(embeddings, torch.tensor([1]))
    loss.backward()
    assert embeddings.shape == (1, 5) and loss.isfinite()
    assert all(p.grad.isfinite().all() for p in task.parameters())


def test_targets_are_training_speakers_and_minus_1_for_all_others(task):
    target = task.target(SimpleNamespace(speaker=["03", "01", "", "99"]))
    assert target.tolist() == [2, 0, -1, -1]


def test_loss_equals_additive_angular_margin_written_as_a_loop(task, feats):
    embeddings, target = task.eval()(feats, LENS), torch.tensor([2, -1, 0, 1])
    weights = task.classify.weight
    terms = []
    for x, label in zip(embeddings, target.tolist()):
        if label < 0:
            continue
        cosines = [(x @ w / w.norm()).item() for w in weights]
        angle = math.acos(cosines[label]) + 0.2
        # beyond pi the angle would come back: a line instead, as ArcFace has
        beyond = cosines[label] <= math.cos(math.pi - 0.2)
        cosines[label] = (
            cosines[label] - math.sin(math.pi - 0.2) * 0.2
            if beyond
            else math.cos(angle)
        )
        total = sum(math.exp(30 * c) for c in cosines)
        terms.append(-math.log(math.exp(30 * cosines[label]) / total))
    loss = task.loss(embeddings, target)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-3)


def test_gradient_reaches_every_parameter(task, feats):
    lens = torch.tensor([40, 30, 20, 25])
    loss = task.loss(task.train()(feats, lens), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    without = [n for n, p in task.named_parameters() if not p.grad.any()]
    assert without == [] and loss.isfinite()


def test_without_known_speakers_loss_and_gradient_are_zero(task, feats):
    loss = task.loss(task.train()(feats, LENS), torch.full((4,), -1))
    loss.backward()
    assert loss == 0
    assert not any(p.grad.any() for p in task.parameters())
    # and in evaluation there is none, rather than a perfect one
    assert task.loss(task.eval()(feats, LENS), torch.full((4,), -1)) is None


def test_every_utterance_is_described_by_its_embedding(task, feats):
    with torch.no_grad():
        embeddings = task.eval()(feats, LENS)
    rows = task.describe(embeddings, SimpleNamespace())
    assert [row["embedding"].tolist() for row in rows] == embeddings.tolist()
