"""The input and the output of each part of the tour, and what the parts share."""

from typing import NamedTuple

import numpy as np

from tinygen import plot
from tinygen.data import Dataset
from tinygen.runs import Page, Panel, Run, Section


class Context(NamedTuple):
    """The input of each part: the data, the run, and the options of the tour."""

    digits: Dataset
    run: Run
    page: Page
    seed: int
    samples: int  # number of samples of each family that can sample
    quiet: bool

    @property
    def small(self) -> bool:
        """Whether smaller networks are enough, as for the embedded 8x8 digits."""
        return self.digits.image_shape[0] < 16


class Family(NamedTuple):
    """The output of each part: the results of one trained family of models."""

    name: str
    parameters: int
    seconds: float  # of training
    figure: str  # name of `value`
    value: float
    baseline: str  # to compare `value` with
    density: str  # whether it can tell how probable an image is
    encode: str  # whether it has a code for an image
    samples: np.ndarray | None  # (N, H, W, C) in [0, 1], if it can sample
    sections: list[Section]
    loss: Panel  # its loss as curves


def draw_losses(curves: dict[str, list[float]], steps: int, ylabel: str, **options) -> plot.Picture:
    """Curves over the steps of a training, narrow enough to show several side by side.

    A curve with fewer values than steps is spread evenly over the training.
    """
    x = {name: steps * np.arange(1, len(values) + 1) / len(values) for name, values in curves.items()}
    return plot.loss_curves(curves, x=x, xlabel="step", ylabel=ylabel, max_points=100, width=680, **options)


def film_frame(images: np.ndarray) -> np.ndarray:
    """36 images as one frame of a film, enlarged to at least 360 pixels."""
    frame = plot.tiled(images, columns=6)
    scale = max(1, 360 // len(frame))
    return frame.repeat(scale, axis=0).repeat(scale, axis=1)
