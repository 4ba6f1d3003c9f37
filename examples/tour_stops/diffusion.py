"""The tour's last stop, a diffusion model: a U-Net learns to tell digits from noise, and draws by taking noise out."""

from time import perf_counter

import numpy as np

from tinygen import grad, nn, no_grad, optim, plot
from tinygen.data import Batches
from tinygen.models import Diffusion
from tinygen.runs import Panel, Section, progress
from tour_stops.stop import Stop, Trip, frames_of, loss_picture


def train(trip: Trip, steps: int) -> tuple[Diffusion, optim.EMA, list[float], list[float]]:
    """The trained model, the averages of its weights, and the squared error per pixel: of batches, and of test images.

    Pixels lie in [-1, 1] here, about as wide as the noise.
    """
    images, test = (2 * part - 1 for part in (trip.digits.train_images, trip.digits.test_images[:500]))
    rng = np.random.default_rng(trip.seed)
    # Small images are seen whole by every unit anyway; for large ones it takes a network as in diffusion_digits.py.
    sizes = {} if trip.small else dict(multiples=(4, 8), middle=2, overview=True)
    model = Diffusion.unet(images.shape[1:], channels=16, **sizes, rng=rng)
    params = model.parameters()
    opt, average = optim.Adam(params), optim.EMA(params, max(0, 1 - 10 / steps))  # it looks back a tenth of the run
    schedule = optim.cosine(3e-3 if trip.small else 2e-3, total=steps, warmup=100)
    losses, tests = [], []
    batches = Batches(images, 64 if trip.small else 32, rng).forever()
    model.loss = nn.finite(model.loss)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := progress(range(1, steps + 1), label="diffusion", quiet=trip.quiet)):
        opt.lr = schedule(opt.steps)
        loss = model.loss(next(batches), rng)
        opt.step(grad(loss, params))
        average.update()
        losses.append(loss.item())
        if step % max(1, steps // 20) == 0:
            with average.applied(), no_grad():
                tests.append(model.loss(test, np.random.default_rng(0)).item())  # the same noise each time
            trip.run.log(step, diffusion_loss=losses[-1], diffusion_test=tests[-1])
            bar.show(loss=losses[-1], test=tests[-1])
    return model, average, losses, tests


def visit(trip: Trip, steps: int) -> Stop:
    """Train the diffusion model, draw from it, show digits on their way out of noise."""
    began = perf_counter()
    model, average, losses, tests = train(trip, steps)
    seconds = perf_counter() - began
    kept, power = model.schedule.alpha_bar[1:].mean(), ((2 * trip.digits.test_images - 1) ** 2).mean()
    rng = np.random.default_rng(trip.seed)
    with average.applied():
        samples = pixels(model.sample(trip.samples, rng, steps=30))
        states = list(model.reverse(36, rng, steps=30))
    frames = [frames_of(pixels(state.x)) for state in states]
    trip.page.save_gif("diffusion_film.gif", frames, fps=8)
    chosen = states[::3]  # 11 of the 31
    rows = [np.stack([getattr(s, part)[:4] for s in chosen], axis=1) for part in ("x", "x_0")]  # (4, 11, H, W, C)
    images = pixels(np.concatenate(rows)).reshape(-1, *samples.shape[1:])
    trip.page.save("diffusion_strip.png", plot.image_grid, images, columns=len(chosen))
    curves = {"training": losses, "test": tests}
    trip.page.save("diffusion_loss.png", loss_picture, curves, steps, "squared error per pixel", log=True)
    return Stop(
        family="diffusion",
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        figure="squared error per pixel of test images",
        value=tests[-1],
        reference=f"{kept + (1 - kept) * power:.4g} if it always answered 0",  # E v² = ᾱ + (1 - ᾱ) E x_0²
        density="a bound, not computed here",
        encode="no",
        samples=samples,
        sections=SECTIONS,
        loss=Panel("diffusion_loss.png", "Loss of the diffusion model", "diffusion"),
    )


def pixels(x: np.ndarray) -> np.ndarray:
    """What the model draws, in [-1, 1] but for noise, as images in [0, 1]."""
    return np.clip((x + 1) / 2, 0, 1)


SECTIONS = [
    Section(
        "Diffusion: digits out of noise",
        "The network has learnt to tell a digit from the noise in it, at every strength of noise. To draw, it starts "
        "from nothing but noise and takes some of it out, thirty times.",
        "diffusion_film.gif",
        "Animation of 36 digits that form out of noise",
    ),
    Section(
        "Step by step",
        "Four digits on their way, from left to right; and below, what the network makes out in each of these at that "
        "time. In pure noise it sees the mean of all digits, since it knows no better.",
        "diffusion_strip.png",
        "Four samples at eleven times, and the network's guesses at the same times",
    ),
]
