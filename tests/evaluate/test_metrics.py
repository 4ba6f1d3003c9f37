"""Each metric against a closed form, or against an oracle that takes another road to the same number."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
import scipy.stats
from helpers.moments import orthonormal, with_moments
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tinygen.evaluate import metrics
from tinygen.evaluate.metrics import (
    frechet_distance,
    mode_coverage,
    nearest_distances,
    precision_recall,
    principal_angles,
    psnr,
    sliced_wasserstein,
    squared_error_per_image,
    subspace_overlap,
)
from tinygen.tensor import Parameter, Tensor

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 3]))  # (N, H, W, C)


# ---- errors --------------------------------------------------------------------------------------------------------


@given(SHAPES, SEEDS, st.sampled_from([1, 7, 2**22]))
def test_squared_error_sums_over_pixels_and_averages_over_images(shape, seed, block):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-99, 99, (2, *shape))  # so that every sum is exact, in any order
    total = sum((int(a) - int(b)) ** 2 for a, b in zip(x.flat, y.flat))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygen.evaluate.rows.BLOCK", block)  # the same figure, however many examples at a time
        assert squared_error_per_image(x, y) == total / shape[0]


@given(SHAPES, st.floats(1e-3, 1), st.floats(0.1, 300))
def test_psnr_of_a_constant_error(shape, error, peak):
    x = np.zeros(shape)
    assert psnr(x, x + error, peak=peak) == pytest.approx(20 * math.log10(peak / error), abs=1e-9)


def test_psnr_is_a_mean_over_images_and_infinite_for_an_exact_one():
    x = np.zeros((2, 3, 3, 1))
    y = x + np.array([0.1, 0.01]).reshape(2, 1, 1, 1)
    assert psnr(x, y) == pytest.approx((20 + 40) / 2)
    y[0] = 0
    assert psnr(x, y) == math.inf


def test_errors_refuse_shapes_that_only_broadcast():
    with pytest.raises(ValueError, match=r"one shape, got \(4, 3\) and \(4, 1\)"):
        squared_error_per_image(np.zeros((4, 3)), np.zeros((4, 1)))
    with pytest.raises(ValueError, match=r"examples along the first axis.*got \(3,\)"):
        psnr(np.zeros(3), np.zeros(3))


# ---- subspaces -----------------------------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 4), st.sampled_from([1.0, 1e-3, 1e-10]))
def test_principal_angles_come_back_and_the_overlap_is_their_mean_squared_cosine(seed, k, scale):
    rng = np.random.default_rng(seed)
    frame = orthonormal(rng, 2 * k + 1, 2 * k)
    angles = np.sort(rng.uniform(0, math.pi / 2, k)) * scale
    u = frame[:, :k]
    v = u * np.cos(angles) + frame[:, k:] * np.sin(angles)
    mix = lambda basis: basis @ (orthonormal(rng, k, k) * rng.uniform(1, 3, k))  # other bases of the same subspaces
    np.testing.assert_allclose(principal_angles(mix(u), mix(v)), angles, rtol=1e-9, atol=1e-14)
    assert subspace_overlap(mix(u), mix(v)) == pytest.approx((np.cos(angles) ** 2).mean(), abs=1e-12)


def test_subspaces_are_refused_when_they_are_none():
    u = np.eye(4)[:, :2]
    with pytest.raises(ValueError, match=r"one shape, got \(4, 2\) and \(4, 1\)"):
        subspace_overlap(u, u[:, :1])
    with pytest.raises(
        ValueError,
        match=r"principal_angles: expected independent columns, got a \(4, 2\) matrix whose columns span only 1",
    ):
        principal_angles(u, np.ones((4, 2)))
    with pytest.raises(ValueError, match="span only 2"):
        subspace_overlap(u.T, u.T)  # rows where columns were meant


# ---- samples -------------------------------------------------------------------------------------------------------


@given(arrays(float, st.integers(1, 30), elements=st.floats(-1e3, 1e3)), st.floats(-1e3, 1e3), SEEDS)
def test_sliced_wasserstein_of_a_shift_on_a_line_is_the_shift(x, shift, seed):
    rng = np.random.default_rng(seed)
    y = rng.permutation(x + shift)
    assert sliced_wasserstein(x[:, None], y[:, None], rng, projections=3) == pytest.approx(abs(shift), abs=1e-9)


@given(arrays(float, (2, 20), elements=st.floats(-1e3, 1e3)), SEEDS)
def test_sliced_wasserstein_on_a_line_is_scipys_wasserstein(xy, seed):
    x, y = xy
    ours = sliced_wasserstein(x[:, None], y[:, None], np.random.default_rng(seed), projections=2)
    assert ours == pytest.approx(scipy.stats.wasserstein_distance(x, y), abs=1e-9)


def test_sliced_wasserstein_of_a_shift_in_the_plane():
    """E|⟨θ, s⟩| over unit directions of the plane is 2/π ‖s‖, with standard deviation 0.3078 ‖s‖."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 2))
    distance = sliced_wasserstein(x, x + np.array([3, 4]), rng, projections=4000)
    assert distance == pytest.approx(2 / math.pi * 5, abs=4 * 0.3078 * 5 / math.sqrt(4000))


def test_sliced_wasserstein_asks_for_equally_many():
    with pytest.raises(ValueError, match=r"one shape \(N, d\), got \(4, 2\) and \(5, 2\)"):
        sliced_wasserstein(np.zeros((4, 2)), np.zeros((5, 2)), np.random.default_rng(0))


RING = np.column_stack([np.cos(np.arange(8) * math.pi / 4), np.sin(np.arange(8) * math.pi / 4)])


@given(st.lists(st.integers(0, 9), min_size=8, max_size=8), st.integers(0, 9), SEEDS)
def test_mode_coverage_counts_what_was_planted(good, bad, seed):
    good[0] += 1  # at least one
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * math.pi, sum(good))
    offset = rng.uniform(0, 0.029, sum(good)) * np.array([np.cos(angle), np.sin(angle)])
    samples = np.concatenate([np.repeat(RING, good, axis=0) + offset.T, np.zeros((bad, 2))])
    modes, quality, divergence = mode_coverage(rng.permutation(samples), RING, 0.01)
    assert modes == sum(count > 0 for count in good)
    assert quality == pytest.approx(sum(good) / (sum(good) + bad))
    assert divergence == pytest.approx(scipy.stats.entropy(good, np.ones(8)), abs=1e-12)


def test_the_mixture_itself_is_of_high_quality_to_989_per_mille():
    rng = np.random.default_rng(0)
    n = 40_000
    samples = RING[rng.integers(8, size=n)] + 0.01 * rng.standard_normal((n, 2))
    result = mode_coverage(samples, RING, 0.01)
    share = 1 - math.exp(-4.5)
    assert result.modes == 8 and abs(result.high_quality - share) < 4 * math.sqrt(share * (1 - share) / n)
    assert result.reverse_kl < scipy.stats.chi2.ppf(0.9999, 7) / (2 * n * share)  # 2 n KL is about χ² with 7 degrees


def test_a_sampler_that_hits_nothing():
    assert mode_coverage(np.full((5, 2), np.nan), RING, 0.01) == (0, 0.0, math.inf)
    with pytest.raises(ValueError, match=r"means \(K, 3\) like the samples, got \(8, 2\)"):
        mode_coverage(np.zeros((5, 3)), RING, 0.01)


@given(SEEDS, st.integers(1, 5))
def test_frechet_distance_of_gaussians_with_commuting_covariances(seed, d):
    """Then it is ‖μ₁ - μ₂‖² + Σᵢ (σ₁ᵢ - σ₂ᵢ)²."""
    rng = np.random.default_rng(seed)
    axes, means, sds = orthonormal(rng, d, d), rng.standard_normal((2, d)), rng.uniform(0.1, 2, (2, d))
    a, b = (with_moments(rng, 4 * d + 3, m, (axes * s**2) @ axes.T) for m, s in zip(means, sds))
    expected = ((means[0] - means[1]) ** 2).sum() + ((sds[0] - sds[1]) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(SEEDS, st.integers(2, 6))
def test_frechet_distance_of_any_gaussians_is_scipys(seed, d):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((5 * d, d)), rng.standard_normal((6 * d, d)) @ rng.standard_normal((d, d)) + 1
    s, t = np.cov(a.T), np.cov(b.T)
    cross = np.trace(scipy.linalg.sqrtm(s @ t)).real
    expected = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * cross
    assert frechet_distance(a, b) == pytest.approx(expected, abs=1e-7)


@given(SEEDS)
def test_frechet_distance_to_oneself_is_zero_even_with_dead_features(seed):
    features = np.random.default_rng(seed).standard_normal((9, 4)) * [1, 0, 1e-5, 0]
    assert 0 <= frechet_distance(features, features) <= 1e-12


def test_frechet_distance_errors():
    with pytest.raises(ValueError, match=r"N and M at least 2, got \(1, 3\), \(5, 3\)"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="frechet_distance: expected finite numbers, got NaN"):
        frechet_distance(np.zeros((5, 1)), np.full((5, 1), np.inf))


# ---- neighbours ----------------------------------------------------------------------------------------------------


def points(rng, n, d):
    """Points on a grid of eighths: their distances are exact, and some are equal."""
    return rng.integers(-8, 9, size=(n, d)) / 8


@given(seed=SEEDS, n=st.integers(4, 12), m=st.integers(4, 12), d=st.integers(1, 3), block=st.integers(1, 40))
def test_precision_and_recall_are_those_of_the_definition(seed, n, m, d, block):
    rng = np.random.default_rng(seed)
    real, generated, k = points(rng, n, d), points(rng, m, d), int(rng.integers(1, 4))

    def share(a, b):
        count = 0
        for point in a:
            for i, other in enumerate(b):
                radius = sorted(np.linalg.norm(other - b[j]) for j in range(len(b)) if j != i)[k - 1]
                if np.linalg.norm(point - other) <= radius:
                    count += 1
                    break
        return count / len(a)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygen.evaluate.rows.BLOCK", block)
        assert precision_recall(real, generated, k=k) == (share(generated, real), share(real, generated))


def test_precision_and_recall_tell_missing_modes_from_bad_samples():
    rng = np.random.default_rng(0)
    two = np.concatenate([rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + 20])
    one_mode, blurred = rng.normal(size=(400, 2)), two[rng.permutation(400)] + rng.normal(size=(400, 2)) * 8
    precision, recall = precision_recall(two, one_mode)
    assert precision > 0.9 and 0.4 < recall < 0.5
    precision, recall = precision_recall(two, blurred)
    assert precision < 0.4 and recall > 0.8
    assert precision_recall(two, two) == (1, 1)


@given(seed=SEEDS, n=st.integers(1, 9), m=st.integers(1, 9), d=st.integers(1, 5), block=st.integers(1, 60))
def test_nearest_distances_are_those_of_all_pairs(seed, n, m, d, block):
    rng = np.random.default_rng(seed)
    x, others = points(rng, n, d), points(rng, m, d)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygen.evaluate.rows.BLOCK", block)
        found = nearest_distances(x, others)
    np.testing.assert_allclose(found, scipy.spatial.distance.cdist(x, others).min(axis=1), rtol=1e-12, atol=0)


def test_a_copy_is_at_distance_zero_and_images_are_flattened():
    images = np.random.default_rng(0).random((7, 5, 4, 1), dtype=np.float32)
    assert nearest_distances(images[3:], images).max() < 1e-6


def test_neighbours_are_refused_where_there_are_too_few():
    with pytest.raises(ValueError, match=r"N and M above k = 3, got \(3, 2\), \(9, 2\)"):
        precision_recall(np.ones((3, 2)), np.ones((9, 2)))
    with pytest.raises(ValueError, match=r"N and M above k = 0"):
        precision_recall(np.ones((9, 2)), np.ones((9, 2)), k=0)
    with pytest.raises(ValueError, match=r"one size, got 2 and 3"):
        nearest_distances(np.ones((9, 2)), np.ones((9, 3)))


# -- what every metric takes -------------------------------------------------------------------------------------------

ROWS, OTHERS = np.random.default_rng(0).standard_normal((2, 12, 3)).astype(np.float32)
CLASSES = np.arange(12) % 3
CALLS = {  # a call of every metric, for arrays a and b (12, 3)
    "squared_error_per_image": lambda a, b: metrics.squared_error_per_image(a, y=b),
    "psnr": lambda a, b: psnr(a, b),
    "subspace_overlap": lambda a, b: subspace_overlap(a, b),
    "principal_angles": lambda a, b: principal_angles(a, b),
    "sliced_wasserstein": lambda a, b: sliced_wasserstein(a, b, np.random.default_rng(0), projections=4),
    "mode_coverage": lambda a, b: mode_coverage(a, b, 1.0),
    "frechet_distance": lambda a, b: frechet_distance(a, b),
    "precision_recall": lambda a, b: precision_recall(a, b),
    "nearest_distances": lambda a, b: nearest_distances(a, b),
    "nearest_neighbour_accuracy": lambda a, b: metrics.nearest_neighbour_accuracy(a, CLASSES, b, CLASSES),
}


def test_every_metric_is_in_the_table():
    public = {name for name, value in vars(metrics).items() if getattr(value, "__module__", "") == metrics.__name__}
    assert {name for name in public if not name.startswith("_") and name.islower()} == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_tensors_are_as_good_as_arrays(name):
    expected = CALLS[name](ROWS, OTHERS)
    for kind in (Tensor, Parameter, lambda array: Parameter(array) * 1):
        np.testing.assert_equal(CALLS[name](kind(ROWS), kind(OTHERS)), expected)


@pytest.mark.parametrize("name", ["frechet_distance", "precision_recall", "nearest_neighbour_accuracy"])
def test_nan_is_no_figure(name):
    damaged = ROWS.copy()
    damaged[3, 1] = np.nan
    with pytest.raises(ValueError, match=f"{name}: expected finite numbers, got NaN or infinity"):
        CALLS[name](damaged, OTHERS)


def test_the_directions_come_from_a_generator_and_are_at_least_one():
    with pytest.raises(TypeError, match=r"pass rng=np.random.default_rng\(0\)"):
        sliced_wasserstein(ROWS, OTHERS, 0)
    with pytest.raises(ValueError, match="expected projections to be a whole number of at least 1, got 0"):
        sliced_wasserstein(ROWS, OTHERS, np.random.default_rng(0), projections=0)
