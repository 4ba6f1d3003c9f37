"""Teach a network to draw digits by letting it deceive another, which learns to tell its digits from real ones.

You will see after each epoch how real the discriminator finds real digits and generated ones; how a classifier scores
samples, which is trained once and kept; and `index.html`: samples, the classes that the classifier gives them,
a walk from digit to digit, how the same noise became digits (a GIF), and the game as curves.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np

from tinygen import grad, nn, no_grad, optim, plot
from tinygen.data import Batches, load
from tinygen.evaluate.scoring import by_class, score_samples
from tinygen.models import DCGAN, non_saturating, r1_penalty
from tinygen.ops import sigmoid
from tinygen.runs import Page, Result, Section, figures_table, open_run, progress
from tinygen.runs.cli import (
    Batch,
    Classifiers,
    Count,
    Limit,
    Rate,
    Samples,
    Seed,
    Size,
    Weight,
    before_work,
    command,
    start,
)
from tinygen.tensor import Tensor


@command
def main(
    *,
    data: str = "mnist",
    epochs: Count = 14,
    batch_size: Batch = 64,
    lr: Rate = 1e-3,
    channels: Size = 32,
    latent: Size = 64,
    gamma: Weight = 0.03,
    samples: Samples = 1000,
    classifiers: Classifiers = 1,
    limit: Limit = None,
    seed: Seed = 0,
    out: Path = Path("runs/dcgan"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train both, evaluate samples, write the page; returns the figures.

    Args:
        data: "mnist", "digits" (8x8, inside the package), or a folder of your own pictures.
        epochs: how often every image is seen.
        batch_size: real images in a step, and as many generated ones.
        lr: the learning rate of both networks; it falls to zero along half a cosine.
        channels: of the maps next to the image; the smaller maps have twice as many.
        latent: how many numbers of noise an image is made of.
        gamma: how much a steep discriminator pays: γ/2 times the squared slope at real images (R₁).
        samples: how many are drawn, and how many that pass the discriminator, written to samples.npy (8 bits a
            pixel); both are evaluated.
        classifiers: how many classifiers evaluate them; 0 for none.
        limit: take only the first images.
        seed: of everything random but the classifiers.
        out: the folder for the model, the log and the pictures.
        resume: go on with the run in that folder, from its newest checkpoint.
        overwrite: start over: delete the run in that folder.
        quick: train for seconds only: to see that all runs, not what it can do; the samples are not evaluated.
        quiet: print nothing.
    """
    if quick:
        epochs, channels, samples, classifiers, limit = 1, 8, 100, 0, 256
    config = dict(epochs=epochs, batch_size=batch_size, lr=lr, channels=channels, latent=latent, gamma=gamma)
    config |= dict(samples=samples, classifiers=classifiers, limit=limit, seed=seed)
    rng = np.random.default_rng(seed)
    with before_work():
        digits = load(data, quiet=quiet)
        height, width, colours = digits.image_shape
        if height != width:
            raise ValueError(f"expected square images, got {height} x {width}: choose other data with --data")
        sizes = dict(image_size=height, channels=colours, maps=(channels, 2 * channels), latent=latent)
        gan = DCGAN(**sizes, rng=rng)
        batches = Batches(digits.train_images[:limit], batch_size, rng, drop_last=True)
        about = dict(data={digits.name: digits.sha256()}, model={"DCGAN": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    generator, discriminator = gan.generator, gan.discriminator
    g_params, d_params = generator.parameters(), discriminator.parameters()
    g_opt, d_opt = (optim.Adam(params, lr, betas=(0.5, 0.99)) for params in (g_params, d_params))
    total = epochs * len(batches)
    schedule = optim.cosine(lr, total=total)
    average = optim.EMA(g_params, max(0, 1 - 20 / total))  # it looks back a twentieth of the run
    noise, moments = gan.noise(36, rng), set(np.geomspace(1, total, 60).astype(int))  # for the film: most happens early
    if not quiet:
        print(f"{digits}, {sum(p.size for p in g_params):,} + {sum(p.size for p in d_params):,} parameters")

    def against(real: np.ndarray, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The discriminator's loss, and its logits; every fourth step pays for its slope, four times as much."""
        s_real, s_fake = discriminator(real), discriminator(fake)
        loss = non_saturating.d_loss(s_real, s_fake)
        if d_opt.steps % 4 == 0:
            loss = loss + 4 * gamma / 2 * r1_penalty(discriminator, real)
        return loss, s_real, s_fake

    scores, frames = [], []  # the figures SCORES of each step; images for the film
    players = dict(gan=gan, g_opt=g_opt, d_opt=d_opt, average=average)
    loop = run.loop(**players, batches=batches, rng=rng, scores=scores, frames=frames)
    against = nn.finite(against, after=loop)  # NaN or infinity stops the run, and the error names the op
    for epoch in loop.epochs(epochs):
        for real in (bar := progress(loop.steps(batches), label=f"epoch {epoch}/{epochs}", quiet=quiet)):
            g_opt.lr = d_opt.lr = schedule(g_opt.steps)
            fake = generator(gan.noise(len(real), rng))
            d_loss, s_real, s_fake = against(real, fake.detach())
            d_opt.step(grad(d_loss, d_params))
            g_loss = non_saturating.g_loss(discriminator(fake))
            g_opt.step(grad(g_loss, g_params))
            average.update()
            scores.append((d_loss.item(), g_loss.item(), sigmoid(s_real).mean().item(), sigmoid(s_fake).mean().item()))
            bar.show(real=scores[-1][2], generated=scores[-1][3])
            if g_opt.steps in moments:
                frames.append(eight_bits(generator(noise).numpy()))
        means = np.mean(scores[-len(batches) :], axis=0).tolist()
        run.log(g_opt.steps, **dict(zip(SCORES, means)))
        if not quiet:
            print(f"epoch {epoch}: D(x) is {means[2]:.2f} for real images and {means[3]:.2f} for generated ones")

    with average.applied():  # samples are drawn, and the model is kept, with the averages of the weights
        settle(generator, gan.noise(5000, rng))
        gan.eval().save(run.path("model.npz"))
        drawn, passed = gan.sample(samples, rng), gan.rejection_sample(samples, rng)
        walked = walk(generator, gan.noise(9, rng))
    np.save(run.path("samples.npy"), eight_bits(passed))

    all_scores, scores = (score_samples(each, digits, classifiers=classifiers, quiet=quiet) for each in (drawn, passed))
    *_, real, generated = np.mean(scores[-len(batches) :], axis=0).tolist()  # of the last epoch
    figures = {"real": real, "generated": generated} | scores.figures
    figures |= {f"all_{name}": all_scores.figures[name] for name in ("R", "sure") if all_scores.figures}
    results = [
        Result("D(x) of real images", figures["real"], "0.5 if it can't tell"),
        Result("D(x) of generated images", figures["generated"], "0.5 if it can't tell"),
        *(Result(f"all that G draws: {line.figure}", *line[1:]) for line in all_scores.results[:2]),
        *(Result(f"those that pass D: {line.figure}", *line[1:]) for line in scores.results[:4]),
        *scores.results[4:],
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    pictures(page, drawn, passed, walked, frames, np.array(scores))
    sections = list(SECTIONS)
    if scores.classes is not None:
        stacked = by_class(passed[:100], scores.classes[:100], len(digits.classes))
        page.save("classes.png", plot.image_grid, stacked, columns=len(digits.classes))
        sections.insert(2, CLASSES)
    page.write(title="Digits out of a game", intro=INTRO, results=results, sections=sections)
    return figures


def settle(generator: nn.Module, noise: np.ndarray) -> None:
    """Give BatchNorm the statistics of these weights, which were never trained themselves: means over all the noise."""
    norms = [module for _, module in generator.named_modules() if isinstance(module, nn.BatchNorm)]
    usual = [norm.momentum for norm in norms]
    with no_grad():
        for i, part in enumerate(np.array_split(noise, 10), 1):
            for norm in norms:
                norm.momentum = 1 / i  # so that each of the i parts has the same share
            generator(part)
    for norm, momentum in zip(norms, usual):
        norm.momentum = momentum


def walk(generator: nn.Module, stops: np.ndarray, *, steps: int = 10) -> np.ndarray:
    """Images on the way from each stop to the next, on arcs: a straight line would pass too near to 0."""
    angle = np.linspace(0, np.pi / 2, steps, dtype=stops.dtype)[:, None]
    with no_grad():
        ways = [generator(np.cos(angle) * a + np.sin(angle) * b).numpy() for a, b in pairwise(stops)]
    return np.concatenate(ways)


def eight_bits(images: np.ndarray) -> np.ndarray:
    return np.rint(255 * images).astype(np.uint8)


# ---- pictures ------------------------------------------------------------------------------------------------------


def pictures(
    page: Page,
    drawn: np.ndarray,
    passed: np.ndarray,
    walked: np.ndarray,
    frames: list[np.ndarray],
    scores: np.ndarray,
) -> None:
    """Samples, those that passed, the walk, the film, and the scores (steps, 4) as curves."""
    page.save("samples.png", plot.image_grid, drawn[:100], columns=10)
    page.save("passed.png", plot.image_grid, passed[:100], columns=10)
    page.save("walk.png", plot.image_grid, walked, columns=10)
    film = np.stack([plot.tiled(frame / np.float32(255), columns=6) for frame in frames])
    page.save_gif("film.gif", film.repeat(2, axis=1).repeat(2, axis=2), fps=8)
    parts = min(100, len(scores))
    smooth = np.array([part.mean(axis=0) for part in np.array_split(scores, parts)])  # (parts, 4)
    curves = dict(zip(SCORES, smooth.T))
    steps = dict(x=len(scores) * (np.arange(parts) + 1) / parts, xlabel="step")
    opinions = {"real images": curves["real"], "generated images": curves["generated"]}
    losses = {"discriminator": curves["d_loss"], "generator": curves["g_loss"]}
    guess = {"can't tell": 0.5}
    page.save("opinions.png", plot.loss_curves, opinions, reference=guess, ylabel="mean of D(x)", **steps)
    page.save("losses.png", plot.loss_curves, losses, ylabel="loss, nats", **steps)


SCORES = "d_loss", "g_loss", "real", "generated"

INTRO = """The generator never sees a digit. It makes images of noise, 64 numbers each, and all it hears is which pixels
the discriminator would like otherwise. The discriminator sees both kinds and learns to tell them apart; where it can't,
the images are like the digits."""

SECTIONS = [
    Section(
        "Digits that nobody wrote",
        "Made with the averages of the generator's weights: the game circles, and the middle is better than the ends.",
        "samples.png",
        "A hundred images of the generator",
    ),
    Section(
        "Those that pass the discriminator",
        "A good discriminator knows how many times too often the generator draws an image. So each is kept with a "
        "probability that makes up for that, and what is neither one digit nor another mostly goes.",
        "passed.png",
        "A hundred images of the generator that the discriminator let pass",
    ),
    Section(
        "A walk through the noise",
        "From left to right, the noise turns from one draw into another. What lies between two digits is mostly a "
        "digit again, or on its way from one to the next.",
        "walk.png",
        "Eight rows of ten images that change from one digit into another",
    ),
    Section(
        "The same noise, as the game goes on",
        "Frames come ever less often: most happens in the first few hundred steps.",
        "film.gif",
        "Animation of 36 images that turn from noise into digits",
    ),
    Section(
        "What the discriminator thinks",
        "Its mean answer on real and on generated images. If the two meet at one half, it can only guess.",
        "opinions.png",
        "Curves of the mean answer of the discriminator",
    ),
    Section(
        "Losses that say little",
        "Each is measured against an opponent who learns as well, so neither has to fall while the images get better.",
        "losses.png",
        "Curves of the losses of both networks",
    ),
]
CLASSES = Section(
    "The classes that the classifier gives them",
    "A hundred that passed, stacked by class as in a histogram. A generator that has forgotten a "
    "class, which is how GANs like to fail, leaves a gap.",
    "classes.png",
    "Samples stacked by their class, 0 to 9",
)


if __name__ == "__main__":
    start(main)
