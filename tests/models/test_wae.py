"""The maximum mean discrepancy against its definition, and an autoencoder that is trained with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen import Tensor, grad, models, optim
from tinygen.models import WassersteinAutoencoder


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def direct(x, y, scales):
    """The definition as double sums."""

    def k(a, b):
        cs = [2 * x.shape[1] * scale for scale in scales]
        return sum(c / (c + ((a - b) ** 2).sum()) for c in cs)

    def mean(a, b, different):
        values = [k(u, v) for i, u in enumerate(a) for j, v in enumerate(b) if not (different and i == j)]
        return sum(values) / len(values)

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 4), st.integers(0, 2**32), st.sampled_from([0.1, 1, 30]))
def test_it_is_the_double_sum(n, m, k, seed, size):
    x, y = size * rng(seed).normal(size=(n, k)), rng(seed + 1).normal(size=(m, k)) + 1
    scales = rng(seed).uniform(0.1, 3, size=2)
    assert models.mmd(x, y, scales=scales).item() == pytest.approx(direct(x, y, scales), rel=1e-9, abs=1e-12)
    assert models.mmd(y, x).item() == pytest.approx(models.mmd(x, y).item(), rel=1e-9, abs=1e-12)


def test_it_is_unbiased_for_draws_from_one_distribution_and_positive_for_others():
    same, other = (
        np.array(
            [models.mmd(rng(i).normal(size=(20, 3)), m + rng(i + 500).normal(size=(30, 3))).item() for i in range(200)]
        )
        for m in (0, 1)
    )
    assert abs(same.mean()) <= 4 * same.std() / 200**0.5
    assert other.mean() > 4 * other.std() / 200**0.5


def test_its_gradient_is_its_slope():
    x, y, direction = (rng(seed).normal(size=(5, 2)) for seed in (1, 2, 3))
    z, h = Tensor(x, requires_grad=True), 1e-6
    slope = (grad(models.mmd(z, y), z).numpy() * direction).sum()
    ahead, behind = (models.mmd(x + s * h * direction, y).item() for s in (1, -1))
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


def test_the_terms_add_up():
    model = WassersteinAutoencoder.dense((6,), [5], 2, weight=3, output="linear", rng=rng(), dtype=np.float64)
    x = rng(1).normal(size=(7, 6))
    reconstruction, penalty = model.terms(x, rng(2))
    assert model.loss(x, rng(2)).item() == pytest.approx(reconstruction.item() + 3 * penalty.item(), rel=1e-12)
    assert reconstruction.item() == pytest.approx(((model.reconstruct(x) - x) ** 2).sum() / 7, rel=1e-12)
    prior = rng(2).standard_normal((7, 2))
    assert penalty.item() == pytest.approx(models.mmd(model.encode(x), prior).item(), rel=1e-9)


def test_training_brings_the_codes_to_the_prior():
    x, prior = rng(1).normal(size=(300, 4)) * [3, 2, 1, 1], rng(3).normal(size=(300, 2))
    distance = {}
    for weight in (0, 100):
        model = WassersteinAutoencoder.dense((4,), [], 2, weight=weight, output="linear", rng=rng(), dtype=np.float64)
        params, draws = model.parameters(), rng(4)
        opt = optim.Adam(params, 0.05)
        for _ in range(60):
            opt.step(grad(model.loss(x[draws.integers(300, size=40)], draws), params))
        distance[weight] = models.mmd(model.encode(x), prior).item()
    assert distance[100] < distance[0] / 5


def test_errors():
    for x, y in (((5, 2), (5, 3)), ((5,), (5, 2)), ((1, 2), (5, 2))):
        with pytest.raises(ValueError, match=r"mmd: expected \(N, K\) and \(M, K\), N and M at least 2, got"):
            models.mmd(np.zeros(x), np.zeros(y))
    with pytest.raises(ValueError, match="expected scale to be a number above 0"):
        models.mmd(np.zeros((5, 2)), np.zeros((5, 2)), scales=[0])
    model = WassersteinAutoencoder.dense((6,), [5], 2, weight=1, rng=rng())
    with pytest.raises(TypeError, match="expected rng"):
        model.loss(np.zeros((5, 6), np.float32))
