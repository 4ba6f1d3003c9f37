"""Samples held against real images by a judge: sure of their class, all classes there, as far off as real ones are.

One line for every sampler of images, so that their figures can be compared:

    judged = judge_samples(model.sample(1000, rng), digits)  # pixels in [0, 1]
    figures, results = figures | judged.figures, results + judged.results
"""

from typing import NamedTuple

import numpy as np

from tinygen.data import Dataset
from tinygen.evaluate import metrics
from tinygen.evaluate.classifier import load_judge
from tinygen.io.output import say
from tinygen.runs.run import Result

LEAST = 5  # images of a kind: one more than precision and recall need for three neighbours
NEAREST = 200  # so many samples are held against all training images, pixel by pixel
LEAST_SHARE = 0.3  # of an equal share: what every class should get, 3 % of ten classes


class Judged(NamedTuple):
    """Figures by name, the lines of the closing table, and the class that the first judge sees in each sample (N,)."""

    figures: dict[str, float]
    results: list[Result]
    classes: np.ndarray | None = None


def judge_samples(
    samples: np.ndarray, data: Dataset, *, judges: int = 1, confidence: float = 0.9, quiet: bool = False
) -> Judged:
    """What judges of these data, with seeds 0, 1, ..., say to samples (N, H, W, C) in [0, 1], or in 8 bits.

    - R = FLD(samples, test) / FLD(train, test), the mean over judges, in Fréchet distances of the judges' features.
      1 is the training set itself. It grows as N falls, so the R of N training images stands beside it. R is quoted
      for 10,000 samples and five judges; 1,000 and one do for a look.
    - `sure`, the share of samples whose class has a probability of at least `confidence`, and `rarest`, that of the
      class seen least often.
    - precision and recall (k = 3) of the features of min(N, test images) samples.
    - the median distance to the nearest training image: far below that of test images, and samples are copies.

    `judges=0` judges nothing, and neither are data without classes judged, but that is said.
    """
    if judges == 0:
        return Judged({}, [])
    if len(data.classes) < 2 or len(data.test_images) < LEAST:
        if not quiet:
            say(f"no judge: it takes two classes (subfolders name them) and {LEAST} test images; this is {data}")
        return Judged({}, [])
    samples = eight_bits(samples, data)
    n = len(samples)
    opinions = [_opinion(samples, data, seed, confidence, quiet) for seed in range(judges)]
    figures = {name: float(np.mean([opinion[name] for opinion, _ in opinions])) for name in opinions[0][0]}
    nearest = {
        name: float(np.median(metrics.nearest_distances(images[:NEAREST], data.train_images)))
        for name, images in (("nearest", samples), ("test_nearest", data.test_images))
    }
    figures |= nearest
    return Judged(figures, _results(figures, n, data, judges, confidence), opinions[0][1])


def eight_bits(samples: np.ndarray, data: Dataset) -> np.ndarray:
    """Samples as a file of pictures keeps them, with 256 grey levels; raises ValueError for another shape."""
    samples = np.asarray(samples)
    if samples.shape[1:] != data.image_shape or len(samples) < LEAST:
        raise ValueError(f"judge: expects {LEAST} samples or more, of shape {data.image_shape}, got {samples.shape}")
    if samples.dtype != np.uint8:
        if not np.isfinite(samples).all():
            raise ValueError("judge: the samples hold NaN or infinity")
        samples = np.rint(255 * np.clip(samples, 0, 1))
    return (samples / 255).astype(np.float32)


def _opinion(
    samples: np.ndarray, data: Dataset, seed: int, confidence: float, quiet: bool
) -> tuple[dict[str, float], np.ndarray]:
    """One judge's figures, and the classes that it sees in the samples."""
    judge = load_judge(data, seed=seed, quiet=quiet)
    train, test, drawn = (judge.features(images) for images in (data.train_images, data.test_images, samples))
    unit, n = metrics.frechet_distance(train, test), len(drawn)
    real, found = (judge.probabilities(features) for features in (test, drawn))  # (M, K), (N, K)
    classes = found.argmax(axis=1)
    m = min(n, len(test))
    among, train_among = (metrics.precision_recall(test[:m], features[:m]) for features in (drawn, train))
    return {
        "R": metrics.frechet_distance(drawn, test) / unit,
        "train_R": metrics.frechet_distance(train[:n], test) / unit,
        "sure": float((found.max(axis=1) >= confidence).mean()),
        "test_sure": float((real.max(axis=1) >= confidence).mean()),
        "rarest": float(np.bincount(classes, minlength=len(data.classes)).min() / n),
        "precision": among.precision,
        "recall": among.recall,
        "train_precision": train_among.precision,
        "train_recall": train_among.recall,
        "accuracy": float((real.argmax(axis=1) == data.test_labels).mean()),
    }, classes


def _results(figures: dict[str, float], n: int, data: Dataset, judges: int, confidence: float) -> list[Result]:
    share = {name: f"{100 * value:.1f} %" for name, value in figures.items()}
    least = LEAST_SHARE / len(data.classes)
    return [
        Result(
            f"R: Fréchet distance ({n:,} samples, {judges} judge{'s' * (judges > 1)})",
            figures["R"],
            f"{figures['train_R']:.3g} for as many training images, 1 for all",
        ),
        Result(f"samples with confidence >= {confidence:g}", share["sure"], f"{share['test_sure']} of test images"),
        Result(
            "share of the rarest class",
            share["rarest"],
            f"at least {100 * least:.3g} %",
            "all are there" if figures["rarest"] >= least else "too rare",
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
        Result("accuracy of the judge on test images", share["accuracy"]),
    ]


# -- a picture of it ---------------------------------------------------------------------------------------------------


def by_class(samples: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """The histogram of the classes as images for a grid of `count` columns: each sample stands on those of its class.

    Where nobody stands the image is white.
    """
    counts = np.bincount(classes, minlength=count)
    rows = np.ones((counts.max(), count, *samples.shape[1:]), np.float32)
    for column in range(count):
        rows[len(rows) - counts[column] :, column] = samples[classes == column]
    return rows.reshape(-1, *samples.shape[1:])
