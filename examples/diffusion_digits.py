"""Teach a U-Net to draw digits by taking noise out of nothing: a diffusion model of MNIST.

You will see the loss on test digits after each epoch; how far samples are from test digits, beside how far training
digits are; how a classifier scores them, which is trained once and kept; and `index.html`: samples, how digits
form out of noise (a strip and a GIF), what the network makes out in the noise on the way, and the loss.
"""

from pathlib import Path

import numpy as np

from tinygen import grad, nn, optim, plot
from tinygen.data import Batches, load
from tinygen.evaluate import metrics
from tinygen.evaluate.scoring import score_samples
from tinygen.models import Diffusion
from tinygen.op import no_grad
from tinygen.runs import Page, Result, Section, figures_table, open_run, progress
from tinygen.runs.cli import Batch, Classifiers, Count, Limit, Rate, Samples, Seed, Size, before_work, command, start


@command
def main(
    *,
    data: str = "mnist",
    epochs: Count = 6,
    batch_size: Batch = 32,
    lr: Rate = 2e-3,
    channels: Size = 16,
    samples: Samples = 1000,
    classifiers: Classifiers = 1,
    limit: Limit = None,
    seed: Seed = 0,
    out: Path = Path("runs/diffusion_digits"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train, draw samples in 50 steps (DDIM), hold them against digits, write the page; returns the figures.

    Args:
        data: "mnist", "digits" (8x8, inside the package), or a folder of your own pictures.
        epochs: how often every image is seen.
        batch_size: images in a step.
        lr: the learning rate after its warm-up; it falls to zero along half a cosine.
        channels: of the U-Net's first maps, a multiple of 16; the others have four and eight times as many.
        samples: how many are drawn, written to samples.npy (8 bits a pixel) and held against digits.
        classifiers: how many classifiers evaluate them; 0 for none.
        limit: take only the first images.
        seed: of everything random but the classifiers.
        out: the folder for the model, the log and the pictures.
        resume: go on with the run in that folder, from its newest checkpoint.
        overwrite: start over: delete the run in that folder.
        quick: train for seconds only: to see that all runs, not what it can do; the samples are not evaluated.
        quiet: print nothing.
    """
    if quick:
        epochs, samples, classifiers, limit = 1, 64, 0, 128
    config = dict(
        epochs=epochs, batch_size=batch_size, lr=lr, channels=channels, samples=samples, classifiers=classifiers
    )
    config |= dict(limit=limit, seed=seed)
    rng = np.random.default_rng(seed)
    with before_work():
        digits = load(data, quiet=quiet)
        train, test = digits.train_images[:limit], digits.test_images[:limit]
        # Strokes are drawn on the large maps, where channels cost most; which digit it is, is settled on the small ones
        sizes = dict(image_shape=digits.image_shape, channels=channels, multiples=(4, 8), middle=2, overview=True)
        model = Diffusion.unet(**sizes, rng=rng)
        about = dict(data={digits.name: digits.sha256()}, model={"Diffusion.unet": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    params = model.parameters()
    batches = Batches(train, batch_size, rng)
    total = epochs * len(batches)
    opt, average = optim.Adam(params, lr), optim.EMA(params, max(0, 1 - 10 / total))  # it looks back a tenth of the run
    schedule = optim.cosine(lr, total=total, warmup=100)
    if not quiet:
        print(f"{digits}, a U-Net of {sum(p.size for p in params):,} parameters")

    losses, tests = [], []  # squared error per pixel: of each batch, and on test images after each epoch
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
            rng_of_test = np.random.default_rng(0)  # the same noise each time
            tests.append(model.loss(2 * test[:500] - 1, rng_of_test).item())
        run.log(len(losses), test=tests[-1])
        if not quiet:
            print(f"epoch {epoch}: {tests[-1]:.4f} squared error per pixel of test images")

    with average.applied():  # samples are drawn, and the model is kept, with the averages of the weights
        model.save(run.path("model.npz"))
        drawn = pixels(model.sample(samples, rng, steps=50))
        states = list(model.reverse(25, rng, steps=50))
    np.save(run.path("samples.npy"), np.rint(255 * drawn).astype(np.uint8))

    scores = score_samples(drawn, digits, classifiers=classifiers, quiet=quiet)
    figures = {"test": tests[-1]} | against(drawn, train, test) | scores.figures
    results = [
        Result("squared error per pixel of test images", figures["test"]),
        Result("Fréchet distance of samples, PCA-30", figures["samples"], f"{figures['training']:.4g} training digits"),
        *scores.results,
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    pictures(page, drawn, states, losses, tests)
    intro = (
        f"A U-Net saw {len(train):,} digits of “{digits.name}” with noise in them and learnt to tell the two apart. "
        "To draw a digit it starts from nothing but noise."
    )
    page.write(title="Digits out of noise", intro=intro, results=results, sections=SECTIONS)
    return figures


def pixels(x: np.ndarray) -> np.ndarray:
    """What the model draws, in [-1, 1] but for noise, as images in [0, 1]."""
    return np.clip((x + 1) / 2, 0, 1)


def against(drawn: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Fréchet distances to the test images of as many samples and training images, by 30 principal components."""
    pca = metrics.pca(train, min(30, train[0].size))

    def codes(images: np.ndarray) -> np.ndarray:
        return (images.reshape(len(images), -1) - pca.mean) @ pca.components.T

    goal = codes(test)
    training = codes(train[: len(drawn)])
    return {
        "samples": metrics.frechet_distance(codes(drawn), goal),
        "training": metrics.frechet_distance(training, goal),
    }


# ---- pictures ------------------------------------------------------------------------------------------------------


def pictures(page: Page, drawn: np.ndarray, states: list, losses: list[float], tests: list[float]) -> None:
    """Samples; six of them on their way, and what the network makes out in them; 25 of them as a GIF; the loss."""
    page.save("samples.png", plot.image_grid, drawn[:100], columns=10)
    chosen = states[::5]  # 11 of the 51
    times = "t = " + ", ".join(str(state.t) for state in chosen)
    for name, images in (("strip", [s.x[:6] for s in chosen]), ("guesses", [s.x_0[:6] for s in chosen])):
        rows = np.stack(images, axis=1).reshape(-1, *drawn.shape[1:])  # one digit in each row
        page.save(f"{name}.png", plot.image_grid, pixels(rows), columns=len(chosen), title=times)
    film = np.stack([plot.tiled(pixels(state.x), columns=5) for state in states[::2]])
    film = film.repeat(2, axis=1).repeat(2, axis=2)
    page.save_gif("denoising.gif", film, fps=8)
    parts = min(100, len(losses))
    smooth = [part.mean() for part in np.array_split(losses, parts)]
    steps = {
        "training": len(losses) * (np.arange(parts) + 1) / parts,
        "test": len(losses) * (np.arange(len(tests)) + 1) / len(tests),
    }
    curves, labels = {"training": smooth, "test": tests}, dict(xlabel="step", ylabel="squared error per pixel")
    page.save("loss.png", plot.loss_curves, curves, x=steps, **labels, log=True)


SECTIONS = [
    Section("Samples", "Each began as noise and took 50 steps.", "samples.png", "A hundred samples of the model"),
    Section(
        "Digits out of noise",
        "The same network is asked at each step what is noise and what is not, and some of the noise is taken out.",
        "denoising.gif",
        "Animation of 25 digits that form out of noise",
    ),
    Section(
        "Step by step", "Six digits on their way, from left to right.", "strip.png", "Six samples at eleven times each"
    ),
    Section(
        "What the network makes out",
        "Its best guess at the digit, at the same times. In pure noise it sees the mean of all digits, since it knows "
        "no better; the guess sharpens as the noise goes.",
        "guesses.png",
        "The network's guesses at the same times",
    ),
    Section(
        "How it learnt",
        "The squared error of its answers on training images, and on test images with the averaged weights.",
        "loss.png",
        "Loss curves on training and test images",
    ),
]


if __name__ == "__main__":
    start(main)
