"""Train a small diffusion model on points of the plane: eight Gaussians, two moons, a swiss roll.

You will see the distance of samples from data (sliced Wasserstein), drawn in 50 steps (DDIM) and in 1,000 (DDPM). The
baseline is the distance between two sets of real data, which no sampler can beat. Then `index.html` shows samples
beside data, and noise that turns into data as a strip and as a GIF. It takes about three minutes per toy on two cores.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import numpy as np

from tinygen import data, grad, nn, optim, plot
from tinygen.evaluate import metrics
from tinygen.models import Diffusion, cosine_schedule
from tinygen.runs import Page, Result, Run, Section, figures_table, open_run, progress
from tinygen.runs.cli import Batch, Count, Rate, Samples, Seed, Several, before_work, command, start

Toys = Annotated[tuple[Literal["ring", "moons", "swiss_roll"], ...], Several("toy")]
TOYS = {"ring": data.ring, "moons": data.moons, "swiss_roll": data.swiss_roll}
SCHEDULE = cosine_schedule(1000, prediction_type="v_prediction")
FEW = SCHEDULE.timesteps(50, power=1.25)  # equal steps: the last one would start from noise wider than a mode
SAMPLERS = {"DDIM-50": dict(steps=FEW, eta=0), "DDPM-1000": dict(steps=1000, eta=1)}
SETS = {"DDIM-50": 16, "DDPM-1000": 2}  # sets of samples; a set of DDPM costs as much as twenty of DDIM

Draw = Callable[[int, np.random.Generator], np.ndarray]


@command
def main(
    *,
    toys: Toys = ("ring", "moons", "swiss_roll"),
    steps: Count = 16_000,
    batch_size: Batch = 256,
    lr: Rate = 5e-3,
    points: Samples = 10_000,
    pairs: Count = 32,
    seeds: Count = 1,
    seed: Seed = 0,
    out: Path = Path("runs/diffusion_2d"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
) -> dict[str, list[float]]:
    """Train on each toy, compare samples with data, write the page; returns the distances divided by the baseline.

    Args:
        toys: data sets to train on: "ring", "moons", "swiss_roll".
        steps: number of training steps, each with new points.
        batch_size: number of points per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        points: number of samples to compare with as many real points.
        pairs: number of distances to average, because a single one varies by a third.
        seeds: number of trainings, with seeds from `seed` on.
        seed: seed for all random numbers of the first training.
        out: folder for the models, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: train for seconds only, to see that everything runs.
        quiet: no output.
    """
    if quick:
        steps, batch_size, points, pairs = 200, 128, 250, 2
    sizes = dict(steps=steps, batch_size=batch_size, lr=lr, points=points, pairs=pairs)
    config = dict(toys=toys, **sizes, seeds=seeds, seed=seed)
    with before_work():
        run = open_run(out, config, resume=resume, overwrite=overwrite, quiet=quiet)

    results, ratios, curves, sheets, films = [], {}, {}, {}, {}
    for toy in toys:
        draw, rng = standardised(TOYS[toy]), np.random.default_rng(seed)
        floor = np.mean([distance(draw(points, rng), draw(points, rng), rng) for _ in range(20)])
        found = {name: [] for name in SAMPLERS}  # a distance for each seed
        for this in range(seed, seed + seeds):
            rng, began = np.random.default_rng(this), perf_counter()
            model, average, losses = train(run, draw, steps, batch_size, lr, rng, f"{toy}, seed {this}", quiet)
            seconds = perf_counter() - began
            with average.applied():  # the averaged weights give better samples
                if this == seed:
                    model.save(run.path(f"{toy}.npz"))
                samples = {
                    name: [model.sample(points, rng, **how) for _ in range(min(pairs, SETS[name]))]
                    for name, how in SAMPLERS.items()
                }
                if this == seed:
                    films[toy] = [state.x for state in model.reverse(points, rng, steps=FEW)]
            for name, sets in samples.items():
                chosen = [sets[i % len(sets)] for i in range(pairs)]
                found[name].append(np.mean([distance(x, draw(points, rng), rng) for x in chosen]))
            if this == seed:
                sheets[toy] = [draw(points, rng), *(sets[0] for sets in samples.values())]
                curves[toy] = losses
            run.log(steps, seed=this, floor=floor, **{name: distances[-1] for name, distances in found.items()})
            if not quiet:
                print(f"{toy}, seed {this}: {perf_counter() - began:.0f} s, of which {seconds:.0f} s in training")
        for name, distances in found.items():
            ratios[f"{toy} {name}"] = [float(d / floor) for d in distances]
            verdict = ", ".join(f"{d / floor:.2f}" for d in distances) + " times"
            results.append(Result(f"{toy}: {name}", np.mean(distances), f"{floor:.4g} between real sets", verdict))

    figures_table(results, quiet=quiet)
    run.finish({name: np.mean(times) for name, times in ratios.items()})

    page = Page(run)
    pictures(page, sheets, films, curves)
    page.write(title="Points from noise", intro=INTRO, results=results, sections=SECTIONS)
    return ratios


def train(
    run: Run, draw: Draw, steps: int, batch_size: int, lr: float, rng: np.random.Generator, label: str, quiet: bool
) -> tuple[Diffusion, optim.EMA, list[float]]:
    """Returns the model, the average of its weights, and the loss of each step."""
    model = Diffusion.points((2,), schedule=SCHEDULE, rng=rng)
    params = model.parameters()
    opt, average = optim.Adam(params, lr), optim.EMA(params, max(0, 1 - 10 / steps))  # over a tenth of the run
    schedule = optim.cosine(lr, total=steps, warmup=100)
    losses = []
    loop = run.loop(model=model, opt=opt, average=average, rng=rng, losses=losses)
    model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(loop.steps(range(steps)), label=label, quiet=quiet)):
        opt.lr = schedule(step)
        loss = model.loss(draw(batch_size, rng), rng)
        opt.step(grad(loss, params))
        average.update()
        losses.append(loss.item())
        bar.show(loss=np.mean(losses[-100:]))
    return model, average, losses


def standardised(toy: Callable) -> Draw:
    """Draws points of a toy, shifted and scaled so that each coordinate has mean 0 and variance 1."""
    many, _ = toy(200_000, np.random.default_rng(0))
    mean, sd = many.mean(axis=0), many.std(axis=0)
    return lambda n, rng: (toy(n, rng)[0] - mean) / sd


def distance(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """The sliced Wasserstein distance of two sets of points (N, 2)."""
    return metrics.sliced_wasserstein(x, y, rng, projections=512)


# -- pictures ----------------------------------------------------------------------------------------------------------


def density(points: np.ndarray, *, size: int = 160, reach: float = 2.3) -> np.ndarray:
    """A histogram of points (N, 2) as an image (size, size, 1): dark pixels have many points, on the same scale."""
    counts, *_ = np.histogram2d(-points[:, 1], points[:, 0], bins=size, range=[[-reach, reach]] * 2)  # rows go down
    return np.exp(-1e4 / len(points) * counts)[:, :, None]


def pictures(page: Page, sheets: dict, films: dict, curves: dict) -> None:
    """Write samples beside data; the way from noise as a strip, a row per toy, and as a GIF; the loss."""
    titles = ["data", *SAMPLERS] * len(sheets)
    sheet = np.stack([density(x) for row in sheets.values() for x in row])
    page.save("samples.png", plot.image_grid, sheet, columns=3, titles=titles)
    films = {toy: np.stack([density(x) for x in film]) for toy, film in films.items()}  # (51, size, size, 1)
    chosen = [0, 24, 32, 38, 44, 50]  # of the 51 states
    strip = np.concatenate([film[chosen] for film in films.values()])
    titles = [f"t = {FEW[i]}" for i in chosen] * len(films)
    page.save("strip.png", plot.image_grid, strip, columns=6, titles=titles)
    film = np.concatenate(list(films.values()), axis=2)  # side by side
    page.save_gif("reverse.gif", film, fps=12)
    labels = dict(xlabel="step", ylabel="squared error per coordinate")
    page.save("loss.png", plot.loss_curves, curves, max_points=100, **labels)


INTRO = """A small network learned to predict the noise in noisy points. To sample, it removes noise step by step. The
table lists the sliced Wasserstein distance between samples and real points. Its baseline is the distance between two
sets of real points."""

SECTIONS = [
    Section(
        "Samples beside data",
        "Dark pixels contain many points. DDIM takes 50 steps, shorter ones near the end, and adds no noise. "
        "DDPM takes 1,000 steps and adds noise in each.",
        "samples.png",
        "Densities of the data and of the samples, a row for each toy",
    ),
    Section(
        "From noise to data",
        "At t = 1000 the points are noise, at t = 0 they are samples. Each of the 50 steps removes some of the noise "
        "that the network predicts.",
        "reverse.gif",
        "Animation of clouds of noise that become the toys",
    ),
    Section("Six frames", "", "strip.png", "The clouds at six times, a row for each toy"),
    Section(
        "The loss",
        "The squared error of the network's prediction. It can't approach zero, because a noisy point doesn't tell "
        "where it came from; the best prediction is a mean.",
        "loss.png",
        "The training loss for each toy",
    ),
]


if __name__ == "__main__":
    start(main)
