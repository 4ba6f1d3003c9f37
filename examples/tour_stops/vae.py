"""The tour's second stop, a variational autoencoder: codes that follow a known distribution, so it can draw its own."""

from time import perf_counter

import numpy as np

from tinygen import grad, nn, no_grad, optim, plot
from tinygen.data import Batches, one_per_class
from tinygen.models import VAE
from tinygen.runs import Panel, Section, progress
from tour_stops.stop import Stop, Trip, loss_picture


def train(trip: Trip, steps: int) -> tuple[VAE, list[float], list[float]]:
    """The trained model, and its negative ELBO in nats per image: of each batch, and now and then of the test images.

    A grey pixel stands for the binary ones whose mean it is, so the bound is the mean over all of them.
    """
    images, test = trip.digits.train_images, trip.digits.test_images
    rng = np.random.default_rng(trip.seed)
    model = VAE.dense(images.shape[1:], (256, 128) if trip.small else (400, 200), 8 if trip.small else 6, rng=rng)
    params = model.parameters()
    opt, schedule = optim.Adam(params), optim.cosine(3e-3, total=steps, warmup=100)
    losses, tests = [], []
    batches = Batches(images, 32 if trip.small else 128, rng).forever()
    model.terms = nn.finite(model.terms)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(range(1, steps + 1), label="VAE", quiet=trip.quiet)):
        opt.lr = schedule(opt.steps)
        reconstruction, kl = model.terms(next(batches), rng)
        loss = reconstruction + kl
        opt.step(grad(loss, params))
        losses.append(loss.item())
        if step % max(1, steps // 20) == 0:
            with no_grad():
                tests.append(model.loss(test, np.random.default_rng(0)).item())
            trip.run.log(step, vae_reconstruction=reconstruction.item(), vae_kl=kl.item(), vae_test=tests[-1])
            bar.show(loss=losses[-1], test=tests[-1])
    return model, losses, tests


def visit(trip: Trip, steps: int) -> Stop:
    """Train the VAE, draw from it."""
    images, test = trip.digits.train_images, trip.digits.test_images
    began = perf_counter()
    model, losses, tests = train(trip, steps)
    seconds = perf_counter() - began

    rng = np.random.default_rng(trip.seed)
    white = (images.sum(axis=0) + 1) / (len(images) + 2)  # the share of each pixel, never quite 0 or 1 (Laplace)
    independent = -float((test * np.log(white) + (1 - test) * np.log(1 - white)).sum() / len(test))
    first = one_per_class(trip.digits.test_labels)
    mu, log_var = model.encode(test[first])
    draw = mu + np.exp(log_var / 2) * rng.standard_normal(mu.shape, dtype=mu.dtype)
    rows = {"mean of q(z|x)": model.decode(mu), "draw from it": model.decode(draw)}
    curves, beside = {"training": losses, "test": tests}, {"independent": independent}
    trip.page.save("vae_reconstructions.png", plot.reconstructions, test[first], rows)
    trip.page.save("vae_loss.png", loss_picture, curves, steps, "negative ELBO, nats per image", reference=beside)
    return Stop(
        family="VAE",
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        figure="negative ELBO, nats per test image",
        value=tests[-1],
        reference=f"{independent:.4g} independent pixels",
        density="a bound: the ELBO",
        encode=f"a distribution over {model.latent} numbers",
        samples=model.sample(trip.samples, rng),
        sections=SECTIONS,
        loss=Panel("vae_loss.png", "Loss of the VAE", "VAE"),
    )


SECTIONS = [
    Section(
        "A VAE: a code that can be drawn",
        "Here the encoder answers with a distribution, a mean and a variance for each number of the code, and pays for "
        "every nat by which it differs from N(0, I). So a code drawn from N(0, I) is one that the decoder knows. "
        "Test digits, what the decoder makes of the mean code, and of a code drawn at random from the distribution.",
        "vae_reconstructions.png",
        "Test digits above two reconstructions by the VAE",
    ),
]
