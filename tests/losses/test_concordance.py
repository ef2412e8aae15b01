import pytest
import torch

from ser_mtl_modules.losses.concordance import concordance_loss


@pytest.fixture
def batch():
    """Seven utterances, three attributes; some labels are missing."""
    generator = torch.Generator().manual_seed(0)
    predictions = torch.randn(7, 3, generator=generator)
    targets = predictions + torch.randn(7, 3, generator=generator) + 0.5
    targets[0, 0] = targets[3, 1] = targets[4, 1] = torch.nan
    return predictions, targets


def reference(predictions, targets):
    """Lin's equation, one attribute and one utterance at a time."""
    losses = []
    for a in range(predictions.shape[1]):
        pairs = [
            (x, y)
            for x, y in zip(predictions[:, a], targets[:, a])
            if not y.isnan()
        ]
        n = len(pairs)
        mx = sum(x for x, _ in pairs) / n
        my = sum(y for _, y in pairs) / n
        vx = sum((x - mx) ** 2 for x, _ in pairs) / n
        vy = sum((y - my) ** 2 for _, y in pairs) / n
        cov = sum((x - mx) * (y - my) for x, y in pairs) / n
        losses.append(1 - 2 * cov / (vx + vy + (mx - my) ** 2))
    return sum(losses) / len(losses)


def value_and_gradient(loss, predictions, targets):
    x = predictions.clone().requires_grad_()
    value = loss(x, targets)
    return value, *torch.autograd.grad(value, x)


def test_equals_lins_equation_written_as_loops_in_value_and_gradient(batch):
    torch.testing.assert_close(
        value_and_gradient(concordance_loss, *batch),
        value_and_gradient(reference, *batch),
    )


def test_order_of_the_batch_does_not_matter(batch):
    predictions, targets = batch
    order = torch.tensor([4, 2, 6, 0, 1, 5, 3])
    torch.testing.assert_close(
        concordance_loss(predictions[order], targets[order]),
        concordance_loss(predictions, targets),
    )


def test_a_common_scale_does_not_matter_and_another_one_does(batch):
    predictions, targets = batch
    loss = concordance_loss(predictions, targets)
    common = concordance_loss(3 * predictions + 4, 3 * targets + 4)
    torch.testing.assert_close(common, loss)
    perfect = concordance_loss(targets, targets)
    assert perfect < 1e-6
    assert concordance_loss(targets + 1, targets) > perfect + 0.05
    assert concordance_loss(2 * targets, targets) > perfect + 0.05


def test_what_is_missing_has_no_part_in_value_or_gradient(batch):
    predictions, targets = batch
    value, gradient = value_and_gradient(concordance_loss, *batch)
    assert gradient.isfinite().all()
    assert not gradient[targets.isnan()].any()
    other = predictions.where(targets.isfinite(), 100.0)
    torch.testing.assert_close(concordance_loss(other, targets), value)
    targets = targets.clone()
    targets[:, 2] = torch.nan  # an attribute that no clip has
    two = concordance_loss(predictions, targets)
    torch.testing.assert_close(
        two, concordance_loss(*(x[:, :2] for x in batch))
    )


@pytest.mark.parametrize("n_known", [0, 1])
@pytest.mark.parametrize("n", [1, 4])
def test_without_two_labels_loss_and_gradient_are_zero(n, n_known):
    predictions = torch.randn(n, 3, requires_grad=True)
    targets = torch.full((n, 3), torch.nan)
    targets[:n_known] = 0.3
    value = concordance_loss(predictions, targets)
    value.backward()
    assert value == 0 and not predictions.grad.any()


def test_where_all_numbers_are_one_the_gradient_is_finite():
    predictions = torch.full((3, 1), 0.5, requires_grad=True)
    value = concordance_loss(predictions, torch.full((3, 1), 0.5))
    value.backward()
    assert value == 1 and predictions.grad.isfinite().all()
