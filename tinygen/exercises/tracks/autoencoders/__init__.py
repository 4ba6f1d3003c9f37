"""Autoencoders: principal components; the contractive penalty and its estimate have a file of their own."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.show import shown
from tinygen.exercises.stages import Example, Extremes, Property, Shapes, Values
from tinygen.exercises.tracks.autoencoders import contraction


def _cloud(rng: np.random.Generator, size: int) -> Arguments:
    """Examples whose variances along the principal axes are well apart, and fewer components than these."""
    shape, k = [((3, 1), 1), ((5, 2), 1), ((6, 3), 2), ((9, 2, 2, 1), 3), ((5, 7), 3)][size]
    axes = int(np.prod(shape[1:]))
    n = min(shape[0] - 1, axes)
    u, v = np.linalg.qr(_centred(rng, shape[0], n))[0], np.linalg.qr(rng.standard_normal((axes, n)))[0]
    x = u * 2.0 ** -np.arange(n) * shape[0] ** 0.5 @ v.T + rng.uniform(-3, 3, axes)
    return call(x.reshape(shape), k)


def _centred(rng: np.random.Generator, n: int, m: int) -> np.ndarray:
    a = rng.standard_normal((n, m))
    return a - a.mean(axis=0)


def _beyond_the_rank(answer: Callable) -> Finding | None:
    """Three points span a plane at most: the variances left are 0, and the components still a basis."""
    for n, d, k in [(3, 5, 5), (1, 3, 2), (2, 2, 2)]:
        x = np.random.default_rng(n).standard_normal((n, d))
        _, components, explained = outcome(answer, call(x, k))
        how = f"pca(x, {k}) with x of shape ({n}, {d})"
        if np.shape(components) != (k, d) or np.shape(explained) != (k,):
            says = "There are as many components as were asked for, also where the data has fewer dimensions."
            found = f"{np.shape(components)} and {np.shape(explained)}"
            return Finding(says, how, f"components {(k, d)} and variances {(k,)}", found)
        if not np.allclose(components @ components.T, np.eye(k), atol=1e-8):
            says = "The components are not orthogonal directions of length 1: here some have variance 0."
            return Finding(says, how, shown(np.eye(k)), shown(components @ components.T))
        if not (explained >= 0).all() or np.abs(explained[n - 1 :]).max(initial=0) > 1e-9:
            says = "Along the last components the variance is 0. Rounding must not make it negative."
            return Finding(says, how, "variances of at least 0", shown(explained))
    return None


PCA = Exercise(
    name="pca",
    track="autoencoders",
    title="principal component analysis",
    source="tinygen.models.theory.pca:pca",
    question="train holds N examples (N, ...) with D pixels each; take them as rows (N, D), in float64.\n"
    "Return PCA(mean, components, explained): the mean (D,); the k directions of largest variance as the\n"
    "rows of (k, D), largest first, each of length 1 and with a positive entry of largest size; the\n"
    "variance along each (k,), a mean over N, never negative. There are k of them even if N is smaller than k.\n"
    "Use the SVD or eigenvectors, as you like.",
    page="autoencoder.md#linear-pca-or-half-of-it",
    hints=(
        "Subtract the mean from each row. Which matrix has the principal components as its eigenvectors?",
        "np.linalg.eigh(covariance) returns eigenvalues in ascending order, and eigenvectors as columns. "
        "Or: in the SVD U S Vᵀ of the centred rows, the rows of Vᵀ are the components, and S² / N the variances.",
        "variances, vectors = np.linalg.eigh(...); components = vectors[:, ::-1][:, :k].T; then the signs: which entry "
        "of each row is the largest without its sign?",
    ),
    stages=(
        Example(
            lambda: call(np.array([[4.0, -2.0], [-2.0, 6.0], [3.0, 3.5], [-1.0, 0.5]]), 1),
            (np.array([1.0, 2.0]), np.array([[-0.6, 0.8]]), np.array([12.5])),
            "The mean is (1, 2). From there the points lie at ±(3, -4), of length 5, and at ±(2, 1.5), of length 2.5, "
            "at a right angle. So the first direction is (-0.6, 0.8), and the variance along it (25 + 25) / 4.",
        ),
        Shapes(_cloud),
        Values(_cloud, digits=()),
        Property("more components than dimensions", _beyond_the_rank),
        Extremes(
            [lambda: call(np.array([[1.0, 2.0], [2.0, 4.5], [3.0, 5.0]]) + 1e7, 1)],
            "Far from 0, the digits are lost: subtract the mean before you multiply, not after.",
        ),
    ),
    wrong=(
        Wrong(
            (("vectors[:, ::-1][:, :k].T", "vectors[::-1][:k]"),),
            "It takes rows of the matrix of eigenvectors. They are its columns.",
        ),
        Wrong(
            (("vectors[:, ::-1][:, :k].T", "vectors[:, :k].T"), ("variances[::-1][:k]", "variances[:k]")),
            "These are the directions of smallest variance: eigh returns the smallest eigenvalues first.",
        ),
        Wrong(
            (("variances[::-1][:k]", "variances[:k]"),),
            "The components are right, but their variances are the smallest ones: eigh returns these first.",
        ),
        Wrong((("ddof=0", "ddof=1"),), "The variances are divided by N - 1. Here they are means over N."),
        Wrong(
            (("components * np.sign(largest)", "components"),),
            "The sign of a component is free, so fix it: the entry of largest size is positive.",
        ),
        Wrong(
            (
                (
                    'mean, covariance = moments("pca", rows, ddof=0)',
                    "rows = rows.astype(np.float64)\n"
                    "    mean, covariance = rows.mean(axis=0), rows.T @ rows / len(rows)",
                ),
            ),
            "The rows are not centred: subtract the mean before you multiply.",
        ),
        Wrong(
            (("np.maximum(variances[::-1][:k], 0)", "np.sqrt(np.maximum(variances[::-1][:k], 0))"),),
            "These are standard deviations. The variances are asked for.",
        ),
        Wrong(
            (("np.maximum(variances[::-1][:k], 0)", "np.maximum(variances[::-1][:k], 0) * len(rows)"),),
            "These are sums of squares over the examples, such as S² of an SVD. Divide by N.",
        ),
        Wrong(
            (
                (
                    'mean, covariance = moments("pca", rows, ddof=0)',
                    "rows = rows.astype(np.float64)\n    mean = rows.mean(axis=0)\n"
                    "    covariance = rows.T @ rows / len(rows) - np.outer(mean, mean)",
                ),
            ),
            "E[x xᵀ] - μ μᵀ is the covariance on paper, but far from 0 its digits cancel. Subtract the mean first.",
        ),
    ),
    correct=(
        """
        def pca(train, k):
            rows = np.reshape(train, (len(train), -1)).astype(np.float64)
            mean = rows.mean(axis=0)
            _, s, vt = np.linalg.svd(rows - mean)
            explained = np.zeros(rows.shape[1])
            explained[: len(s)] = s**2 / len(rows)
            components = [v if v[np.abs(v).argmax()] > 0 else -v for v in vt[:k]]
            return PCA(mean, np.array(components), explained[:k])
        """,
        """
        def pca(train, k):
            rows = as_rows(train).astype(np.float64)
            mean = np.add.reduce(rows) / len(rows)
            spread = rows - mean
            values, vectors = np.linalg.eigh(np.einsum("ni,nj->ij", spread, spread))
            order = np.argsort(-values)[:k]
            components = vectors[:, order].T.copy()
            for row in components:
                row *= np.sign(row[np.argmax(row**2)])
            return PCA(mean, components, np.clip(values[order] / len(rows), 0, None))
        """,
    ),
)

EXERCISES = (PCA, *contraction.EXERCISES)
