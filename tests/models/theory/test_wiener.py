"""The Wiener filter, compared with regression and with trained linear autoencoders."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen import grad, optim
from tinygen.models import Autoencoder, Erasures, GaussianNoise, wiener_filter

DAMAGES = [GaussianNoise(0.4), Erasures(0.3)]
SIZES = st.integers(1, 4), st.integers(0, 10_000)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def data(n: int, features: int, seed: int) -> np.ndarray:
    """Correlated numbers (n, features) that are not centred."""
    r = rng(seed)
    return r.normal(size=(n, features)) @ r.normal(size=(features, features)) + r.normal(size=features)


def best_affine_map(seen: np.ndarray, wanted: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """What weighted least squares makes of `seen`, and its mean squared error: the oracle, by regression."""
    root = np.sqrt(weights / weights.sum())[:, None]
    inputs = np.hstack([seen, np.ones((len(seen), 1))])
    solution = np.linalg.lstsq(root * inputs, root * wanted, rcond=None)[0]
    outputs = inputs @ solution
    return outputs, float(((root * (outputs - wanted)) ** 2).sum())


# -- the filter --------------------------------------------------------------------------------------------------------


@given(*SIZES, st.floats(0.05, 0.95))
def test_the_filter_of_erasures_is_the_regression_over_every_mask(features, seed, share):
    x = data(7, features, seed)
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=features)))  # (2^D, D)
    chances = np.prod(np.where(masks == 0, share, 1 - share), axis=1)
    seen = (x[:, None] * masks).reshape(-1, features)
    outputs, error = best_affine_map(seen, np.repeat(x, len(masks), axis=0), np.tile(chances, len(x)))
    wiener = wiener_filter(x, Erasures(share))
    assert wiener.error == pytest.approx(error, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(wiener(seen), outputs, rtol=0, atol=1e-6 * (1 + np.abs(x).max()))


@given(*SIZES, st.floats(0.05, 3))
def test_the_filter_of_noise_is_the_regression_over_points_with_its_covariance(features, seed, sd):
    x = data(7, features, seed)
    seen, wanted = every_pair(x, sd)
    outputs, error = best_affine_map(seen, wanted, np.ones(len(seen)))
    wiener = wiener_filter(x, GaussianNoise(sd))
    assert wiener.error == pytest.approx(error, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(wiener(seen), outputs, rtol=0, atol=1e-6 * (1 + np.abs(x).max()))
    variances = np.linalg.eigvalsh(np.cov(x.T, bias=True).reshape(features, features))
    assert wiener.error == pytest.approx((variances * sd**2 / (variances + sd**2)).sum(), rel=1e-9)


def every_pair(x: np.ndarray, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Each x (n, D) with each of 2D deviations whose mean is 0 and whose covariance is sd² I: exact, no draw."""
    features = x.shape[1]
    deviations = sd * np.sqrt(features) * np.concatenate([np.eye(features), -np.eye(features)])
    return (x[:, None] + deviations).reshape(-1, features), np.repeat(x, 2 * features, axis=0)


@pytest.mark.parametrize("corrupt", DAMAGES, ids=str)
def test_a_pixel_that_never_changes_is_known(corrupt):
    x = np.pad(rng().random((50, 2, 2, 1), dtype=np.float32), [(0, 0), (1, 1), (1, 1), (0, 0)])
    cleaned = wiener_filter(x, corrupt)(corrupt(x, rng(1)))
    assert cleaned.shape == x.shape and cleaned.dtype == x.dtype
    np.testing.assert_allclose(cleaned[:, 0], 0, rtol=0, atol=1e-6)


# -- the autoencoder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent", [5, 3])
def test_the_best_linear_denoising_autoencoder_is_the_wiener_filter(latent):
    """With a short code, on the leading eigenvectors: of λ each of them leaves λσ²/(λ + σ²), the others all of it."""
    variances, sd = np.array([4.0, 2.0, 1.0, 0.5, 0.25]), 0.8
    turn = np.linalg.qr(rng(3).normal(size=(5, 5)))[0]
    points = np.sqrt(5 * variances)[:, None] * np.eye(5) @ turn.T
    seen, wanted = every_pair(np.concatenate([points, -points]), sd)  # the moments of that Gaussian, and of its noise
    model = Autoencoder.linear((5,), latent, rng=rng(4), dtype=np.float64)
    params = model.parameters()
    opt, schedule = optim.Adam(params), optim.cosine(0.05, total=600)
    for step in range(600):
        opt.lr = schedule(step)
        loss = model.loss(wanted, rng(), corrupt=lambda x, rng: seen)
        opt.step(grad(loss, params))
    left = variances * sd**2 / (variances + sd**2)
    assert loss.item() == pytest.approx(left[:latent].sum() + variances[latent:].sum(), rel=1e-6)
    gains = np.where(np.arange(5) < latent, variances / (variances + sd**2), 0)
    w_e, w_d = (p.numpy() for p in params)
    np.testing.assert_allclose(w_e @ w_d, turn * gains @ turn.T, rtol=0, atol=2e-3)


@pytest.mark.parametrize("corrupt", DAMAGES, ids=str)
def test_the_loss_of_the_filter_as_an_autoencoder_is_the_error_that_it_leaves(corrupt):
    x = data(20_000, 4, seed=5)
    x -= x.mean(axis=0)  # a linear autoencoder has no bias
    wiener = wiener_filter(x, corrupt)
    model = Autoencoder.linear((4,), 4, rng=rng(), dtype=np.float64)
    w_e, w_d = model.parameters()
    w_e.data, w_d.data = wiener.weight, np.eye(4)
    errors = ((corrupt(x, rng(6)) @ wiener.weight - x) ** 2).sum(axis=1)
    loss = model.loss(x, rng(6), corrupt=corrupt).item()
    assert loss == pytest.approx(errors.mean(), rel=1e-12)
    assert abs(loss - wiener.error) < 4.5 * errors.std() / np.sqrt(len(x))
