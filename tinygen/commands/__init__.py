"""The commands of `python -m tinygen`: one function per command, whose arguments are the options."""

import json as json_format
import sys
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from tinygen.commands.bench import bench, warm
from tinygen.io.files import replacing
from tinygen.io.table import columns
from tinygen.runs.cli import NewFile, Refused, Seed, Size, Whole, before_work, command


@command
def check(
    ops: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    *,
    json: Annotated[Path | None, NewFile()] = None,
    seed: Seed = 0,
    quiet: bool = False,
) -> None:
    """Check the derivative rules of every op and print a table; exits with 1 if one of them fails.

    Args:
        ops: names of the ops; all if none is given.
        json: a file for the same figures as JSON.
        seed: seed for the random inputs, directions and cotangents.
        quiet: print only the last line.
    """
    from tinygen.testing import CASES, table

    if unknown := [name for name in ops if name not in CASES]:
        raise Refused(f"check: there is no op {unknown[0]!r}; there are {', '.join(sorted(CASES))}")
    rows = table.run([CASES[name] for name in ops or CASES], seed=seed, quiet=quiet)
    print(table.format(rows) if not quiet else table.verdict(rows))
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_text(json_format.dumps([row._asdict() for row in rows], indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(row.ok for row in rows) else 1)


@command
def data(name: Annotated[str, tyro.conf.Positional] = "", *, quiet: bool = False) -> None:
    """List the data sets, or load one by name, which downloads it if this machine lacks it.

    Args:
        name: a name from the list, or a folder of your own pictures.
        quiet: no progress bar.
    """
    from tinygen.data import list_datasets, load

    if name:
        found = load(name, quiet=quiet)
        print(f"{found}\nsource:  {found.source}\nlicence: {found.licence}\nsha-256: {found.sha256()}")
        return
    rows = [("name", "train", "test", "image", "here", "licence", "source")]
    for entry in list_datasets():
        here = "yes" if entry.present else "no"
        rows.append((entry.name, entry.train, entry.test, entry.shape, here, entry.licence, entry.source))
    print(columns([[str(cell) for cell in row] for row in rows]))


MODELS = ("conv_autoencoder", "dense_autoencoder", "linear_autoencoder", "vae")


@command
def summary(model: Annotated[Literal[MODELS], tyro.conf.Positional], *, image_size: Size = 28, code: Size = 10) -> None:
    """Print the layers of a model as a table: output shapes and numbers of parameters.

    Args:
        model: name of the model.
        image_size: height and width of its images, in pixels.
        code: size of the code, in numbers per image.
    """
    from tinygen import models

    rng, images, pixels = np.random.default_rng(0), (image_size, image_size, 1), image_size * image_size
    with before_work():
        net, shape = {
            "conv_autoencoder": lambda: (models.ConvAutoencoder(rng=rng, image_size=image_size, code=code), images),
            "dense_autoencoder": lambda: (models.DenseAutoencoder(images, (1000, 500, 250, code), rng=rng), images),
            "linear_autoencoder": lambda: (models.LinearAutoencoder(pixels, code, rng=rng), (pixels,)),
            "vae": lambda: (models.VAE.dense(images, (200, 200), code, rng=rng), images),
        }[model]()
    print(net.summary(shape))


@command
def sample(
    run: Annotated[Path, tyro.conf.arg(metavar="RUN"), tyro.conf.Positional],
    *,
    n: Annotated[int, Whole(1, 10**6), tyro.conf.arg(aliases=["-n"])] = 64,
    seed: Seed = 0,
    out: Annotated[Path | None, NewFile(".png")] = None,
) -> None:
    """Sample from a trained run's model: writes a picture of the samples and, beside it, all of them as .npy.

    Args:
        run: the folder of the run.
        n: number of samples.
        seed: seed for all random numbers; the same seed gives the same samples.
        out: the picture, a PNG; without it, drawn.png in the folder of the run.
    """
    from tinygen import models, plot

    out = out or run / "drawn.png"
    with before_work():
        samples = models.draw(models.load_run(run), n, np.random.default_rng(seed))
    images = samples.ndim == 4
    points = dict(labels=np.full(n, "samples"), axis_labels=("x₁", "x₂"))
    picture = plot.image_grid(samples) if images else plot.latent_map(samples, **points)
    plot.save(picture, out)
    with replacing(out.with_suffix(".npy")) as file:
        np.save(file, np.rint(255 * samples).astype(np.uint8) if images else samples)
    print(f"{n} samples: {out} and {out.with_suffix('.npy').name}, {'8 bits a pixel' if images else 'as they are'}")


@command
def judge(
    name: Annotated[str, tyro.conf.Positional] = "mnist", *, seed: Seed = 0, train: bool = False, quiet: bool = False
) -> None:
    """Print the accuracy of the classifier that evaluates samples of a data set; train and keep it if there is none.

    Args:
        name: the data: a name that `data` lists, or a folder of pictures in subfolders by class.
        seed: seed of the classifier; the first one has seed 0.
        train: train it again, even if one is kept.
        quiet: no progress bar.
    """
    from tinygen.data import load
    from tinygen.models import load_judge

    found = load(name, quiet=quiet)
    with before_work():
        network = load_judge(found, seed=seed, quiet=quiet, anew=train)
    predicted = network.probabilities(network.features(found.test_images)).argmax(axis=1)
    right, weights = np.mean(predicted == found.test_labels), sum(p.size for p in network.parameters())
    print(f"{found}\njudge {seed}, {weights:,} parameters: {right:.2%} of the test images are classified correctly")


COMMANDS = {each.__name__: each for each in (check, data, summary, sample, judge, bench, warm)}
