import numpy as np
import pytest

from ser_mtl_modules.metrics.concordance import concordance


@pytest.fixture
def ratings():
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 7, 40)
    return x, 0.5 * x + rng.normal(2, 1, 40)


def test_equals_pearsons_r_times_lins_bias(ratings):
    x, y = ratings
    r = np.corrcoef(x, y)[0, 1]
    u = (x.mean() - y.mean()) / np.sqrt(x.std() * y.std())
    v = x.std() / y.std()
    expected = r * 2 / (v + 1 / v + u**2)
    assert concordance(x, y) == pytest.approx(expected, rel=1e-12)


def test_is_symmetric_and_of_a_common_scale(ratings):
    x, y = ratings
    value = concordance(x, y)
    assert concordance(y, x) == pytest.approx(value)
    assert concordance(2 * x - 8, 2 * y - 8) == pytest.approx(value)
    assert concordance(x, 2 * x) < concordance(x, x) == pytest.approx(1)
    assert concordance(x, -x + 2 * x.mean()) == pytest.approx(-1)


def test_is_no_mean_over_parts(ratings):
    x, y = ratings
    order = np.argsort(x)
    parts = [concordance(x[i], y[i]) for i in (order[:20], order[20:])]
    assert np.mean(parts) < concordance(x, y) - 0.1


@pytest.mark.parametrize("pair", [([], []), ([3.0], [3.0]), ([2, 2], [2, 2])])
def test_is_none_where_it_is_not_defined(pair):
    assert concordance(*pair) is None


def test_of_a_constant_estimate_it_is_zero():
    assert concordance([1, 2, 3], [2, 2, 2]) == 0
