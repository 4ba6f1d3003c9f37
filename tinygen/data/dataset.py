"""What a data set is: four arrays with the names of the classes, source and licence; and the error for bad files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tinygen.errors import arguments
from tinygen.io import html


class DataError(ValueError):
    """A data file does not have the expected content: it is damaged, truncated, in another format, or another file."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with class labels, in a training part and a test part that never change.

    Args:
        name: name of the data set.
        train_images: (N, H, W, C) float32 in [0, 1], channels last.
        train_labels: (N,) int64, indices into `classes`.
        test_images: (M, H, W, C), as the training images.
        test_labels: (M,), as the training labels.
        classes: names of the classes.
        source: who made the data, and where they are.
        licence: what may be done with them.
        preprocessing: how the images were cropped and resized, for a folder of pictures.

    Raises ValueError if the arrays do not fit together.

    >>> from tinygen import data
    >>> digits = data.load("digits")
    >>> digits.train_images.shape, digits.classes[3]
    ((1437, 8, 8, 1), '3')
    """

    name: str
    train_images: np.ndarray  # (N, H, W, C)
    train_labels: np.ndarray  # (N,)
    test_images: np.ndarray  # (M, H, W, C)
    test_labels: np.ndarray  # (M,)
    classes: tuple[str, ...]
    source: str
    licence: str
    preprocessing: str = ""  # how the images were cropped and resized, for a folder of pictures

    def __post_init__(self):
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            who = f"{self.name}: expected {part}"
            if images.dtype != np.float32 or images.ndim != 4 or images.shape[1:] != self.image_shape:
                wanted = "float32 (N, H, W, C), with the same (H, W, C) in both parts"
                raise ValueError(f"{who}_images to be {wanted}, got {_describe(images)}")
            if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
                raise ValueError(f"{who}_labels to be int64 ({len(images)},), got {_describe(labels)}")
            if images.size and not (images.min() >= 0 and images.max() <= 1):  # both are False for NaN
                hint = "divide by 255, or remove NaN"
                raise ValueError(f"{who}_images to be in [0, 1], got {images.min()}..{images.max()}: {hint}")
            if labels.size and not (labels.min() >= 0 and labels.max() < len(self.classes)):
                wanted = f"in 0..{len(self.classes) - 1}, the indices of the classes"
                raise ValueError(f"{who}_labels to be {wanted}, got {labels.min()}..{labels.max()}")

    @classmethod
    def of(
        cls,
        images: np.ndarray,
        labels: np.ndarray | Sequence | None = None,
        *,
        test_fraction: float = 0.2,
        name: str = "my images",
        source: str = "an array",
        licence: str = "unknown",
    ) -> Self:
        """A data set from your own arrays.

        Args:
            images: (N, H, W) or (N, H, W, C), 8-bit integers, or booleans or floats in [0, 1].
            labels: (N,) integers or strings, whose sorted values name the classes; None for one class.
            test_fraction: share of test images, from 0 to below 1. They are evenly spaced in the array, at least one,
                so shuffle arrays whose order has a period.
            name: name of the data set.
            source: where the images come from.
            licence: what may be done with them.

        Raises ValueError for other arrays, and for fewer than two images unless `test_fraction` is 0.

        >>> from tinygen import data
        >>> data.Dataset.of(np.zeros((10, 8, 8), np.uint8), ["cat", "dog"] * 5)
        Dataset('my images': 8 training + 2 test images (8, 8, 1), 2 classes)
        """
        test_fraction = arguments.real("Dataset.of", "test_fraction", test_fraction, least=0, below=1)
        images = np.asarray(images)
        if images.ndim not in (3, 4) or not len(images) or images.dtype.kind not in "buf":
            wanted = "(N, H, W) or (N, H, W, C), 8-bit integers, booleans or floats"
            raise ValueError(f"Dataset.of: expected images to be {wanted}, got {_describe(images)}")
        if images.dtype.kind == "u" and images.dtype != np.uint8:
            raise ValueError(f"Dataset.of: expected 8 bits, got {images.dtype}: divide by the largest possible value")
        pixels = images.astype(np.float32) / (255 if images.dtype == np.uint8 else 1)
        pixels = pixels[..., None] if pixels.ndim == 3 else pixels
        given = np.zeros(len(images), int) if labels is None else np.asarray(labels)
        if given.shape != (len(images),):
            raise ValueError(f"Dataset.of: expected labels ({len(images)},), one per image, got {given.shape}")
        values, indices = np.unique(given, return_inverse=True)
        n = len(images)
        count = min(max(round(test_fraction * n), 1), n - 1) if test_fraction > 0 else 0
        if test_fraction > 0 and count < 1:
            raise ValueError("Dataset.of: expected at least two images, got 1: write test_fraction=0")
        test = np.zeros(n, bool)
        test[((np.arange(count) + 0.5) * n / max(count, 1)).astype(int)] = True
        return cls(
            name=name,
            train_images=pixels[~test],
            train_labels=indices[~test].astype(np.int64),
            test_images=pixels[test],
            test_labels=indices[test].astype(np.int64),
            classes=(".",) if labels is None else tuple(map(str, values)),
            source=source,
            licence=licence,
        )

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape (H, W, C) of one image."""
        return self.train_images.shape[1:]

    def sha256(self) -> str:
        """The SHA-256 of all four arrays and their shapes: it identifies the data of a run."""
        digest = hashlib.sha256()
        for name, dtype in _LAYOUT.items():
            array = np.ascontiguousarray(getattr(self, name), dtype)
            digest.update(f"{name} {dtype} {array.shape}\n".encode())
            digest.update(array.data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        train, test, shape = len(self.train_images), len(self.test_images), self.image_shape
        note = self.preprocessing and f"; {self.preprocessing}"
        classes = "1 class" if len(self.classes) == 1 else f"{len(self.classes)} classes"
        return f"Dataset({self.name!r}: {train} training + {test} test images {shape}, {classes}{note})"

    def _repr_html_(self) -> str:
        """For notebooks: three training images of each of the first ten classes, source and licence."""
        shown, width = [], max(24, min(64, 3 * self.image_shape[1]))
        for c, name in enumerate(self.classes[:10]):
            some = self.train_images[np.flatnonzero(self.train_labels == c)[:3]]
            if len(some) and some.size and some.shape[-1] in (1, 3):
                column = some.reshape(-1, *some.shape[2:])
                shown.append((html.image(_small(column), f"training images of class {name}", width=width), name))
        facts = {"classes": f"{len(self.classes)}", "source": self.source, "licence": self.licence}
        title = f"{self.name}: {len(self.train_images):,} training + {len(self.test_images):,} test images"
        more = {"images": f"{self.image_shape} float32 in [0, 1]", "preprocessing": self.preprocessing}
        return html.block(title, html.captioned(shown), html.facts(facts | more))


def _small(image: np.ndarray) -> np.ndarray:
    """Every k-th pixel of a large image, so that what a notebook stores stays small."""
    step = -(-image.shape[1] // 64)
    return image[::step, ::step]


def one_per_class(labels: np.ndarray, count: int = 10) -> list[int]:
    """Which images to show: the first of each class, or simply the first ones where there is one class only."""
    classes = np.unique(labels)[:count]
    if len(classes) < 2:
        return list(range(min(count, len(labels))))
    return [int(np.flatnonzero(labels == c)[0]) for c in classes]


# Little-endian, so that the hash is the same on every machine.
_LAYOUT = {"train_images": "<f4", "train_labels": "<i8", "test_images": "<f4", "test_labels": "<i8"}


def _describe(array):
    return f"{array.dtype} {array.shape}"
