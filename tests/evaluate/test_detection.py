"""Detection scores beside counting all pairs, and intervals beside the binomial distribution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinygen.evaluate.detection import alarm_rate, auroc, threshold_at

SCORES = st.lists(st.integers(-4, 4).map(float) | st.just(math.inf), min_size=1, max_size=12).map(np.array)


@given(SCORES, SCORES)
def test_auroc_counts_the_pairs(normal, anomalies):
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in anomalies for b in normal]
    assert auroc(normal, anomalies) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


def test_auroc_of_two_normal_distributions():
    """Φ(d / √2) for means d apart; the standard error is below ½ √(1/N + 1/M)."""
    rng = np.random.default_rng(0)
    found = auroc(rng.normal(size=4000), rng.normal(size=4000) + 1)
    assert abs(found - stats.norm.cdf(1 / math.sqrt(2))) < 4 * 0.5 * math.sqrt(2 / 4000)


@given(SCORES, st.floats(0, 0.99))
def test_the_threshold_is_the_lowest_that_keeps_the_rate(scores, rate):
    threshold = threshold_at(scores, rate)
    assert (scores > threshold).mean() <= rate + 1e-9
    lower = scores[scores < threshold]
    assert not len(lower) or (scores > lower.max()).mean() > rate - 1e-9


@pytest.mark.parametrize("percent", range(100))
def test_a_share_of_a_hundred_is_exact(percent):
    assert threshold_at(np.arange(100.0), percent / 100) == 99 - percent


@given(st.integers(1, 60), st.data())
def test_the_interval_is_that_of_the_binomial_tests(n, data):
    k = data.draw(st.integers(0, n))
    scores = np.concatenate([np.ones(k), np.zeros(n - k)])
    rate = alarm_rate(scores, 0.5, confidence=0.9)
    exact = stats.binomtest(k, n).proportion_ci(0.9, method="exact")
    assert (rate.share, rate.low, rate.high) == pytest.approx((k / n, exact.low, exact.high), abs=1e-9)


def test_scores_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"auroc: expected anomalies to be numbers \(N,\), at least one, got NaN"):
        auroc(np.ones(3), np.array([np.nan]))
    with pytest.raises(ValueError, match=r"got shape \(0,\)"):
        threshold_at(np.ones(0), 0.1)
    with pytest.raises(ValueError, match=r"false_alarm_rate"):
        threshold_at(np.ones(3), 1.0)
