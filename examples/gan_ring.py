"""Train a GAN on eight narrow Gaussians on a ring, where the scores of a perfect sampler are known.

You will see how many of the eight modes it covers, and how many samples lie within three standard deviations of a mode
(98.89 % of real points do). Then `index.html` shows samples beside data, a film of the discriminator while the samples
move, and both losses, which approach the values from theory. It takes a minute and a half per seed on one core.
"""

from pathlib import Path
from time import perf_counter

import numpy as np

from tinygen import Tensor, data, grad, nn, no_grad, optim, plot
from tinygen.evaluate import metrics
from tinygen.models import GAN, gradient_penalty, non_saturating
from tinygen.runs import Page, Result, Run, Section, figures_table, open_run, progress
from tinygen.runs.cli import Batch, Count, Rate, Seed, Size, Weight, before_work, command, start

SD, CENTRES = 0.01, data.ring_centres()  # the ring of VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018)
POINTS = 2500  # samples to count, as in these papers
PERFECT = 1 - np.exp(-4.5)  # share of a normal distribution in the plane within 3 standard deviations
FRAMES = 60  # of the film, after the first one
SIDE, REACH = 100, 1.6  # side of a map of the plane in pixels, and its largest coordinate


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
    """Train, count the modes, write the page; returns the scores of the worst seed.

    Args:
        steps: number of training steps of each network, with new points in each.
        batch_size: number of real points per step, and of generated ones.
        lr: learning rate of both networks at the start; it falls to zero along half a cosine.
        penalty: weight of the gradient penalty, the squared slope of D between real and generated points.
        width: number of units in each of the four hidden layers of each network.
        seeds: number of trainings, with seeds from `seed` on.
        seed: seed for all random numbers of the first training.
        out: folder for the model, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: train for seconds only, to see that everything runs.
        quiet: no output.
    """
    if quick:
        steps, batch_size, width = 150, 64, 32
    config = dict(steps=steps, batch_size=batch_size, lr=lr, penalty=penalty, width=width, seeds=seeds, seed=seed)
    sizes = dict(shape=(2,), widths=[width] * 4, latent=16)
    with before_work():
        run = open_run(out, config, model={"GAN.dense": sizes}, resume=resume, overwrite=overwrite, quiet=quiet)

    scores, page = [], Page(run)
    for this in range(seed, seed + seeds):
        rng, began = np.random.default_rng(this), perf_counter()
        gan = GAN.dense(**sizes, rng=rng)
        average, history = train(
            gan, steps=steps, batch_size=batch_size, lr=lr, penalty=penalty, rng=rng, run=run, seed=this, quiet=quiet
        )
        with average.applied():  # the averages of the weights, which sample better than the weights
            scores.append(metrics.mode_coverage(gan.sample(POINTS, rng), CENTRES, SD))
            if this == seed:
                gan.save(run.path("model.npz"))
                pictures(page, gan.sample(100_000, rng), history, rng)
        run.log(steps, seed=this, **scores[-1]._asdict())
        if not quiet:
            share, seconds = scores[-1].high_quality, perf_counter() - began
            print(f"seed {this}: {share:.2%} of the samples within 3 sd of a mode, {seconds:.0f} s")

    figures = {
        "modes": min(score.modes for score in scores),
        "high_quality": min(score.high_quality for score in scores),
        "reverse_kl": max(score.reverse_kl for score in scores),
    }
    good, kl = ([f"{score[i]:.4g}" for score in scores] for i in (1, 2))
    results = [
        Result("modes covered", ", ".join(str(score.modes) for score in scores), f"{len(CENTRES)} of the data"),
        Result("share of samples within 3 sd of a mode", ", ".join(good), f"{PERFECT:.4f} perfect"),
        Result("KL(modes ‖ uniform), nats", ", ".join(kl), f"{(len(CENTRES) - 1) / 2 / POINTS:.4f} perfect"),
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)
    page.write(title="A GAN on a ring", intro=INTRO, results=results, sections=SECTIONS)
    return figures


def train(
    gan: GAN,
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
    """Returns the average of the generator's weights, and the history: losses, maps of D, samples."""
    D, g_params, d_params = gan.discriminator, gan.generator.parameters(), gan.discriminator.parameters()
    g_opt, d_opt = (optim.Adam(params, lr, betas=(0.0, 0.99)) for params in (g_params, d_params))
    average = optim.EMA(g_params, max(0, 1 - 20 / steps))  # over about a twentieth of the run
    schedule, moments = optim.cosine(lr, total=steps), frame_times(steps)
    history = {"d_loss": [], "g_loss": [], "logits": [], "samples": []}

    loop = run.loop(gan=gan, g_opt=g_opt, d_opt=d_opt, average=average, rng=rng, history=history)
    # NaN or infinity stops the run, and the error names the op:
    d_loss_of = nn.finite(lambda real, fake: non_saturating.d_loss(D(real), D(fake)), after=loop)
    for step in (bar := progress(loop.steps(range(steps)), label=f"seed {seed}", quiet=quiet)):
        if step in moments:
            history["logits"].append(map_of(D))
            history["samples"].append(gan.sample(500, np.random.default_rng(seed)))  # from the same noise each time
        g_opt.lr = d_opt.lr = schedule(step)
        real, _ = data.ring(batch_size, rng, sd=SD)
        fake = gan(gan.noise(batch_size, rng))

        d_loss = d_loss_of(real, fake.detach())
        slopes = gradient_penalty(D, real, fake, rng, slope=0.0)
        d_opt.step(grad(d_loss + penalty * slopes, d_params))

        g_loss = non_saturating.g_loss(D(fake))  # with the new D, whose weights get no gradient here
        g_opt.step(grad(g_loss, g_params))
        average.update()

        history["d_loss"].append(d_loss.item())
        history["g_loss"].append(g_loss.item())
        bar.show(d_loss=np.mean(history["d_loss"][-100:]), g_loss=np.mean(history["g_loss"][-100:]))
    return average, history


# -- pictures ----------------------------------------------------------------------------------------------------------


def frame_times(steps: int) -> list[int]:
    """The steps before which the film takes a frame, more of them at the start, where most happens."""
    return sorted({round((steps - 1) * (i / FRAMES) ** 2) for i in range(FRAMES + 1)})


def map_of(discriminator: nn.Module) -> np.ndarray:
    """The logits on a grid of points of the plane, (SIDE, SIDE), from the upper left."""
    line = np.linspace(-REACH, REACH, SIDE, dtype=np.float32)
    x, y = np.meshgrid(line, -line)
    with no_grad():
        return discriminator(Tensor(np.stack([x, y], axis=2).reshape(-1, 2))).numpy().reshape(SIDE, SIDE)


def frame(logits: np.ndarray, samples: np.ndarray, *, scale: int = 3) -> np.ndarray:
    """D as colours, from blue (0) through white to orange (1), with samples (N, 2) as dark dots."""
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
    """A histogram of points (N, 2) around a centre as an image (size, size, 1): dark pixels have many points."""
    sides = [[c - reach, c + reach] for c in (-centre[1], centre[0])]
    counts, *_ = np.histogram2d(-points[:, 1], points[:, 0], bins=size, range=sides)  # rows go down
    dark = np.quantile(counts[counts > 0], 0.9) if counts.any() else 1
    return np.exp(-counts / max(1, dark))[:, :, None]


def pictures(page: Page, samples: np.ndarray, history: dict[str, list], rng: np.random.Generator) -> None:
    """Write samples beside data, the film and six of its frames, and the losses."""
    real, _ = data.ring(len(samples), rng, sd=SD)
    views = [density(x, *view) for view in (((0, 0), 1.3), ((1, 0), 0.05)) for x in (real, samples)]
    titles = ["data", "samples", "one mode of the data", "one mode of the samples"]
    page.save("samples.png", plot.image_grid, np.stack(views), columns=4, titles=titles)

    film = np.stack([frame(*moment) for moment in zip(history["logits"], history["samples"])])
    page.save_gif("training.gif", film, fps=8)
    chosen = np.linspace(0, len(film) - 1, 6).astype(int)
    times = frame_times(len(history["d_loss"]))
    titles = [f"step {times[i]}" for i in chosen]
    page.save("strip.png", plot.image_grid, film[chosen], columns=3, titles=titles)

    losses, limits = {"D": history["d_loss"], "G": history["g_loss"]}, {"2 log 2": 2 * np.log(2), "log 2": np.log(2)}
    labels = dict(xlabel="step", ylabel="loss, nats")
    page.save("loss.png", plot.loss_curves, losses, reference=limits, max_points=200, **labels)


INTRO = """The generator maps 16 random numbers to a point of the plane. It never sees data: it learns only from the
gradient of the discriminator, which sees real and generated points. The modes have a standard deviation of 0.01 and lie
on a ring of radius 1. The table lists the scores of each seed."""

SECTIONS = [
    Section(
        "Samples beside data",
        "Dark pixels contain many points; each picture has its own scale. The generator is a continuous map of its "
        "noise, so a few points in a hundred always lie between two modes. The last two pictures magnify one mode.",
        "samples.png",
        "Densities of data and samples, of the whole ring and of one of its modes",
    ),
    Section(
        "The discriminator during training",
        "Orange where D takes points for real, blue where it takes them for generated, white where D is 1/2. The dots "
        "are samples from the same 500 draws of noise. They move towards orange, D adapts, and at the end D is 1/2 "
        "near the samples: it can't distinguish them from the data.",
        "training.gif",
        "Animation of the discriminator's output while the samples move to the modes",
    ),
    Section("Six frames", "", "strip.png", "The discriminator's output and the samples at six times"),
    Section(
        "The losses",
        "Neither loss measures progress, because each depends on the other network. Once the samples are distributed "
        "like the data, D is 1/2 and the losses are 2 log 2 and log 2.",
        "loss.png",
        "Curves of both losses, with their values at the equilibrium",
    ),
]


if __name__ == "__main__":
    start(main)
