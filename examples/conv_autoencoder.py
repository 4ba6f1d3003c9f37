"""Train the lecture's convolutional autoencoder on the 60,000 digits of MNIST: 784 pixels through 10 numbers and back.

You will see the test error fall below that of PCA with as many numbers, in five epochs; then four pictures: digits
above their reconstructions, the code as a map coloured by class, digits between two digits, and the loss curve.
"""

from pathlib import Path

import numpy as np

from tinygen import grad, nn, optim, plot
from tinygen.data import Batches, load, one_per_class
from tinygen.evaluate import metrics
from tinygen.models import ConvAutoencoder
from tinygen.runs import Page, Result, figures_table, open_run, progress
from tinygen.runs.cli import Batch, Count, Limit, Rate, Seed, Size, before_work, command, start


@command
def main(
    *,
    data: str = "mnist",
    epochs: Count = 5,
    batch_size: Batch = 128,
    lr: Rate = 2e-3,
    code: Size = 10,
    limit: Limit = None,
    seed: Seed = 0,
    out: Path = Path("runs/conv_autoencoder"),
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train, hold the test error against PCA, write the pictures; returns the figures.

    Args:
        data: "mnist", "digits" (8x8, inside the package), or a folder of your own square pictures.
        epochs: how often every image is seen.
        batch_size: images in a step.
        lr: the learning rate after its warm-up; it falls to zero along half a cosine.
        code: how many numbers an image becomes.
        limit: take only the first images.
        seed: of everything random.
        out: the folder for the model, the log and the pictures.
        resume: go on with the run in that folder, from its newest checkpoint.
        overwrite: start over: delete the run in that folder.
        quiet: print nothing.
    """
    config = dict(epochs=epochs, batch_size=batch_size, lr=lr, code=code, limit=limit, seed=seed)
    rng = np.random.default_rng(seed)
    with before_work():
        digits = load(data, quiet=quiet)
        train, test = digits.train_images[:limit], digits.test_images[:limit]
        height, width, channels = digits.image_shape
        if height != width:
            raise ValueError(f"expected square images, got {height} x {width}: choose other data with --data")
        pca = metrics.pca(train, code)
        sizes = dict(image_size=height, channels=channels, code=code)
        model = ConvAutoencoder(**sizes, rng=rng)
        about = dict(data={digits.name: digits.sha256()}, model={"ConvAutoencoder": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    params = model.parameters()
    opt = optim.Adam(params, lr)
    batches = Batches(train, batch_size, rng)
    schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
    if not quiet:
        print(model.summary(digits.image_shape))

    losses, tests = [], []  # squared error per image: of each batch, and on the test images after each epoch
    loop = run.loop(model=model, opt=opt, batches=batches, losses=losses, tests=tests)
    model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
    for epoch in loop.epochs(epochs):
        for batch in (bar := progress(loop.steps(batches), label=f"epoch {epoch}/{epochs}", quiet=quiet)):
            opt.lr = schedule(opt.steps)
            loss = model.loss(batch)
            opt.step(grad(loss, params))
            losses.append(loss.item())
            bar.show(loss=np.mean(losses[-100:]))
        tests.append(metrics.squared_error_per_image(test, model.reconstruct(test)))
        run.log(len(losses), test=tests[-1])
        if not quiet:
            print(f"epoch {epoch}: {tests[-1]:.2f} squared error per test image")
    model.save(run.path("model.npz"))

    by_pca = metrics.pca_reconstruct(test, pca.mean, pca.components)
    reference = metrics.squared_error_per_image(test, by_pca)
    error = "squared error per test image"
    verdict = "below PCA" if tests[-1] < reference else "not below PCA"
    figures_table([Result(error, tests[-1], f"{reference:.5g} PCA with {code} numbers", verdict)], quiet=quiet)
    figures = {"test": tests[-1], "pca": reference}
    run.finish(figures)

    labels = digits.test_labels[:limit]
    first, codes = one_per_class(labels), model.encode(test)
    rows = {"autoencoder": model.reconstruct(test[first]), f"PCA-{code}": np.clip(by_pca[first], 0, 1)}
    between = model.interpolate(codes[first], 12)
    few = labels < 10  # classes: an eye tells no more colours apart
    page = Page(run)
    page.save("reconstructions.png", plot.reconstructions, test[first], rows)
    page.save("latent.png", plot.latent_map, metrics.pca_2d(codes)[few], labels[few])
    page.save("between.png", plot.image_grid, between, columns=12, title="from one digit to the next")
    page.save("loss.png", curves, losses, tests, {f"PCA-{code}, test": reference})
    if not quiet:
        print(f"pictures: {run.folder}")
    return figures


def curves(losses: list[float], tests: list[float], reference: dict[str, float]) -> plot.Picture:
    """The loss of the batches, each the mean of the last 50 (of fewer at the start), and the error of each epoch."""
    ends = np.arange(1, len(losses) + 1)
    starts = np.maximum(ends - 50, 0)
    totals = np.cumsum([0.0, *losses])
    smooth = (totals[ends] - totals[starts]) / (ends - starts)
    return plot.loss_curves(
        {"training batches": smooth, "test": tests},
        x={"training batches": ends, "test": ends[len(losses) // len(tests) - 1 :: len(losses) // len(tests)]},
        reference=reference,
        xlabel="step",
        ylabel="squared error per image",
        log=True,
    )


if __name__ == "__main__":
    start(main)
