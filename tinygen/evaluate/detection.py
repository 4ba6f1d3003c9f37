"""Detection of anomalies by a score, such as the error of a reconstruction: high scores are anomalies.

NumPy and SciPy alone; Tensors are accepted too.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from tinygen.errors import arguments
from tinygen.evaluate.rows import on_arrays


@on_arrays
def auroc(normal: np.ndarray, anomalies: np.ndarray) -> float:
    """The area under the ROC curve: the probability that an anomaly has a higher score than a normal example.

    Args:
        normal: scores (N,) of normal examples; infinite scores are allowed, NaN is not.
        anomalies: scores (M,) of anomalies.

    Equal scores count one half (Hanley & McNeil 1982): 1 separates perfectly, 0.5 is chance.

    >>> from tinygen.evaluate.detection import auroc
    >>> auroc(np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.9]))  # 5 of 6 pairs, one of them by half
    0.75
    """
    normal, anomalies = _scores("auroc", "normal", normal), _scores("auroc", "anomalies", anomalies)
    ranks = stats.rankdata(np.concatenate([anomalies, normal]))[: len(anomalies)]  # ties get their mean rank
    wins = ranks.sum() - len(anomalies) * (len(anomalies) + 1) / 2
    return float(wins / (len(anomalies) * len(normal)))


@on_arrays
def threshold_at(normal: np.ndarray, false_alarm_rate: float) -> float:
    """The lowest threshold that at most this share of the normal scores (N,) exceed: raise an alarm if score > it.

    On other normal examples the rate is close to this share, within a binomial error: see `Rate`. For a share below
    1/N it is the largest of the scores.

    >>> from tinygen.evaluate.detection import threshold_at
    >>> threshold_at(np.arange(100.0), 0.05)  # 95, 96, 97, 98 and 99 exceed it
    94.0
    """
    rate = arguments.real("threshold_at", "false_alarm_rate", false_alarm_rate, least=0, below=1)
    scores = np.sort(_scores("threshold_at", "normal", normal))
    allowed = math.floor(rate * len(scores) * (1 + 1e-12))  # 0.29 · 100 is 28.999999999999996
    return float(scores[len(scores) - 1 - allowed])


class Rate(NamedTuple):
    """A share of examples, and its exact confidence interval (Clopper & Pearson 1934)."""

    share: float
    low: float
    high: float


@on_arrays
def alarm_rate(scores: np.ndarray, threshold: float, *, confidence: float = 0.95) -> Rate:
    """The share of scores (N,) above a threshold, with an interval that contains the true rate with this confidence.

    Of normal examples it is the false-alarm rate, of anomalies the detection rate.

    >>> from tinygen.evaluate.detection import alarm_rate
    >>> alarm_rate(np.arange(100.0), 94.0).share
    0.05
    """
    scores = _scores("alarm_rate", "scores", scores)
    confidence = arguments.real("alarm_rate", "confidence", confidence, above=0, below=1)
    n, k, tail = len(scores), int((scores > threshold).sum()), (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.isf(tail, k + 1, n - k)) if k < n else 1.0
    return Rate(k / n, low, high)


def _scores(who: str, what: str, scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 1 or not len(scores) or np.isnan(scores).any():
        given = "NaN" if np.isnan(scores).any() else f"shape {scores.shape}"
        raise ValueError(f"{who}: expected {what} to be numbers (N,), at least one, got {given}")
    return scores
