"""Train the deep autoencoder of Hinton & Salakhutdinov (2006), 784-1000-500-250-30 and back, without their pretraining.

You will see the squared error per test image of MNIST, beside that of PCA with 30 numbers and that of the paper, 3.00.
`index.html` shows reconstructions, the digits with the largest errors, images between two digits, and the loss.
It takes about 13 minutes on two cores. With `--epochs 34` it takes about ten.
"""

from tinygen import grad, models, nn, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from pathlib import Path
from typing import Annotated

import numpy as np

from tinygen.data import Batches, load, one_per_class
from tinygen.evaluate import metrics
from tinygen.runs import Page, Result, Run, Section, cli, figures_table, open_run, progress

WIDTHS = (1000, 500, 250)
PAPER = 3.00  # squared error per test image of MNIST, by Hinton & Salakhutdinov with the same layers


def network(sizes: dict, mean: np.ndarray, rng: np.random.Generator) -> models.Autoencoder:
    """The autoencoder; its output starts at the mean image (H, W, C), which it need not learn."""
    model = models.Autoencoder.dense(**sizes, rng=rng)
    mean = np.clip(mean, 0.005, 0.995).ravel()
    model.decoder[-2].bias.data = np.log(mean / (1 - mean))
    return model


def shifted(images: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Each of the images (N, H, W, C), moved by up to `most` pixels along each axis; zeros move in."""
    padded = np.pad(images, [(0, 0), (most, most), (most, most), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[1:3], axis=(1, 2))
    rows, columns = rng.integers(0, 2 * most + 1, size=(2, len(images)))
    return np.moveaxis(windows[np.arange(len(images)), rows, columns], 1, -1)  # (N, C, H, W) to (N, H, W, C)


def train(
    model: models.Autoencoder,
    images: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    shift: int,
    rng: np.random.Generator,
    run: Run,
    quiet: bool,
) -> list[float]:
    """Minimise the squared error; returns that of each epoch, per image, a mean over its steps."""
    params = model.parameters()
    opt = optim.Adam(params, lr)
    batches = Batches(images, batch_size, rng)
    schedule = optim.cosine(lr, total=epochs * len(batches), warmup=300)
    losses, means = [], []  # of the steps of this epoch; of the epochs
    loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, losses=losses, means=means)
    model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
    for epoch in loop.epochs(epochs):
        for batch in (bar := progress(loop.steps(batches), label=f"epoch {epoch}/{epochs}", quiet=quiet)):
            opt.lr = schedule(opt.steps)
            loss = model.loss(shifted(batch, shift, rng) if shift else batch)
            opt.step(grad(loss, params))
            losses.append(loss.item())
            bar.show(loss=np.mean(losses[-100:]))
        means.append(float(np.mean(losses)))
        losses.clear()
        run.log(opt.steps, train=means[-1])
    return means


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 45,
    batch_size: cli.Batch = 100,
    lr: cli.Rate = 3e-3,
    shift: Annotated[int, cli.Whole(0, 8)] = 1,
    latent: cli.Size = 30,
    hold_out: bool = False,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/deep_autoencoder"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train, look at the test images once, compare with PCA, write the page; returns the figures.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your own pictures.
        epochs: number of passes over the training images.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        shift: largest random shift of a training image along each axis, in pixels; without it the network overfits.
        latent: size of the code, in numbers per image.
        hold_out: train without the last sixth of the training images and test on it: for the choice of settings.
        limit: number of training images, and of test images; all by default.
        seed: seed for all random numbers.
        out: folder for the model, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: a run of seconds, to see that everything works.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    if quick:
        epochs, limit = 2, 256
    config = cli.settings(locals())
    rng = np.random.default_rng(seed)
    with cli.before_work():
        digits = load(data, quiet=quiet)
        images, test, labels = digits.train_images[:limit], digits.test_images[:limit], digits.test_labels[:limit]
        if hold_out:
            rest = len(images) // 6
            images, test, labels = images[:-rest], images[-rest:], digits.train_labels[:limit][-rest:]
        pca = models.pca(images, latent)
        sizes = dict(shape=digits.image_shape, widths=WIDTHS, latent=latent, activation="silu", init="he_normal")
        model = network(sizes, images.mean(axis=0), rng)
        about = dict(data={digits.name: digits.sha256()}, model={"Autoencoder.dense": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    if not quiet:
        print(model.summary(digits.image_shape))
    how = dict(epochs=epochs, batch_size=batch_size, lr=lr, shift=shift, rng=rng, run=run, quiet=quiet)
    losses = train(model, images, **how)
    model.save(run.path("model.npz"))

    made = {"autoencoder": model.reconstruct(test), f"PCA-{latent}": models.pca_reconstruct(test, *pca[:2])}
    error, of_pca = (metrics.squared_error_per_image(test, found) for found in made.values())
    of_train = metrics.squared_error_per_image(images, model.reconstruct(images))
    figures = {"test": error, "pca": of_pca, "train": of_train}
    as_in_paper = (digits.name, latent, limit, hold_out) == ("mnist", 30, None, False)
    beside = f"{of_pca:.5g} PCA with {latent} numbers" + f"; {PAPER:.2f} Hinton & Salakhutdinov" * as_in_paper
    verdict = "below" if error < (PAPER if as_in_paper else of_pca) else "not below"
    results = [
        Result("squared error per test image", error, beside, verdict),
        Result("squared error per training image", of_train),
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)
    page = Page(run)
    pictures(page, model, test, labels, made)
    page.save("loss.png", plot.loss_curves, {"training": losses}, log=True, ylabel="squared error per image")
    page.write(title="A deep autoencoder", intro=INTRO, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


def pictures(
    page: Page, model: models.Autoencoder, test: np.ndarray, labels: np.ndarray, made: dict[str, np.ndarray]
) -> None:
    """Write one reconstruction per class, those with the largest errors, and images between two digits."""
    first, codes = one_per_class(labels), model.encode(test)
    worst = np.argsort(-((test - made["autoencoder"]) ** 2).sum(axis=(1, 2, 3)))[:12]
    for name, rows in (("reconstructions.png", first), ("worst.png", worst)):
        page.save(name, plot.reconstructions, test[rows], {who: np.clip(x[rows], 0, 1) for who, x in made.items()})
    page.save("between.png", plot.image_grid, model.interpolate(codes[first], 12), columns=12)


INTRO = """Seven hidden layers are between an image and its copy, with 30 numbers in the middle. In 2006 such a network
could not be trained from random weights: the paper first trained each layer alone, as a Boltzmann machine. Today Adam,
an activation that does not saturate, and first weights of the right size are enough."""

SECTIONS = [
    Section(
        "Reconstructions",
        "Test images above their reconstructions by the autoencoder and by PCA with as many numbers per image.",
        "reconstructions.png",
        "Test images above their reconstructions by the autoencoder and by PCA",
    ),
    Section(
        "The hardest images",
        "The test images with the largest errors: thick strokes, many edges, and shapes that are rare in training.",
        "worst.png",
        "The twelve test images with the largest errors, above their reconstructions",
    ),
    Section(
        "Between the images",
        "Points on straight lines between the codes of two images, decoded.",
        "between.png",
        "Rows of decoded images, each from one image to the next",
    ),
    Section(
        "The loss",
        "The squared error per training image, a mean over each epoch, in which the weights also change.",
        "loss.png",
        "Curve of the loss of the training images",
    ),
]


if __name__ == "__main__":
    cli.start(main)
