"""Train a variational autoencoder on binarised MNIST and estimate the likelihood of test digits.

You will see the negative ELBO fall in two trainings: with 50 latents, the network with one stochastic layer of the IWAE
paper (Burda et al. 2016), and with 2 latents, which can be drawn as a map. Then the negative log-likelihood of the test
set by importance sampling, the number of active latents, the scores of samples by a classifier (trained once and kept),
and `index.html` with samples, reconstructions and the map. It takes about six minutes on two cores.
"""

from tinygen import grad, nn, no_grad, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from pathlib import Path
from statistics import NormalDist

import numpy as np

from tinygen.data import Batches, binarise, load, one_per_class
from tinygen.data.binary import mention_noise
from tinygen.evaluate.scoring import score_samples
from tinygen.models import VAE
from tinygen.runs import Page, Result, Run, Section, cli, figures_table, open_run, parts, progress

TEST_SEED = 500  # for the binary test images, the same for every `seed`, so that results can be compared
PAPER = "86.76 Burda et al. (L_5000, 3280 epochs)"


def network(sizes: dict, white: np.ndarray, rng: np.random.Generator) -> VAE:
    """A network whose output starts at the mean image `white`, which it need not learn."""
    model = VAE.dense(**sizes, rng=rng)
    model.decoder[-2].bias.data = np.log(white / (1 - white)).ravel()  # the logits of these probabilities
    return model


def train(
    model: VAE,
    images: np.ndarray,
    test: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    beta: float,
    rng: np.random.Generator,
    run: Run,
    label: str,
    part: tuple[float, float],
    quiet: bool,
) -> tuple[list[float], list[float]]:
    """Maximise the ELBO; returns the negative ELBO after each epoch, in nats per training and per test image."""
    params = model.parameters()
    batches = Batches(images, batch_size, rng)
    opt = optim.Adam(params, lr)
    schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
    trained, tested, sums = [], [], []  # sums: both terms of each batch of this epoch, summed over its images
    loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, trained=trained, tested=tested, sums=sums)
    model.terms = nn.finite(model.terms, after=loop)  # NaN or infinity stops the run, and the error names the op
    for _ in (bar := progress(loop.epochs(epochs), label=label, part=part, quiet=quiet)):
        for batch in loop.steps(batches):
            opt.lr = schedule(opt.steps)
            pixels = binarise(batch, rng)  # new ones in each epoch
            reconstruction, kl = model.terms(pixels, rng)
            opt.step(grad(reconstruction + beta * kl, params))
            sums.append((len(batch) * reconstruction.item(), len(batch) * kl.item()))
        with no_grad():
            terms = model.terms(test, np.random.default_rng(TEST_SEED))
        means = np.sum(sums, axis=0) / len(images)
        sums.clear()
        trained.append(means.sum())
        tested.append(terms.reconstruction.item() + terms.kl.item())
        bar.show(train=trained[-1], test=tested[-1])
        figures = dict(zip(("reconstruction", "kl"), means), test=tested[-1])
        run.log(opt.steps, **{f"{label}: {name}": value for name, value in figures.items()})
    return trained, tested


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 50,
    map_epochs: cli.Count = 15,
    batch_size: cli.Batch = 100,
    lr: cli.Rate = 3e-3,
    latent: cli.Size = 50,
    beta: cli.Weight = 1.0,
    k: cli.Count = 500,
    samples: cli.Samples = 1000,
    classifiers: cli.Classifiers = 1,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/vae"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train both models, estimate the likelihood of the test set, write the page; returns the figures.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your pictures, in grey.
        epochs: number of passes over the training images, with new binary pixels in each.
        map_epochs: number of passes for the model with two latents.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        latent: number of latents of the first model.
        beta: weight of the KL term in training; the results are those of beta = 1.
        k: number of draws per image in the estimate L_k of its log-likelihood.
        samples: number of samples to score.
        classifiers: number of classifiers that score the samples; 0 for none.
        limit: number of training images, and of test images; all by default.
        seed: seed for all random numbers, except those of the binary test images and of the classifiers.
        out: folder for the models, the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: a run of seconds, to see that everything works; no sample is scored.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    if quick:
        epochs, map_epochs, k, classifiers, limit = 2, 2, 10, 0, 1000
    config = cli.settings(locals())
    rng = np.random.default_rng(seed)
    with cli.before_work():
        digits = load(data, quiet=quiet)
        mention_noise(digits, quiet=quiet)
        images, labels = digits.train_images[:limit], digits.test_labels[:limit]
        test = binarise(digits.test_images, np.random.default_rng(TEST_SEED))[:limit]
        white = (images.sum(axis=0) + 1) / (len(images) + 2)  # the mean image, never exactly 0 or 1 (Laplace)
        sizes = dict(shape=digits.image_shape, widths=(200, 200), latent=latent)  # the paper's
        model = network(sizes, white, rng)
        about = dict(data={digits.name: digits.sha256()}, model={"VAE.dense": sizes})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    if not quiet:
        print(model.summary(digits.image_shape))
    how = dict(batch_size=batch_size, lr=lr, beta=beta, rng=rng, run=run, quiet=quiet)
    part = parts({"model": epochs, "map": map_epochs, "likelihood": k / 50})  # rough times, in epochs
    trained, tested = train(model, images, test, epochs=epochs, label=f"{latent} latents", part=part["model"], **how)
    model.save(run.path("model.npz"))
    flat = network(sizes | dict(latent=2), white, rng)
    train(flat, images, test, epochs=map_epochs, label="2 latents", part=part["map"], **how)
    flat.save(run.path("model_2d.npz"))

    blocks = [test[i : i + 1000] for i in range(0, len(test), 1000)]
    steps = progress(blocks, label=f"L_{k}", part=part["likelihood"], quiet=quiet)
    bounds = [model.log_likelihood(block, k, rng) for block in steps]
    with no_grad():
        terms = model.terms(test, rng)
    figures = {
        "nll": -float(np.concatenate(bounds).mean()),
        "elbo": -(terms.reconstruction.item() + terms.kl.item()),
        "reconstruction": terms.reconstruction.item(),
        "kl": terms.kl.item(),
        "active": int((model.encode(test)[0].var(axis=0) > 0.01).sum()),  # Var E[z|x] > 0.01, as in the paper
        "independent": -float((test * np.log(white) + (1 - test) * np.log(1 - white)).sum() / len(test)),
    }
    drawn = model.sample(samples, rng)
    scores = score_samples(drawn, digits, classifiers=classifiers, quiet=quiet)
    figures |= scores.figures
    as_in_paper = (digits.name, limit, latent) == ("mnist", None, 50)
    results = [*results_of(figures, latent, k, PAPER if as_in_paper else ""), *scores.results]
    figures_table(results, quiet=quiet)
    run.finish(figures)

    page = Page(run)
    pictures(page, model, flat, drawn, test, labels)
    curves, nll = {"training": trained, "test": tested}, {f"NLL by L_{k}": figures["nll"]}
    page.save("loss.png", plot.loss_curves, curves, reference=nll, ylabel="negative ELBO, nats per image")
    page.write(title="A variational autoencoder", intro=INTRO, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


def results_of(figures: dict[str, float], latent: int, k: int, paper: str) -> list[Result]:
    """The lines of the table: the likelihood beside that of independent pixels, and the two terms of the ELBO."""
    beside = f"{figures['independent']:.4g} independent pixels" + f"; {paper}" * bool(paper)
    verdict = "below independent" if figures["nll"] < figures["independent"] else "not below"
    return [
        Result(f"NLL: -L_{k}, nats per test image", figures["nll"], beside, verdict),
        Result("negative ELBO, nats per test image", -figures["elbo"], "sum of the next two lines"),
        Result("reconstruction: -E log p(x|z)", figures["reconstruction"]),
        Result("KL(q(z|x) ‖ p(z))", figures["kl"]),
        Result("active latents", figures["active"], f"of {latent}"),
    ]


# -- pictures ----------------------------------------------------------------------------------------------------------


def pictures(page: Page, model: VAE, flat: VAE, drawn: np.ndarray, test: np.ndarray, classes: np.ndarray) -> None:
    """Write samples, reconstructions, and the map of the model with two latents."""
    first, few = one_per_class(classes), classes < 10  # classes on the map; more colours look alike
    page.save("samples.png", plot.image_grid, drawn[:100], columns=10)
    rows = {"binary image": test[first], "reconstruction": model.reconstruct(test[first])}
    page.save("reconstructions.png", plot.image_rows, rows)
    page.save("manifold.png", plot.image_grid, flat.decode(prior_grid(15)), columns=15)
    page.save("latent.html", plot.explorer, flat, flat.encode(test)[0][few], classes[few])


def prior_grid(side: int) -> np.ndarray:
    """Points (side², 2) at quantiles of the normal distribution: each represents an equal share of N(0, I)."""
    quantiles = [NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)]
    return np.array([(x, y) for y in quantiles[::-1] for x in quantiles], np.float32)


INTRO = """The encoder returns a distribution over codes: a mean and a variance for each latent. The loss contains its
KL divergence from the prior N(0, I), so a code drawn from the prior is one that the decoder knows. All results are for
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
        "A map of two latents",
        "The model with two latents: a grid of codes, each for an equal share of the prior, decoded. Neighbours are "
        "similar, and the images between two classes change from one to the other.",
        "manifold.png",
        "A grid of decoded images that change smoothly from one class to another",
    ),
    Section(
        "The test images on the map",
        "The mean code of each test image. The colour is the class, which training never used. Move over the map: the "
        "decoder, whose weights are in this page, shows the image of the code below the pointer.",
        "latent.html",
        "Plane of the two-dimensional codes of the test images, coloured by class",
    ),
    Section(
        "The loss",
        "The negative ELBO after each epoch. The dotted line is the NLL. The gap between the two is at least the KL "
        "divergence of the encoder's distributions from the true posterior.",
        "loss.png",
        "Curves of the negative ELBO on training and test images",
    ),
]


if __name__ == "__main__":
    cli.start(main)
