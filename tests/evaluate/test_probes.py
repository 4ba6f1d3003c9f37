"""Probes of codes beside other ways to the same numbers: optimality conditions, Newton's method, sorting by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from tinygen.evaluate import metrics
from tinygen.evaluate.probes import (
    few_label_accuracy,
    fit_linear_probe,
    knn_accuracy,
    linear_probe,
    regression_probe,
)
from tinygen.tensor import Tensor

SEEDS = st.integers(0, 2**32 - 1)


def blobs(seed, n=60, d=3, classes=3, spread=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % classes)
    return rng.normal(size=(classes, d))[labels] + spread * rng.normal(size=(n, d)), labels


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.sampled_from([0.01, 1.0, 30.0]), st.integers(2, 4))
def test_the_linear_probe_is_at_the_minimum_of_its_convex_objective(seed, l2, classes):
    codes, labels = blobs(seed, classes=classes)
    probe = fit_linear_probe(codes, labels, l2=l2)
    p = probe.probabilities(codes)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    standard = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    excess = p - np.eye(classes)[labels]
    np.testing.assert_allclose(standard.T @ excess + l2 * probe.weight, 0, atol=1e-4)
    np.testing.assert_allclose(excess.sum(axis=0), 0, atol=1e-4)


@settings(deadline=None, max_examples=10)
@given(SEEDS, st.sampled_from([0.1, 1.0]))
def test_two_classes_are_the_binary_regression_of_newtons_method(seed, l2):
    """For two classes the optimal weights are opposite, w and -w, so 2w minimises the binary loss with l2 / 2."""
    codes, labels = blobs(seed, classes=2)
    probe = fit_linear_probe(codes, labels, l2=l2)
    rows = np.column_stack([(codes - codes.mean(axis=0)) / codes.std(axis=0), np.ones(len(codes))])
    ridge, v = np.diag([l2 / 2] * codes.shape[1] + [0.0]), np.zeros(codes.shape[1] + 1)
    for _ in range(50):
        p = special.expit(rows @ v)
        v -= np.linalg.solve((rows.T * (p * (1 - p))) @ rows + ridge, rows.T @ (p - labels) + ridge @ v)
    np.testing.assert_allclose(probe.probabilities(codes)[:, 1], special.expit(rows @ v), atol=1e-5)


@given(SEEDS, st.floats(1e-3, 1e3))
def test_the_scale_of_codes_has_no_effect(seed, scale):
    codes, labels = blobs(seed, n=30)
    a, b = (fit_linear_probe(z, labels).probabilities(z) for z in (codes, codes * scale + 7))
    np.testing.assert_allclose(a, b, atol=1e-5)


@settings(deadline=None, max_examples=10)
@given(SEEDS)
def test_one_scale_for_all_numbers_makes_rotations_of_the_codes_equal(seed):
    codes, labels = blobs(seed, n=30)
    codes = codes * [1, 10, 0.1]
    turned = codes @ np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    a, b = (fit_linear_probe(z, labels, scale="all").probabilities(z) for z in (codes, turned * 7 + 1))
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("scale", ["each", "all"])
def test_scikit_learn_finds_the_same_probabilities(scale):
    linear = pytest.importorskip("sklearn.linear_model")
    codes, labels = blobs(1)
    codes = codes * [1, 10, 0.1]
    sd = codes.std(axis=0) if scale == "each" else codes.var(axis=0).mean() ** 0.5
    standard = (codes - codes.mean(axis=0)) / sd
    theirs = linear.LogisticRegression(C=1 / 0.3, tol=1e-10, max_iter=10_000).fit(standard, labels)
    ours = fit_linear_probe(codes, labels, l2=0.3, scale=scale).probabilities(codes)
    np.testing.assert_allclose(ours, theirs.predict_proba(standard), atol=1e-5)


def test_separated_classes_are_read_exactly_and_labels_can_be_any_names():
    codes, labels = blobs(2, spread=0.01)
    names = np.array(["ant", "bee", "cow"])[labels]
    assert linear_probe(codes[:30], names[:30], codes[30:], names[30:]) == 1
    assert linear_probe(Tensor(codes[:30]), names[:30], Tensor(codes[30:]), names[30:]) == 1
    constant = np.column_stack([codes, np.full(60, 0.1)])  # a code that says nothing
    assert linear_probe(constant[:30], labels[:30], constant[30:], labels[30:]) == 1


@given(SEEDS, st.integers(1, 7), st.integers(1, 200))
def test_the_vote_of_neighbours_is_that_of_the_definition(seed, k, block):
    rng = np.random.default_rng(seed)
    codes, labels = rng.permutation(64)[:12, None] / 4.0, rng.integers(3, size=12)  # distances are exact
    tests, truth = rng.permutation(64)[:5, None] / 4.0 + 1 / 16, rng.integers(3, size=5)
    right = 0
    for z, t in zip(tests[:, 0], truth):
        near = sorted(range(12), key=lambda i: abs(codes[i, 0] - z))[:k]
        votes = [sum(labels[i] == c for i in near) for c in range(3)]
        winner = next(labels[i] for i in near if votes[labels[i]] == max(votes))
        right += int(winner == t)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygen.evaluate.probes.BLOCK", block)
        assert knn_accuracy(codes, labels, tests, truth, k=k) == right / 5


def test_one_neighbour_is_the_nearest():
    (codes, labels), (tests, truth) = blobs(3), blobs(4)
    assert knn_accuracy(codes, labels, tests, truth, k=1) == metrics.nearest_neighbour_accuracy(
        codes, labels, tests, truth
    )


def test_few_labels_are_drawn_from_each_class_without_repetition():
    codes, labels = blobs(5)
    seen = []

    def probe(z, y, test_codes, test_labels):
        seen.append((z, y))
        assert test_codes is codes
        return len(seen) / 10

    rng = np.random.default_rng(0)
    found = few_label_accuracy(codes, labels, codes, labels, per_class=4, repeats=5, rng=rng, probe=probe)
    assert found.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    for z, y in seen:
        assert np.bincount(y).tolist() == [4, 4, 4] and len(np.unique(z[:, 0])) == 12
        where = [np.flatnonzero(codes[:, 0] == each)[0] for each in z[:, 0]]
        assert (labels[where] == y).all()
    assert len({z.tobytes() for z, _ in seen}) == 5
    easy, names = blobs(6, spread=0.01)
    assert (few_label_accuracy(easy, names, easy, names, per_class=2, repeats=2, rng=rng) == 1).all()


@given(SEEDS, st.sampled_from([0.0, 0.5, 20.0]))
def test_the_regression_probe_is_ridge_regression(seed, l2):
    rng = np.random.default_rng(seed)
    codes, tests = rng.normal(size=(30, 3)), rng.normal(size=(20, 3)) + 1
    targets, truth = rng.normal(size=(30, 2)), rng.normal(size=(20, 2))
    mean, sd = codes.mean(axis=0), codes.std(axis=0)
    z, middle = (codes - mean) / sd, targets.mean(axis=0)
    weight = np.linalg.solve(z.T @ z + l2 * np.eye(3), z.T @ (targets - middle))
    errors = ((truth - (tests - mean) / sd @ weight - middle) ** 2).sum(axis=0)
    expected = 1 - errors / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(regression_probe(codes, targets, tests, truth, l2=l2), expected, rtol=1e-9, atol=1e-9)


def test_probes_refuse_what_they_cannot_use():
    codes, labels = blobs(7)
    with pytest.raises(ValueError, match=r"at least two classes, got 1"):
        fit_linear_probe(codes, 0 * labels)
    with pytest.raises(ValueError, match=r"expected labels \(60,\), one for each code, got \(59,\)"):
        linear_probe(codes, labels[1:], codes, labels)
    with pytest.raises(ValueError, match=r"expected k to be a whole number from 1 to 60|k to be a whole number"):
        knn_accuracy(codes, labels, codes, labels, k=61)
    with pytest.raises(ValueError, match=r"at least 21 labels of each class, got 20"):
        few_label_accuracy(codes, labels, codes, labels, per_class=21, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"fit_linear_probe: expected finite numbers"):
        fit_linear_probe(codes * np.nan, labels)
