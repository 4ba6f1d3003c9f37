"""Train autoencoders to remove noise from digits, and to fill in missing pixels.

You will see one network trained three times: on clean digits, on digits with Gaussian noise, and on digits with erased
pixels; the target is always the clean digit. Then a table of the error on test digits, beside the best linear map,
which is known exactly, and `index.html` with damaged and restored digits, images between two digits, and the losses.
It takes about six minutes on two cores.
"""

from tinygen import grad, nn, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from pathlib import Path

import numpy as np

from tinygen.data import Batches, load, one_per_class
from tinygen.evaluate import metrics
from tinygen.models import Autoencoder, Erasures, GaussianNoise, wiener_filter
from tinygen.runs import Page, Result, Section, cli, figures_table, open_run, parts, progress

TEST_SEED = 15  # for the damage to the test images, the same for every `seed`, so that results can be compared


def network(sizes: dict, grey: float, rng: np.random.Generator) -> Autoencoder:
    """A network whose output starts at `grey`, the mean pixel.

    Otherwise it first learns that most pixels are black. With noise, these steps go on until all units of a ReLU are
    dead, and the output stays black.
    """
    model = Autoencoder.conv(**sizes, rng=rng)
    bias, grey = model.decoder[-2].bias, np.clip(grey, 0.01, 0.99)
    bias.data = np.full_like(bias.data, np.log(grey / (1 - grey)))
    return model


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 3,
    batch_size: cli.Batch = 128,
    lr: cli.Rate = 2e-3,
    sd: cli.Weight = 0.5,
    share: cli.Share = 0.5,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/denoising_autoencoder"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train all three, compare them with the best linear map, write the page; returns the PSNRs.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your own square pictures.
        epochs: number of passes over the training images, with new damage in each.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        sd: standard deviation of the noise; pixels are in [0, 1].
        share: share of erased pixels.
        limit: number of training images, and of test images; all by default.
        seed: seed for all random numbers, except those of the damage to the test images.
        out: folder for the models, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: a run of seconds, to see that everything works.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    if quick:
        epochs, limit = 2, 256
    config = cli.settings(locals())
    rng = np.random.default_rng(seed)
    with cli.before_work():
        digits = load(data, quiet=quiet)
        train, test = digits.train_images[:limit], digits.test_images[:limit]
        damages = {"noise": GaussianNoise(sd), "erasures": Erasures(share)}
        linear = {name: wiener_filter(train, corrupt) for name, corrupt in damages.items()}
        sizes = dict(shape=digits.image_shape, latent=None)
        model = network(sizes, train.mean(), rng)
        about = dict(data={digits.name: digits.sha256()})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    models, curves = {}, {}
    tasks = {"plain": None, **damages}
    part = parts(dict.fromkeys(tasks, 1))  # of the time: all three trainings take equally long
    for name, corrupt in tasks.items():
        if models:
            model = network(sizes, train.mean(), rng)
        params = model.parameters()
        batches = Batches(train, batch_size, rng)
        opt = optim.Adam(params, lr)
        schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
        losses = []  # squared error per image, of each batch
        loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, losses=losses)
        model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
        for epoch in loop.epochs(epochs):
            label = f"{name}, epoch {epoch}/{epochs}"
            for batch in (bar := progress(loop.steps(batches), label=label, part=part[name], quiet=quiet)):
                opt.lr = schedule(opt.steps)
                loss = model.loss(batch, rng, corrupt=corrupt)
                opt.step(grad(loss, params))
                losses.append(loss.item())
                bar.show(loss=np.mean(losses[-100:]))
            run.log(len(losses), **{name: np.mean(losses[-len(batches) :])})
        model.save(run.path(f"{name}.npz"))
        models[name], curves[name] = model, losses

    first = one_per_class(digits.test_labels[:limit])
    labels = {"noise": f"noise of sd {sd:g}", "erasures": f"{share:.0%} of the pixels erased"}
    figures, results, sheets = {}, [], {}
    for name, corrupt in damages.items():
        damaged = corrupt(test, np.random.default_rng(TEST_SEED))
        restored = {
            "damaged": np.clip(damaged, 0, 1),
            "best linear": np.clip(linear[name](damaged), 0, 1),
            "plain": models["plain"].reconstruct(damaged),
            "denoising": models[name].reconstruct(damaged),
        }
        decibels = {who: metrics.psnr(test, images) for who, images in restored.items()}
        results += results_of(labels[name], decibels)
        figures |= {f"{name}: {who}": value for who, value in decibels.items()}
        sheets[f"{name}.png"] = {who: images[first] for who, images in restored.items()}
    figures["clean: plain"] = metrics.psnr(test, models["plain"].reconstruct(test))
    results.append(Result("clean images: plain autoencoder", decibel(figures["clean: plain"])))
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    for name, rows in sheets.items():
        page.save(name, plot.reconstructions, test[first], rows)
    between = models["noise"].interpolate(models["noise"].encode(test[first]), 10)
    page.save("between.png", plot.image_grid, between, columns=10)
    axes = dict(xlabel="step", ylabel="squared error per image")
    page.save("loss.png", plot.loss_curves, curves, max_points=100, log=True, **axes)
    page.write(title="Denoising autoencoders", intro=INTRO, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


def decibel(value: float) -> str:
    """A PSNR as text."""
    return f"{value:.2f} dB"


def results_of(damage: str, decibels: dict[str, float]) -> list[Result]:
    """The lines of the table for one kind of damage: PSNR against the clean test digits."""
    values = {who: decibel(value) for who, value in decibels.items()}
    best = max(value for who, value in decibels.items() if who != "denoising")
    return [
        Result(f"{damage}: damaged images", values["damaged"]),
        Result(f"{damage}: plain autoencoder", values["plain"]),
        Result(f"{damage}: best linear map", values["best linear"]),
        Result(
            f"{damage}: denoising autoencoder",
            values["denoising"],
            f"{decibel(best)} best of the others",
            "better" if decibels["denoising"] > best else "not better",
        ),
    ]


INTRO = """An autoencoder with a code as wide as this one learns to copy, and the copy of a damaged image is damaged. A
denoising autoencoder is the same network with another task: its input is the damaged image and its target the clean
one, so it learns what the images look like. The PSNR is in decibels, the mean over test images that training never
used; 10 dB more mean a tenth of the squared error."""

SECTIONS = [
    Section(
        "Noise",
        "Test images, the same with Gaussian noise (clipped to [0, 1]), and three restorations: by the best linear "
        "map, by the network trained on clean images, and by the one trained on noisy images.",
        "noise.png",
        "Clean images, noisy ones, and three restorations",
    ),
    Section(
        "Missing pixels",
        "Random pixels are set to black. The network trained on such images closes the gaps in the strokes.",
        "erasures.png",
        "Clean images, ones with erased pixels, and three restorations",
    ),
    Section(
        "Between the images",
        "Points on straight lines between the codes of two images, decoded by the network trained on noise. Its code "
        "is wide, one number per position and channel, so the image in the middle is a blend of both.",
        "between.png",
        "Rows of decoded images, each from one image to the next",
    ),
    Section(
        "The losses",
        "The squared error per image of training batches. The plain autoencoder has the easiest task.",
        "loss.png",
        "Loss curves of the three networks",
    ),
]


if __name__ == "__main__":
    cli.start(main)
