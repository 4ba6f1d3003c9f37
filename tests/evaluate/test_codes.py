"""Measures of codes and the cosine transform beside closed forms and matrices written out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn
from tinygen.evaluate.codes import hoyer_sparsity, jacobian_norms, relative_sensitivity, robustness
from tinygen.evaluate.compression import dct_rate_distortion, dct_reconstruct
from tinygen.evaluate.metrics import psnr
from tinygen.models import Erasures, GaussianNoise

SEEDS = st.integers(0, 2**32 - 1)


@given(st.integers(1, 9), st.integers(0, 8), st.floats(1e-150, 1e150), SEEDS)
def test_the_sparsity_of_equal_numbers_and_zeros(ones, zeros, scale, seed):
    """For m equal numbers among K: (√K - √m) / (√K - 1), whatever their scale and signs."""
    k = ones + zeros + 1
    code = np.random.default_rng(seed).permutation([scale] * ones + [0.0] * (zeros + 1))
    signs = np.where(np.arange(k) % 2, 1, -1)
    expected = (math.sqrt(k) - math.sqrt(ones)) / (math.sqrt(k) - 1)
    assert hoyer_sparsity((code * signs)[None])[0] == pytest.approx(expected, abs=1e-12)


def test_a_code_of_zeros_has_no_sparsity():
    assert np.isnan(hoyer_sparsity(np.zeros((1, 3)))[0])
    with pytest.raises(ValueError, match=r"at least 2 numbers"):
        hoyer_sparsity(np.ones((3, 1)))


@given(SEEDS, st.integers(1, 7))
def test_the_jacobian_of_a_sigmoid_layer_has_a_closed_form(seed, batch):
    rng = np.random.default_rng(seed)
    layer = nn.Dense(4, 3, activation="sigmoid", rng=rng, dtype=np.float64)
    x = rng.normal(size=(5, 4))
    z = layer(x).numpy()
    expected = np.sqrt((z * (1 - z)) ** 2 @ (layer.weight.numpy() ** 2).sum(axis=0))
    np.testing.assert_allclose(jacobian_norms(layer, x, batch_size=batch), expected, rtol=1e-12)


@given(SEEDS, st.floats(1e-3, 1e3))
def test_the_relative_sensitivity_has_no_unit(seed, scale):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(6, 3, 2)), rng.normal(size=(6, 2))
    encoder = lambda x: tg.tanh(tg.flatten(x) @ w)
    scaled = lambda x: scale * encoder(x)
    plain = relative_sensitivity(encoder, x, batch_size=4)
    assert relative_sensitivity(scaled, x) == pytest.approx(plain, rel=1e-9)
    rotation = lambda x: tg.flatten(x) @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert relative_sensitivity(rotation, x, batch_size=6) == pytest.approx(6, rel=1e-9)  # ‖J‖² = D, equal spreads


def test_the_robustness_of_a_copy_is_the_psnr_of_the_damage():
    x = np.random.default_rng(0).random((40, 8, 8, 1))
    found = robustness(lambda x: x, x, [GaussianNoise(0.1), Erasures(0.5)], np.random.default_rng(1))
    assert found[0] == pytest.approx(20, abs=0.2)  # -20 log₁₀ 0.1
    again = np.random.default_rng(1)
    GaussianNoise(0.1)(x, again)
    assert found[1] == psnr(x, Erasures(0.5)(x, again))
    assert robustness(lambda _: x, x, [Erasures(0.5)], again)[0] == math.inf


# -- the cosine transform ----------------------------------------------------------------------------------------------


def cosines(n):
    """The orthonormal DCT-II as a matrix, row k the k-th frequency."""
    k, i = np.mgrid[:n, :n]
    matrix = np.cos(np.pi * (2 * i + 1) * k / (2 * n)) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix


@given(SEEDS, st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3]), st.data())
def test_the_error_is_the_energy_left_out(seed, h, w, c, data):
    x = np.random.default_rng(seed).random((3, h, w, c))
    number = data.draw(st.integers(0, h * w * c))
    coefficients = np.einsum("ki,lj,nijc->nklc", cosines(h), cosines(w), x)
    energy = np.sort((coefficients**2).reshape(3, -1), axis=1)[:, ::-1]
    assert dct_rate_distortion(x, [number], keep="large")[0] == pytest.approx(energy[:, number:].sum() / 3, abs=1e-9)
    order = sorted((i / h + j / w, i, j, k) for i in range(h) for j in range(w) for k in range(c))
    left_out = sum((coefficients[:, i, j, k] ** 2).sum() for _, i, j, k in order[number:])
    assert dct_rate_distortion(x, [number])[0] == pytest.approx(left_out / 3, abs=1e-9)
    np.testing.assert_allclose(dct_reconstruct(x, h * w * c), x, atol=1e-12)


def test_more_numbers_never_cost_quality_and_the_largest_are_the_best():
    x = np.random.default_rng(0).random((4, 6, 6, 1), dtype=np.float32)
    low, large = (dct_rate_distortion(x, range(37), keep=keep) for keep in ("low", "large"))
    assert (np.diff(low) <= 1e-12).all() and (large <= low + 1e-12).all() and low[-1] < 1e-20
    with pytest.raises(ValueError, match=r"expected numbers to be a whole number"):
        dct_reconstruct(x, 37)
    with pytest.raises(ValueError, match=r"expected images \(N, H, W, C\), got \(6, 6\)"):
        dct_reconstruct(x[0, :, :, 0], 3)
