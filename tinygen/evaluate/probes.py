"""Probes: how much of the labels a simple model can read from codes, as a measure of what the codes are good for.

A probe is trained on codes (N, ...) with labels, and tested on other codes. NumPy and SciPy alone; Tensors are accepted
too. Codes are standardised with the mean and standard deviation of the training codes, so their scale has no effect.
Standardised one by one, numbers that hardly vary count as much as the others: `scale="all"` keeps their proportions.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from tinygen.errors import arguments
from tinygen.evaluate.rows import BLOCK, as_rows, on_arrays, refuse_nan

SCALES = ("each", "all")
Probe = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]  # codes, labels, test codes, test labels


# -- classes -----------------------------------------------------------------------------------------------------------


class LinearProbe(NamedTuple):
    """A multinomial logistic regression: logits (codes - mean) / sd @ weight + bias for the classes."""

    classes: np.ndarray  # (K,) the labels, ascending
    weight: np.ndarray  # (D, K)
    bias: np.ndarray  # (K,)
    mean: np.ndarray  # (D,)
    sd: np.ndarray  # (D,), 1 for a constant

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """The probability of each class for codes (N, ...), as (N, K)."""
        rows = (_rows("LinearProbe", codes) - self.mean) / self.sd
        return np.exp(log_softmax(rows @ self.weight + self.bias, axis=1))

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """The most probable label for each of the codes (N, ...)."""
        return self.classes[self.probabilities(codes).argmax(axis=1)]


@on_arrays
def fit_linear_probe(codes: np.ndarray, labels: np.ndarray, *, l2: float = 1.0, scale: str = "each") -> LinearProbe:
    """Logistic regression by L-BFGS: minimise Σₙ -log p(labelₙ | codeₙ) + l2/2 ‖weight‖², in nats.

    Args:
        codes: (N, ...).
        labels: (N,), whole numbers or other values that can be sorted, of at least two classes.
        l2: factor of the squared weights, above 0; the bias is free. scikit-learn's C is 1 / l2.
        scale: "each" divides each number of the code by its standard deviation, "all" divides all of them by one
            number, the root of their mean variance.

    Raises ValueError for one class only, and for codes and labels of different lengths.
    """
    l2 = arguments.real("fit_linear_probe", "l2", l2, above=0)
    scale = arguments.choice("fit_linear_probe", "scale", scale, SCALES)
    rows, labels = _rows("fit_linear_probe", codes), _labels("fit_linear_probe", codes, labels)
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"fit_linear_probe: expected labels of at least two classes, got {len(classes)}: add others")
    mean, sd = rows.mean(axis=0), rows.std(axis=0)
    if scale == "all":
        sd = np.full_like(sd, np.sqrt((sd * sd).mean()))
    sd = np.where(sd > 1e-12 * np.abs(rows).max(axis=0), sd, 1.0)  # rounding alone, for a constant
    rows = (rows - mean) / sd
    wanted = (targets[:, None] == np.arange(len(classes))).astype(np.float64)  # (N, K)
    shape = rows.shape[1], len(classes)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = flat[: -shape[1]].reshape(shape), flat[-shape[1] :]
        log_p = log_softmax(rows @ weight + bias, axis=1)
        excess = np.exp(log_p) - wanted  # the gradient with respect to the logits
        value = -(wanted * log_p).sum() + l2 / 2 * (weight * weight).sum()
        return value, np.concatenate([(rows.T @ excess + l2 * weight).ravel(), excess.sum(axis=0)])

    start = np.zeros((shape[0] + 1) * shape[1])
    tolerance = {"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-7 * len(rows)}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=tolerance).x
    return LinearProbe(classes, found[: -shape[1]].reshape(shape), found[-shape[1] :], mean, sd)


@on_arrays
def linear_probe(
    codes: np.ndarray,
    labels: np.ndarray,
    test_codes: np.ndarray,
    test_labels: np.ndarray,
    *,
    l2: float = 1.0,
    scale: str = "each",
) -> float:
    """The accuracy on the test codes of a logistic regression fitted to `codes` (N, ...) with `labels` (N,).

    `l2` and `scale` are those of `fit_linear_probe`.

    >>> from tinygen.evaluate.probes import linear_probe
    >>> codes, labels = np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    >>> linear_probe(codes, labels, np.array([[-3.0], [0.5]]), np.array([0, 1]))
    1.0
    """
    tests = _labels("linear_probe", test_codes, test_labels)
    return float(np.mean(fit_linear_probe(codes, labels, l2=l2, scale=scale).predict(test_codes) == tests))


@on_arrays
def knn_accuracy(
    codes: np.ndarray, labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray, *, k: int = 5
) -> float:
    """The accuracy on the test codes of a vote of the `k` nearest of `codes` (Euclidean distance, not standardised).

    Between classes with equally many votes, the one with the nearest neighbour wins.

    >>> from tinygen.evaluate.probes import knn_accuracy
    >>> codes, labels = np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    >>> knn_accuracy(codes, labels, np.array([[-3.0], [0.5]]), np.array([0, 1]), k=1)
    1.0
    """
    rows, tests = _rows("knn_accuracy", codes), _rows("knn_accuracy", test_codes)
    labels, test_labels = _labels("knn_accuracy", codes, labels), _labels("knn_accuracy", test_codes, test_labels)
    k = arguments.whole("knn_accuracy", "k", k, least=1, most=len(rows))
    classes, targets = np.unique(labels, return_inverse=True)
    squares, step, right = (rows * rows).sum(axis=1), max(1, BLOCK // len(rows)), 0
    for start in range(0, len(tests), step):
        block = tests[start : start + step]
        distances = squares - 2 * block @ rows.T  # (n, N), without ‖block‖², which is the same for all
        nearest = targets[np.argsort(distances, axis=1, kind="stable")[:, :k]]  # (n, k), nearest first
        votes = (nearest[:, :, None] == np.arange(len(classes))).sum(axis=1)  # (n, classes)
        leads = np.take_along_axis(votes, nearest, axis=1) == votes.max(axis=1)[:, None]
        winner = np.take_along_axis(nearest, leads.argmax(axis=1)[:, None], axis=1)[:, 0]
        right += int((classes[winner] == test_labels[start : start + step]).sum())
    return right / len(tests)


@on_arrays
def few_label_accuracy(
    codes: np.ndarray,
    labels: np.ndarray,
    test_codes: np.ndarray,
    test_labels: np.ndarray,
    *,
    per_class: int,
    rng: np.random.Generator,
    repeats: int = 10,
    probe: Probe = linear_probe,
) -> np.ndarray:
    """The accuracy of a probe that is given only `per_class` labels of each class, drawn `repeats` times.

    Args:
        codes: (N, ...), from which the labelled ones are drawn without repetition.
        labels: (N,), at least `per_class` of each class.
        test_codes: (M, ...).
        test_labels: (M,).
        per_class: number of labelled codes of each class.
        rng: generator for the draws.
        repeats: number of draws.
        probe: `linear_probe`, `knn_accuracy`, or another function of the same four arrays.

    Returns the accuracies (repeats,), whose spread shows how much they depend on the labels that were drawn.
    """
    who = "few_label_accuracy"
    per_class, repeats = arguments.sizes(who, per_class=per_class, repeats=repeats)
    arguments.generator(who, rng)
    codes, labels = np.asarray(codes), _labels(who, codes, labels)
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < per_class:
        raise ValueError(f"{who}: expected at least {per_class} labels of each class, got {counts.min()}: lower it")
    accuracies = []
    for _ in range(repeats):
        drawn = [rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in classes]
        few = np.concatenate(drawn)
        accuracies.append(probe(codes[few], labels[few], test_codes, test_labels))
    return np.array(accuracies)


# -- numbers -----------------------------------------------------------------------------------------------------------


@on_arrays
def regression_probe(
    codes: np.ndarray, targets: np.ndarray, test_codes: np.ndarray, test_targets: np.ndarray, *, l2: float = 1.0
) -> np.ndarray:
    """R² on the test codes of a ridge regression from codes (N, ...) to targets (N,) or (N, T): one for each target.

    It minimises Σₙ (target - prediction)² + l2 ‖weight‖², with a free bias. R² = 1 - Σ(t - t̂)² / Σ(t - mean t)² over
    the test targets: 1 is exact, 0 is no better than their mean. A constant test target has R² = NaN.

    >>> from tinygen.evaluate.probes import regression_probe
    >>> codes = np.arange(10.0)[:, None]
    >>> regression_probe(codes, 3 * codes + 1, codes, 3 * codes + 1, l2=0).round(6).tolist()
    [1.0]
    """
    who = "regression_probe"
    l2 = arguments.real(who, "l2", l2, least=0)
    rows, tests = _rows(who, codes), _rows(who, test_codes)
    targets, test_targets = (np.asarray(t, np.float64).reshape(len(t), -1) for t in (targets, test_targets))
    refuse_nan(who, targets, test_targets)
    if len(targets) != len(rows) or len(test_targets) != len(tests):
        raise ValueError(f"{who}: expected a target for each code, got {len(targets)} and {len(test_targets)}")
    mean, sd, middle = rows.mean(axis=0), rows.std(axis=0), targets.mean(axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    rows, tests = (rows - mean) / sd, (tests - mean) / sd
    wide = np.concatenate([rows, np.sqrt(l2) * np.eye(rows.shape[1])])  # least squares of it is the ridge solution
    weight = np.linalg.lstsq(wide, np.concatenate([targets - middle, np.zeros((rows.shape[1], targets.shape[1]))]))[0]
    errors = ((test_targets - middle - tests @ weight) ** 2).sum(axis=0)
    spread = ((test_targets - test_targets.mean(axis=0)) ** 2).sum(axis=0)
    return np.where(spread > 0, 1 - errors / np.where(spread > 0, spread, 1), np.nan)


# -- shared ------------------------------------------------------------------------------------------------------------


def _rows(who: str, codes: np.ndarray) -> np.ndarray:
    """Codes as finite float64 rows (N, D)."""
    rows = as_rows(codes.numpy() if hasattr(codes, "numpy") else codes).astype(np.float64)  # type: ignore[attr-defined]
    refuse_nan(who, rows)
    return rows


def _labels(who: str, codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (len(codes),):
        raise ValueError(f"{who}: expected labels ({len(codes)},), one for each code, got {labels.shape}")
    return labels
