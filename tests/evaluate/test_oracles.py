"""Probes, detection and PCA beside scikit-learn, where it is installed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.evaluate import detection, probes
from tinygen.models import pca

metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn isn't installed: nothing to compare with")
few = settings(deadline=None, max_examples=10)
SEEDS = st.integers(0, 2**32 - 1)


@few
@given(SEEDS, st.integers(1, 9), st.integers(1, 9))
def test_the_area_under_the_curve_with_ties(seed, n, m):
    rng = np.random.default_rng(seed)
    normal, anomalies = rng.integers(4, size=n) / 4, rng.integers(5, size=m) / 4
    theirs = metrics.roc_auc_score(np.repeat([0, 1], [n, m]), np.concatenate([normal, anomalies]))
    assert detection.auroc(normal, anomalies) == pytest.approx(theirs, abs=1e-12)


@few
@given(SEEDS, st.sampled_from([1, 3, 5]))
def test_the_vote_of_neighbours(seed, k):
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(seed)  # two classes and an odd k: no ties
    codes, tests, labels, truth = rng.normal(size=(20, 3)), rng.normal(size=(9, 3)), *rng.integers(2, size=(2, 20))
    theirs = KNeighborsClassifier(k).fit(codes, labels).score(tests, truth[:9])
    assert probes.knn_accuracy(codes, labels, tests, truth[:9], k=k) == pytest.approx(theirs, abs=1e-12)


@few
@given(SEEDS, st.sampled_from([0.1, 1.0, 10.0]))
def test_ridge_regression_and_its_score(seed, l2):
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(seed)
    codes, tests, targets = rng.normal(size=(20, 3)), rng.normal(size=(9, 3)), rng.normal(size=(20, 2))
    made = make_pipeline(StandardScaler(), Ridge(l2)).fit(codes, targets).predict(tests)
    theirs = metrics.r2_score(targets[:9], made, multioutput="raw_values")
    np.testing.assert_allclose(probes.regression_probe(codes, targets, tests, targets[:9], l2=l2), theirs, rtol=1e-9)


@few
@given(SEEDS)
def test_principal_components_up_to_their_sign(seed):
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(30, 4)) * [4, 3, 2, 1]
    ours, theirs = pca(rows, 2), PCA(2).fit(rows)
    np.testing.assert_allclose(
        ours.components.T @ ours.components, theirs.components_.T @ theirs.components_, atol=1e-8
    )
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ * 29 / 30, rtol=1e-9)
