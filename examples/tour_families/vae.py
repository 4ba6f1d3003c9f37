"""A variational autoencoder: its codes follow a known distribution, so it can sample."""

from time import perf_counter

import numpy as np

from tinygen import grad, nn, no_grad, optim, plot
from tinygen.data import Batches, one_per_class
from tinygen.models import VAE
from tinygen.runs import Panel, Section, excerpt
from tour_families.family import Context, Family, draw_losses, links, script


def sizes(context: Context) -> dict:
    """The arguments of the model."""
    widths, latent = ((256, 128), 8) if context.small else ((400, 200), 6)
    return dict(shape=context.digits.image_shape, widths=widths, latent=latent)


def train(context: Context, steps: int) -> tuple[VAE, list[float], list[float]]:
    """The trained model, and its negative ELBO in nats per image: of batches, and of test images at twenty times.

    A grey value is the probability of a binary pixel, so the bound is the mean over binary images.
    """
    images, test = context.digits.train_images, context.digits.test_images
    rng = np.random.default_rng(context.seed)
    model = VAE.dense(**sizes(context), rng=rng)
    params = model.parameters()
    opt = optim.Adam(params)
    schedule = optim.cosine(3e-3, total=steps, warmup=100)
    batches = Batches(images, 32 if context.small else 128, rng).forever()
    losses, tests = [], []
    model.terms = nn.finite(model.terms)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := context.progress("VAE", steps)):
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
    context.keep("vae", model, {"VAE.dense": sizes(context)}, test=tests[-1])

    rng = np.random.default_rng(context.seed)
    white = (images.sum(axis=0) + 1) / (len(images) + 2)  # the mean image, never exactly 0 or 1 (Laplace)
    independent = -float((test * np.log(white) + (1 - test) * np.log(1 - white)).sum() / len(test))
    first = one_per_class(context.digits.test_labels)
    mu, log_var = model.encode(test[first])
    draw = mu + np.exp(log_var / 2) * rng.standard_normal(mu.shape, dtype=mu.dtype)
    rows = {"from the mean code": model.decode(mu), "from a random code": model.decode(draw)}
    curves, beside = {"training": losses, "test": tests}, {"independent pixels": independent}
    context.page.save("vae_reconstructions.png", plot.reconstructions, test[first], rows, width=640)
    context.page.save("vae_loss.png", draw_losses, curves, steps, "negative ELBO, nats per image", reference=beside)
    samples = model.sample(context.samples, rng)
    context.say(f"VAE: negative ELBO {tests[-1]:.4g} nats per test image, independent pixels {independent:.4g}")
    return Family(
        name="VAE",
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        metric="negative ELBO, nats per test image",
        value=tests[-1],
        baseline=f"{independent:.4g} independent pixels",
        density="a bound: the ELBO",
        encode=f"a distribution over {model.latent} numbers",
        samples=samples,
        shown=samples,
        sections=[section(context)],
        loss=Panel("vae_loss.png", "Loss of the VAE", "VAE"),
    )


def section(context: Context) -> Section:
    """The pictures with the code that made them."""
    return Section(
        "A VAE: codes that can be sampled",
        "The encoder returns a distribution, a mean and a variance for each number of the code. The loss contains its "
        "KL divergence from N(0, I), so a code drawn from N(0, I) is one that the decoder knows. Below the test digits "
        "are the decoded mean code, and a decoded random code from the distribution.",
        "vae_reconstructions.png",
        "Test digits above two reconstructions by the VAE",
        code=CODE,
        commands=[context.sample_command("vae"), script("mnist/vae.py")],
        links=links(the_lesson_on_the_VAE="examples/variational/vae.py", the_ELBO_step_by_step="docs/vae.md"),
    )


# Taken from the source now, so that a file which is edited during the training can't stop it at the end.
CODE = excerpt(
    (sizes, "widths, latent", "widths, latent"),
    (train, "model = ", "batches = "),
    (train, "for step", "opt.step"),
    (run, "samples = ", "samples = "),
)
