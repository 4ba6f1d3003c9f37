"""The input and the output of each part of the tour, and what the parts share."""

import os
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygen import nn, plot
from tinygen.data import Dataset
from tinygen.runs import Link, Page, Panel, Run, RunError, Section, open_run, progress
from tinygen.runs.record import CONFIG, ELSEWHERE, OVERWRITE

EXAMPLES = Path(__file__).resolve().parents[1]


class Context(NamedTuple):
    """The input of each part: the data, the run, and the options of the tour."""

    digits: Dataset
    run: Run
    page: Page
    parts: dict[str, tuple[float, float]]  # of the time that the tour takes
    seed: int
    samples: int  # number of samples of each family that can sample
    quiet: bool

    @property
    def small(self) -> bool:
        """Whether smaller networks are enough, as for the embedded 8x8 digits."""
        return self.digits.image_shape[0] < 16

    def progress(self, part: str, steps: int) -> Any:
        """The numbers of the steps from 1, with a progress bar whose time left is that of the whole tour."""
        label = f"{part} ({list(self.parts).index(part) + 1} of {len(self.parts)})"
        return progress(range(1, steps + 1), label=label, part=self.parts[part], quiet=self.quiet)

    def say(self, text: str) -> None:
        """Print the result of a part."""
        if not self.quiet:
            print(text, flush=True)

    def keep(self, part: str, model: nn.Module, built: dict[str, dict], **figures: float) -> None:
        """Write a trained model to the folder `part` of the tour, a run that `python -m tinygen sample` accepts.

        `built` maps the name of the model's constructor to its arguments. A model that can't be written costs one line.
        """
        data = {self.digits.name: self.digits.sha256()}
        try:
            kept = open_run(
                self.run.path(part), {"seed": self.seed}, data=data, model=built, overwrite=True, quiet=True
            )
            model.save(kept.path("model.npz"))
            kept.finish(figures)
        except (OSError, RunError) as error:
            self.run.say(f"the model of {part} could not be written: {error}")

    def sample_command(self, part: str) -> str:
        """The command that samples from a model of the tour."""
        return f"python -m tinygen sample {shlex.quote(str(self.run.folder / part))}"


PARTS = ("autoencoder", "vae", "plane", "gan", "diffusion")  # the folders of the models


def check_folders(out: Path, *, overwrite: bool) -> None:
    """Raise RunError if the folder of the tour or of a model contains a run, unless it may be overwritten."""
    for part in () if overwrite else ("", *PARTS):
        if (out / part / CONFIG).exists():
            raise RunError(f"{out / part} contains a run: start over with {OVERWRITE}, or {ELSEWHERE}")


class Family(NamedTuple):
    """The output of each part: the results of one trained family of models."""

    name: str
    parameters: int
    seconds: float  # of training
    metric: str  # name of `value`
    value: float
    baseline: str  # to compare `value` with
    density: str  # whether it can tell how probable an image is
    encode: str  # whether it has a code for an image
    samples: np.ndarray | None  # (N, H, W, C) in [0, 1], if it can sample
    shown: np.ndarray  # the first of these, or reconstructions
    sections: list[Section]
    loss: Panel  # its loss as curves


def draw_losses(curves: dict[str, list[float]], steps: int, ylabel: str, **options) -> plot.Picture:
    """Curves over the steps of a training, narrow enough to show several side by side.

    A curve with fewer values than steps is spread evenly over the training.
    """
    x = {name: steps * np.arange(1, len(values) + 1) / len(values) for name, values in curves.items()}
    return plot.loss_curves(curves, x=x, xlabel="step", ylabel=ylabel, max_points=100, width=680, **options)


def film_frame(images: np.ndarray) -> np.ndarray:
    """36 images as one frame of a film."""
    return plot.tiled(images, columns=6)


def links(**files: str) -> list[Link]:
    """Links to files beside the folder of examples; a page shows those that exist."""
    return [Link(text.replace("_", " "), EXAMPLES.parent / file) for text, file in files.items()]


def script(file: str, *options: str) -> str:
    """The command that starts an example from the current folder."""
    return " ".join(["python", os.path.relpath(EXAMPLES / file), *options])
