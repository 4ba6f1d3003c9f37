"""Train a GAN on eight tight Gaussians on a ring, where it is known what a perfect sampler would reach.

You will see how many of the eight modes it finds, and how many of its samples lie within three standard deviations of
one: of real points 98.89 %. Then `index.html`: samples beside data, a film of what the discriminator holds for real
while the samples move, and both losses on their way to the values that theory gives.
A seed takes a minute and a half on one core.
"""

from pathlib import Path
from time import perf_counter

import numpy as np

from tinygen import Tensor, data, grad, nn, no_grad, optim, plot
from tinygen.evaluate import metrics
from tinygen.models import DenseGAN, gradient_penalty, non_saturating
from tinygen.runs import Page, Result, Run, Section, figures_table, open_run, progress
from tinygen.runs.cli import Batch, Count, Rate, Seed, Size, Weight, before_work, command, start

SD, CENTRES = 0.01, data.ring_centres()  # the ring of VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018)
POINTS = 2500  # samples that are counted, as in these papers
PERFECT = 1 - np.exp(-4.5)  # of a normal distribution in the plane, so much lies within 3 sd
LOOKS = 60  # frames of the film, but for the first
SIDE, REACH = 100, 1.6  # a map of the plane in pixels, and how far it goes


@command
def main(
    *,
    steps: Count = 6000,
    batch_size: Batch = 256,
    lr: Rate = 3e-3,
    penalty: Weight = 0.01,
    width: Size = 128,
    seeds: Count = 1,
    seed: Seed = 0,
    out: Path = Path("runs/gan_ring"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train, count the modes, write the page; returns the figures of the worst seed.

    Args:
        steps: training steps of each player, on new points each.
        batch_size: real points in a step, and as many fakes.
        lr: the learning rate of both; it falls to zero along half a cosine.
        penalty: the weight of the discriminator's squared slope, between real and fake points.
        width: of the four layers in each of the two networks.
        seeds: train this often, from `seed` on.
        seed: of everything random.
        out: the folder for the model, the log and the pictures.
        resume: go on with the run in that folder, from its newest checkpoint.
        overwrite: start over: delete the run in that folder.
        quick: train for seconds only: to see that all runs, not what it can do.
        quiet: print nothing.
    """
    if quick:
        steps, batch_size, width = 150, 64, 32
    config = dict(steps=steps, batch_size=batch_size, lr=lr, penalty=penalty, width=width, seeds=seeds, seed=seed)
    sizes = dict(coordinates=2, widths=[width] * 4, latent=16)
    with before_work():
        run = open_run(out, config, model={"DenseGAN": sizes}, resume=resume, overwrite=overwrite, quiet=quiet)

    found, page = [], Page(run)
    for this in range(seed, seed + seeds):
        rng, began = np.random.default_rng(this), perf_counter()
        gan = DenseGAN(**sizes, rng=rng)
        average, seen = train(
            gan, steps=steps, batch_size=batch_size, lr=lr, penalty=penalty, rng=rng, run=run, seed=this, quiet=quiet
        )
        with average.applied():  # the averages of the weights, which sample better than the weights
            found.append(metrics.mode_coverage(gan.sample(POINTS, rng), CENTRES, SD))
            if this == seed:
                gan.save(run.path("model.npz"))
                pictures(page, gan.sample(100_000, rng), seen, steps, rng)
        run.log(steps, seed=this, **found[-1]._asdict())
        if not quiet:
            print(f"seed {this}: {found[-1].high_quality:.2%} good samples, {perf_counter() - began:.0f} s")

    figures = {
        "modes": min(each.modes for each in found),
        "high_quality": min(each.high_quality for each in found),
        "reverse_kl": max(each.reverse_kl for each in found),
    }
    good, kl = ([f"{each[i]:.4g}" for each in found] for i in (1, 2))
    results = [
        Result("modes found", ", ".join(str(each.modes) for each in found), f"{len(CENTRES)} there are"),
        Result("share of good samples", ", ".join(good), f"{PERFECT:.4f} perfect"),
        Result("KL(modes ‖ uniform), nats", ", ".join(kl), f"{(len(CENTRES) - 1) / 2 / POINTS:.4f} perfect"),
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)
    page.write(title="A GAN on a ring", intro=INTRO, results=results, sections=SECTIONS)
    return figures


def train(
    gan: DenseGAN,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    penalty: float,
    rng: np.random.Generator,
    run: Run,
    seed: int,
    quiet: bool,
) -> tuple[optim.EMA, dict[str, list]]:
    """The averages of the generator's weights, and what was seen on the way: losses, maps of D, samples."""
    D, g_params, d_params = gan.discriminator, gan.generator.parameters(), gan.discriminator.parameters()
    g_opt, d_opt = (optim.Adam(params, lr, betas=(0.0, 0.99)) for params in (g_params, d_params))
    average = optim.EMA(g_params, max(0, 1 - 20 / steps))  # it looks back a twentieth of the run
    schedule, looks = optim.cosine(lr, total=steps), frame_times(steps)
    seen = {"d_loss": [], "g_loss": [], "logits": [], "samples": []}

    def told_apart(real: np.ndarray, fake: Tensor) -> Tensor:
        return non_saturating.d_loss(D(real), D(fake))

    loop = run.loop(gan=gan, g_opt=g_opt, d_opt=d_opt, average=average, rng=rng, seen=seen)
    told_apart = nn.finite(told_apart, after=loop)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(loop.steps(range(steps)), label=f"seed {seed}", quiet=quiet)):
        if step in looks:
            seen["logits"].append(map_of(D))
            seen["samples"].append(gan.sample(500, np.random.default_rng(seed)))  # the same noise: so they move
        g_opt.lr = d_opt.lr = schedule(step)
        real, _ = data.ring(batch_size, rng, sd=SD)
        fake = gan(gan.noise(batch_size, rng))

        d_loss = told_apart(real, fake.detach())
        too_steep = gradient_penalty(D, real, fake, rng, slope=0.0)
        d_opt.step(grad(d_loss + penalty * too_steep, d_params))

        g_loss = non_saturating.g_loss(D(fake))  # by the new D; its weights are frozen, for nobody asks for them
        g_opt.step(grad(g_loss, g_params))
        average.update()

        seen["d_loss"].append(d_loss.item())
        seen["g_loss"].append(g_loss.item())
        bar.show(d_loss=np.mean(seen["d_loss"][-100:]), g_loss=np.mean(seen["g_loss"][-100:]))
    return average, seen


# ---- pictures ------------------------------------------------------------------------------------------------------


def frame_times(steps: int) -> list[int]:
    """The steps before which a frame of the film is taken: more of them at the beginning, where most happens."""
    return sorted({round((steps - 1) * (i / LOOKS) ** 2) for i in range(LOOKS + 1)})


def map_of(discriminator: nn.Module) -> np.ndarray:
    """The logits at the points of the plane, (SIDE, SIDE), from the upper left."""
    line = np.linspace(-REACH, REACH, SIDE, dtype=np.float32)
    x, y = np.meshgrid(line, -line)
    with no_grad():
        return discriminator(Tensor(np.stack([x, y], axis=2).reshape(-1, 2))).numpy().reshape(SIDE, SIDE)


def frame(logits: np.ndarray, samples: np.ndarray, *, scale: int = 3) -> np.ndarray:
    """D as colours, from blue where it is 0 over white to orange where it is 1, with samples (N, 2) as dark dots."""
    lean = np.tanh(logits / 2)[:, :, None]  # 2D - 1
    colours = 1 - np.maximum(lean, 0) * (1 - ORANGE) - np.maximum(-lean, 0) * (1 - BLUE)
    image = colours.repeat(scale, axis=0).repeat(scale, axis=1)
    column, row = np.floor((samples * [1, -1] / REACH + 1) / 2 * len(image)).astype(int).T
    for down, right in np.ndindex(2, 2):
        inside = (np.minimum(row, column) >= 0) & (np.maximum(row, column) < len(image) - 1)
        image[row[inside] + down, column[inside] + right] = 0.1
    return image


BLUE, ORANGE = np.array([0.29, 0.38, 0.75]), np.array([0.90, 0.57, 0.23])


def density(points: np.ndarray, centre: tuple[float, float], reach: float, *, size: int = 200) -> np.ndarray:
    """Points (N, 2) around a centre as an image (size, size, 1): the more of them in a pixel, the darker."""
    sides = [[c - reach, c + reach] for c in (-centre[1], centre[0])]
    counts, *_ = np.histogram2d(-points[:, 1], points[:, 0], bins=size, range=sides)  # rows go down
    dark = np.quantile(counts[counts > 0], 0.9) if counts.any() else 1
    return np.exp(-counts / max(1, dark))[:, :, None]


def pictures(page: Page, samples: np.ndarray, seen: dict[str, list], steps: int, rng: np.random.Generator) -> None:
    """Samples beside data, the film and six frames of it, the losses."""
    real, _ = data.ring(len(samples), rng, sd=SD)
    views = [density(x, *view) for view in (((0, 0), 1.3), ((1, 0), 0.05)) for x in (real, samples)]
    titles = ["data", "samples", "one mode of the data", "of the samples"]
    page.save("samples.png", plot.image_grid, np.stack(views), columns=4, titles=titles)

    film = np.stack([frame(*look) for look in zip(seen["logits"], seen["samples"])])
    page.save_gif("training.gif", film, fps=8)
    chosen = np.linspace(0, len(film) - 1, 6).astype(int)
    titles = [f"step {frame_times(steps)[i]}" for i in chosen]
    page.save("strip.png", plot.image_grid, film[chosen], columns=3, titles=titles)

    parts = min(200, steps)
    losses = {"D": seen["d_loss"], "G": seen["g_loss"]}
    curves = {name: [part.mean() for part in np.array_split(loss, parts)] for name, loss in losses.items()}
    at, ends = steps * (np.arange(parts) + 1) / parts, {"2 log 2": 2 * np.log(2), "log 2": np.log(2)}
    page.save("loss.png", plot.loss_curves, curves, x=at, reference=ends, xlabel="step", ylabel="nats")


INTRO = """The generator turns 16 random numbers into a point of the plane. It never sees data: all that it learns comes
through the discriminator, which sees both and says which is which. The modes have a standard deviation of 0.01, on a
ring of radius 1. A sample is good within three of these of a mode; below are the figures of each seed."""

SECTIONS = [
    Section(
        "Samples beside data",
        "The darker, the more points, each picture on a scale of its own. The generator is a continuous map of its "
        "noise, so a few points in a hundred always lie on the way from one mode to another. The last two pictures are "
        "one mode under a magnifying glass.",
        "samples.png",
        "Densities of data and samples, the whole ring and one of its modes",
    ),
    Section(
        "What the discriminator believes",
        "Orange where it takes points for real, blue where it takes them for fakes, white where D is 1/2. "
        "The dots are what the generator makes of the same 500 draws of noise. It moves them towards orange, the "
        "discriminator answers, and in the end nothing is left to tell: white, where the points are.",
        "training.gif",
        "Animation of the discriminator's map while samples move to the modes",
    ),
    Section("The same in six looks", "", "strip.png", "The discriminator's map and the samples at six times"),
    Section(
        "How both learnt",
        "Neither loss measures progress, for each depends on the other player. Once fakes are like data, D is 1/2, and "
        "the losses are 2 log 2 and log 2.",
        "loss.png",
        "Curves of both losses, and the values at the equilibrium",
    ),
]


if __name__ == "__main__":
    start(main)
