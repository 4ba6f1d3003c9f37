"""Train the lecture's convolutional autoencoder on the 60,000 digits of MNIST: 784 pixels to 10 numbers and back.

You will see the test error fall below that of PCA with 10 numbers during the first epoch. Then `index.html` shows
digits above their reconstructions, the codes as a map coloured by class, images between two digits, and the loss.
It takes about three minutes on two cores.
"""

from tinygen import grad, models, nn, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinygen.data import Batches, load, one_per_class
from tinygen.evaluate import metrics
from tinygen.runs import Page, Result, Section, cli, figures_table, open_run, progress


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 3,
    batch_size: cli.Batch = 32,
    lr: cli.Rate = 2e-3,
    latent: cli.Size = 10,
    without_dense: bool = False,
    resize: Literal["stride", "pool"] = "stride",
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/conv_autoencoder"),
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train, compare the test error with PCA, write the page; returns the figures.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your own square pictures.
        epochs: number of passes over the training images.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        latent: size of the code, in numbers per image.
        without_dense: no dense layers; the code is the last feature map, 3,136 numbers for 28x28 pixels.
        resize: "stride" for strides and transposed convolutions, "pool" for max pooling and nearest upsampling.
        limit: number of training images, and of test images; all by default.
        seed: seed for all random numbers.
        out: folder for the model, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    config = cli.settings(locals())
    rng = np.random.default_rng(seed)
    with cli.before_work():
        digits = load(data, quiet=quiet)
        train, test = digits.train_images[:limit], digits.test_images[:limit]
        pca = models.pca(train, latent)
        sizes: dict[str, Any] = dict(shape=digits.image_shape, latent=None if without_dense else latent)
        sizes |= dict(resize=resize) if resize != "stride" else {}
        model = models.Autoencoder.conv(**sizes, rng=rng)
        # Start at the mean pixel: from 0.5, the first steps overshoot to black, where the sigmoid saturates.
        bias, mean = model.decoder[-2].bias, np.clip(train.mean(), 0.01, 0.99)
        bias.data = np.full_like(bias.data, np.log(mean / (1 - mean)))
        about = dict(data={digits.name: digits.sha256()}, model={"Autoencoder.conv": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    params = model.parameters()
    opt = optim.Adam(params, lr)
    batches = Batches(train, batch_size, rng)
    schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
    if not quiet:
        print(model.summary(digits.image_shape))

    losses, tests = [], []  # squared error per image: of each batch, and of the test images after each epoch
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

    by_pca = models.pca_reconstruct(test, pca.mean, pca.components)
    reference = metrics.squared_error_per_image(test, by_pca)
    verdict = "below PCA" if tests[-1] < reference else "not below PCA"
    results = [Result("squared error per test image", tests[-1], f"{reference:.5g} PCA with {latent} numbers", verdict)]
    figures_table(results, quiet=quiet)
    figures = {"test": tests[-1], "pca": reference}
    run.finish(figures)

    labels = digits.test_labels[:limit]
    first, codes = one_per_class(labels), model.encode(test)
    rows = {"autoencoder": model.reconstruct(test[first]), f"PCA-{latent}": np.clip(by_pca[first], 0, 1)}
    few = labels < 10  # classes; more colours look alike
    curves, steps = {"training": losses, "test": tests}, np.arange(1, len(losses) + 1)
    x = {"training": steps, "test": steps[len(batches) - 1 :: len(batches)]}
    labelled = dict(reference={f"PCA-{latent}, test": reference}, xlabel="step", ylabel="squared error per image")
    page = Page(run)
    page.save("reconstructions.png", plot.reconstructions, test[first], rows)
    page.save("latent.png", plot.latent_map, models.pca_2d(codes)[few], labels[few], axis_labels=MAIN_DIRECTIONS)
    page.save("between.png", plot.image_grid, model.interpolate(codes[first], 12), columns=12)
    page.save("loss.png", plot.loss_curves, curves, x=x, max_points=100, log=True, **labelled)
    page.write(title="An autoencoder of images", intro=INTRO, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


MAIN_DIRECTIONS = "1st main direction of the codes", "2nd main direction of the codes"

INTRO = """The encoder maps each image to a short code, the decoder maps the code back to an image. Both are trained to
make the squared error small. PCA is the best linear map of this kind, so it is the baseline."""

SECTIONS = [
    Section(
        "Reconstructions",
        "Test images, which training never used, above their reconstructions by the autoencoder and by PCA.",
        "reconstructions.png",
        "Test images above their reconstructions by the autoencoder and by PCA",
    ),
    Section(
        "The codes",
        "Each test image as a point: the projection of its code onto the two main directions. The colour is the class, "
        "which training never used.",
        "latent.png",
        "Scatter plot of the codes of the test images, coloured by class",
    ),
    Section(
        "Between the images",
        "Points on straight lines between the codes of two images, decoded. Where a line passes through codes that no "
        "image has, the results look like no image of the data.",
        "between.png",
        "Rows of decoded images, each from one image to the next",
    ),
    Section(
        "The loss",
        "The squared error of training batches, and of the test images after each epoch. The dotted line is PCA.",
        "loss.png",
        "Loss curves of training batches and test images, with PCA as a dotted line",
    ),
]


if __name__ == "__main__":
    cli.start(main)
