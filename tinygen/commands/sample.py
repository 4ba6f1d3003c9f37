"""`python -m tinygen sample`: samples from the model of a finished run."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from tinygen.io.files import replacing
from tinygen.runs.cli import NewFile, Seed, Whole, before_work, command


@command
def sample(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    *,
    n: Annotated[int, Whole(1, 10**6), tyro.conf.arg(aliases=["-n"])] = 64,
    seed: Seed = 0,
    out: Annotated[Path | None, NewFile(".png")] = None,
) -> None:
    """Sample from the model of a finished run: write a picture of the samples, and their values to a .npy file.

    Args:
        run: folder of the run.
        n: number of samples.
        seed: seed for all random numbers; the same seed gives the same samples.
        out: PNG file for the picture; by default drawn.png in the folder of the run.
    """
    from tinygen import models, plot

    out = out or run / "drawn.png"
    with before_work():
        samples = models.sample(models.load_run(run), n, np.random.default_rng(seed))
    if samples.ndim == 4:
        picture, values, unit = plot.image_grid(samples), np.rint(255 * samples).astype(np.uint8), "8 bits per pixel"
    else:
        picture = plot.latent_map(samples, np.full(n, "samples"), axis_labels=("x₁", "x₂"))
        values, unit = samples, "coordinates"
    plot.save(picture, out)
    with replacing(out.with_suffix(".npy")) as file:
        np.save(file, values)
    print(f"{n} samples: {out} and {out.with_suffix('.npy').name} ({unit})")
