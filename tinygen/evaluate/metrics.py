"""Metrics of a model: reconstruction errors, angles between subspaces, distances between sets of samples.

NumPy alone; Tensors are accepted too. Examples come first, `(N, ...)`, and the other axes are flattened. Sums are
computed in float64 over blocks of examples, so that 60,000 images need little memory.
"""

import math
from typing import NamedTuple

import numpy as np

from tinygen.errors import arguments
from tinygen.evaluate.rows import BLOCK, as_rows, blocks, moments, on_arrays, refuse_nan

# ---- errors of a reconstruction ------------------------------------------------------------------------------------


@on_arrays
def squared_error_per_image(x: np.ndarray, y: np.ndarray) -> float:
    """Squared error of `y` relative to `x`: 1/N Σₙ ‖xₙ - yₙ‖², a sum over pixels and a mean over images."""
    return float(_squared_errors(x, y).mean())


@on_arrays
def psnr(x: np.ndarray, y: np.ndarray, *, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in decibels: the mean over images of 10 log₁₀(peak² / mean squared error)."""
    per_pixel = _squared_errors(x, y) / as_rows(x).shape[1]  # (N,)
    with np.errstate(divide="ignore"):  # an exact image has an infinite ratio
        return float(np.mean(10 * np.log10(peak**2 / per_pixel)))


def _squared_errors(x: np.ndarray, y: np.ndarray) -> np.ndarray:  # (N,)
    if np.shape(x) != np.shape(y):
        raise ValueError(
            f"squared error: expected x and y of one shape, got {np.shape(x)} and {np.shape(y)}: reshape one"
        )
    x, y = as_rows(x), as_rows(y)
    return np.concatenate([((a - b) ** 2).sum(axis=1) for a, b in zip(blocks(x), blocks(y))])


# ---- angles between subspaces --------------------------------------------------------------------------------------


@on_arrays
def subspace_overlap(u: np.ndarray, v: np.ndarray) -> float:
    """The overlap of the column spaces of two matrices (D, k): ‖UᵀV‖²_F / k, from 0 (orthogonal) to 1 (the same).

    U and V are orthonormal bases of the two column spaces; the overlap is the mean squared cosine of their principal
    angles. Transpose `pca(...).components`, whose rows are components.
    """
    basis_u, basis_v = _bases("subspace_overlap", u, v)
    return float(((basis_u.T @ basis_v) ** 2).sum() / basis_u.shape[1])


@on_arrays
def principal_angles(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The k angles (radians, ascending) between the column spaces of two matrices (D, k) (Björck & Golub 1973)."""
    basis_u, basis_v = _bases("principal_angles", u, v)
    inside = basis_u.T @ basis_v  # (k, k), its singular values are the cosines
    cosines = np.linalg.svd(inside, compute_uv=False)
    sines = np.linalg.svd(basis_v - basis_u @ inside, compute_uv=False)
    return np.arctan2(sines[::-1], cosines)  # from both: arccos alone loses angles below 1e-8


def _bases(name: str, u: np.ndarray, v: np.ndarray) -> list[np.ndarray]:
    """Orthonormal bases (D, k) of the two column spaces."""
    if np.ndim(u) != 2 or np.shape(u) != np.shape(v):
        raise ValueError(
            f"{name}: expected two matrices (D, k) of one shape, got {np.shape(u)} and {np.shape(v)}: transpose rows"
        )
    bases = []
    for matrix in (np.asarray(u, np.float64), np.asarray(v, np.float64)):
        basis, lengths, _ = np.linalg.svd(matrix, full_matrices=False)
        rank = int((lengths > lengths[0] * max(matrix.shape) * np.finfo(np.float64).eps).sum())
        if rank < matrix.shape[1]:
            raise ValueError(
                f"{name}: expected independent columns, got a {matrix.shape} matrix whose columns span only {rank}"
            )
        bases.append(basis)
    return bases


# ---- distances between two sets of samples -------------------------------------------------------------------------


@on_arrays
def sliced_wasserstein(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, *, projections: int = 512) -> float:
    """Sliced Wasserstein-1 distance of two sets of N samples (Rabin et al. 2011; Bonneel et al. 2015).

    The mean, over random unit directions θ, of W₁ between the projections: 1/N Σₙ |sort(xθ)ₙ - sort(yθ)ₙ|.
    """
    x, y = as_rows(x), as_rows(y)  # (N, d)
    if x.shape != y.shape:
        raise ValueError(
            f"sliced_wasserstein: expected x and y of one shape (N, d), got {x.shape} and {y.shape}: draw as many"
        )
    projections = arguments.whole("sliced_wasserstein", "projections", projections, least=1)
    directions = arguments.generator("sliced_wasserstein", rng).standard_normal((x.shape[1], projections))
    directions /= np.linalg.norm(directions, axis=0)
    total = 0.0
    for start in range(0, projections, 32):  # 60,000 samples along 32 directions take 15 MB
        theta = directions[:, start : start + 32]
        along_x, along_y = (np.sort(np.concatenate([b @ theta for b in blocks(z)]), axis=0) for z in (x, y))
        total += np.abs(along_x - along_y).mean(axis=0).sum()
    return float(total / projections)


class ModeCoverage(NamedTuple):
    """Modes with a high-quality sample, the share of such samples, and KL(their histogram ‖ uniform) in nats."""

    modes: int
    high_quality: float
    reverse_kl: float


@on_arrays
def mode_coverage(samples: np.ndarray, means: np.ndarray, sd: float) -> ModeCoverage:
    """How a sampler covers a mixture of equal Gaussians (Srivastava et al. 2017, VEEGAN; Lin et al. 2018, PacGAN).

    `samples` (N, d), `means` (K, d). A sample is of high quality if it lies within 3 sd of the nearest mean: in two
    dimensions 1 - e^-4.5 = 98.89 % of the mixture itself. Without any such sample the divergence is infinite.
    """
    samples, means = as_rows(samples), np.asarray(means, np.float64)
    if means.ndim != 2 or means.shape[1] != samples.shape[1]:
        raise ValueError(f"mode_coverage: expected means (K, {samples.shape[1]}) like the samples, got {means.shape}")
    counts = np.zeros(len(means), int)
    for block in blocks(samples, copies=len(means)):
        distances = np.linalg.norm(block[:, None] - means, axis=2)  # (n, K)
        good = distances.min(axis=1) < 3 * sd
        counts += np.bincount(distances[good].argmin(axis=1), minlength=len(means))
    shares = counts[counts > 0] / max(counts.sum(), 1)
    divergence = float((shares * np.log(shares * len(means))).sum()) if counts.any() else math.inf
    return ModeCoverage(int((counts > 0).sum()), float(counts.sum() / len(samples)), divergence)


@on_arrays
def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Fréchet distance of Gaussians fitted to two sets of features (N, d): |μ₁-μ₂|² + tr(S₁ + S₂ - 2(S₁S₂)^½).

    Heusel et al. 2017, equation 6, covariances over N - 1. The trace of (S₁S₂)^½ is the sum of the singular values of
    S₁^½ S₂^½, which are those of the symmetric (S₁^½ S₂ S₁^½)^½ and need no root of a nearly singular matrix.
    """
    a, b = as_rows(features_a), as_rows(features_b)
    if a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"frechet_distance: expected (N, d) and (M, d), N and M at least 2, got {a.shape}, {b.shape}")
    (mean_a, cov_a), (mean_b, cov_b) = (moments("frechet_distance", rows, ddof=1) for rows in (a, b))
    cross = np.linalg.norm(_root(cov_a) @ _root(cov_b), "nuc")
    distance = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * cross
    return max(float(distance), 0.0)  # rounding can make it negative


class PrecisionRecall(NamedTuple):
    """The share of generated samples that lie among real ones, and of real ones that lie among generated."""

    precision: float
    recall: float


@on_arrays
def precision_recall(real: np.ndarray, generated: np.ndarray, *, k: int = 3) -> PrecisionRecall:
    """The shares of samples that resemble the data, and of data that samples cover, for features (N, d) and (M, d).

    A point lies among others if it is no further from one of them than the k-th neighbour of that one in its own set
    (Kynkäänniemi et al. 2019, equations 1 and 2). Both depend on N and M: compare values with the same N and M only.
    """
    real, generated = as_rows(real), as_rows(generated)
    if real.shape[1] != generated.shape[1] or min(len(real), len(generated)) <= k or k < 1:
        raise ValueError(
            f"precision_recall: expected (N, d) and (M, d), N and M above k = {k}, got {real.shape}, {generated.shape}"
        )
    refuse_nan("precision_recall", real, generated)
    return PrecisionRecall(_share_among(generated, real, k), _share_among(real, generated, k))


def _share_among(points: np.ndarray, others: np.ndarray, k: int) -> float:
    """The share of `points` inside the ball of one of `others`, whose radius is the distance to its k-th neighbour."""
    copies = 1 + len(others) // others.shape[1]  # so that a block of distances is no larger than a block of rows
    radii = [np.partition(_squares(block, others), k, axis=1)[:, k] for block in blocks(others, copies=copies)]
    radii = np.concatenate(radii)  # neighbour 0 is the point itself
    inside = [(_squares(block, others) <= radii).any(axis=1) for block in blocks(points, copies=copies)]
    return float(np.concatenate(inside).mean())


@on_arrays
def nearest_distances(x: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The Euclidean distance of each example to the nearest of `others`, (N,): 0 for a copy, up to rounding."""
    x, others = as_rows(x), as_rows(others)
    if x.shape[1] != others.shape[1]:
        raise ValueError(
            f"nearest_distances: expected examples of one size, got {x.shape[1]} and {others.shape[1]} numbers each"
        )
    nearest = [
        np.min([_squares(block, other).min(axis=1) for other in blocks(others, copies=4)], axis=0)
        for block in blocks(x, copies=4)
    ]
    return np.sqrt(np.concatenate(nearest))


def _squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖xₙ - yₘ‖² of all pairs (N, M), in float64 and never below 0."""
    y = y.astype(np.float64)
    return np.maximum((x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1) - 2 * x @ y.T, 0)


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


# ---- shared --------------------------------------------------------------------------------------------------------


@on_arrays
def nearest_neighbour_accuracy(
    codes: np.ndarray, labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray
) -> float:
    """The accuracy of classifying test codes by the nearest of `codes` (Euclidean): how well codes separate classes."""
    rows, tests = as_rows(codes).astype(np.float64), as_rows(test_codes).astype(np.float64)
    refuse_nan("nearest_neighbour_accuracy", rows, tests)
    squares, step = (rows * rows).sum(axis=1), max(1, BLOCK // len(rows))
    blocks = (tests[i : i + step] for i in range(0, len(tests), step))
    nearest = np.concatenate(
        [(squares - 2 * block @ rows.T).argmin(axis=1) for block in blocks]
    )  # ‖b‖² is the same for all
    return float(np.mean(np.asarray(labels)[nearest] == test_labels))
