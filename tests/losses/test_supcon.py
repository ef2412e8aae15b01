import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.losses.supcon import SupervisedContrastive


@pytest.fixture
def batch():
    """Embeddings with classes 0 0 0 1 1 2 3, an unknown one among them."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(8, 4, generator=generator)
    return embeddings, torch.tensor([0, 0, -1, 0, 1, 1, 2, 3])


def reference(embeddings, labels, temperature):
    """Equation 2, one anchor and one positive at a time."""
    z, losses = F.normalize(embeddings, dim=-1), []
    known = [i for i, label in enumerate(labels.tolist()) if label >= 0]
    for i in known:
        others = [a for a in known if a != i]
        e = {a: torch.exp(z[i] @ z[a] / temperature) for a in others}
        positives = [p for p in others if labels[p] == labels[i]]
        terms = [-torch.log(e[p] / sum(e.values())) for p in positives]
        losses += [sum(terms) / len(terms)] if terms else []
    return sum(losses) / len(losses)


def value_and_gradient(loss, embeddings, labels):
    x = embeddings.clone().requires_grad_()
    value = loss(x, labels)
    return value, *torch.autograd.grad(value, x)


@pytest.mark.parametrize("block_size", [1, 3, 7, 100])
def test_equals_equation_2_written_as_loops_and_so_does_the_gradient(
    batch, block_size
):
    loss = SupervisedContrastive(0.07, block_size)
    torch.testing.assert_close(
        value_and_gradient(loss, *batch),
        value_and_gradient(lambda x, y: reference(x, y, 0.07), *batch),
    )


def test_gradcheck(batch):
    embeddings, labels = batch
    x = embeddings.double().requires_grad_()
    loss = SupervisedContrastive(0.3, block_size=3)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), x)


@pytest.mark.parametrize("block_size", [64, 129, 300])
def test_blocks_equal_the_whole_matrix_to_1e_6(block_size):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 16, generator=generator)
    labels = torch.randint(4, (300,), generator=generator)
    whole = value_and_gradient(dense_supcon, x, labels)
    blocks = value_and_gradient(
        SupervisedContrastive(0.1, block_size), x, labels
    )
    torch.testing.assert_close(blocks, whole, atol=1e-6, rtol=0)


def dense_supcon(embeddings, labels):
    """The similarities as one matrix, for autograd to keep."""
    z = F.normalize(embeddings, dim=-1)
    itself = torch.eye(len(z), dtype=torch.bool)
    positive = (labels[:, None] == labels) & ~itself
    logits = (z @ z.T / 0.1).masked_fill(itself, -torch.inf)
    log_p = logits.log_softmax(dim=1).masked_fill(~positive, 0.0)
    return -(log_p.sum(dim=1) / positive.sum(dim=1)).mean()


def test_ignores_scale_order_and_class_names(batch):
    embeddings, labels = batch
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    renamed = torch.where(labels < 0, labels, 9 - labels)[order]
    loss = SupervisedContrastive()
    torch.testing.assert_close(
        loss(3 * embeddings[order], renamed), loss(embeddings, labels)
    )


def test_unknown_labels_are_as_if_the_vector_were_not_there(batch):
    embeddings, labels = batch
    known, loss = labels >= 0, SupervisedContrastive()
    value, gradient = value_and_gradient(loss, embeddings, labels)
    torch.testing.assert_close(value, loss(embeddings[known], labels[known]))
    assert not gradient[~known].any() and gradient[known].any(dim=1).all()


@pytest.mark.parametrize("labels", [[0], [0, 1, 2], [-1, -1], [-1, 1], [-1]])
def test_without_pairs_loss_and_gradient_are_zero(labels):
    embeddings = torch.randn(len(labels), 4)
    value, gradient = value_and_gradient(
        SupervisedContrastive(), embeddings, torch.tensor(labels)
    )
    assert value == 0 and not gradient.any()


def test_a_zero_vector_and_identical_ones_have_a_finite_gradient(batch):
    embeddings, labels = batch
    embeddings[0] = 0
    embeddings[4] = embeddings[5]
    results = value_and_gradient(SupervisedContrastive(), embeddings, labels)
    assert all(x.isfinite().all() for x in results)


def test_under_autocast_it_is_computed_in_single_precision(batch):
    embeddings, labels = batch
    x = embeddings.bfloat16()
    expected = value_and_gradient(SupervisedContrastive(), x.float(), labels)
    with torch.autocast("cpu", torch.bfloat16):
        value, gradient = value_and_gradient(SupervisedContrastive(), x, labels)
    assert value.dtype == torch.float
    torch.testing.assert_close(value, expected[0])
    torch.testing.assert_close(gradient.float(), expected[1], atol=1e-2, rtol=0)
