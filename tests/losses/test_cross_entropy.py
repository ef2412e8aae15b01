import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.losses.cross_entropy import CrossEntropy

COUNTS = [8, 2, 30]
WEIGHTS = torch.tensor([40 / (3 * n) for n in COUNTS])


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(6, 3, generator=generator)
    return logits, torch.tensor([0, 2, 1, 1, 2, 0])


def value_and_gradient(loss, logits, targets):
    x = logits.clone().requires_grad_()
    value = loss(x, targets)
    return value, *torch.autograd.grad(value, x)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighting", ["none", "inverse"])
def test_equals_torch_in_value_and_gradient(batch, weighting, smoothing):
    ours = CrossEntropy(COUNTS, weighting, label_smoothing=smoothing)
    torchs = torch.nn.CrossEntropyLoss(
        weight=WEIGHTS if weighting == "inverse" else None,
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(
        value_and_gradient(ours, *batch), value_and_gradient(torchs, *batch)
    )


@pytest.mark.parametrize("gamma", [0.5, 2.0, 3.7])
def test_focal_loss_equals_lin_et_al_written_as_a_loop(batch, gamma):
    def reference(logits, targets):
        total = 0.0
        for row, label in zip(logits, targets.tolist()):
            p = row[label].exp() / row.exp().sum()
            total = total - WEIGHTS[label] * (1 - p) ** gamma * p.log()
        return total / WEIGHTS[targets].sum()

    loss = CrossEntropy(COUNTS, "inverse", gamma)
    torch.testing.assert_close(
        value_and_gradient(loss, *batch), value_and_gradient(reference, *batch)
    )


def test_a_certain_and_right_answer_has_a_finite_gradient():
    logits = torch.tensor([[100.0, 0.0]], requires_grad=True)
    value = CrossEntropy(gamma=0.5)(logits, torch.tensor([0]))
    value.backward()
    assert value == 0 and logits.grad.isfinite().all()


def test_loss_of_a_mixture_is_the_mixture_of_the_losses(batch):
    logits, first = batch
    second, share = first.roll(1), torch.linspace(0, 1, 6)
    mixed = share[:, None] * F.one_hot(first, 3)
    mixed = mixed + (1 - share[:, None]) * F.one_hot(second, 3)
    a = F.cross_entropy(logits, first, reduction="none")
    b = F.cross_entropy(logits, second, reduction="none")
    expected = (share * a + (1 - share) * b).mean()
    torch.testing.assert_close(CrossEntropy()(logits, mixed), expected)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("weighting", ["none", "inverse"])
def test_hard_targets_equal_their_soft_form(batch, weighting, gamma):
    logits, labels = batch
    loss = CrossEntropy(COUNTS, weighting, gamma, label_smoothing=0.1)
    soft = loss(logits, F.one_hot(labels, 3).float())
    torch.testing.assert_close(loss(logits, labels), soft)


def test_unknown_targets_are_left_out(batch):
    logits, labels = batch
    known = torch.tensor([True, False, True, True, False, True])
    loss = CrossEntropy(COUNTS, "inverse", gamma=1.5, label_smoothing=0.1)
    expected = loss(logits[known], labels[known])
    hard = labels.where(known, torch.tensor(-1))
    soft = F.one_hot(labels, 3) * known[:, None]
    torch.testing.assert_close(loss(logits, hard), expected)
    torch.testing.assert_close(loss(logits, soft.float()), expected)


@pytest.mark.parametrize(
    "targets",
    [torch.tensor([-1, -1]), torch.zeros(2, 3), torch.tensor([1, 1])],
    ids=["hard", "soft", "of a class that weighs nothing"],
)
def test_without_targets_loss_and_gradient_are_zero(targets):
    logits = torch.randn(2, 3, requires_grad=True)
    value = CrossEntropy([5, 0, 5], "inverse")(logits, targets)
    value.backward()
    assert value == 0 and not logits.grad.any()


def test_an_unknown_weighting_is_refused_beside_the_known_ones():
    with pytest.raises(ValueError, match="balanced.*'inverse' or 'none'"):
        CrossEntropy(weighting="balanced")


def test_focal_loss_of_soft_labels_equals_the_formula_written_as_loops(batch):
    def reference(logits, soft):
        total = 0.0
        for row, target in zip(logits, soft):
            for c in range(3):
                p = row[c].exp() / row.exp().sum()
                total = total - target[c] * (1 - p) ** 2 * p.log()
        return total / len(logits)

    logits, labels = batch
    soft = 0.7 * F.one_hot(labels, 3) + 0.3 * F.one_hot(labels.roll(1), 3)
    torch.testing.assert_close(
        value_and_gradient(CrossEntropy(gamma=2.0), logits, soft),
        value_and_gradient(reference, logits, soft),
    )
