import math

import pytest

from ser_mtl_modules.training.schedule import (
    constant,
    decay_by_epoch,
    epochs_of,
    warmup_cosine,
)


@pytest.mark.parametrize("n_clips", [1, 15, 16, 17, 428, 960, 100_000])
def test_no_epoch_could_be_left_out_of_that_many_steps(n_clips):
    n_epochs = epochs_of(900, [n_clips - 1, 1], batch_size=16)
    n_batches = -(-n_clips // 16)
    assert (n_epochs - 1) * n_batches < 900 <= n_epochs * n_batches


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_rises_to_one_and_falls_to_zero(warmup):
    factors = [warmup_cosine(i / 1000, warmup) for i in range(1001)]
    peak = round(1000 * warmup)
    assert factors[peak] == max(factors) == 1
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[-1] == pytest.approx(0) and min(factors) >= 0
    steps = [abs(a - b) for a, b in zip(factors, factors[1:])]
    assert max(steps) < 0.011  # no jump


def test_values_by_hand():
    assert warmup_cosine(0.05) == pytest.approx(0.5)
    assert warmup_cosine(0.55) == pytest.approx(0.5)
    assert warmup_cosine(0.4) == pytest.approx((1 + math.cos(math.pi / 3)) / 2)


def test_constant_is_one():
    assert {constant(p) for p in (0.0, 0.3, 1.0)} == {1.0}


@pytest.mark.parametrize("n_steps", [1, 59, 60, 97])
@pytest.mark.parametrize("n_epochs", [1, 7, 20])
def test_every_step_of_an_epoch_has_its_rate(n_steps, n_epochs):
    for epoch in range(1, n_epochs + 1):
        for step in range(1, n_steps + 1):  # progress as the Brain counts it
            progress = (epoch - 1 + step / n_steps) / n_epochs
            factor = decay_by_epoch(progress, n_epochs, factor=7 / 8)
            assert factor == (7 / 8) ** (epoch - 1)


def test_decay_may_have_a_warmup():
    assert decay_by_epoch(0.05, 1, warmup=0.2) == pytest.approx(0.25)
    assert decay_by_epoch(0.6, 2, factor=0.5, warmup=0.2) == 0.5
