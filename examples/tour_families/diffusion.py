"""A diffusion model: a U-Net learns to predict the noise in digits, and generates digits from noise."""

from time import perf_counter

import numpy as np

from tinygen import grad, nn, no_grad, optim, plot
from tinygen.data import Batches
from tinygen.models import Diffusion
from tinygen.runs import Panel, Section, excerpt
from tour_families.family import Context, Family, draw_losses, film_frame, links, script

STEPS = 30  # from noise to a digit


def sizes(context: Context) -> dict:
    """The arguments of the model; for large images as in diffusion_digits.py: the deepest units see the whole image."""
    small = dict(shape=context.digits.image_shape, channels=16)
    return small if context.small else small | dict(multiples=(4, 8), middle=2, overview=True)


def train(context: Context, steps: int) -> tuple[Diffusion, optim.EMA, list[float], list[float]]:
    """The trained model, the average of its weights, and the squared error per pixel: of batches, and of test images.

    Pixels are scaled to [-1, 1] here.
    """
    images, test = (2 * part - 1 for part in (context.digits.train_images, context.digits.test_images[:500]))
    rng = np.random.default_rng(context.seed)
    model = Diffusion.unet(**sizes(context), rng=rng)
    params = model.parameters()
    opt = optim.Adam(params)
    average = optim.EMA(params, max(0, 1 - 10 / steps))  # of a tenth of the run
    schedule = optim.cosine(3e-3 if context.small else 2e-3, total=steps, warmup=100)
    batches = Batches(images, 64 if context.small else 32, rng).forever()
    losses, tests = [], []
    model.loss = nn.finite(model.loss)  # NaN or infinity stops the run, and the error names the op
    for step in (bar := context.progress("diffusion", steps)):
        opt.lr = schedule(opt.steps)
        loss = model.loss(next(batches), rng)
        opt.step(grad(loss, params))
        average.update()
        losses.append(loss.item())
        if step % max(1, steps // 20) == 0:
            with average.applied(), no_grad():
                tests.append(model.loss(test, np.random.default_rng(0)).item())  # the same noise each time
            context.run.log(step, diffusion_loss=losses[-1], diffusion_test=tests[-1])
            bar.show(loss=losses[-1], test=tests[-1])
    return model, average, losses, tests


def run(context: Context, steps: int) -> Family:
    """Train the diffusion model, sample from it, and show how digits form from noise."""
    began = perf_counter()
    model, average, losses, tests = train(context, steps)
    seconds = perf_counter() - began
    kept, power = model.schedule.alpha_bar[1:].mean(), ((2 * context.digits.test_images - 1) ** 2).mean()
    rng = np.random.default_rng(context.seed)
    with average.applied():
        samples = pixels(model.sample(context.samples, rng, steps=STEPS))
        states = list(model.reverse(36, rng, steps=STEPS))
        context.keep("diffusion", model, {"Diffusion.unet": sizes(context)}, test=tests[-1])
    frames = np.stack([film_frame(pixels(state.x)) for state in states])
    captions = [f"after {i} of {STEPS} steps, at time t = {state.t}" for i, state in enumerate(states)]
    context.page.save("diffusion_film.html", plot.film, frames, fps=8, captions=captions)
    chosen = states[::3]  # 11 of the 31
    rows = [np.stack([getattr(s, part)[:4] for s in chosen], axis=1) for part in ("x", "x_0")]  # (4, 11, H, W, C)
    images = pixels(np.concatenate(rows)).reshape(-1, *samples.shape[1:])
    times, names = [f"t = {state.t}" for state in chosen], ["x"] * 4 + ["prediction"] * 4
    about = dict(columns=len(chosen), titles=times, row_titles=names)
    context.page.save("diffusion_strip.png", plot.image_grid, images, **about)
    curves = {"training": losses, "test": tests}
    context.page.save("diffusion_loss.png", draw_losses, curves, steps, "squared error per pixel", log=True)
    zero = kept + (1 - kept) * power  # of the prediction 0: E v² = ᾱ + (1 - ᾱ) E x_0²
    context.say(f"diffusion: squared error {tests[-1]:.4g} per pixel, the prediction 0 has {zero:.4g}")
    return Family(
        name="diffusion",
        parameters=sum(p.size for p in model.parameters()),
        seconds=seconds,
        metric="squared error per pixel of test images",
        value=tests[-1],
        baseline=f"{zero:.4g} for the prediction 0",
        density="a bound, not computed here",
        encode="no",
        samples=samples,
        shown=samples,
        sections=[section(context), *SECTIONS],
        loss=Panel("diffusion_loss.png", "Loss of the diffusion model", "diffusion"),
    )


def pixels(x: np.ndarray) -> np.ndarray:
    """Samples of the model, about in [-1, 1], as images in [0, 1]."""
    return np.clip((x + 1) / 2, 0, 1)


def section(context: Context) -> Section:
    """The film with the code that made it."""
    return Section(
        "Diffusion: digits from noise",
        "The network has learned to predict the noise in digits, for each strength of noise. To generate digits, it "
        "starts from pure noise and removes some of it, thirty times.",
        "diffusion_film.html",
        "Film of 36 digits that form from noise",
        code=CODE,
        commands=[context.sample_command("diffusion"), script("mnist/diffusion_digits.py")],
        links=links(diffusion_of_points="examples/diffusion/diffusion_2d.py", the_mathematics="docs/diffusion.md"),
    )


SECTIONS = [
    Section(
        "Step by step",
        "Four digits on their way from noise, from left to right; below, the digits that the network predicts from "
        "each of these. From pure noise it predicts the mean of all digits.",
        "diffusion_strip.png",
        "Four samples at eleven times, and the network's predictions at the same times",
    ),
]


# Taken from the source now, so that a file which is edited during the training can't stop it at the end.
CODE = excerpt(
    (train, "model = ", "average = "),
    (train, "batches = ", "batches = "),
    (train, "for step", "average.update"),
    (run, "with average", "samples = "),
)
