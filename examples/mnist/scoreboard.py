"""Compare regularised autoencoders on MNIST: what do sparsity, contraction and denoising buy, and what do they cost?

You will see one table with six measures of PCA and of five networks of equal size: the error on clean test images, how
sparse and how sensitive the codes are, how well noise and missing pixels are removed, and what a linear classifier
learns from the codes with ten labels per class. `index.html` shows the table as a figure, restored digits, and filters.
It takes about two minutes on two cores.
"""

from tinygen import grad, models, nn, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from pathlib import Path

import numpy as np

from tinygen.data import Batches, Dataset, load, one_per_class
from tinygen.evaluate import codes, metrics, probes
from tinygen.io.table import columns
from tinygen.models import Autoencoder, ContractiveAutoencoder, DenoisingAutoencoder, SparseAutoencoder
from tinygen.runs import Page, Run, Section, Table, cli, open_run, parts, progress

TEST_SEED = 15  # for damage, labels and the images of the Jacobians: the same for every `seed`
DAMAGE = {"noise": models.GaussianNoise(0.5), "erasures": models.Erasures(0.5)}  # of test images
LABELS = 10  # labelled codes of each class for the probe
FEW = 1000  # test images for the derivatives of the code
MEASURES = {  # and which end is the better one
    "error of clean images": "low",  # squared, per image
    "sparsity of the code": "high",  # Hoyer's
    "sensitivity of the code": "low",  # relative
    "PSNR with noise, dB": "high",
    "PSNR with erasures, dB": "high",
    "accuracy with few labels, %": "high",
}


def as_autoencoder(pca: models.PCA, shape: tuple[int, ...]) -> Autoencoder:
    """PCA as an autoencoder with linear layers: z = V (x - μ), x̂ = Vᵀ z + μ."""
    model = Autoencoder.dense(shape, [], len(pca.components), output="linear", rng=np.random.default_rng(0))
    encoder, decoder = model.encoder[-1], model.decoder[0]
    encoder.weight.data, decoder.weight.data = (np.float32(v) for v in (pca.components.T, pca.components))
    encoder.bias.data, decoder.bias.data = np.float32(-pca.components @ pca.mean), np.float32(pca.mean)
    return model.eval()


def train(
    model: Autoencoder,
    images: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    rng: np.random.Generator,
    run: Run,
    name: str,
    part: tuple[float, float],
    quiet: bool,
) -> None:
    """Minimise the model's own loss: the error, and its penalty if it has one."""
    params = model.parameters()
    batches = Batches(images, batch_size, rng)
    opt = optim.Adam(params, lr)
    schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
    losses = []
    loop = run.loop(model=model, opt=opt, batches=batches, rng=rng, losses=losses)
    model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
    for epoch in loop.epochs(epochs):
        label = f"{name}, epoch {epoch}/{epochs}"
        for batch in (bar := progress(loop.steps(batches), label=label, part=part, quiet=quiet)):
            opt.lr = schedule(opt.steps)
            loss = model.loss(batch, rng)
            opt.step(grad(loss, params))
            losses.append(loss.item())
            bar.show(loss=np.mean(losses[-100:]))
        run.log(len(losses), **{name: np.mean(losses[-len(batches) :])})


def measure(model: Autoencoder, digits: Dataset, limit: int | None) -> list[float]:
    """The values of MEASURES for a model, on test images; the probe learns from codes of training images."""
    rng, test = np.random.default_rng(TEST_SEED), digits.test_images[:limit]
    labels, test_labels = digits.train_labels[:limit], digits.test_labels[:limit]
    known, found = model.encode(digits.train_images[:limit]), model.encode(test)
    per_class = min(LABELS, np.unique(labels, return_counts=True)[1].min())
    accuracy = probes.few_label_accuracy(known, labels, found, test_labels, per_class=per_class, rng=rng, repeats=5)
    return [
        metrics.squared_error_per_image(test, model.reconstruct(test)),
        float(np.nanmean(codes.hoyer_sparsity(found))),
        codes.relative_sensitivity(model.encoder, test[:FEW]),
        *codes.robustness(model.reconstruct, test, list(DAMAGE.values()), rng),
        100 * accuracy.mean(),
    ]


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 5,
    batch_size: cli.Batch = 100,
    lr: cli.Rate = 2e-3,
    latent: cli.Size = 256,
    sparsity: cli.Weight = 0.05,
    contraction: cli.Weight = 0.02,
    sd: cli.Weight = 0.4,
    share: cli.Share = 0.3,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/scoreboard"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train the networks, measure them, write the page; returns the measures.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your own pictures in classes.
        epochs: number of passes over the training images, for each network.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        latent: size of the codes, and number of principal components.
        sparsity: weight of the L1 penalty of the sparse autoencoder.
        contraction: weight of the squared derivatives in the loss of the contractive autoencoder.
        sd: standard deviation of the noise in the training of one denoising autoencoder.
        share: share of erased pixels in the training of the other one.
        limit: number of training images, and of test images; all by default.
        seed: seed for all random numbers of the training.
        out: folder for the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: a run of seconds, to see that everything works.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    if quick:
        epochs, limit, latent = 1, 256, 32
    config = cli.settings(locals())
    rng = np.random.default_rng(seed)
    with cli.before_work():
        digits = load(data, quiet=quiet)
        train_images, test = digits.train_images[:limit], digits.test_images[:limit]
        if len(np.unique(digits.train_labels[:limit])) < 2:
            raise ValueError("expected training images of at least two classes: use more images, with --limit")
        pca = models.pca(train_images, latent)
        how = dict(shape=digits.image_shape, widths=[], latent=latent, code_activation="relu", rng=rng)
        networks = {
            "plain": Autoencoder.dense(**how),
            "sparse": SparseAutoencoder.dense(**how, weight=sparsity, unit_decoder=True),
            "contractive": ContractiveAutoencoder.dense(**how, weight=contraction, unit_decoder=True),
            "noise": DenoisingAutoencoder.dense(**how, sd=sd),
            "erasures": DenoisingAutoencoder.dense(**how, share=share),
        }
        about = dict(data={digits.name: digits.sha256()})
        run = open_run(out, config, **about, resume=resume, overwrite=overwrite, quiet=quiet)

    part = parts(dict.fromkeys(networks, 1))
    options = dict(epochs=epochs, batch_size=batch_size, lr=lr, rng=rng, run=run, quiet=quiet)
    for name, model in networks.items():
        train(model, train_images, name=name, part=part[name], **options)
        model.save(run.path(f"{name}.npz"))

    everyone = {"PCA": as_autoencoder(pca, digits.image_shape), **networks}
    scores = {name: measure(model, digits, limit) for name, model in everyone.items()}
    table = Table(["model", *MEASURES], [[name, *(f"{x:.4g}" for x in row)] for name, row in scores.items()])
    if not quiet:
        print(columns([table.head, *table.rows], ruled=True))
    figures = {f"{name}: {what}": value for name, row in scores.items() for what, value in zip(MEASURES, row)}
    run.finish(figures)

    page = Page(run)
    page.save("scoreboard.png", plot.scoreboard, scores, MEASURES, title="What each regulariser buys")
    first = one_per_class(digits.test_labels[:limit])
    for name, damage in DAMAGE.items():
        damaged = damage(test[first], np.random.default_rng(TEST_SEED))
        restored = {who: np.clip(model.reconstruct(damaged), 0, 1) for who, model in everyone.items()}
        page.save(f"{name}.png", plot.reconstructions, test[first], {"damaged": np.clip(damaged, 0, 1), **restored})
    page.save("filters.png", filters_figure, everyone, test)
    sections = [SECTIONS[0]._replace(table=table), *SECTIONS[1:]]
    page.write(title="A scoreboard of autoencoders", intro=INTRO, sections=sections)
    if open:
        page.open()
    return figures


def filters_figure(everyone: dict[str, Autoencoder], test: np.ndarray) -> plot.Picture:
    """The weights of the twelve most used numbers of each code, a row of images for each model, scaled to [0, 1]."""
    rows = {}
    for name, model in everyone.items():
        weight, lengths = model.encoder[-1].weight.numpy(), np.linalg.norm(model.decoder[0].weight.numpy(), axis=1)
        use = np.abs(model.encode(test)).mean(axis=0) * lengths
        chosen = weight.T[np.argsort(-use)[:12]].reshape(-1, *test.shape[1:])
        rows[name] = 0.5 + 0.5 * chosen / np.abs(chosen).max(axis=(1, 2, 3), keepdims=True)
    return plot.image_rows(rows)


INTRO = """All networks have one dense layer to the code, with ReLUs, and one back. Their losses differ: the sparse one
has a penalty of the size of the code, the contractive one of its derivatives, and the last two receive images with
noise or with erased pixels. No measure depends on the scale of the code. Sparsity (Hoyer 2004) is 1 if one number of
the code is used and 0 if all are equally large. Sensitivity is the squared norm of the derivatives of the code, in
units of the variances of image and code. The accuracy is that of a linear classifier of the codes with ten labels per
class, a mean over five draws of these labels."""

SECTIONS = [
    Section(
        "The scoreboard",
        "One panel for each measure; the best is in colour. Each penalty buys what it asks for, and the price is the "
        "error of clean images.",
        "scoreboard.png",
        "Panels of six measures, with a line for PCA and for each of five networks",
    ),
    Section(
        "Noise",
        "Test images, the same with noise of standard deviation 0.5, and what each model makes of them.",
        "noise.png",
        "Clean images, noisy ones, and reconstructions of each model",
    ),
    Section(
        "Missing pixels",
        "The same with half the pixels erased.",
        "erasures.png",
        "Clean images, ones with erased pixels, and reconstructions of each model",
    ),
    Section(
        "Filters",
        "The weights of the twelve most used numbers of each code: grey is 0, white positive, black negative.",
        "filters.png",
        "Rows of filters, one row for each model",
    ),
]


if __name__ == "__main__":
    cli.start(main)
