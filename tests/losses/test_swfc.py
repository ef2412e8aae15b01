import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.losses.swfc import SampleWeightedFocalContrastive

COUNTS = [40, 10, 25, 5]


@pytest.fixture
def batch():
    """Embeddings with classes 0 0 0 1 1 2 3, an unknown one among them."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(8, 4, generator=generator)
    return embeddings, torch.tensor([0, 0, -1, 0, 1, 1, 2, 3])


def positives_of(labels):
    """For each anchor with a known label: the others, and its positives."""
    known = [i for i, label in enumerate(labels) if label >= 0]
    for i in known:
        others = [k for k in known if k != i]
        yield i, others, [j for j in others if labels[j] == labels[i]]


def reference(embeddings, labels, counts, temperature, gamma, alpha):
    """The formula of the docstring, one pair at a time, in float64."""
    z = embeddings.double()
    z = z / z.norm(dim=1, keepdim=True)
    labels = labels.tolist()
    w = [(sum(counts) / n) ** alpha for n in counts]
    loss, n_anchors = 0.0, 0
    for i, others, positives in positives_of(labels):
        n_anchors += 1
        total = sum(torch.exp(z[i] @ z[k] / temperature) for k in others)
        for j in positives:
            p = torch.exp(z[i] @ z[j] / temperature) / total
            term = (1 - p) ** gamma * torch.log(p) / len(positives)
            loss = loss - w[labels[i]] / sum(w) * term
    return (loss / n_anchors).float()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 3.7])
@pytest.mark.parametrize("alpha", [0.0, 0.8, 1.0])
def test_equals_the_formula_written_as_loops_and_so_does_the_gradient(
    batch, gamma, alpha
):
    embeddings, labels = batch
    results = []
    for loss in (
        SampleWeightedFocalContrastive(COUNTS, 0.3, gamma, alpha),
        lambda x, y: reference(x, y, COUNTS, 0.3, gamma, alpha),
    ):
        x = embeddings.clone().requires_grad_()
        value = loss(x, labels)
        results.append((value, *torch.autograd.grad(value, x)))
    torch.testing.assert_close(*results, atol=1e-6, rtol=1e-4)


def test_without_focus_and_weights_it_is_supervised_contrastive_over_c():
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 1, 0, 2, 2])  # each has a positive
    z, supcon = F.normalize(x, dim=1), []
    for i, others, positives in positives_of(labels.tolist()):
        logits = torch.stack([z[i] @ z[k] / 0.1 for k in others])
        log_p = dict(zip(others, logits - logits.logsumexp(0)))
        supcon.append(-sum(log_p[j] for j in positives) / len(positives))
    loss = SampleWeightedFocalContrastive(COUNTS, 0.1, gamma=0.0, alpha=0.0)
    expected = sum(supcon) / len(supcon) / len(COUNTS)
    torch.testing.assert_close(loss(x, labels), expected)


def test_unknown_labels_are_as_if_the_utterance_were_not_there(batch):
    embeddings, labels = batch
    loss, known = SampleWeightedFocalContrastive(COUNTS), labels >= 0
    x = embeddings.clone().requires_grad_()
    value = loss(x, labels)
    value.backward()
    torch.testing.assert_close(value, loss(embeddings[known], labels[known]))
    assert not x.grad[~known].any() and x.grad[known].any(dim=1).all()


@pytest.mark.parametrize("labels", [[0, 1, 2], [2], [-1, -1], [-1, 3], [-1]])
def test_without_pairs_loss_and_gradient_are_zero(labels):
    embeddings = torch.randn(len(labels), 4, requires_grad=True)
    loss = SampleWeightedFocalContrastive(COUNTS)
    value = loss(embeddings, torch.tensor(labels))
    value.backward()
    assert value == 0 and not embeddings.grad.any()


@pytest.mark.parametrize("labels", [[1, 1], [1, 1, 1], [0, 0, 1, 1]])
def test_identical_vectors_have_a_finite_loss_and_gradient(labels):
    # of two identical utterances p is 1, where the slope of (1 - p)^0.5 isn't
    embeddings = torch.ones(len(labels), 4, requires_grad=True)
    loss = SampleWeightedFocalContrastive(COUNTS, gamma=0.5)
    value = loss(embeddings, torch.tensor(labels))
    value.backward()
    assert value.isfinite() and embeddings.grad.isfinite().all()


def test_a_zero_vector_has_a_finite_loss_and_gradient(batch):
    embeddings, labels = batch
    x = embeddings.clone()
    x[0] = 0
    x.requires_grad_()
    value = SampleWeightedFocalContrastive(COUNTS)(x, labels)
    value.backward()
    assert value.isfinite() and x.grad.isfinite().all()


def test_ignores_order_and_scale(batch):
    embeddings, labels = batch
    loss = SampleWeightedFocalContrastive(COUNTS)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(2))
    value = loss(3 * embeddings[order], labels[order])
    torch.testing.assert_close(value, loss(embeddings, labels))


def test_class_weights_sum_to_one_and_a_class_without_clips_weighs_0():
    loss = SampleWeightedFocalContrastive([10, 0, 40], alpha=1.0)
    # n / n_c = 5 and 1.25
    torch.testing.assert_close(loss.class_weights, torch.tensor([0.8, 0, 0.2]))
    x = torch.randn(3, 4)
    assert loss(x, torch.tensor([1, 1, 0])) == 0


def test_half_precision_gives_a_loss_in_single_precision(batch):
    embeddings, labels = batch
    loss = SampleWeightedFocalContrastive(COUNTS)(embeddings.half(), labels)
    assert loss.dtype == torch.float
