"""The tour: trains the models on real digits and shows what they learnt. Start here.

The 8x8 digits come with the package, so nothing is downloaded. You will see progress, a table of figures beside what to
hold them against, and at the end the address of a page with the pictures: `index.html` in the folder of the run.
Each function below is one stop; a stop trains its model, and returns its figures and its part of the page.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from tinygen import grad, metrics, optim, plot
from tinygen.data import Batches, Dataset, load, specimens
from tinygen.models import ConvAutoencoder
from tinygen.progress import progress
from tinygen.report import Section, write_page
from tinygen.run import Result, Run, figures_table, open_run, start


class Stop(NamedTuple):
    """What a stop of the tour brings home."""

    results: list[Result]
    sections: list[Section]


class Budget(NamedTuple):
    """How long the stops train."""

    autoencoder_epochs: int


BUDGETS = {"digits": Budget(autoencoder_epochs=60), "mnist": Budget(autoencoder_epochs=3), "quick": Budget(1)}


def autoencoder(digits: Dataset, budget: Budget, run: Run, seed: int, quiet: bool) -> Stop:
    """The lecture's convolutional autoencoder: a code of 10 numbers, held against PCA with as many."""
    train, test, labels = digits.train_images, digits.test_images, digits.test_labels
    began = perf_counter()
    model, losses, tests = train_autoencoder(digits, budget.autoencoder_epochs, run, seed, quiet)
    seconds = perf_counter() - began

    pca = metrics.pca(train, 10)
    by_pca = metrics.pca_reconstruct(test, pca.mean, pca.components)
    error = metrics.squared_error_per_image(test, by_pca)
    codes = model.encode(test)
    by_code = metrics.nearest_neighbour_accuracy(model.encode(train), digits.train_labels, codes, labels)
    by_pixels = metrics.nearest_neighbour_accuracy(train, digits.train_labels, test, labels)

    first = specimens(labels)
    rows = {"autoencoder": model.reconstruct(test[first]), "PCA": np.clip(by_pca[first], 0, 1)}
    curves = {"training": losses, "test": tests}
    beside = {"PCA-10, test": error}
    pictures = {
        "reconstructions": plot.reconstructions(test[first], rows),
        "codes": plot.latent_map(metrics.pca_2d(codes), labels),
        "between": plot.image_grid(model.interpolate(codes[first], 10), columns=10),
        "loss": plot.loss_curves(curves, reference=beside, ylabel="squared error per image", log=True),
    }
    for name, picture in pictures.items():
        plot.save(picture, run.path(f"autoencoder_{name}.png"))

    size = sum(p.size for p in model.parameters())
    verdict = "below PCA" if tests[-1] < error else "not below PCA"
    results = [
        Result("autoencoder: parameters", size, "159355 for the lecture's 28x28"),
        Result("autoencoder: seconds to train", round(seconds, 1), f"{len(losses)} epochs"),
        Result("autoencoder: squared error per test image", tests[-1], f"{error:.4g} PCA, 10 numbers too", verdict),
        Result("autoencoder: nearest code has the same class", by_code, f"{by_pixels:.4g} nearest image"),
    ]
    return Stop(results, AUTOENCODER_SECTIONS)


def train_autoencoder(
    digits: Dataset, epochs: int, run: Run, seed: int, quiet: bool
) -> tuple[ConvAutoencoder, list[float], list[float]]:
    """The trained model, and its squared error per image in each epoch, on training and on test images."""
    rng, size = np.random.default_rng(seed), digits.image_shape[0]
    model = ConvAutoencoder(rng=rng, image_size=size)
    params = model.parameters()
    opt = optim.Adam(params)
    batches = Batches(digits.train_images, 32 if size < 28 else 128, rng)
    schedule = optim.cosine(2e-3, total=epochs * len(batches))
    losses, tests = [], []
    for epoch in (bar := progress(range(1, epochs + 1), label="autoencoder", quiet=quiet)):
        steps = []
        for batch in batches:
            opt.lr = schedule(opt.steps)
            loss = model.loss(batch)
            opt.step(grad(loss, params))
            steps.append(loss.item())
        losses.append(float(np.mean(steps)))
        tests.append(metrics.squared_error_per_image(digits.test_images, model.reconstruct(digits.test_images)))
        bar.show(loss=losses[-1], test=tests[-1])
        run.log(epoch, autoencoder_loss=losses[-1], autoencoder_test=tests[-1])
    return model, losses, tests


AUTOENCODER_SECTIONS = [
    Section(
        "An autoencoder: through 10 numbers and back",
        "The encoder makes 10 numbers of all the pixels, the decoder makes an image of those. Nobody told it what "
        "matters: it was only asked to lose as little as possible. Below the originals, which it never saw in "
        "training, stand its reconstructions, and those of PCA with 10 numbers.",
        "autoencoder_reconstructions.png",
        "Test digits, their reconstructions by the autoencoder, and by PCA",
    ),
    Section(
        "What the code knows",
        "Each test digit as a point: its 10 numbers, seen along their two main directions. The colour is the class, "
        "which training never used; that classes lie together is what the model found out.",
        "autoencoder_codes.png",
        "Scatter of the codes of the test digits, coloured by class",
    ),
    Section(
        "Between the digits",
        "Straight lines in the code, from each digit to the next, drawn by the decoder. Where the way leads through "
        "codes that no digit has, the images say so: an autoencoder promises nothing there.",
        "autoencoder_between.png",
        "Rows of decoded images on the way from one digit to the next",
    ),
    Section(
        "How it learnt",
        "The loss in each epoch, and the exact error of PCA with as many numbers as a dotted line.",
        "autoencoder_loss.png",
        "Loss curves on training and test digits with the error of PCA as a reference",
    ),
]

STOPS: list[Callable[..., Stop]] = [autoencoder]


def main(
    *,
    data: str = "digits",
    seed: int = 0,
    out: Path = Path("runs/tour"),
    quick: bool = False,
    quiet: bool = False,
) -> list[Result]:
    """Train every model, print the table, write the page; returns the figures.

    Args:
        data: "digits" (8x8, inside the package), "mnist" (28x28), or a folder of your own square pictures.
        seed: of everything random.
        out: the folder for the page and its pictures.
        quick: train for seconds only: to see that all runs, not what it can do.
        quiet: print nothing.
    """
    digits = load(data, quiet=quiet)
    budget = BUDGETS["quick" if quick else data if data in BUDGETS else "mnist"]
    run = open_run(out, {"seed": seed, **budget._asdict()}, data={digits.name: digits.sha256()})
    if not quiet:
        print(digits)
    stops = [stop(digits, budget, run, seed, quiet) for stop in STOPS]
    results = [result for stop in stops for result in stop.results]
    page = write_page(
        run.folder,
        title="A tour of tinygen",
        intro=f"Models built from scratch, trained on {len(digits.train_images):,} digits of the data set "
        f"“{digits.name}” and shown on test digits that they never saw. "
        "Beside every figure stands what to hold it against.",
        results=results,
        sections=[section for stop in stops for section in stop.sections],
    )
    figures_table(results, quiet=quiet)
    if not quiet:
        print(f"\nNow open {page}")
    return results


if __name__ == "__main__":
    start(main)
