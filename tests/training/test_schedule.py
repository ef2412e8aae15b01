import math

import pytest

from ser_mtl_modules.training.schedule import constant, warmup_cosine


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
