"""Train an importance-weighted autoencoder on binarised MNIST: the loss is the bound of k samples, closer to log p(x).

You will see the negative bound L_k fall on training and test images, for the network with one stochastic layer of Burda
et al. 2016. Then three bounds of the test set, L_1 (the ELBO), L_k and L_5000, whose distances show how far the encoder
is from the posterior; the active latents, and `index.html` with samples and curves. It takes about 45 minutes on two
cores, as estimated from the time of a step. `docs/results.md` has the figures of this run.
"""

from tinygen import grad, nn, no_grad, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from pathlib import Path
from typing import Literal

import numpy as np

from tinygen.data import Batches, binarise, load, one_per_class
from tinygen.data.binary import mention_noise
from tinygen.evaluate.latents import active_units
from tinygen.evaluate.scoring import score_samples
from tinygen.models import IWAE
from tinygen.runs import Page, Result, Section, cli, figures_table, open_run, parts, progress

TEST_SEED = 500  # for the binary test images, as in vae.py, so that results can be compared
PAPER = "85.54 Burda et al. (k = 5, L_5000, 3280 epochs)"


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 550,
    batch_size: cli.Batch = 200,
    lr: cli.Rate = 4e-3,
    latent: cli.Size = 50,
    k: cli.Count = 5,
    gradient: Literal["plain", "dreg"] = "dreg",
    draws: cli.Count = 5000,
    samples: cli.Samples = 1000,
    classifiers: cli.Classifiers = 1,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/iwae"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train with the bound of k samples, estimate the likelihood of the test set, write the page; returns the figures.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your pictures, in grey.
        epochs: number of passes over the training images, with new binary pixels in each.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        latent: number of latents.
        k: number of samples per image in the loss; with 1 it is a VAE.
        gradient: "plain" for the gradient of the bound, "dreg" for the doubly reparameterised one, with less noise.
        draws: number of draws per image in the estimate of its log-likelihood after the training.
        samples: number of samples to score.
        classifiers: number of classifiers that score the samples; 0 for none.
        limit: number of training images, and of test images; all by default.
        seed: seed for all random numbers, except those of the binary test images and of the classifiers.
        out: folder for the model, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: a run of seconds, to see that everything works; no sample is scored.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    if quick:
        epochs, draws, classifiers, limit = 2, 10, 0, 1000
    config = cli.settings(locals())
    rng = np.random.default_rng(seed)
    with cli.before_work():
        digits = load(data, quiet=quiet)
        mention_noise(digits, quiet=quiet)
        images, labels = digits.train_images[:limit], digits.test_labels[:limit]
        test = binarise(digits.test_images, np.random.default_rng(TEST_SEED))[:limit]
        white = (images.sum(axis=0) + 1) / (len(images) + 2)  # the mean image, never exactly 0 or 1 (Laplace)
        sizes = dict(shape=digits.image_shape, widths=(200, 200), latent=latent, k=k, gradient=gradient)
        model = IWAE.dense(**sizes, rng=rng)
        model.decoder[-2].bias.data = np.log(white / (1 - white)).ravel()  # so the first output is the mean image
        about = dict(data={digits.name: digits.sha256()}, model={"IWAE.dense": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    if not quiet:
        print(model.summary(digits.image_shape))
    params = model.parameters()
    batches = Batches(images, batch_size, rng)
    opt = optim.Adam(params, lr)
    schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
    trained, tested, losses = [], [], []  # losses: of each batch of this epoch, summed over its images
    loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, trained=trained, tested=tested, losses=losses)
    model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
    part = parts({"training": epochs, f"L_{draws}": draws / 100})  # rough times, in epochs
    for _ in (bar := progress(loop.epochs(epochs), label=f"k = {k}", part=part["training"], quiet=quiet)):
        for batch in loop.steps(batches):
            opt.lr = schedule(opt.steps)
            loss = model.loss(binarise(batch, rng), rng)  # new pixels in each epoch
            opt.step(grad(loss, params))
            losses.append(len(batch) * loss.item())
        trained.append(sum(losses) / len(images))
        losses.clear()
        tested.append(bound(model, test, k))
        bar.show(train=trained[-1], test=tested[-1])
        run.log(opt.steps, train=trained[-1], test=tested[-1])
    model.save(run.path("model.npz"))

    blocks = [test[i : i + 200] for i in range(0, len(test), 200)]
    steps = progress(blocks, label=f"L_{draws}", part=part[f"L_{draws}"], quiet=quiet)
    figures = {
        "nll": -float(np.concatenate([model.log_likelihood(block, draws, rng) for block in steps]).mean()),
        "bound": tested[-1],
        "elbo": -bound(model, test, 1),
        "active": int(active_units(model.encode(test)[0]).sum()),
        "independent": -float((test * np.log(white) + (1 - test) * np.log(1 - white)).sum() / len(test)),
    }
    drawn = model.sample(samples, rng)
    scores = score_samples(drawn, digits, classifiers=classifiers, quiet=quiet)
    figures |= scores.figures
    as_in_paper = (digits.name, limit, latent, k) == ("mnist", None, 50, 5)
    beside = f"{figures['independent']:.4g} independent pixels" + f"; {PAPER}" * as_in_paper
    verdict = "below independent" if figures["nll"] < figures["independent"] else "not below"
    results = [
        Result(f"NLL: -L_{draws}, nats per test image", figures["nll"], beside, verdict),
        Result(f"the loss: -L_{k}, nats per test image", figures["bound"]),
        Result("negative ELBO: -L_1, nats per test image", -figures["elbo"]),
        Result("active latents", figures["active"], f"of {latent}"),
        *scores.results,
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    first = one_per_class(labels)
    page.save("samples.png", plot.image_grid, drawn[:100], columns=10)
    rows = {"binary image": test[first], "reconstruction": model.reconstruct(test[first])}
    page.save("reconstructions.png", plot.image_rows, rows)
    curves, nll = {"training": trained, "test": tested}, {f"NLL by L_{draws}": figures["nll"]}
    page.save("loss.png", plot.loss_curves, curves, reference=nll, ylabel=f"-L_{k}, nats per image")
    page.write(title="An importance-weighted autoencoder", intro=INTRO, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


def bound(model: IWAE, test: np.ndarray, k: int) -> float:
    """-L_k in nats per test image, always with the same random numbers."""
    with no_grad():
        return -float(model.log_likelihood(test, k, np.random.default_rng(TEST_SEED)).mean())


INTRO = """A VAE with another loss: the log of the mean of k weights p(x, z) / q(z|x), not the mean of their logs. One
good sample among k is enough, so the encoder may spread its guesses, and more latents are used. All results are for
binary images that training never used."""

SECTIONS = [
    Section(
        "Samples",
        "Codes drawn from the prior, decoded. Each pixel shows the probability of 1.",
        "samples.png",
        "A grid of 100 images sampled from the model",
    ),
    Section(
        "Reconstructions",
        "Binary test images, above the decoded means of their codes.",
        "reconstructions.png",
        "Binary test images above their reconstructions",
    ),
    Section(
        "The loss",
        "The negative bound after each epoch. The dotted line is the NLL, estimated with many more draws.",
        "loss.png",
        "Curves of the negative bound on training and test images",
    ),
]


if __name__ == "__main__":
    cli.start(main)
