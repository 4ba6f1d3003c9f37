"""A GAN: a generator learns from a discriminator, which learns to distinguish real and generated images."""

from time import perf_counter
from typing import NamedTuple

import numpy as np

from tinygen import grad, nn, no_grad, optim, plot
from tinygen.data import Batches
from tinygen.models import GAN, non_saturating, r1_penalty
from tinygen.ops import sigmoid
from tinygen.runs import Panel, Section, excerpt
from tinygen.tensor import Tensor
from tour_families.family import Context, Family, draw_losses, film_frame, links, script

CHANNELS, LATENT = (32, 64), 32  # of the feature maps, and numbers of noise per image
GAMMA = 0.03  # weight of the R₁ penalty


class Trained(NamedTuple):
    """The trained networks, the average of G's weights, and the history of the training."""

    gan: GAN
    average: optim.EMA
    d_losses: list[float]
    g_losses: list[float]
    real: list[float]  # the mean of D(x) of real images, at twenty times
    generated: list[float]  # of generated images
    frames: list[np.ndarray]  # of the film
    captions: list[str]


def train(context: Context, steps: int) -> Trained:
    """Train both networks with the same number of steps."""
    images = context.digits.train_images
    rng = np.random.default_rng(context.seed)
    gan = GAN.conv(images.shape[1:], CHANNELS, LATENT, rng=rng)
    generator, discriminator = gan.generator, gan.discriminator
    g_params, d_params = generator.parameters(), discriminator.parameters()
    lr, batch_size = (3e-3, 32) if context.small else (1e-3, 64)
    g_opt, d_opt = (optim.Adam(params, betas=(0.5, 0.99)) for params in (g_params, d_params))
    average, schedule = optim.EMA(g_params, max(0, 1 - 20 / steps)), optim.cosine(lr, total=steps)
    trained = Trained(gan, average, [], [], [], [], [], [])
    noise, moments = gan.noise(36, rng), set(np.geomspace(1, steps, 40).astype(int))  # of the film: most happens early
    batches = Batches(images, min(batch_size, len(images)), rng, drop_last=True).forever()

    def logits_of(real: np.ndarray, fake: Tensor) -> tuple[Tensor, Tensor]:
        return discriminator(real), discriminator(fake)

    logits_of = nn.finite(logits_of)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := context.progress("GAN", steps)):
        g_opt.lr = d_opt.lr = schedule(step - 1)
        real = next(batches)
        fake = generator(gan.noise(len(real), rng))
        s_real, s_fake = logits_of(real, fake.detach())
        d_loss = non_saturating.d_loss(s_real, s_fake)
        penalty = 0
        if step % 4 == 0:  # in every fourth step, four times as strong
            penalty = 4 * GAMMA / 2 * r1_penalty(discriminator, real)
        d_opt.step(grad(d_loss + penalty, d_params))
        g_loss = non_saturating.g_loss(discriminator(fake))
        g_opt.step(grad(g_loss, g_params))
        average.update()
        trained.d_losses.append(d_loss.item())
        trained.g_losses.append(g_loss.item())
        if step in moments:
            with no_grad():
                trained.frames.append(film_frame(generator(noise).numpy()))
            trained.captions.append(f"the same 36 noise vectors after step {step:,}")
        if step % max(1, steps // 20) == 0:
            trained.real.append(sigmoid(s_real).mean().item())
            trained.generated.append(sigmoid(s_fake).mean().item())
            context.run.log(step, gan_d_loss=d_loss.item(), gan_g_loss=g_loss.item())
            bar.show(real=trained.real[-1], generated=trained.generated[-1])
    return trained


def run(context: Context, steps: int) -> Family:
    """Train the GAN, sample from it, and show how the same noise becomes digits."""
    began = perf_counter()
    trained = train(context, steps)
    seconds = perf_counter() - began
    rng = np.random.default_rng(context.seed)
    with trained.average.applied():  # the averaged weights give better samples
        samples = trained.gan.sample(context.samples, rng)
        built = {"GAN.conv": dict(shape=context.digits.image_shape, channels=CHANNELS, latent=LATENT)}
        context.keep("gan", trained.gan, built, generated=trained.generated[-1])
    context.page.save("gan_film.html", plot.film, np.stack(trained.frames), fps=8, captions=trained.captions)
    curves = {"discriminator": trained.d_losses, "generator": trained.g_losses}
    context.page.save("gan_loss.png", draw_losses, curves, steps, "loss, nats")
    real, generated = (float(np.mean(outputs[-5:])) for outputs in (trained.real, trained.generated))
    context.say(f"GAN: mean D(x) {generated:.4g} of generated images, {real:.4g} of real ones")
    return Family(
        name="GAN",
        parameters=sum(p.size for p in trained.gan.parameters()),
        seconds=seconds,
        metric="mean D(x) of generated images",
        value=generated,
        baseline=f"{real:.4g} of real digits; 0.5 at the equilibrium",
        density="no",
        encode="no",
        samples=samples,
        shown=samples,
        sections=[section(context)],
        loss=Panel("gan_loss.png", "Losses of the GAN", "GAN: neither has to fall while the images improve"),
    )


def section(context: Context) -> Section:
    """The film with the code that made it."""
    return Section(
        "A GAN: two networks against each other",
        "The generator maps random numbers to images and never sees a digit. It learns only from the gradient of the "
        "discriminator, which sees both kinds of images and learns to distinguish them. The film shows images from the "
        "same noise during training, with more frames at the start, where most happens.",
        "gan_film.html",
        "Film of 36 images that turn from noise into digits",
        code=CODE,
        commands=[context.sample_command("gan"), script("mnist/dcgan.py")],
        links=links(a_GAN_on_a_ring="examples/adversarial/gan_ring.py", the_game_and_its_losses="docs/gan.md"),
    )


# Taken from the source now, so that a file which is edited during the training can't stop it at the end.
CODE = excerpt((train, "real = next", "average.update"), (run, "with trained.average", "samples = "))
