"""`python -m tinygen sample`: samples from the model of a finished run."""

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from tinygen.io.files import replacing
from tinygen.io.output import say
from tinygen.io.table import paragraphs
from tinygen.runs.cli import NewFile, Refused, Seed, Whole, before_work, command
from tinygen.runs.record import CONFIG


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
        run: folder of a run that keeps a model, such as runs/vae or runs/tour/vae.
        n: number of samples.
        seed: seed for all random numbers; the same seed gives the same samples.
        out: PNG file for the picture; by default drawn.png in the folder of the run.
    """
    from tinygen import models, plot

    if not has_model(run):
        places = [run] if run.is_dir() else [Path("runs"), Path("runs/tour")]
        kept = [str(folder) for place in places for folder in folders_with_models(place)]
        instead = f"choose one of {', '.join(kept)}" if kept else "train a model first, for example with tour.py"
        given = f"{run}, which has none" if run.is_dir() else f"{run}, which doesn't exist"
        raise Refused(f"sample: expected the folder of a run with a model, got {given}: {instead}")
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
    say(paragraphs(f"{n} samples: {out} and {out.with_suffix('.npy').name} ({unit})"))


def has_model(folder: Path) -> bool:
    """Whether this is the folder of a run that may keep a model; `load_run` explains what is wrong with it."""
    return (folder / CONFIG).is_file() and ((folder / "model.npz").is_file() or not folders_with_models(folder))


def folders_with_models(folder: Path) -> list[Path]:
    """The folders with a model directly below this one."""
    return sorted(path.parent for path in folder.glob("*/model.npz") if (path.parent / CONFIG).is_file())
