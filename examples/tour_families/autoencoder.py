"""An autoencoder: the lecture's convolutional network, with a code of 10 numbers, compared with PCA."""

from time import perf_counter

import numpy as np

from tinygen import grad, nn, optim, plot
from tinygen.data import Batches, one_per_class
from tinygen.evaluate import metrics
from tinygen.models import Autoencoder
from tinygen.runs import Panel, Section, progress
from tour_families.family import Context, Family, draw_losses


def train(context: Context, steps: int) -> tuple[Autoencoder, list[float], list[float]]:
    """The trained model, and the squared error per image: of each batch, and of the test images at twenty times."""
    images, test = context.digits.train_images, context.digits.test_images
    rng = np.random.default_rng(context.seed)
    model = Autoencoder.conv(images.shape[1:], rng=rng)
    params = model.parameters()
    opt, schedule = optim.Adam(params), optim.cosine(2e-3, total=steps)
    losses, tests = [], []
    batches = Batches(images, 32 if context.small else 128, rng).forever()
    model.loss = nn.finite(model.loss)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(range(1, steps + 1), label="autoencoder", quiet=context.quiet)):
        opt.lr = schedule(opt.steps)
        loss = model.loss(next(batches))
        opt.step(grad(loss, params))
        losses.append(loss.item())
        if step % max(1, steps // 20) == 0:
            tests.append(metrics.squared_error_per_image(test, model.reconstruct(test)))
            context.run.log(step, autoencoder_loss=losses[-1], autoencoder_test=tests[-1])
            bar.show(loss=losses[-1], test=tests[-1])
    return model, losses, tests


def run(context: Context, steps: int) -> Family:
    """Train the autoencoder, and draw reconstructions, codes and images between digits."""
    images, test, labels = context.digits.train_images, context.digits.test_images, context.digits.test_labels
    began = perf_counter()
    model, losses, tests = train(context, steps)
    seconds = perf_counter() - began

    pca = metrics.pca(images, 10)
    by_pca = metrics.pca_reconstruct(test, pca.mean, pca.components)
    error = metrics.squared_error_per_image(test, by_pca)
    codes, first = model.encode(test), one_per_class(labels)
    rows = {"autoencoder": model.reconstruct(test[first]), "PCA": np.clip(by_pca[first], 0, 1)}
    curves = {"training": losses, "test": tests}
    save, beside = context.page.save, {"PCA-10, test": error}
    save("autoencoder_reconstructions.png", plot.reconstructions, test[first], rows)
    save("autoencoder_codes.png", plot.latent_map, metrics.pca_2d(codes), labels, axis_labels=MAIN_DIRECTIONS)
    save("autoencoder_between.png", plot.image_grid, model.interpolate(codes[first][:6], 10), columns=10)
    save("autoencoder_loss.png", draw_losses, curves, steps, "squared error per image", reference=beside, log=True)
    return Family(
        name="autoencoder",
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        figure="squared error per test image",
        value=tests[-1],
        baseline=f"{error:.4g} PCA with 10 numbers",
        density="no",
        encode="10 numbers",
        samples=None,
        sections=SECTIONS,
        loss=Panel("autoencoder_loss.png", "Loss of the autoencoder", "autoencoder"),
    )


MAIN_DIRECTIONS = "1st main direction of the codes", "2nd main direction of the codes"

SECTIONS = [
    Section(
        "An autoencoder: 10 numbers per image",
        "The encoder maps all pixels to 10 numbers, the decoder maps these back to an image. Training only makes the "
        "reconstruction similar to the original. Below the originals, which training never used, are the "
        "reconstructions, and those of PCA with 10 numbers.",
        "autoencoder_reconstructions.png",
        "Test digits, their reconstructions by the autoencoder, and by PCA",
    ),
    Section(
        "The codes of the autoencoder",
        "Each test digit as a point: the projection of its code onto the two main directions. The colour is the class, "
        "which training never used; digits of one class have similar codes.",
        "autoencoder_codes.png",
        "Scatter plot of the codes of the test digits, coloured by class",
    ),
    Section(
        "Between the digits",
        "Points on straight lines between the codes of two digits, decoded. Where a line passes through codes that no "
        "digit has, the images look like no digit: an autoencoder can't sample.",
        "autoencoder_between.png",
        "Rows of decoded images, each from one digit to the next",
    ),
]
