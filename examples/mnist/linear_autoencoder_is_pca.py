"""Which half of "a linear autoencoder is PCA" is true, shown on the 60,000 digits of MNIST.

You will see a table, then `index.html` with three pictures. It takes half a minute on two cores.

- The trained loss reaches the exact optimum, the sum of the discarded eigenvalues (Baldi & Hornik 1989).
- The decoder spans the same 30-dimensional space as the first 30 principal components.
- But the encoder is not the matrix of principal components. For any invertible A, the encoder W_e A with the decoder
  A⁻¹ W_d has exactly the same loss, so "if and only if" can't be right.
- The components are the principal directions of the reconstructions, the singular vectors of Cov(z)^½ W_d. They are
  the singular vectors of W_d itself only with a penalty on the weights, which breaks the symmetry (Kunin et al. 2019).
"""

from tinygen import grad, models, optim, plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from pathlib import Path

import numpy as np

from tinygen.data import load
from tinygen.evaluate import metrics
from tinygen.runs import Page, Result, Section, cli, figures_table, open_run, progress


def same_covariance(images: np.ndarray) -> np.ndarray:
    """A square matrix (D, D) whose rows have the same second moments as the rows of `images` (N, D).

    The squared error of a linear autoencoder depends only on the second moments of the data. So these D rows give the
    loss and the gradients of all N images, at the cost of one batch: X = Q R implies XᵀX = RᵀR.
    """
    rows, features = images.shape
    return np.linalg.qr(images, mode="r") * np.sqrt(features / rows)


def train(
    rows: np.ndarray,
    latent: int,
    *,
    steps: int,
    lr: float,
    l2: float,
    seed: int,
    part: tuple[float, float],
    quiet: bool,
) -> models.Autoencoder:
    """Minimise the squared error per image plus l2 · (‖W_e‖² + ‖W_d‖²), with all data in each step."""
    model = models.Autoencoder.linear(rows.shape[1:], latent, rng=np.random.default_rng(seed), dtype=np.float64)
    params = model.parameters()
    opt, schedule = optim.Adam(params, lr), optim.cosine(lr, total=steps)
    label = f"penalty {l2:g}" if l2 else "no penalty"
    for step in (bar := progress(range(steps), label=label, part=part, quiet=quiet)):
        opt.lr = schedule(step)
        error = model.loss(rows)
        loss = error + l2 * sum((p * p).sum() for p in params) if l2 else error
        opt.step(grad(loss, params))
        bar.show(error=error)
    return model


def components(loadings: np.ndarray) -> np.ndarray:
    """The right singular vectors of a matrix (K, D) as rows of unit length, in the order of their singular values."""
    return np.linalg.svd(loadings, full_matrices=False)[2]


def agreement(found: np.ndarray, wanted: np.ndarray) -> float:
    """The smallest |cos| between the rows of `found` and `wanted`: 1 if all directions are equal."""
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return float((np.abs((found * wanted).sum(axis=1)) / lengths).min())


@cli.command
def main(
    *,
    data: str = "mnist",
    latent: cli.Size = 30,
    steps: cli.Count = 1500,
    lr: cli.Rate = 1e-2,
    l2: cli.Weight = 0.1,
    seed: cli.Seed = 0,
    out: Path = Path("runs/linear_autoencoder_is_pca"),
    overwrite: bool = False,
    quiet: bool = False,
    open: bool = False,
) -> dict[str, float]:
    """Train with and without the penalty, compare both with PCA, write the page; returns the figures.

    Args:
        data: data set: "mnist", "digits" (8x8, inside the package), or a folder of your own pictures.
        latent: size of the code, and number of principal components.
        steps: number of optimizer steps, each with all images.
        lr: learning rate at the start; it falls to zero along half a cosine.
        l2: weight of the penalty on the squared weights in the second training.
        seed: seed for the initial weights.
        out: folder for the page.
        overwrite: delete the run in that folder and start over.
        quiet: no output.
        open: show the page in the browser at the end.
    """
    config = cli.settings(locals())
    with cli.before_work():
        digits = load(data, quiet=quiet)
        shape = digits.image_shape
        images = digits.train_images.reshape(len(digits.train_images), -1).astype(np.float64)
        pca = models.pca(images, latent)
        if pca.explained[-1] < 1e-9 * pca.explained[0]:
            raise ValueError(f"expected --latent to be below the rank of the data, got {latent}: choose a smaller one")
        run = open_run(out, config, data={digits.name: digits.sha256()}, overwrite=overwrite, quiet=quiet)

    centred = images - images.mean(axis=0)  # as the theorem requires
    optimum = metrics.squared_error_per_image(images, models.pca_reconstruct(images, pca.mean, pca.components))

    rows = same_covariance(centred)
    how = dict(steps=steps, lr=lr, seed=seed, quiet=quiet)
    plain = train(rows, latent, l2=0.0, part=(0.0, 0.5), **how)
    penalised = train(rows, latent, l2=l2, part=(0.5, 1.0), **how)

    w_e, w_d = (p.numpy() for p in plain.parameters())  # (D, K), (K, D)
    w_d_penalised = penalised.parameters()[1].numpy()
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(centred @ w_e, rowvar=False)))
    root = vectors * np.sqrt(values) @ vectors.T  # Cov(z)^½
    figures = {
        "loss": metrics.squared_error_per_image(centred, plain.reconstruct(centred)),
        "optimum": optimum,
        "overlap": metrics.subspace_overlap(w_d.T, pca.components.T),
        "encoder": agreement(w_e.T, pca.components),
        "decoder": agreement(components(w_d), pca.components),
        "reconstructions": agreement(components(root @ w_d), pca.components),
        "penalised decoder": agreement(components(w_d_penalised), pca.components),
    }
    cos = "smallest |cos| to the components"
    results = [
        Result("squared error per training image", figures["loss"], f"{optimum:.6g} exact optimum (PCA)"),
        Result("overlap of the two subspaces", figures["overlap"], "1 if they are equal"),
        Result(f"columns of W_e: {cos}", figures["encoder"], "below 1: the encoder is not PCA"),
        Result(f"singular vectors of W_d: {cos}", figures["decoder"], "below 1: nor is the decoder"),
        Result(f"singular vectors of Cov(z)^½ W_d: {cos}", figures["reconstructions"], "1"),
        Result(f"singular vectors of W_d, penalty: {cos}", figures["penalised decoder"], "1 (Kunin et al. 2019)"),
    ]
    figures_table(results, quiet=quiet)
    run.finish(figures)
    page = Page(run)

    def pair(found: np.ndarray, name: str, file: str) -> None:
        signs = np.sign((found * pca.components).sum(axis=1, keepdims=True))  # a direction has no sign
        unit = signs * found / np.linalg.norm(found, axis=1, keepdims=True)
        left, right = (rows[:20].reshape(-1, *shape) for rows in (unit, pca.components))
        page.save(file, plot.images_pair, left, right, titles=(name, "principal components"), columns=5)

    pair(w_e.T, "columns of W_e", "encoder.png")
    pair(components(root @ w_d), "from Cov(z)^½ W_d", "reconstructions.png")
    pair(components(w_d_penalised), "from W_d, with the penalty", "penalised.png")
    page.write(title="A linear autoencoder and PCA", intro=INTRO, results=results, sections=SECTIONS)
    if open:
        page.open()
    return figures


INTRO = """A linear autoencoder reaches the loss of PCA, and its decoder spans the same space as the principal
components. Its matrices are not the principal components. Each picture compares twenty directions with these."""

SECTIONS = [
    Section(
        "The encoder",
        "The columns of W_e without the penalty. An invertible matrix between encoder and decoder keeps the loss.",
        "encoder.png",
        "Columns of the encoder beside principal components: they differ",
    ),
    Section(
        "The reconstructions",
        "The singular vectors of Cov(z)^½ W_d, the principal directions of the reconstructions.",
        "reconstructions.png",
        "Principal directions of the reconstructions beside principal components: they are equal",
    ),
    Section(
        "The decoder with the penalty",
        "The singular vectors of W_d after training with the penalty on the weights.",
        "penalised.png",
        "Singular vectors of the decoder beside principal components: they are equal",
    ),
]


if __name__ == "__main__":
    cli.start(main)
