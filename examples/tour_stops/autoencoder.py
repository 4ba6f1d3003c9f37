"""The tour's first stop, the lecture's convolutional autoencoder: a code of 10 numbers, held against PCA with 10."""

from time import perf_counter

import numpy as np

from tinygen import grad, nn, optim, plot
from tinygen.data import Batches, one_per_class
from tinygen.evaluate import metrics
from tinygen.models import ConvAutoencoder
from tinygen.runs import Panel, Section, progress
from tour_stops.stop import Stop, Trip, loss_picture


def train(trip: Trip, steps: int) -> tuple[ConvAutoencoder, list[float], list[float]]:
    """The trained model, and the squared error per image: of each batch, and now and then of the test images."""
    images, test = trip.digits.train_images, trip.digits.test_images
    rng = np.random.default_rng(trip.seed)
    model = ConvAutoencoder(image_size=images.shape[1], channels=images.shape[3], rng=rng)
    params = model.parameters()
    opt, schedule = optim.Adam(params), optim.cosine(2e-3, total=steps)
    losses, tests = [], []
    batches = Batches(images, 32 if trip.small else 128, rng).forever()
    model.loss = nn.finite(model.loss)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(range(1, steps + 1), label="autoencoder", quiet=trip.quiet)):
        opt.lr = schedule(opt.steps)
        loss = model.loss(next(batches))
        opt.step(grad(loss, params))
        losses.append(loss.item())
        if step % max(1, steps // 20) == 0:
            tests.append(metrics.squared_error_per_image(test, model.reconstruct(test)))
            trip.run.log(step, autoencoder_loss=losses[-1], autoencoder_test=tests[-1])
            bar.show(loss=losses[-1], test=tests[-1])
    return model, losses, tests


def visit(trip: Trip, steps: int) -> Stop:
    """Train the autoencoder, show what its code knows."""
    images, test, labels = trip.digits.train_images, trip.digits.test_images, trip.digits.test_labels
    began = perf_counter()
    model, losses, tests = train(trip, steps)
    seconds = perf_counter() - began

    pca = metrics.pca(images, 10)
    by_pca = metrics.pca_reconstruct(test, pca.mean, pca.components)
    error = metrics.squared_error_per_image(test, by_pca)
    codes, first = model.encode(test), one_per_class(labels)
    rows = {"autoencoder": model.reconstruct(test[first]), "PCA": np.clip(by_pca[first], 0, 1)}
    curves = {"training": losses, "test": tests}
    save, beside = trip.page.save, {"PCA-10, test": error}
    save("autoencoder_reconstructions.png", plot.reconstructions, test[first], rows)
    save("autoencoder_codes.png", plot.latent_map, metrics.pca_2d(codes), labels)
    save("autoencoder_between.png", plot.image_grid, model.interpolate(codes[first][:6], 10), columns=10)
    save("autoencoder_loss.png", loss_picture, curves, steps, "squared error per image", reference=beside, log=True)
    return Stop(
        family="autoencoder",
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        figure="squared error per test image",
        value=tests[-1],
        reference=f"{error:.4g} PCA with 10 numbers",
        density="no",
        encode="10 numbers",
        samples=None,
        sections=SECTIONS,
        loss=Panel("autoencoder_loss.png", "Loss of the autoencoder", "autoencoder"),
    )


SECTIONS = [
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
        "codes that no digit has, the images say so: an autoencoder promises nothing there, so it can't sample.",
        "autoencoder_between.png",
        "Rows of decoded images on the way from one digit to the next",
    ),
]
