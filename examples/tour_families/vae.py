"""A variational autoencoder: its codes follow a known distribution, so it can sample."""

from time import perf_counter

import numpy as np

from tinygen import grad, nn, no_grad, optim, plot
from tinygen.data import Batches, one_per_class
from tinygen.models import VAE
from tinygen.runs import Panel, Section, progress
from tour_families.family import Context, Family, draw_losses


def train(context: Context, steps: int) -> tuple[VAE, list[float], list[float]]:
    """The trained model, and its negative ELBO in nats per image: of batches, and of test images at twenty times.

    A grey value is the probability of a binary pixel, so the bound is the mean over binary images.
    """
    images, test = context.digits.train_images, context.digits.test_images
    rng = np.random.default_rng(context.seed)
    model = VAE.dense(images.shape[1:], (256, 128) if context.small else (400, 200), 8 if context.small else 6, rng=rng)
    params = model.parameters()
    opt, schedule = optim.Adam(params), optim.cosine(3e-3, total=steps, warmup=100)
    losses, tests = [], []
    batches = Batches(images, 32 if context.small else 128, rng).forever()
    model.terms = nn.finite(model.terms)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(range(1, steps + 1), label="VAE", quiet=context.quiet)):
        opt.lr = schedule(opt.steps)
        reconstruction, kl = model.terms(next(batches), rng)
        loss = reconstruction + kl
        opt.step(grad(loss, params))
        losses.append(loss.item())
        if step % max(1, steps // 20) == 0:
            with no_grad():
                tests.append(model.loss(test, np.random.default_rng(0)).item())
            context.run.log(step, vae_reconstruction=reconstruction.item(), vae_kl=kl.item(), vae_test=tests[-1])
            bar.show(loss=losses[-1], test=tests[-1])
    return model, losses, tests


def run(context: Context, steps: int) -> Family:
    """Train the VAE, sample from it, and draw reconstructions."""
    images, test = context.digits.train_images, context.digits.test_images
    began = perf_counter()
    model, losses, tests = train(context, steps)
    seconds = perf_counter() - began

    rng = np.random.default_rng(context.seed)
    white = (images.sum(axis=0) + 1) / (len(images) + 2)  # the mean image, never exactly 0 or 1 (Laplace)
    independent = -float((test * np.log(white) + (1 - test) * np.log(1 - white)).sum() / len(test))
    first = one_per_class(context.digits.test_labels)
    mu, log_var = model.encode(test[first])
    draw = mu + np.exp(log_var / 2) * rng.standard_normal(mu.shape, dtype=mu.dtype)
    rows = {"from the mean code": model.decode(mu), "from a random code": model.decode(draw)}
    curves, beside = {"training": losses, "test": tests}, {"independent pixels": independent}
    context.page.save("vae_reconstructions.png", plot.reconstructions, test[first], rows)
    context.page.save("vae_loss.png", draw_losses, curves, steps, "negative ELBO, nats per image", reference=beside)
    return Family(
        name="VAE",
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        figure="negative ELBO, nats per test image",
        value=tests[-1],
        baseline=f"{independent:.4g} independent pixels",
        density="a bound: the ELBO",
        encode=f"a distribution over {model.latent} numbers",
        samples=model.sample(context.samples, rng),
        sections=SECTIONS,
        loss=Panel("vae_loss.png", "Loss of the VAE", "VAE"),
    )


SECTIONS = [
    Section(
        "A VAE: codes that can be sampled",
        "The encoder returns a distribution, a mean and a variance for each number of the code. The loss contains its "
        "KL divergence from N(0, I), so a code drawn from N(0, I) is one that the decoder knows. Below the test digits "
        "are the decoded mean code, and a decoded random code from the distribution.",
        "vae_reconstructions.png",
        "Test digits above two reconstructions by the VAE",
    ),
]
