"""Scores of generated images: a classifier of real images shows whether samples are clear, diverse and new.

Every example that samples images uses these scores, so their figures can be compared:

    scores = score_samples(model.sample(1000, rng), digits)  # pixels in [0, 1]
    figures, results = figures | scores.figures, results + scores.results
"""

from typing import NamedTuple

import numpy as np

from tinygen.data import Dataset
from tinygen.evaluate import metrics
from tinygen.evaluate.classifier import load_classifier
from tinygen.io.files import printable
from tinygen.io.output import say
from tinygen.runs.run import Result

__all__ = ["Scores", "by_class", "score_samples"]

LEAST = 5  # samples, and test images: precision and recall with three neighbours need four of each
NEAREST = 200  # number of samples that are compared with all training images, pixel by pixel
LEAST_SHARE = 0.3  # of an equal share: the least that a class should get, 3 % for ten classes


class Scores(NamedTuple):
    """Figures by name, rows for the table of results, and the classes (N,) of the samples by the first classifier."""

    figures: dict[str, float]
    results: list[Result]
    classes: np.ndarray | None = None


def score_samples(
    samples: np.ndarray, data: Dataset, *, classifiers: int = 1, confidence: float = 0.9, quiet: bool = False
) -> Scores:
    """Compare samples (N, H, W, C), in [0, 1] or in 8 bits, with real images, by classifiers with seeds 0, 1, ...

    - `R` = FLD(samples, test) / FLD(train, test), a ratio of Fréchet distances of features, averaged over classifiers.
      The whole training set has R = 1. R grows as N falls: compare it with `train_R`, the R of N training images.
      One classifier and 1,000 samples give a rough value; quote R for five classifiers and 10,000 samples.
    - `sure`: share of samples whose class has a probability of at least `confidence`.
    - `rarest`: share of the class with the fewest samples.
    - `precision` and `recall` (k = 3) of the features of min(N, number of test images) samples.
    - `nearest`: median distance to the nearest training image; far below `test_nearest`, samples are copies.

    The scores are empty with `classifiers=0`, and for data without classes, which a message mentions unless `quiet`.
    Raises ValueError for fewer than 5 samples, another shape of image, or pixels that are NaN or infinite.
    """
    if classifiers == 0:
        return Scores({}, [])
    if len(data.classes) < 2 or len(data.test_images) < LEAST:
        if not quiet:
            given = f"{len(data.classes)} and {len(data.test_images):,} in {printable(data.name)}"
            hint = "put the pictures of each class into a subfolder" if len(data.classes) < 2 else "add pictures"
            say(f"samples are not scored: expected at least two classes and {LEAST} test images, got {given}: {hint}")
        return Scores({}, [])
    samples = eight_bits(samples, data)
    each = [_score(samples, data, seed, confidence, quiet) for seed in range(classifiers)]
    figures = {name: float(np.mean([figures[name] for figures, _ in each])) for name in each[0][0]}
    for name, images in (("nearest", samples), ("test_nearest", data.test_images)):
        figures[name] = float(np.median(metrics.nearest_distances(images[:NEAREST], data.train_images)))
    return Scores(figures, _results(figures, len(samples), data, classifiers, confidence), each[0][1])


def eight_bits(samples: np.ndarray, data: Dataset) -> np.ndarray:
    """Samples rounded to 256 grey levels, as in a picture file, in [0, 1]; raises ValueError for another shape."""
    samples = np.asarray(samples)
    if samples.shape[1:] != data.image_shape or len(samples) < LEAST:
        expected = f"at least {LEAST} samples of shape {data.image_shape}"
        raise ValueError(f"score_samples: expected {expected}, got {samples.shape}")
    if samples.dtype != np.uint8:
        if not np.isfinite(samples).all():
            raise ValueError("score_samples: expected finite samples, got NaN or infinity")
        samples = np.rint(255 * np.clip(samples, 0, 1))
    return (samples / 255).astype(np.float32)


def _score(
    samples: np.ndarray, data: Dataset, seed: int, confidence: float, quiet: bool
) -> tuple[dict[str, float], np.ndarray]:
    """The figures of one classifier, and the class (N,) that it gives each sample."""
    classifier = load_classifier(data, seed=seed, quiet=quiet)
    train, test, found = (classifier.features(images) for images in (data.train_images, data.test_images, samples))
    test_probabilities, probabilities = (classifier.probabilities(features) for features in (test, found))  # (N, K)
    classes, n = probabilities.argmax(axis=1), len(samples)
    m = min(n, len(test))
    among, train_among = (metrics.precision_recall(test[:m], features[:m]) for features in (found, train))
    unit = metrics.frechet_distance(train, test)
    figures = {
        "R": metrics.frechet_distance(found, test) / unit,
        "train_R": metrics.frechet_distance(train[:n], test) / unit,
        "sure": float((probabilities.max(axis=1) >= confidence).mean()),
        "test_sure": float((test_probabilities.max(axis=1) >= confidence).mean()),
        "rarest": float(np.bincount(classes, minlength=len(data.classes)).min() / n),
        "precision": among.precision,
        "recall": among.recall,
        "train_precision": train_among.precision,
        "train_recall": train_among.recall,
        "accuracy": float((test_probabilities.argmax(axis=1) == data.test_labels).mean()),
    }
    return figures, classes


def _results(figures: dict[str, float], n: int, data: Dataset, classifiers: int, confidence: float) -> list[Result]:
    share = {name: f"{100 * value:.1f} %" for name, value in figures.items()}
    least = LEAST_SHARE / len(data.classes)
    return [
        Result(
            "R: Fréchet distance from the test images, divided by that of the training images "
            f"({n:,} samples, {classifiers} classifier{'s' * (classifiers > 1)})",
            figures["R"],
            f"{figures['train_R']:.3g} for {n:,} training images, 1 for all",
        ),
        Result(f"samples with confidence >= {confidence:g}", share["sure"], f"{share['test_sure']} of test images"),
        Result(
            "share of the rarest class",
            share["rarest"],
            f"at least {100 * least:.3g} %",
            "no class is missing" if figures["rarest"] >= least else "too rare",
        ),
        Result(
            "precision and recall",
            f"{figures['precision']:.2f}, {figures['recall']:.2f}",
            f"{figures['train_precision']:.2f}, {figures['train_recall']:.2f} training images",
        ),
        Result(
            "distance to the nearest training image",
            figures["nearest"],
            f"{figures['test_nearest']:.4g} from test images",
        ),
        Result("accuracy of the classifier on test images", share["accuracy"]),
    ]


# -- a picture of the classes ------------------------------------------------------------------------------------------


def by_class(samples: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """A histogram of the classes (N,) as images for a grid of `count` columns: each class stacks its own samples.

    Cells without a sample are white.
    """
    counts = np.bincount(classes, minlength=count)
    rows = np.ones((counts.max(), count, *samples.shape[1:]), np.float32)
    for column in range(count):
        rows[len(rows) - counts[column] :, column] = samples[classes == column]
    return rows.reshape(-1, *samples.shape[1:])
