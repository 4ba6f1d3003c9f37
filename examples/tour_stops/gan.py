"""The tour's third stop, a GAN: a generator learns from a discriminator, which learns to tell images from digits."""

from time import perf_counter
from typing import NamedTuple

import numpy as np

from tinygen import grad, nn, no_grad, optim
from tinygen.data import Batches
from tinygen.models import DCGAN, non_saturating, r1_penalty
from tinygen.ops import sigmoid
from tinygen.runs import Panel, Section, progress
from tinygen.tensor import Tensor
from tour_stops.stop import Stop, Trip, frames_of, loss_picture

GAMMA = 0.03  # what a steep discriminator pays


class Game(NamedTuple):
    """A trained pair, the averages of G's weights, and what happened: losses and answers, and images on the way."""

    gan: DCGAN
    average: optim.EMA
    d_losses: list[float]
    g_losses: list[float]
    real: list[float]  # the mean of D(x), now and then
    generated: list[float]
    frames: list[np.ndarray]


def train(trip: Trip, steps: int) -> Game:
    """Play the game; G gets as many steps as D."""
    images = trip.digits.train_images
    rng = np.random.default_rng(trip.seed)
    gan = DCGAN(image_size=images.shape[1], channels=images.shape[3], maps=(32, 64), latent=32, rng=rng)
    generator, discriminator = gan.generator, gan.discriminator
    g_params, d_params = generator.parameters(), discriminator.parameters()
    lr, batch_size = (3e-3, 32) if trip.small else (1e-3, 64)
    g_opt, d_opt = (optim.Adam(params, betas=(0.5, 0.99)) for params in (g_params, d_params))
    average, schedule = optim.EMA(g_params, max(0, 1 - 20 / steps)), optim.cosine(lr, total=steps)
    game = Game(gan, average, [], [], [], [], [])
    noise, moments = gan.noise(36, rng), set(np.geomspace(1, steps, 40).astype(int))  # for the film: most happens early
    batches = Batches(images, min(batch_size, len(images)), rng, drop_last=True).forever()

    def answers(real: np.ndarray, fake: Tensor) -> tuple[Tensor, Tensor]:
        return discriminator(real), discriminator(fake)

    answers = nn.finite(answers)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(range(1, steps + 1), label="GAN", quiet=trip.quiet)):
        g_opt.lr = d_opt.lr = schedule(step - 1)
        real = next(batches)
        fake = generator(gan.noise(len(real), rng))
        s_real, s_fake = answers(real, fake.detach())
        d_loss = non_saturating.d_loss(s_real, s_fake)
        slope = 4 * GAMMA / 2 * r1_penalty(discriminator, real) if step % 4 == 0 else 0  # each fourth step, for all
        d_opt.step(grad(d_loss + slope, d_params))
        g_loss = non_saturating.g_loss(discriminator(fake))
        g_opt.step(grad(g_loss, g_params))
        average.update()
        game.d_losses.append(d_loss.item())
        game.g_losses.append(g_loss.item())
        if step in moments:
            with no_grad():
                game.frames.append(frames_of(generator(noise).numpy()))
        if step % max(1, steps // 20) == 0:
            game.real.append(sigmoid(s_real).mean().item())
            game.generated.append(sigmoid(s_fake).mean().item())
            trip.run.log(step, gan_d_loss=d_loss.item(), gan_g_loss=g_loss.item())
            bar.show(real=game.real[-1], generated=game.generated[-1])
    return game


def visit(trip: Trip, steps: int) -> Stop:
    """Train the GAN, draw from it, show how the same noise became digits."""
    began = perf_counter()
    game = train(trip, steps)
    seconds = perf_counter() - began
    with game.average.applied():  # the game circles, and the middle is better than the ends
        samples = game.gan.sample(trip.samples, np.random.default_rng(trip.seed))
    trip.page.save_gif("gan_film.gif", game.frames, fps=8)
    curves = {"discriminator": game.d_losses, "generator": game.g_losses}
    trip.page.save("gan_loss.png", loss_picture, curves, steps, "loss, nats")
    return Stop(
        family="GAN",
        parameters=sum(p.size for p in game.gan.parameters()),
        seconds=seconds,
        figure="mean of D(x) of its images",
        value=float(np.mean(game.generated[-5:])),
        reference=f"{np.mean(game.real[-5:]):.4g} real digits; 0.5 if D can't tell",
        density="no",
        encode="no",
        samples=samples,
        sections=SECTIONS,
        loss=Panel("gan_loss.png", "Losses of the GAN", "GAN: neither has to fall while the images get better"),
    )


SECTIONS = [
    Section(
        "A GAN: a game of two",
        "The generator never sees a digit. It makes images of noise, and all it hears is which pixels the "
        "discriminator would like otherwise, which sees both kinds and learns to tell them apart. Here is the same "
        "noise as the game goes on; frames come ever less often, for most happens early.",
        "gan_film.gif",
        "Animation of 36 images that turn from noise into digits",
    ),
]
