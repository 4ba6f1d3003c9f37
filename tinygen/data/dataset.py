"""What a data set is: four arrays, their names and where they come from; and the one error for files that lie."""

import hashlib
from dataclasses import dataclass

import numpy as np


class DataError(ValueError):
    """A data file is not what it claims to be: damaged, truncated, of another format, or with another content."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with their class labels, split once and for all into a training and a test part.

    Images are float32 in [0, 1], channels last; labels are int64 and index `classes`.
    Raises ValueError if the arrays do not fit together.
    """

    name: str
    train_images: np.ndarray  # (N, H, W, C)
    train_labels: np.ndarray  # (N,)
    test_images: np.ndarray  # (M, H, W, C)
    test_labels: np.ndarray  # (M,)
    classes: tuple[str, ...]
    source: str
    licence: str
    made: str = ""  # how the images were made from others, where they were

    def __post_init__(self):
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if images.dtype != np.float32 or images.ndim != 4 or images.shape[1:] != self.image_shape:
                wanted = "(N, H, W, C), the same H, W, C in both parts"
                raise ValueError(f"{self.name}: {part}_images should be float32 {wanted}; got {_describe(images)}")
            if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
                wanted = f"int64 ({len(images)},), one per image"
                raise ValueError(f"{self.name}: {part}_labels should be {wanted}; got {_describe(labels)}")
            if images.size and not (images.min() >= 0 and images.max() <= 1):  # NaN is neither
                wanted = "numbers in [0, 1]; divide by 255, or look for NaN"
                raise ValueError(f"{self.name}: {part}_images should be {wanted}; got {images.min()}..{images.max()}")
            if labels.size and not (labels.min() >= 0 and labels.max() < len(self.classes)):
                wanted = f"0 to {len(self.classes) - 1}, one number for each of the {len(self.classes)} classes"
                raise ValueError(f"{self.name}: {part}_labels should be {wanted}; got {labels.min()}..{labels.max()}")

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape (H, W, C) of one image."""
        return self.train_images.shape[1:]

    def sha256(self) -> str:
        """The SHA-256 of all four arrays with their shapes, for the record of a run."""
        digest = hashlib.sha256()
        for name, dtype in _LAYOUT.items():
            array = np.ascontiguousarray(getattr(self, name), dtype)
            digest.update(f"{name} {dtype} {array.shape}\n".encode())
            digest.update(array)
        return digest.hexdigest()

    def __repr__(self) -> str:
        train, test, shape = len(self.train_images), len(self.test_images), self.image_shape
        made = self.made and f"; {self.made}"
        return f"Dataset({self.name!r}: {train} + {test} images {shape}, {len(self.classes)} classes{made})"


def specimens(labels: np.ndarray, count: int = 10) -> list[int]:
    """Which images to show: the first of each class, or simply the first ones where there is one class only."""
    classes = np.unique(labels)[:count]
    if len(classes) < 2:
        return list(range(min(count, len(labels))))
    return [int(np.flatnonzero(labels == c)[0]) for c in classes]


# Little-endian on every machine, so that the hash travels.
_LAYOUT = {"train_images": "<f4", "train_labels": "<i8", "test_images": "<f4", "test_labels": "<i8"}


def _describe(array):
    return f"{array.dtype} {array.shape}"
