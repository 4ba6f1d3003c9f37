"""A GAN: a generator learns from a discriminator, which learns to distinguish real and generated images."""

from time import perf_counter
from typing import NamedTuple

import numpy as np

from tinygen import grad, nn, no_grad, optim
from tinygen.data import Batches
from tinygen.models import GAN, non_saturating, r1_penalty
from tinygen.ops import sigmoid
from tinygen.runs import Panel, Section, progress
from tinygen.tensor import Tensor
from tour_families.family import Context, Family, draw_losses, film_frame

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


def train(context: Context, steps: int) -> Trained:
    """Train both networks with the same number of steps."""
    images = context.digits.train_images
    rng = np.random.default_rng(context.seed)
    gan = GAN.conv(images.shape[1:], (32, 64), 32, rng=rng)
    generator, discriminator = gan.generator, gan.discriminator
    g_params, d_params = generator.parameters(), discriminator.parameters()
    lr, batch_size = (3e-3, 32) if context.small else (1e-3, 64)
    g_opt, d_opt = (optim.Adam(params, betas=(0.5, 0.99)) for params in (g_params, d_params))
    average, schedule = optim.EMA(g_params, max(0, 1 - 20 / steps)), optim.cosine(lr, total=steps)
    trained = Trained(gan, average, [], [], [], [], [])
    noise, moments = gan.noise(36, rng), set(np.geomspace(1, steps, 40).astype(int))  # of the film: most happens early
    batches = Batches(images, min(batch_size, len(images)), rng, drop_last=True).forever()

    def logits_of(real: np.ndarray, fake: Tensor) -> tuple[Tensor, Tensor]:
        return discriminator(real), discriminator(fake)

    logits_of = nn.finite(logits_of)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(range(1, steps + 1), label="GAN", quiet=context.quiet)):
        g_opt.lr = d_opt.lr = schedule(step - 1)
        real = next(batches)
        fake = generator(gan.noise(len(real), rng))
        s_real, s_fake = logits_of(real, fake.detach())
        d_loss = non_saturating.d_loss(s_real, s_fake)
        penalty = 4 * GAMMA / 2 * r1_penalty(discriminator, real) if step % 4 == 0 else 0  # in every fourth step
        d_opt.step(grad(d_loss + penalty, d_params))
        g_loss = non_saturating.g_loss(discriminator(fake))
        g_opt.step(grad(g_loss, g_params))
        average.update()
        trained.d_losses.append(d_loss.item())
        trained.g_losses.append(g_loss.item())
        if step in moments:
            with no_grad():
                trained.frames.append(film_frame(generator(noise).numpy()))
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
    with trained.average.applied():  # the averaged weights give better samples
        samples = trained.gan.sample(context.samples, np.random.default_rng(context.seed))
    context.page.save_gif("gan_film.gif", trained.frames, fps=8)
    curves = {"discriminator": trained.d_losses, "generator": trained.g_losses}
    context.page.save("gan_loss.png", draw_losses, curves, steps, "loss, nats")
    return Family(
        name="GAN",
        parameters=sum(p.size for p in trained.gan.parameters()),
        seconds=seconds,
        figure="mean D(x) of generated images",
        value=float(np.mean(trained.generated[-5:])),
        baseline=f"{np.mean(trained.real[-5:]):.4g} of real digits; 0.5 at the equilibrium",
        density="no",
        encode="no",
        samples=samples,
        sections=SECTIONS,
        loss=Panel("gan_loss.png", "Losses of the GAN", "GAN: neither has to fall while the images improve"),
    )


SECTIONS = [
    Section(
        "A GAN: two networks against each other",
        "The generator maps random numbers to images and never sees a digit. It learns only from the gradient of the "
        "discriminator, which sees both kinds of images and learns to distinguish them. The film shows images from the "
        "same noise during training, with more frames at the start, where most happens.",
        "gan_film.gif",
        "Animation of 36 images that turn from noise into digits",
    ),
]
