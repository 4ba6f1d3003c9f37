"""An autoencoder: the lecture's convolutional network, with a code of 10 numbers, compared with PCA."""

from time import perf_counter

import numpy as np

from tinygen import grad, models, nn, optim, plot
from tinygen.data import Batches, one_per_class
from tinygen.evaluate import metrics
from tinygen.runs import Panel, Section, excerpt
from tour_families.family import Context, Family, draw_losses, links, script


def train(context: Context, steps: int) -> tuple[models.Autoencoder, list[float], list[float]]:
    """The trained model, and the squared error per image: of each batch, and of the test images at twenty times."""
    images, test = context.digits.train_images, context.digits.test_images
    rng = np.random.default_rng(context.seed)
    model = models.Autoencoder.conv(images.shape[1:], rng=rng)
    params = model.parameters()
    opt = optim.Adam(params)
    schedule = optim.cosine(2e-3, total=steps)
    batches = Batches(images, 32 if context.small else 128, rng).forever()
    losses, tests = [], []
    model.loss = nn.finite(model.loss)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := context.progress("autoencoder", steps)):
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
    built = {"Autoencoder.conv": dict(shape=images.shape[1:])}
    context.keep("autoencoder", model, built, test=tests[-1])

    pca = models.pca(images, 10)
    by_pca = models.pca_reconstruct(test, pca.mean, pca.components)
    error = metrics.squared_error_per_image(test, by_pca)
    codes, first = model.encode(test), one_per_class(labels)
    rows = {"autoencoder": model.reconstruct(test[first]), "PCA": np.clip(by_pca[first], 0, 1)}
    curves = {"training": losses, "test": tests}
    save, beside = context.page.save, {"PCA-10, test": error}
    save("autoencoder_reconstructions.png", plot.reconstructions, test[first], rows, width=640)
    save("autoencoder_codes.png", plot.latent_map, models.pca_2d(codes), labels, axis_labels=MAIN_DIRECTIONS)
    save("autoencoder_between.png", plot.image_grid, model.interpolate(codes[first][:6], 10), columns=10)
    save("autoencoder_loss.png", draw_losses, curves, steps, "squared error per image", reference=beside, log=True)
    context.say(f"autoencoder: squared error {tests[-1]:.4g} per test image, PCA has {error:.4g}")
    return Family(
        name="autoencoder",
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        metric="squared error per test image",
        value=tests[-1],
        baseline=f"{error:.4g} PCA with 10 numbers",
        density="no",
        encode="10 numbers",
        samples=None,
        shown=model.reconstruct(test[:30]),
        sections=[first_section(), *SECTIONS],
        loss=Panel("autoencoder_loss.png", "Loss of the autoencoder", "autoencoder"),
    )


MAIN_DIRECTIONS = "1st main direction of the codes", "2nd main direction of the codes"


def first_section() -> Section:
    """The pictures with the code that made them."""
    return Section(
        "An autoencoder: 10 numbers per image",
        "The encoder maps all pixels to 10 numbers, the decoder maps these back to an image. Training only makes the "
        "reconstruction similar to the original. Below the originals, which training never used, are the "
        "reconstructions, and those of PCA with 10 numbers.",
        "autoencoder_reconstructions.png",
        "Test digits, their reconstructions by the autoencoder, and by PCA",
        code=CODE,
        commands=[script("mnist/conv_autoencoder.py")],
        links=links(
            why_PCA_is_the_baseline="examples/autoencoders/linear_is_pca.py",
            removing_noise="docs/denoising.md",
        ),
    )


SECTIONS = [
    Section(
        "The codes of the autoencoder",
        "First, each test digit as a point: the projection of its code onto the two main directions. The colour is the "
        "class, which training never used; digits of one class have similar codes. Then, points on straight lines "
        "between the codes of two digits, decoded. Where a line passes through codes that no digit has, the images "
        "look like no digit: an autoencoder can't sample.",
        panels=[
            Panel(
                "autoencoder_codes.png", "Scatter plot of the codes of the test digits, coloured by class", "the codes"
            ),
            Panel(
                "autoencoder_between.png",
                "Rows of decoded images, each from one digit to the next",
                "on the way from digit to digit",
            ),
        ],
        min_width=320,
    ),
]

# Taken from the source now, so that a file which is edited during the training can't stop it at the end.
CODE = excerpt(
    (train, "model = ", "batches = "),
    (train, "for step", "opt.step"),
    (run, "codes, first", "codes, first"),
)
