import pytest
import torch

from ser_mtl_modules.training.loss_balance import Calibrated, Fixed


def show(balance, **terms):
    balance.observe({name: torch.tensor(x) for name, x in terms.items()})


def test_each_term_begins_at_one_and_stays_on_that_scale():
    balance = Calibrated(n_batches=3)
    for a, b in [(2.0, 100.0), (4.0, 300.0), (6.0, 200.0), (1.0, 1.0)]:
        show(balance, a=a, b=b)
    assert balance.factor("a") == 1 / 4 and balance.factor("b") == 1 / 200
    assert Calibrated().factor("a") == 1  # before it has seen any


def test_the_first_batches_take_the_mean_so_far():
    balance, factors = Calibrated(n_batches=3), []
    for a in (2.0, 4.0, 6.0, 8.0):
        show(balance, a=a)
        factors.append(1 / balance.factor("a"))
    assert factors == [2.0, 3.0, 4.0, 4.0]


def test_what_is_zero_or_not_finite_is_left_for_the_next_batch():
    balance = Calibrated(n_batches=2)
    for b in (0.0, torch.nan, 3.0, torch.inf, 5.0, 100.0):
        show(balance, a=2.0, b=b)
    assert balance.factor("a") == 1 / 2 and balance.factor("b") == 1 / 4
    show(balance, c=0.0)
    assert balance.factor("c") == 1


@pytest.mark.parametrize("n_seen", [1, 2, 5])
def test_one_that_goes_on_is_as_one_that_did_not_stop(n_seen):
    values = [3.0, 0.1, 7.0, 4.0, 5.0]
    unbroken, first, second = (Calibrated(n_batches=4) for _ in range(3))
    for a in values:
        show(unbroken, a=a)
    for a in values[:n_seen]:
        show(first, a=a)
    second.load_state_dict(first.state_dict())
    for a in values[n_seen:]:
        show(second, a=a)
    assert second.factor("a") == unbroken.factor("a")


def test_fixed_ones_change_nothing():
    balance = Fixed()
    show(balance, a=5.0)
    balance.load_state_dict(balance.state_dict())
    assert balance.factor("a") == 1
