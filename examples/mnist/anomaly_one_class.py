"""Detect anomalies after training on one class: a denoiser of one digit, and all ten digits of MNIST to score.

You will see the AUROC of ten detectors, one for each digit: the probability that an image of another digit has a higher
score than an image of this digit, beside PCA with 32 components. `index.html` shows what each detector makes of each
digit, and the images on which it is wrong. It takes about five minutes on two cores.
"""

from tinygen import grad, nn, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from itertools import product
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from tinygen.data import Batches, load, one_per_class
from tinygen.evaluate.detection import auroc
from tinygen.models import Autoencoder, GaussianNoise, pca, pca_reconstruct
from tinygen.runs import Page, Result, Section, cli, figures_table, open_run, progress
from tinygen.runs.loop import Loop

COMPONENTS = 32  # of PCA
COPIES = 8  # noisy copies of each scored image


def size_of_difference(images: np.ndarray, restored: np.ndarray, blur: float) -> np.ndarray:
    """‖G(x - x̂)‖² / ‖x‖ for each image x, as (N,); G is a Gaussian blur with this standard deviation in pixels.

    The blur removes thin differences along the edges of strokes, which normal images have too. The division makes
    thick digits comparable with thin ones.
    """
    difference = gaussian_filter(images - restored, (0, blur, blur, 0))
    ink = np.sqrt((images**2).sum(axis=(1, 2, 3)))
    return (difference**2).sum(axis=(1, 2, 3)) / np.maximum(ink, 1e-6)


def score(
    model: Autoencoder, images: np.ndarray, *, noise: GaussianNoise, blur: float, rng: np.random.Generator
) -> np.ndarray:
    """The score (N,) of each image: the difference from its restorations, a mean over noisy copies."""
    copies = (model.reconstruct(noise(images, rng)) for _ in range(COPIES))
    return np.mean([size_of_difference(images, restored, blur) for restored in copies], axis=0)


def area(scores: np.ndarray, normal: np.ndarray) -> float:
    """AUROC in percent of scores (N,), where `normal` (N,) says which images belong to the detector's class."""
    return 100 * auroc(scores[normal], scores[~normal])


def train(
    images: np.ndarray,
    *,
    noise: GaussianNoise,
    epochs: int,
    batch_size: int,
    lr: float,
    width: int,
    rng: np.random.Generator,
    loop: Loop,
) -> Autoencoder:
    """A denoiser of these images: it receives noisy images, with new noise in each step, and returns clean ones."""
    model = Autoencoder.dense(images.shape[1:], (width, width), width, rng=rng)
    mean = np.clip(images.mean(axis=0), 0.01, 0.99).ravel()
    model.decoder[-2].bias.data = np.log(mean / (1 - mean))  # the output starts at the mean image
    model.loss = nn.finite(model.loss, after=loop)  # NaN or infinity stops the run, and the error names the op
    params = model.parameters()
    batches = Batches(images, batch_size, rng)
    opt = optim.Adam(params, lr)
    schedule = optim.cosine(lr, total=epochs * len(batches), warmup=100)
    for _ in range(epochs):
        for batch in batches:
            opt.lr = schedule(opt.steps)
            opt.step(grad(model.loss(batch, rng, corrupt=noise), params))
    return model


@cli.command
def main(
    *,
    data: str = "mnist",
    epochs: cli.Count = 12,
    batch_size: cli.Batch = 100,
    lr: cli.Rate = 2e-3,
    width: cli.Size = 256,
    sd: cli.Weight = 0.5,
    blur: cli.Weight = 1.0,
    repeats: cli.Count = 3,
    hold_out: bool = False,
    limit: cli.Limit = None,
    seed: cli.Seed = 0,
    out: Path = Path("runs/anomaly_one_class"),
    resume: bool = False,
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train detectors of all classes, score the test images, write the page; returns the AUROCs in percent.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your own pictures in classes.
        epochs: number of passes over the training images of a class.
        batch_size: number of images per step.
        lr: peak learning rate; it rises in a warm-up and falls to zero along half a cosine.
        width: units of each hidden layer, the code among them.
        sd: standard deviation of the noise, in training and for the scores; pixels are in [0, 1].
        blur: standard deviation of the blur of differences, in pixels.
        repeats: number of trainings of each detector, with different random numbers.
        hold_out: train without the last sixth of the training images and test on it: for the choice of settings.
        limit: number of training images, and of test images, of all classes together; all by default.
        seed: seed for all random numbers.
        out: folder for the log and the page.
        resume: continue the interrupted run in that folder.
        overwrite: delete the run in that folder and start over.
        quick: a run of seconds, to see that everything works.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    if quick:
        epochs, repeats, limit = 1, 1, 500
    config = cli.settings(locals())
    with cli.before_work():
        digits = load(data, quiet=quiet)
        images, labels = digits.train_images[:limit], digits.train_labels[:limit]
        test, test_labels = digits.test_images[:limit], digits.test_labels[:limit]
        if hold_out:
            rest = len(images) // 6
            images, test, labels, test_labels = images[:-rest], images[-rest:], labels[:-rest], labels[-rest:]
        classes = np.unique(test_labels)
        if len(classes) < 2 or not np.isin(classes, labels).all():
            raise ValueError(
                "expected at least two classes, with training and test images of each: use more images, with --limit"
            )
        run = open_run(
            out, config, data={digits.name: digits.sha256()}, resume=resume, overwrite=overwrite, quiet=quiet
        )

    noise, first = GaussianNoise(sd), one_per_class(test_labels)
    areas, scores, restored = [], [], []  # AUROC of each training; of the first one of each class, for the pictures
    loop = run.loop(areas=areas, scores=scores, restored=restored)
    how = dict(epochs=epochs, batch_size=batch_size, lr=lr, width=width)
    tasks = list(product(range(repeats), classes))
    for repeat, c in (bar := progress(loop.steps(tasks), label="detectors", quiet=quiet)):
        rng = np.random.default_rng([seed, repeat, c])
        model = train(images[labels == c], noise=noise, **how, rng=rng, loop=loop)
        found = score(model, test, noise=noise, blur=blur, rng=rng)
        areas.append(area(found, test_labels == c))
        if repeat == 0:
            scores.append(found)
            restored.append(model.reconstruct(noise(test[first], rng)))
        bar.show(AUROC=areas[-1])
        run.log(len(areas), repeat=repeat, label=c, AUROC=areas[-1])

    table: dict[str, list[float]] = {"PCA": [], "PCA, same score": []}  # AUROC of each class
    for c in classes:
        by_pca = pca_reconstruct(test, *pca(images[labels == c], min(COMPONENTS, test[0].size))[:2])
        squares = ((test - by_pca) ** 2).sum(axis=(1, 2, 3))
        for name, found in zip(table, (squares, size_of_difference(test, by_pca, blur))):
            table[name].append(area(found, test_labels == c))
    by_class = np.reshape(areas, (repeats, len(classes)))
    names = [digits.classes[c] for c in classes]
    results = results_of(names, by_class, table)
    figures_table(results, quiet=quiet)
    figures = {f"AUROC {name}": value for name, value in zip(names, by_class.mean(axis=0))}
    figures |= {name: float(np.mean(column)) for name, column in table.items()}
    figures |= {"mean": by_class.mean(), "sd": by_class.mean(axis=1).std(), "worst": by_class.mean(axis=0).min()}
    run.finish(figures)

    page = Page(run)
    page.save("areas.png", areas_figure, names, by_class, table["PCA"])
    grid = dict(row_titles=[f"trained on {name}" for name in names])
    given = dict(columns=len(classes), row_titles=["test image", *grid["row_titles"]])
    page.save("restored.png", plot.image_grid, np.concatenate([test[first], *restored]), **given)
    own, other = mistakes(np.array(scores), classes, test_labels)
    for name, rows in (("own.png", own), ("other.png", other)):
        page.save(name, plot.image_grid, test[rows.ravel()], columns=rows.shape[1], **grid)
    page.write(title="Anomalies", intro=INTRO, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


def results_of(names: list[str], by_class: np.ndarray, table: dict[str, list[float]]) -> list[Result]:
    """The lines of the table: the mean over all classes, then each class; AUROC in percent, from (repeats, classes)."""
    means = by_class.mean(axis=1)
    verdict = "better" if means.mean() > np.mean(table["PCA"]) else "not better"
    rows = [
        Result(
            "AUROC in percent, mean over the classes",
            f"{means.mean():.2f}" + f" ± {means.std():.2f}" * (len(means) > 1),
            "; ".join(f"{np.mean(column):.2f} {name}" for name, column in table.items()),
            verdict,
        )
    ]
    for i, name in enumerate(names):
        column = by_class[:, i]
        value = f"{column.mean():.2f}" + f" ± {column.std():.2f}" * (len(column) > 1)
        rows.append(Result(f"trained on {name}", value, f"{table['PCA'][i]:.2f} PCA"))
    return rows


# -- pictures ----------------------------------------------------------------------------------------------------------


def mistakes(scores: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of test images that each detector gets most wrong, (classes, n) each, from scores (classes, N).

    First those of its own class with the highest scores, then those of other classes with the lowest.
    """
    n = min(12, *(int((labels == c).sum()) for c in classes), *(int((labels != c).sum()) for c in classes))
    own = [np.flatnonzero(labels == c)[np.argsort(-s[labels == c])[:n]] for c, s in zip(classes, scores)]
    other = [np.flatnonzero(labels != c)[np.argsort(s[labels != c])[:n]] for c, s in zip(classes, scores)]
    return np.array(own), np.array(other)


def areas_figure(names: list[str], by_class: np.ndarray, by_pca: list[float]) -> plot.Picture:
    """AUROC by class: a dot for each training, and PCA."""
    title = "Each denoiser beside PCA"
    picture, (axes,) = plot.panels(title, xlabel="class of the training images", ylabel="AUROC in percent", height=360)
    x = np.arange(len(names))
    axes.plot(x, by_pca, "s", color=plot.PALETTE[1], label="PCA")
    lines = axes.plot(x, by_class.T, "o", color=plot.PALETTE[0], alpha=0.6)
    lines[0].set_label("denoiser")
    axes.set_xticks(x, names)
    axes.legend(frameon=False)
    return picture


INTRO = """Each detector is a denoising autoencoder that has seen one class only. It receives an image with noise, and
returns an image of its class, whatever is below the noise. The score of an image is its difference from what the
detector returns: blurred, squared, and divided by the norm of the image. The AUROC is the probability that an image of
another class has a higher score than one of this class; 50 percent is chance."""

SECTIONS = [
    Section(
        "The detectors",
        "The AUROC of each detector on the test images. A dot is one training.",
        "areas.png",
        "AUROC of each class: dots for the denoisers, squares for PCA",
    ),
    Section(
        "What each detector returns",
        "Below one test image of each class: what the detectors make of it after noise was added. On the diagonal the "
        "image comes back; elsewhere it becomes more like the class of the row.",
        "restored.png",
        "A table of images, one row for each detector and one column for each class",
    ),
    Section(
        "False alarms",
        "Test images of the detector's own class with the highest scores.",
        "own.png",
        "For each class, its images with the highest scores",
    ),
    Section(
        "Missed anomalies",
        "Test images of other classes with the lowest scores.",
        "other.png",
        "For each detector, the images of other classes with the lowest scores",
    ),
]


if __name__ == "__main__":
    cli.start(main)
