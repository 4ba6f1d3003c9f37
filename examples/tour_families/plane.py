"""A VAE with two latents, whose plane of codes the reader explores in the page."""

import numpy as np

from tinygen import grad, nn, no_grad, optim, plot
from tinygen.data import Batches
from tinygen.models import VAE
from tinygen.runs import Section, excerpt
from tour_families.family import Context, links, script

CLASSES = 10  # of which test images are shown as points; more colours look alike


def sizes(context: Context) -> dict:
    """The arguments of the model; small, because the page contains the weights of the decoder."""
    return dict(shape=context.digits.image_shape, widths=(128, 64), latent=2)


def train(context: Context, steps: int) -> tuple[VAE, float]:
    """The trained model, and its negative ELBO in nats per test image."""
    images, rng = context.digits.train_images, np.random.default_rng(context.seed)
    model = VAE.dense(**sizes(context), rng=rng)
    params = model.parameters()
    opt = optim.Adam(params)
    schedule = optim.cosine(4e-3, total=steps, warmup=100)
    batches = Batches(images, 64 if context.small else 128, rng).forever()
    model.terms = nn.finite(model.terms)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := context.progress("plane", steps)):
        opt.lr = schedule(opt.steps)
        reconstruction, kl = model.terms(next(batches), rng)
        opt.step(grad(reconstruction + kl, params))
        if step % max(1, steps // 20) == 0:
            context.run.log(step, plane_reconstruction=reconstruction.item(), plane_kl=kl.item())
            bar.show(loss=reconstruction.item() + kl.item())
    with no_grad():
        return model, model.loss(context.digits.test_images, np.random.default_rng(0)).item()


def run(context: Context, steps: int) -> Section:
    """Train the VAE, and put its decoder into the page."""
    model, test = train(context, steps)
    context.keep("plane", model, {"VAE.dense": sizes(context)}, test=test)
    few = context.digits.test_labels < CLASSES
    images, labels = context.digits.test_images[few], context.digits.test_labels[few]
    codes, _ = model.encode(images)
    context.page.save("plane.html", plot.explorer, model, codes, labels)
    context.say(f"plane: negative ELBO {test:.4g} nats per test image, with two numbers per image")
    return Section(
        "Explore: a plane of digits",
        "Move over the plane. Each point is a test digit, where the encoder of a small VAE puts it: two numbers per "
        "image. The decoder, whose weights are in this page, turns the two numbers below the pointer into an image, "
        "also where no digit is. The circles are 1 and 2 standard deviations of N(0, I).",
        "plane.html",
        "Plane of the codes of test digits, coloured by class",
        code=CODE,
        commands=[context.sample_command("plane"), script("mnist/vae.py")],
        links=links(how_a_VAE_works="docs/vae.md", the_JavaScript_of_this_plane="tinygen/plot/explorer.py"),
    )


# Taken from the source now, so that a file which is edited during the training can't stop it at the end.
CODE = excerpt((train, "model = ", "batches = "), (train, "for step", "opt.step"), (run, "codes", "context.page"))
