"""What every stop of the tour is given, and what it brings home."""

from typing import NamedTuple

import numpy as np

from tinygen import plot
from tinygen.data import Dataset
from tinygen.runs import Page, Panel, Run, Section


class Trip(NamedTuple):
    """What every stop is given."""

    digits: Dataset
    run: Run
    page: Page
    seed: int
    samples: int  # of each family that can draw
    quiet: bool

    @property
    def small(self) -> bool:
        """Whether the images are like the embedded 8x8 digits, so that smaller networks do."""
        return self.digits.image_shape[0] < 16


class Stop(NamedTuple):
    """What a stop brings home."""

    family: str
    parameters: int
    seconds: float  # of training
    figure: str  # what `value` is
    value: float
    reference: str  # what to hold it against
    density: str  # whether the family can say how probable an image is
    encode: str  # whether it can say what an image is made of
    samples: np.ndarray | None  # (N, H, W, C) in [0, 1], if it can draw any
    sections: list[Section]
    loss: Panel  # its loss as a curve


def loss_picture(curves: dict[str, list[float]], steps: int, ylabel: str, **options) -> plot.Picture:
    """Curves over the steps, each of a hundred points at most: means of as many parts. Narrow, to stand beside others.

    A curve with fewer points than that has its own, spread evenly over the run.
    """
    means = {name: [p.mean() for p in np.array_split(c, min(100, len(c)))] for name, c in curves.items()}
    x = {name: steps * (np.arange(len(c)) + 1) / len(c) for name, c in means.items()}
    return plot.loss_curves(means, x=x, xlabel="step", ylabel=ylabel, width=680, **options)


def frames_of(images: np.ndarray) -> np.ndarray:
    """36 images as one frame of a film, large enough to look at."""
    frame = plot.tiled(images, columns=6)
    scale = max(1, 360 // len(frame))
    return frame.repeat(scale, axis=0).repeat(scale, axis=1)
