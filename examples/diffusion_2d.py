"""Teach a small network to make points of the plane out of noise: eight Gaussians, two moons, a swiss roll.

You will see how far samples lie from data (sliced Wasserstein distance) when they are drawn in 50 steps (DDIM) and in
1,000 (DDPM), beside how far two sets of real data lie from each other: nothing can do better than that floor. Then
`index.html`: samples beside data, and noise becoming data as a strip and as a GIF.
"""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import numpy as np

from tinygen import data, grad, nn, optim, plot
from tinygen.evaluate import metrics
from tinygen.models import Diffusion, PointDenoiser, cosine_schedule
from tinygen.runs import Page, Result, Run, Section, figures_table, open_run, progress
from tinygen.runs.cli import Batch, Count, Rate, Samples, Seed, Several, before_work, command, start

Toys = Annotated[tuple[Literal["ring", "moons", "swiss_roll"], ...], Several("toy")]
TOYS = {"ring": data.ring, "moons": data.moons, "swiss_roll": data.swiss_roll}
SCHEDULE = cosine_schedule(1000, prediction_type="v_prediction")
FEW = SCHEDULE.timesteps(50, power=1.25)  # with even steps the last would be from noise wider than a mode of the ring
SAMPLERS = {"DDIM-50": dict(steps=FEW, eta=0), "DDPM-1000": dict(steps=1000, eta=1)}
SETS = {"DDIM-50": 16, "DDPM-1000": 2}  # of samples: one of DDPM costs as much as twenty of DDIM

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
    """Train on each toy, hold samples against data, write the page; returns the distances as multiples of the floor.

    Args:
        toys: which of "ring", "moons", "swiss_roll".
        steps: training steps, each on new points.
        batch_size: points in a step.
        lr: the learning rate after its warm-up; it falls to zero along half a cosine.
        points: samples that are held against as many real points.
        pairs: distances that are averaged, for one of samples to data varies by a third, as data to data does.
        seeds: train this often, from `seed` on.
        seed: of everything random.
        out: the folder for the models, the log and the pictures.
        resume: go on with the run in that folder, from its newest checkpoints.
        overwrite: start over: delete the run in that folder.
        quick: train for seconds only: to see that all runs, not what it can do.
        quiet: print nothing.
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
            with average.applied():  # the averages of the weights, which sample better than the weights
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
                curves[toy] = [part.mean() for part in np.array_split(losses, min(100, steps))]
            run.log(steps, seed=this, floor=floor, **{name: distances[-1] for name, distances in found.items()})
            if not quiet:
                print(f"{toy}, seed {this}: {perf_counter() - began:.0f} s, of which {seconds:.0f} s in training")
        for name, distances in found.items():
            ratios[f"{toy} {name}"] = [float(d / floor) for d in distances]
            verdict = ", ".join(f"{d / floor:.2f}" for d in distances) + " times"
            results.append(Result(f"{toy}: {name}", np.mean(distances), f"{floor:.4g} real against real", verdict))

    figures_table(results, quiet=quiet)
    run.finish({name: np.mean(times) for name, times in ratios.items()})

    page = Page(run)
    pictures(page, sheets, films, curves, steps)
    intro = (
        "A small network learnt to tell points from noise, and here noise becomes points. Samples are held against as "
        "many real points by their sliced Wasserstein distance, and so are real points: that is the floor."
    )
    page.write(title="Points out of noise", intro=intro, results=results, sections=SECTIONS)
    return ratios


def train(
    run: Run, draw: Draw, steps: int, batch_size: int, lr: float, rng: np.random.Generator, label: str, quiet: bool
) -> tuple[Diffusion, optim.EMA, list[float]]:
    """The model, the average of its weights, and the loss of each step."""
    model = Diffusion(PointDenoiser(rng=rng), SCHEDULE, (2,))
    params = model.parameters()
    opt, average = optim.Adam(params, lr), optim.EMA(params, max(0, 1 - 10 / steps))  # it looks back a tenth of the run
    schedule = optim.cosine(lr, total=steps, warmup=100)
    losses = []
    loop = run.loop(model=model, opt=opt, average=average, rng=rng, losses=losses)  # each training has its checkpoint
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
    """Points of a toy, moved and scaled so that each coordinate has mean 0 and variance 1."""
    many, _ = toy(200_000, np.random.default_rng(0))
    mean, sd = many.mean(axis=0), many.std(axis=0)
    return lambda n, rng: (toy(n, rng)[0] - mean) / sd


def distance(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    return metrics.sliced_wasserstein(x, y, rng, projections=512)


# ---- pictures ------------------------------------------------------------------------------------------------------


def density(points: np.ndarray, *, size: int = 160, reach: float = 2.3) -> np.ndarray:
    """Points (N, 2) as an image (size, size, 1): the more of them in a pixel, the darker, on one scale for all."""
    counts, *_ = np.histogram2d(-points[:, 1], points[:, 0], bins=size, range=[[-reach, reach]] * 2)  # rows go down
    return np.exp(-1e4 / len(points) * counts)[:, :, None]


def pictures(page: Page, sheets: dict, films: dict, curves: dict, steps: int) -> None:
    """Samples beside data; the way from noise, a row for each toy, and as a GIF; the loss."""
    titles = ["data", *SAMPLERS] * len(sheets)
    sheet = np.stack([density(x) for row in sheets.values() for x in row])
    page.save("samples.png", plot.image_grid, sheet, columns=3, titles=titles)
    films = {toy: np.stack([density(x) for x in film]) for toy, film in films.items()}  # (51, size, size, 1)
    looks = [0, 24, 32, 38, 44, 50]  # of the 51 states
    strip = np.concatenate([film[looks] for film in films.values()])
    titles = [f"t = {FEW[i]}" for i in looks] * len(films)
    page.save("strip.png", plot.image_grid, strip, columns=6, titles=titles)
    film = np.concatenate(list(films.values()), axis=2)  # side by side
    page.save_gif("reverse.gif", film, fps=12)
    parts = min(100, steps)
    at = steps * (np.arange(parts) + 1) / parts
    page.save("loss.png", plot.loss_curves, curves, x=at, xlabel="step", ylabel="error per coordinate")


SECTIONS = [
    Section(
        "Samples beside data",
        "The darker, the more points. DDIM takes 50 steps, shorter ones near the end, and adds no noise on the way; "
        "DDPM takes 1,000 and adds some at each.",
        "samples.png",
        "Densities of the data and of the samples, a row for each toy",
    ),
    Section(
        "Noise becomes data",
        "The same points on their way: at t = 1000 they are noise, at t = 0 samples. Each of the 50 steps takes out "
        "some of the noise that the network sees, and they grow shorter as the picture grows finer.",
        "reverse.gif",
        "Animation of clouds of noise that become the toys",
    ),
    Section("The same in six looks", "", "strip.png", "The clouds at six times, a row for each toy"),
    Section(
        "How it learnt",
        "The squared error of what the network answers. It can't come near zero, since a noisy point doesn't tell "
        "where it was; what counts is to guess as well as can be.",
        "loss.png",
        "The training loss for each toy",
    ),
]


if __name__ == "__main__":
    start(main)
