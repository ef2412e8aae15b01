import pytest
import torch

from ser_mtl_modules.losses.center import CenterLoss

LABELS = torch.tensor([2, 0, -1, 2])


@pytest.fixture
def loss():
    torch.manual_seed(0)
    return CenterLoss(["a", "b", "c"], 4)


@pytest.fixture
def embeddings():
    return torch.randn(4, 4, generator=torch.Generator().manual_seed(1))


def test_equals_the_formula_written_as_loops(loss, embeddings):
    expected = 0.0
    for f, label in zip(embeddings.tolist(), LABELS.tolist()):
        if label >= 0:
            center = loss.centers[label].tolist()
            expected += sum((x - c) ** 2 for x, c in zip(f, center)) / 3
    assert loss(embeddings, LABELS).item() == pytest.approx(expected, rel=1e-5)


def test_both_are_drawn_to_each_other_and_only_those_of_one_class(
    loss, embeddings
):
    embeddings.requires_grad_()
    loss(embeddings, LABELS).backward()
    offsets = embeddings - loss.centers[LABELS]
    expected = (2 / 3 * offsets).detach()
    expected[2] = 0
    torch.testing.assert_close(embeddings.grad, expected)
    torch.testing.assert_close(loss.centers.grad[0], -expected[1])
    torch.testing.assert_close(loss.centers.grad[2], -expected[[0, 3]].sum(0))
    assert not loss.centers.grad[1].any()


def test_centers_go_to_the_means_of_their_classes(loss, embeddings):
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    before = loss.centers[1].clone()
    for _ in range(400):
        optimizer.zero_grad()
        loss(embeddings, LABELS).backward()
        optimizer.step()
    mean = embeddings[[0, 3]].mean(dim=0)
    torch.testing.assert_close(loss.centers[2], mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        loss.centers[0], embeddings[1], atol=1e-3, rtol=0
    )
    assert torch.equal(loss.centers[1], before)


def test_without_labels_loss_and_gradients_are_zero(loss, embeddings):
    embeddings.requires_grad_()
    value = loss(embeddings, torch.full((4,), -1))
    value.backward()
    assert value == 0
    assert not embeddings.grad.any() and not loss.centers.grad.any()
