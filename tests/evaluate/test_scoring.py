"""Scores of samples, compared with a second implementation of their formulas."""

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
from helpers.datasets import some

from tinygen.data import load
from tinygen.evaluate.classifier import load_classifier
from tinygen.evaluate.scoring import by_class, eight_bits, score_samples
from tinygen.io import checkpoint
from tinygen.runs.run import figures_table


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def fld(a: np.ndarray, b: np.ndarray) -> float:
    """Heusel et al. 2017, equation 6; the trace of the root is the sum of the eigenvalues' roots."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    root = np.sqrt(np.maximum(scipy.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real, 0)).sum()
    return ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T)) - 2 * root


def share_among(points: np.ndarray, others: np.ndarray, k: int = 3) -> float:
    """Kynkäänniemi et al. 2019, equation 2."""
    radii = np.sort(scipy.spatial.distance.cdist(others, others), axis=1)[:, k]
    return float(np.mean([(np.linalg.norm(others - p, axis=1) <= radii).any() for p in points]))


def test_the_scores_equal_their_formulas(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # the cells of the table on one line each
    data, n = load("digits"), 150
    samples = np.clip(data.test_images[:n] + 0.2 * rng().standard_normal((n, 8, 8, 1), dtype=np.float32), 0, 1)
    scores = score_samples(samples, data, confidence=0.8, quiet=True)
    classifier, rounded = load_classifier(data), (np.rint(255 * samples) / 255).astype(np.float32)
    train, test, drawn = (classifier.features(images) for images in (data.train_images, data.test_images, rounded))
    found, real = classifier.probabilities(drawn), classifier.probabilities(test)
    unit, counts = fld(train, test), np.bincount(found.argmax(axis=1), minlength=10)
    pixels = [images.reshape(len(images), -1) for images in (rounded, data.test_images[:200], data.train_images)]
    expected = {
        "R": fld(drawn, test) / unit,
        "train_R": fld(train[:n], test) / unit,
        "sure": (found.max(axis=1) >= 0.8).mean(),
        "test_sure": (real.max(axis=1) >= 0.8).mean(),
        "rarest": counts.min() / n,
        "precision": share_among(drawn, test[:n]),
        "recall": share_among(test[:n], drawn),
        "train_precision": share_among(train[:n], test[:n]),
        "train_recall": share_among(test[:n], train[:n]),
        "accuracy": (real.argmax(axis=1) == data.test_labels).mean(),
        "nearest": np.median(scipy.spatial.distance.cdist(pixels[0], pixels[2]).min(axis=1)),
        "test_nearest": np.median(scipy.spatial.distance.cdist(pixels[1], pixels[2]).min(axis=1)),
    }
    assert scores.figures == pytest.approx(expected, rel=1e-4)
    assert (scores.classes == found.argmax(axis=1)).all()
    assert scores.figures["accuracy"] >= 0.92 and scores.figures["test_sure"] > 0.9
    again = score_samples(np.rint(255 * samples).astype(np.uint8), data, confidence=0.8, quiet=True)
    assert again.figures == scores.figures
    table = figures_table(scores.results, quiet=True)
    assert f"{100 * expected['sure']:.1f} %" in table and "150 samples, 1 classifier)" in table


def test_the_scores_of_copies_of_one_class_and_of_noise():
    data = load("digits")
    copies = score_samples(data.train_images, data, quiet=True).figures
    assert copies["nearest"] < 0.02 < copies["test_nearest"] / 20  # rounded to 8 bits
    assert copies["R"] == pytest.approx(1, abs=0.01)
    ones = score_samples(data.test_images[data.test_labels == 1], data, quiet=True)
    assert ones.figures["rarest"] == 0 and "too rare" in figures_table(ones.results, quiet=True)
    assert ones.figures["recall"] < 0.5 < ones.figures["precision"]
    noise = score_samples(rng().random((100, 8, 8, 1)), data, quiet=True).figures
    assert noise["R"] > 5 and noise["precision"] < 0.6 < ones.figures["precision"]


def test_several_classifiers_are_averaged(short):
    data = some()
    samples = data.test_images[:20]
    one, two = (score_samples(samples, data, classifiers=n, quiet=True) for n in (1, 2))
    facts = [dict(checkpoint.load(path)[1]) for path in short.iterdir()]
    assert sorted(fact["seed"] for fact in facts) == [0, 1]
    classifier = load_classifier(data, seed=1)
    train, test, drawn = (
        classifier.features(x) for x in (data.train_images, data.test_images, eight_bits(samples, data))
    )
    ratio = fld(drawn, test) / fld(train, test)
    assert two.figures["R"] == pytest.approx((one.figures["R"] + ratio) / 2, rel=1e-4)


def test_samples_are_not_scored_without_classifiers_or_classes(short, capsys):
    assert score_samples(some().test_images, some(), classifiers=0) == ({}, [], None)
    assert capsys.readouterr().out == ""
    assert score_samples(some().test_images, some(classes=1)) == ({}, [], None)
    said = capsys.readouterr().out
    assert "samples are not scored: expected at least two classes and 5 test images" in said
    assert said.endswith(": put the pictures of each class into a subfolder\n")
    assert score_samples(some().test_images, some(4)) == ({}, [], None)
    assert score_samples(some().test_images, some(classes=1), quiet=True) == ({}, [], None)
    assert not short.exists()


def test_other_arrays_are_refused(short):
    for samples in (np.zeros((9, 8, 8)), np.zeros((9, 9, 8, 1)), np.zeros((4, 8, 8, 1))):
        with pytest.raises(ValueError, match=r"at least 5 samples of shape \(8, 8, 1\), got"):
            score_samples(samples, some(), quiet=True)
    with pytest.raises(ValueError, match="NaN or infinity"):
        score_samples(np.full((9, 8, 8, 1), np.nan), some(), quiet=True)


def test_each_class_is_a_column_of_samples():
    classes = np.array([2, 0, 2, 2, 0])
    samples = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1) / 10
    white = 1.0
    expected = [[white, white, 0.0], [0.1, white, 0.2], [0.4, white, 0.3]]
    np.testing.assert_allclose(by_class(samples, classes, 3).reshape(3, 3), expected)
