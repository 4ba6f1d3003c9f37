"""What a data set is: four arrays with the names of the classes, source and licence; and the error for bad files."""

import hashlib
from dataclasses import dataclass

import numpy as np


class DataError(ValueError):
    """A data file does not have the expected content: it is damaged, truncated, in another format, or another file."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with class labels, in a training part and a test part that never change.

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
