"""Train autoencoders to undo damage: digits in noise, and digits with half their pixels missing.

You will see one network trained three times: on digits as they are, on digits in Gaussian noise, and on digits with
erasures, where it is asked for the digit without them. Then a table of how near each comes to clean test digits, beside
the best linear map, which is known exactly; and `index.html`: what each makes of damaged digits, what lies between the
codes of two digits, and the loss.
"""

from pathlib import Path

import numpy as np

from tinygen import grad, nn, optim, plot
from tinygen.data import Batches, load, one_per_class
from tinygen.evaluate import metrics
from tinygen.models import ConvAutoencoder, Erasures, GaussianNoise, wiener_filter
from tinygen.runs import Page, Result, Section, figures_table, open_run, progress
from tinygen.runs.cli import Batch, Count, Limit, Rate, Seed, Share, Weight, before_work, command, start

TEST_SEED = 15  # of the damage to the test images, whatever `seed` is: figures can be compared


def network(sizes: dict, grey: float, rng: np.random.Generator) -> ConvAutoencoder:
    """A network that begins by answering `grey`, the mean pixel.

    Else the first thing to learn is that images are mostly black, and amid noise the steps towards that go on until
    every unit of a ReLU is dead: the answer then stays black.
    """
    model = ConvAutoencoder(**sizes, rng=rng)
    bias = model.decoder[-2].bias
    bias.data = np.full_like(bias.data, np.log(grey / (1 - grey)))
    return model


@command
def main(
    *,
    data: str = "mnist",
    epochs: Count = 3,
    batch_size: Batch = 128,
    lr: Rate = 2e-3,
    sd: Weight = 0.5,
    share: Share = 0.5,
    limit: Limit = None,
    seed: Seed = 0,
    out: Path = Path("runs/denoising_autoencoder"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train all three, hold them against the best linear map, write the page; returns the figures.

    Args:
        data: "mnist", "digits" (8x8, inside the package), or a folder of your own square pictures.
        epochs: how often each model sees every image, damaged anew each time.
        batch_size: images in a step.
        lr: the learning rate after its warm-up; it falls to zero along half a cosine.
        sd: the standard deviation of the noise; pixels lie in [0, 1].
        share: of the pixels that are erased.
        limit: take only the first images.
        seed: of everything random but the damage to the test images.
        out: the folder for the models, the log and the page.
        resume: go on with the run in that folder, from its newest checkpoint.
        overwrite: start over: delete the run in that folder.
        quick: train for seconds only: to see that all runs, not what it can do.
        quiet: print nothing.
    """
    if quick:
        epochs, limit = 2, 256
    config = dict(epochs=epochs, batch_size=batch_size, lr=lr, sd=sd, share=share, limit=limit, seed=seed)
    rng = np.random.default_rng(seed)
    with before_work():
        digits = load(data, quiet=quiet)
        train, test = digits.train_images[:limit], digits.test_images[:limit]
        height, width, channels = digits.image_shape
        if height != width:
            raise ValueError(f"expected square images, got {height} x {width}: choose other data with --data")
        damages = {"noise": GaussianNoise(sd), "erasures": Erasures(share)}
        linear = {name: wiener_filter(train, corrupt) for name, corrupt in damages.items()}
        sizes = dict(image_size=height, channels=channels, code=None)
        model = network(sizes, train.mean(), rng)
        about = dict(data={digits.name: digits.sha256()})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    models, curves = {}, {}
    for name, corrupt in {"plain": None, **damages}.items():
        if models:
            model = network(sizes, train.mean(), rng)
        params = model.parameters()
        batches = Batches(train, batch_size, rng)
        opt = optim.Adam(params, lr)
        schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
        losses = []  # squared error per image, of each batch
        loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, losses=losses)
        model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
        for epoch in loop.epochs(epochs):
            label = f"{name}, epoch {epoch}/{epochs}"
            for batch in (bar := progress(loop.steps(batches), label=label, quiet=quiet)):
                opt.lr = schedule(opt.steps)
                loss = model.loss(batch, rng, corrupt=corrupt)
                opt.step(grad(loss, params))
                losses.append(loss.item())
                bar.show(loss=np.mean(losses[-100:]))
            run.log(len(losses), **{name: np.mean(losses[-len(batches) :])})
        model.save(run.path(f"{name}.npz"))
        models[name], curves[name] = model, losses

    first = one_per_class(digits.test_labels[:limit])
    figures, results, sheets = {}, [], {}
    for name, corrupt in damages.items():
        damaged = corrupt(test, np.random.default_rng(TEST_SEED))
        answers = {
            "damaged": np.clip(damaged, 0, 1),
            "best linear": np.clip(linear[name](damaged), 0, 1),
            "plain": models["plain"].reconstruct(damaged),
            "denoising": models[name].reconstruct(damaged),
        }
        decibels = {who: metrics.psnr(test, images) for who, images in answers.items()}
        results += verdicts(str(corrupt), decibels)
        figures |= {f"{name}: {who}": value for who, value in decibels.items()}
        rows = {who: images[first] for who, images in answers.items()}
        sheets[f"{name}.png"] = rows
    figures["clean: plain"] = metrics.psnr(test, models["plain"].reconstruct(test))
    results.append(Result("plain autoencoder of clean digits", decibel(figures["clean: plain"]), "it copies"))
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    for name, rows in sheets.items():
        page.save(name, plot.reconstructions, test[first], rows)
    codes = models["noise"].encode(test[first])
    between = models["noise"].interpolate(codes, 10)
    page.save("between.png", plot.image_grid, between, columns=10)
    parts = min(100, epochs * len(batches))
    smooth = {name: [part.mean() for part in np.array_split(losses, parts)] for name, losses in curves.items()}
    steps = epochs * len(batches) * (np.arange(parts) + 1) / parts
    labels = dict(xlabel="step", ylabel="squared error per image")
    page.save("loss.png", plot.loss_curves, smooth, x=steps, **labels, log=True)
    page.write(title="To undo damage", intro=INTRO, results=results, sections=SECTIONS)
    return figures


def decibel(value: float) -> str:
    return f"{value:.2f} dB"


def verdicts(corruption: str, decibels: dict[str, float]) -> list[Result]:
    """The lines of the table for one kind of damage: PSNR against the clean test digits."""
    values = {who: decibel(value) for who, value in decibels.items()}
    best = max(value for who, value in decibels.items() if who != "denoising")
    return [
        Result(f"{corruption}: damaged digits", values["damaged"]),
        Result("the plain autoencoder of them", values["plain"]),
        Result("the best linear map of them", values["best linear"]),
        Result(
            "the denoising autoencoder of them",
            values["denoising"],
            f"{decibel(best)} the best of the others",
            "above all" if decibels["denoising"] > best else "not above all",
        ),
    ]


INTRO = """An autoencoder with a code as wide as this one learns to copy, and a copy of a damaged digit is damaged. A
denoising autoencoder is the same network with another task: it sees the damaged digit and is asked for the clean one,
which it can't answer without knowing what digits are like. PSNR is in decibels, the mean over test digits that no
network saw; 10 more are a tenth of the squared error."""

SECTIONS = [
    Section(
        "Out of noise",
        "Test digits, the same in Gaussian noise (clipped to what can be shown), and what is made of that: by the best "
        "linear map, by the network that was trained on clean digits, and by the one that was trained on noisy ones.",
        "noise.png",
        "Clean digits, noisy ones, and three ways to clean them",
    ),
    Section(
        "With pixels missing",
        "Pixels set to black at random. Where a stroke is interrupted, the network that was trained on that goes on.",
        "erasures.png",
        "Clean digits, ones with erased pixels, and three ways to fill them in",
    ),
    Section(
        "Between the digits",
        "Straight lines in the code of the network that takes noise away. Its code is wide, one number for each "
        "place and feature, so half way between two digits lie both of them: a short code has other ways to go.",
        "between.png",
        "Rows of decoded images on the way from one digit to the next",
    ),
    Section(
        "How they learnt",
        "The squared error per image of training batches. The plain autoencoder has the easiest task, and the lowest.",
        "loss.png",
        "Loss curves of the three networks",
    ),
]


if __name__ == "__main__":
    start(main)
