"""Train a conditional VAE on binarised MNIST: both networks receive the label, so you can ask for a digit.

You will see the negative bound of log p(x|y) fall on training and test images. Then the negative log-likelihood of the
test images given their labels, the share of samples that a classifier (trained once and kept) calls what was asked for,
and `index.html` with samples of each class and with one style in all classes. It takes about an hour on two cores, as
estimated from the time of a step. `docs/results.md` has the figures of this run.
"""

from tinygen import grad, nn, no_grad, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from tinygen.data import Batches, binarise, load, one_per_class
from tinygen.data.binary import mention_noise
from tinygen.evaluate.latents import active_units
from tinygen.evaluate.scoring import score_samples
from tinygen.models import ConditionalVAE
from tinygen.runs import Page, Result, Section, cli, figures_table, open_run, parts, progress

TEST_SEED = 500  # for the binary test images, as in vae.py, so that results can be compared
OTHERS = "82.32 with the same network and k = 1 (3280 epochs)"


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 550,
    batch_size: cli.Batch = 200,
    lr: cli.Rate = 4e-3,
    latent: cli.Size = 50,
    prior: Literal["standard", "learned"] = "learned",
    k: cli.Count = 5,
    gradient: Literal["plain", "dreg"] = "dreg",
    draws: cli.Count = 5000,
    samples: cli.Samples = 1000,
    classifiers: cli.Classifiers = 1,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/vae_with_labels"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train, estimate the likelihood of the test set given its labels, write the page; returns the figures.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of pictures with a subfolder per class.
        epochs: number of passes over the training images, with new binary pixels in each.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        latent: number of latents.
        prior: prior of the code: "standard" for one N(0, I), "learned" for a normal distribution of each class.
        k: number of samples per image in the loss; with 1 it is the ELBO, with more the bound of an IWAE.
        gradient: "plain" for the gradient of the bound, "dreg" for the doubly reparameterised one, with less noise.
        draws: number of draws per image in the estimate of its log-likelihood after the training.
        samples: number of samples to score, with the labels in turn.
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
        classes = len(digits.classes)
        images, labels = digits.train_images[:limit], digits.train_labels[:limit]
        test = binarise(digits.test_images, np.random.default_rng(TEST_SEED))[:limit]
        test_labels = digits.test_labels[:limit]
        white = (images.sum(axis=0) + 1) / (len(images) + 2)  # the mean image, never exactly 0 or 1 (Laplace)
        sizes = dict(shape=digits.image_shape, widths=(200, 200), latent=latent, classes=classes, prior=prior)
        model = ConditionalVAE.dense(**sizes, rng=rng)
        model.decoder.network[-2].bias.data = np.log(white / (1 - white)).ravel()  # the first output is the mean image
        about = dict(data={digits.name: digits.sha256()}, model={"ConditionalVAE.dense": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    params = model.parameters()
    if not quiet:
        print(f"{digits}, {sum(p.size for p in params):,} parameters")
    batches = Batches((images, labels), batch_size, rng)
    opt = optim.Adam(params, lr)
    schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
    trained, tested, losses = [], [], []  # losses: of each batch of this epoch, summed over its images
    loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, trained=trained, tested=tested, losses=losses)
    loss_given = nn.finite(loss_of(model, k, gradient), after=loop)  # NaN or infinity stops the run with the op's name
    part = parts({"training": epochs, "likelihood": draws / 100})  # rough times, in epochs
    for _ in (bar := progress(loop.epochs(epochs), label="training", part=part["training"], quiet=quiet)):
        for batch, given in loop.steps(batches):
            opt.lr = schedule(opt.steps)
            loss = loss_given(binarise(batch, rng), given, rng)  # new pixels in each epoch
            opt.step(grad(loss, params))
            losses.append(len(batch) * loss.item())
        trained.append(sum(losses) / len(images))
        losses.clear()
        tested.append(bound(model, test, test_labels, k))
        bar.show(train=trained[-1], test=tested[-1])
        run.log(opt.steps, train=trained[-1], test=tested[-1])
    model.save(run.path("model.npz"))

    blocks = [slice(i, i + 200) for i in range(0, len(test), 200)]
    steps = progress(blocks, label=f"L_{draws}", part=part["likelihood"], quiet=quiet)
    bounds = [model.log_likelihood(test[block], test_labels[block], draws, rng) for block in steps]
    asked = np.arange(samples) % classes
    drawn = model.sample(asked, rng)
    scores = score_samples(drawn, digits, classifiers=classifiers, quiet=quiet)
    figures = {
        "nll": -float(np.concatenate(bounds).mean()),
        "bound": tested[-1],
        "elbo": -bound(model, test, test_labels, 1),
        "active": int(active_units(model.encode(test, test_labels)[0]).sum()),
        "independent": -float((test * np.log(white) + (1 - test) * np.log(1 - white)).sum() / len(test)),
    } | scores.figures
    if scores.classes is not None:
        figures["agreement"] = float((scores.classes == asked).mean())
    as_others = (digits.name, limit, latent) == ("mnist", None, 50)
    beside = f"{figures['independent']:.4g} independent pixels" + f"; {OTHERS}" * as_others
    verdict = "below independent" if figures["nll"] < figures["independent"] else "not below"
    results = [
        Result(f"NLL given the label: -L_{draws}, nats per test image", figures["nll"], beside, verdict),
        Result(f"the loss: -L_{k}, nats per test image", figures["bound"]),
        Result("negative ELBO: -L_1, nats per test image", -figures["elbo"]),
        Result("active latents", figures["active"], f"of {latent}"),
        *agreement_of(figures),
        *scores.results,
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    styles = rng.standard_normal((8, latent), dtype=np.float32)  # one code per row, decoded with each label
    shown = min(10, classes)
    columns = np.tile(np.arange(shown), len(styles))
    table = model.decode(np.repeat(styles, shown, axis=0), columns)
    first = one_per_class(test_labels)
    restored = model.reconstruct(test[first], test_labels[first])
    page.save("samples.png", plot.image_grid, model.sample(columns, rng), columns=shown)
    page.save("styles.png", plot.image_grid, table, columns=shown)
    page.save("reconstructions.png", plot.image_rows, {"binary image": test[first], "reconstruction": restored})
    curves, nll = {"training": trained, "test": tested}, {f"NLL by L_{draws}": figures["nll"]}
    page.save("loss.png", plot.loss_curves, curves, reference=nll, ylabel=f"-L_{k}, nats per image")
    page.write(title="A conditional VAE", intro=INTRO, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


def loss_of(model: ConditionalVAE, k: int, gradient: str) -> Callable:
    """The loss of a batch and its labels: -L_k in nats per image."""
    return lambda x, labels, rng: model.given(labels, k=k, gradient=gradient).loss(x, rng)


def bound(model: ConditionalVAE, test: np.ndarray, labels: np.ndarray, k: int) -> float:
    """-L_k in nats per test image, always with the same random numbers."""
    with no_grad():
        return -float(model.log_likelihood(test, labels, k, np.random.default_rng(TEST_SEED)).mean())


def agreement_of(figures: dict[str, float]) -> list[Result]:
    """The line on the labels of samples, if they were scored."""
    if "agreement" not in figures:
        return []
    found, real = (f"{100 * figures[name]:.1f} %" for name in ("agreement", "accuracy"))
    return [Result("samples that the classifier calls what was asked for", found, f"{real} of test images")]


INTRO = """The encoder and the decoder of this VAE also receive the label, so the code says the rest only: how the digit
is written. All results are for binary images that training never used."""

SECTIONS = [
    Section(
        "Samples",
        "A column for each label, codes drawn from the prior of that class. Each pixel shows the probability of 1.",
        "samples.png",
        "A grid of sampled images, each column of one class",
    ),
    Section(
        "Styles",
        "Each row is one code, decoded with each label in turn.",
        "styles.png",
        "A grid of images; each row shows all classes in one style",
    ),
    Section(
        "Reconstructions",
        "Binary test images, above the decoded means of their codes.",
        "reconstructions.png",
        "Binary test images above their reconstructions",
    ),
    Section(
        "The loss",
        "The negative bound after each epoch. The dotted line is the NLL given the label, from many more draws.",
        "loss.png",
        "Curves of the negative bound on training and test images",
    ),
]


if __name__ == "__main__":
    cli.start(main)
