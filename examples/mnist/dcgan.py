"""Train a convolutional GAN on MNIST: a generator of digits learns from a discriminator of real and generated digits.

You will see the mean output of the discriminator for real and for generated digits after each epoch, then how a
classifier, which is trained once and kept, scores the samples. `index.html` shows samples, their classes, a walk from
digit to digit, how the same noise becomes digits (a GIF), and the losses. It takes about nine minutes on two cores.
"""

from tinygen import grad, nn, no_grad, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from itertools import pairwise
from pathlib import Path

import numpy as np

from tinygen.data import Batches, load
from tinygen.evaluate.scoring import by_class, score_samples
from tinygen.io.files import replacing
from tinygen.models import GAN, non_saturating, r1_penalty
from tinygen.ops import sigmoid
from tinygen.runs import Page, Result, Section, cli, figures_table, open_run, progress
from tinygen.tensor import Tensor


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 14,
    batch_size: cli.Batch = 64,
    lr: cli.Rate = 1e-3,
    channels: cli.Size = 32,
    latent: cli.Size = 64,
    gamma: cli.Weight = 0.03,
    samples: cli.Samples = 1000,
    classifiers: cli.Classifiers = 1,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/dcgan"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train both networks, score samples, write the page; returns the scores.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your own pictures.
        epochs: number of passes over the training images.
        batch_size: number of real images per step, and of generated ones.
        lr: learning rate of both networks at the start; it falls to zero along half a cosine.
        channels: channels of the largest maps; the smaller maps have twice as many.
        latent: size of the noise, in numbers per image.
        gamma: weight of the R₁ penalty, γ/2 times the squared slope of the discriminator at real images.
        samples: number of samples to score, once of all and once of those that the discriminator accepts; the latter
            are written to samples.npy (8 bits per pixel).
        classifiers: number of classifiers that score the samples; 0 for none.
        limit: number of training images, and of test images; all by default.
        seed: seed for all random numbers, except those of the classifiers.
        out: folder for the model, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: a run of seconds, to see that everything works; no sample is scored.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    if quick:
        epochs, channels, samples, classifiers, limit = 1, 8, 100, 0, 256
    config = cli.settings(locals())
    rng = np.random.default_rng(seed)
    with cli.before_work():
        digits = load(data, quiet=quiet)
        sizes = dict(shape=digits.image_shape, channels=(channels, 2 * channels), latent=latent)
        gan = GAN.conv(**sizes, rng=rng)
        batches = Batches(digits.train_images[:limit], batch_size, rng, drop_last=True)
        about = dict(data={digits.name: digits.sha256()}, model={"GAN.conv": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    generator, discriminator = gan.generator, gan.discriminator
    g_params, d_params = generator.parameters(), discriminator.parameters()
    g_opt, d_opt = (optim.Adam(params, lr, betas=(0.5, 0.99)) for params in (g_params, d_params))
    total = epochs * len(batches)
    schedule = optim.cosine(lr, total=total)
    average = optim.EMA(g_params, max(0, 1 - 20 / total))  # over a twentieth of the run
    noise, moments = gan.noise(36, rng), set(np.geomspace(1, total, 60).astype(int))  # of the film: most happens early
    if not quiet:
        print(f"{digits}, {sum(p.size for p in g_params):,} + {sum(p.size for p in d_params):,} parameters")

    def d_terms(real: np.ndarray, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The discriminator's loss and its logits; every fourth step has the R₁ penalty, with four times its weight."""
        s_real, s_fake = discriminator(real), discriminator(fake)
        loss = non_saturating.d_loss(s_real, s_fake)
        if d_opt.steps % 4 == 0:
            loss = loss + 4 * gamma / 2 * r1_penalty(discriminator, real)
        return loss, s_real, s_fake

    history, frames = [], []  # the numbers COLUMNS of each step; images of the film
    kept = dict(gan=gan, g_opt=g_opt, d_opt=d_opt, average=average)
    loop = run.loop(**kept, batches=batches, rng=rng, history=history, frames=frames)
    d_terms = nn.finite(d_terms, after=loop)  # NaN or infinity stops the run, and the error names the op
    for epoch in loop.epochs(epochs):
        for real in (bar := progress(loop.steps(batches), label=f"epoch {epoch}/{epochs}", quiet=quiet)):
            g_opt.lr = d_opt.lr = schedule(g_opt.steps)
            fake = generator(gan.noise(len(real), rng))
            d_loss, s_real, s_fake = d_terms(real, fake.detach())
            d_opt.step(grad(d_loss, d_params))
            g_loss = non_saturating.g_loss(discriminator(fake))
            g_opt.step(grad(g_loss, g_params))
            average.update()
            outputs = [sigmoid(s).mean().item() for s in (s_real, s_fake)]  # of D, between 0 and 1
            history.append((d_loss.item(), g_loss.item(), *outputs))
            bar.show(real=outputs[0], generated=outputs[1])
            if g_opt.steps in moments:
                frames.append(eight_bits(generator(noise).numpy()))
        means = dict(zip(COLUMNS, np.mean(history[-len(batches) :], axis=0).tolist()))
        run.log(g_opt.steps, **means)
        if not quiet:
            print(f"epoch {epoch}: mean D(x) of real images {means['real']:.2f}, of generated {means['generated']:.2f}")

    with average.applied():  # the averaged weights give better samples
        update_statistics(generator, gan.noise(5000, rng))
        gan.eval().save(run.path("model.npz"))
        drawn, accepted = gan.sample(samples, rng), gan.rejection_sample(samples, rng)
        walked = walk(generator, gan.noise(9, rng))
    with replacing(run.path("samples.npy")) as file:
        np.save(file, eight_bits(accepted))

    options = dict(classifiers=classifiers, quiet=quiet)
    all_scores, scores = (score_samples(each, digits, **options) for each in (drawn, accepted))
    last = np.mean(history[-len(batches) :], axis=0).tolist()  # of the last epoch
    figures = {"real": last[2], "generated": last[3]} | scores.figures
    figures |= {f"all_{name}": all_scores.figures[name] for name in ("R", "sure") if all_scores.figures}
    results = [
        Result("mean D(x) of real images", figures["real"], "0.5 at the equilibrium"),
        Result("mean D(x) of generated images", figures["generated"], "0.5 at the equilibrium"),
        *(Result(f"all: {line.metric}", *line[1:]) for line in all_scores.results[:2]),
        *(Result(f"accepted by D: {line.metric}", *line[1:]) for line in scores.results[:4]),
        *scores.results[4:],
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    pictures(page, drawn, accepted, walked, frames, np.array(history))
    sections = list(SECTIONS)
    if scores.classes is not None:
        stacked = by_class(accepted[:100], scores.classes[:100], len(digits.classes))
        page.save("classes.png", plot.image_grid, stacked, columns=len(digits.classes))
        sections.insert(2, CLASSES)
    page.write(title="A GAN of digits", intro=INTRO, results=results, sections=sections)
    if open:
        page.open()
    return figures


def update_statistics(generator: nn.Module, noise: np.ndarray) -> None:
    """Compute the statistics of BatchNorm for the averaged weights, which were not used in training."""
    norms = [module for _, module in generator.named_modules() if isinstance(module, nn.BatchNorm)]
    before = [norm.momentum for norm in norms]
    with no_grad():
        for i, part in enumerate(np.array_split(noise, 10), 1):
            for norm in norms:
                norm.momentum = 1 / i  # so that all parts count equally
            generator(part)
    for norm, momentum in zip(norms, before):
        norm.momentum = momentum


def walk(generator: nn.Module, noise: np.ndarray, *, steps: int = 10) -> np.ndarray:
    """Images from each draw of noise to the next, on arcs, because straight lines pass too close to 0."""
    angle = np.linspace(0, np.pi / 2, steps, dtype=noise.dtype)[:, None]
    with no_grad():
        images = [generator(np.cos(angle) * a + np.sin(angle) * b).numpy() for a, b in pairwise(noise)]
    return np.concatenate(images)


def eight_bits(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1] with 256 grey levels."""
    return np.rint(255 * images).astype(np.uint8)


# -- pictures ----------------------------------------------------------------------------------------------------------


def pictures(
    page: Page,
    drawn: np.ndarray,
    accepted: np.ndarray,
    walked: np.ndarray,
    frames: list[np.ndarray],
    history: np.ndarray,
) -> None:
    """Write samples, those that D accepts, the walk, the film, and the history (steps, 4) as curves."""
    page.save("samples.png", plot.image_grid, drawn[:100], columns=10)
    page.save("accepted.png", plot.image_grid, accepted[:100], columns=10)
    page.save("walk.png", plot.image_grid, walked, columns=10)
    film = np.stack([plot.tiled(frame / np.float32(255), columns=6) for frame in frames])
    page.save("film.html", plot.film, film, fps=8)
    curves = dict(zip(COLUMNS, history.T))
    outputs = {"real images": curves["real"], "generated images": curves["generated"]}
    losses = {"discriminator": curves["d_loss"], "generator": curves["g_loss"]}
    options = dict(xlabel="step", max_points=100)
    page.save("outputs.png", plot.loss_curves, outputs, reference={"1/2": 0.5}, ylabel="mean of D(x)", **options)
    page.save("losses.png", plot.loss_curves, losses, ylabel="loss, nats", **options)


COLUMNS = "d_loss", "g_loss", "real", "generated"

INTRO = """The generator maps random numbers to images. It never sees a digit: it learns only from the gradient of the
discriminator, which sees real and generated digits and learns to distinguish them. Where the discriminator can't, the
generated images are like digits."""

SECTIONS = [
    Section(
        "Samples",
        "Generated with the average of the generator's weights over the last steps, which is better than the last "
        "weights, because both networks keep changing.",
        "samples.png",
        "A hundred images of the generator",
    ),
    Section(
        "Samples that the discriminator accepts",
        "The output of a good discriminator tells how many times too often the generator draws an image. Each sample "
        "is accepted with a probability that corrects for this, which removes most images that are no digit.",
        "accepted.png",
        "A hundred images of the generator that the discriminator accepted",
    ),
    Section(
        "A walk through the noise",
        "From left to right, one draw of noise turns into another. Most images on the way are digits.",
        "walk.png",
        "Eight rows of ten images that change from one digit into another",
    ),
    Section(
        "The same noise during training",
        "Most happens in the first few hundred steps, so the film has more frames there.",
        "film.html",
        "Animation of 36 images that turn from noise into digits",
    ),
    Section(
        "The output of the discriminator",
        "The mean of D(x) for real and for generated images. At 1/2 for both, it can only guess.",
        "outputs.png",
        "Curves of the mean output of the discriminator",
    ),
    Section(
        "The losses",
        "Each loss depends on the other network, which learns too, so neither has to fall while the images improve.",
        "losses.png",
        "Curves of the losses of both networks",
    ),
]
CLASSES = Section(
    "Their classes",
    "A hundred accepted samples, stacked by the class that the classifier predicts. A generator that has lost a class, "
    "a common failure of GANs, leaves a gap.",
    "classes.png",
    "Samples stacked by their class, 0 to 9",
)


if __name__ == "__main__":
    cli.start(main)
