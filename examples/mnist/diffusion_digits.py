"""Train a diffusion model of MNIST: a U-Net predicts the noise in digits, and generates digits from noise.

You will see the loss on test digits after each epoch, then how samples compare with test digits, beside training
digits: by their Fréchet distance and by a classifier, which is trained once and kept. `index.html` shows samples, how
they form from noise (a strip and a GIF), what the network predicts on the way, and the loss.
It takes about half an hour on two cores.
"""

from tinygen import (  # before NumPy: Ctrl-C during the imports leaves no traceback
    grad,
    models,
    nn,
    no_grad,
    optim,
    plot,
)

# isort: split
from pathlib import Path

import numpy as np

from tinygen.data import Batches, load
from tinygen.evaluate import metrics
from tinygen.evaluate.scoring import score_samples
from tinygen.io.files import replacing
from tinygen.runs import Page, Result, Section, cli, figures_table, open_run, progress


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 6,
    batch_size: cli.Batch = 32,
    lr: cli.Rate = 2e-3,
    channels: cli.Size = 16,
    samples: cli.Samples = 1000,
    classifiers: cli.Classifiers = 1,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/diffusion_digits"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train, draw samples in 50 steps (DDIM), compare them with digits, write the page; returns the scores.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your own pictures.
        epochs: number of passes over the training images.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        channels: channels of the U-Net's first maps, a multiple of 16; deeper maps have four and eight times as many.
        samples: number of samples to score and to write to samples.npy (8 bits per pixel).
        classifiers: number of classifiers that score the samples; 0 for none.
        limit: number of training images, and of test images; all by default.
        seed: seed for all random numbers, except those of the classifiers.
        out: folder for the model, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: a run of seconds, to see that everything works; no sample is scored.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    if quick:
        epochs, samples, classifiers, limit = 1, 64, 0, 128
    config = cli.settings(locals())
    rng = np.random.default_rng(seed)
    with cli.before_work():
        digits = load(data, quiet=quiet)
        train, test = digits.train_images[:limit], digits.test_images[:limit]
        # Few channels on the large maps, where they cost most: strokes are simple. The small maps decide on the digit.
        sizes = dict(shape=digits.image_shape, channels=channels, multiples=(4, 8), middle=2, overview=True)
        model = models.Diffusion.unet(**sizes, rng=rng)
        about = dict(data={digits.name: digits.sha256()}, model={"Diffusion.unet": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    params = model.parameters()
    batches = Batches(train, batch_size, rng)
    total = epochs * len(batches)
    opt, average = optim.Adam(params, lr), optim.EMA(params, max(0, 1 - 10 / total))  # over a tenth of the run
    schedule = optim.cosine(lr, total=total, warmup=100)
    if not quiet:
        print(f"{digits}, a U-Net of {sum(p.size for p in params):,} parameters")

    losses, tests = [], []  # squared error per pixel: of each batch, and of test images after each epoch
    history = dict(losses=losses, tests=tests)
    loop = run.loop(model=model, opt=opt, average=average, batches=batches, rng=rng, history=history)
    model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
    for epoch in loop.epochs(epochs):
        for batch in (bar := progress(loop.steps(batches), label=f"epoch {epoch}/{epochs}", quiet=quiet)):
            opt.lr = schedule(opt.steps)
            loss = model.loss(2 * batch - 1, rng)  # pixels in [-1, 1]
            opt.step(grad(loss, params))
            average.update()
            losses.append(loss.item())
            bar.show(loss=np.mean(losses[-100:]))
        with average.applied(), no_grad():
            test_rng = np.random.default_rng(0)  # the same noise each time
            tests.append(model.loss(2 * test[:500] - 1, test_rng).item())
        run.log(len(losses), test=tests[-1])
        if not quiet:
            print(f"epoch {epoch}: {tests[-1]:.4f} squared error per pixel of test images")

    with average.applied():  # the averaged weights give better samples
        model.save(run.path("model.npz"))
        drawn = pixels(model.sample(samples, rng, steps=50))
        states = list(model.reverse(25, rng, steps=50))
    with replacing(run.path("samples.npy")) as file:
        np.save(file, np.rint(255 * drawn).astype(np.uint8))

    scores = score_samples(drawn, digits, classifiers=classifiers, quiet=quiet)
    figures = {"test": tests[-1]} | frechet_distances(drawn, train, test) | scores.figures
    results = [
        Result("squared error per pixel of test images", figures["test"]),
        Result("Fréchet distance of samples, PCA-30", figures["samples"], f"{figures['training']:.4g} training digits"),
        *scores.results,
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    pictures(page, drawn, states, losses, tests)
    intro = INTRO.format(count=len(train), name=digits.name)
    page.write(title="Digits from noise", intro=intro, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


def pixels(x: np.ndarray) -> np.ndarray:
    """Samples of the model, about in [-1, 1], as images in [0, 1]."""
    return np.clip((x + 1) / 2, 0, 1)


def frechet_distances(drawn: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """The Fréchet distances of samples and of as many training images from test images, on 30 principal components."""
    pca = models.pca(train, min(30, train[0].size))

    def codes(images: np.ndarray) -> np.ndarray:
        return (images.reshape(len(images), -1) - pca.mean) @ pca.components.T

    return {
        name: metrics.frechet_distance(codes(images), codes(test))
        for name, images in (("samples", drawn), ("training", train[: len(drawn)]))
    }


# -- pictures ----------------------------------------------------------------------------------------------------------


def pictures(page: Page, drawn: np.ndarray, states: list, losses: list[float], tests: list[float]) -> None:
    """Write samples; ten of them on their way, with the network's predictions; 25 of them as a GIF; the loss."""
    page.save("samples.png", plot.image_grid, drawn[:100], columns=10)
    chosen = {f"t = {state.t}": state for state in states[::5]}  # 11 of the 51, one in each row
    page.save("strip.png", plot.image_rows, {t: pixels(state.x[:10]) for t, state in chosen.items()})
    page.save("predictions.png", plot.image_rows, {t: pixels(state.x_0[:10]) for t, state in chosen.items()})
    film = np.stack([plot.tiled(pixels(state.x), columns=5) for state in states[::2]])
    page.save("denoising.html", plot.film, film, fps=8)
    curves, steps = {"training": losses, "test": tests}, np.arange(1, len(losses) + 1)
    per_epoch = len(losses) // len(tests)
    x = {"training": steps, "test": steps[per_epoch - 1 :: per_epoch]}
    labels = dict(xlabel="step", ylabel="squared error per pixel")
    page.save("loss.png", plot.loss_curves, curves, x=x, max_points=100, log=True, **labels)


INTRO = """A U-Net learned to predict the noise in {count:,} digits of the data set “{name}”. To generate a digit, it
starts from pure noise and removes noise step by step."""

SECTIONS = [
    Section("Samples", "Each started as noise and took 50 steps.", "samples.png", "A hundred samples of the model"),
    Section(
        "Digits from noise",
        "In each step the network predicts the noise, and some of it is removed.",
        "denoising.html",
        "Animation of 25 digits that form from noise",
    ),
    Section(
        "Step by step",
        "Ten samples on their way from noise, from top to bottom; t is the time, 0 at the end.",
        "strip.png",
        "Ten samples at eleven times each",
    ),
    Section(
        "The prediction on the way",
        "The digit that the network predicts, at the same times. From pure noise it predicts the mean of all digits; "
        "the prediction becomes sharper as the noise disappears.",
        "predictions.png",
        "The predicted digits at the same times",
    ),
    Section(
        "The loss",
        "The squared error of the prediction on training images, and on test images with the averaged weights.",
        "loss.png",
        "Loss curves on training and test images",
    ),
]


if __name__ == "__main__":
    cli.start(main)
