"""How often does `models.diagnose` find something wrong with a healthy VAE? Run `python tools/vae_false_alarms.py`.

It trains small VAEs on digits and on points, of several kinds and sizes, each with another seed. A run is healthy if
its bound beats the likelihood of the best model without codes, one distribution for all examples, by half a nat. It
prints the share of these with a diagnosis, and its exact 95 % interval (Clopper & Pearson 1934), in a minute or two.
"""

import argparse
import math

import numpy as np
import scipy.stats

from tinygen import data, grad, models, no_grad, optim

MARGIN = 0.5  # nats per example


def trained(seed: int) -> tuple[models.VAE, np.ndarray, np.random.Generator]:
    """A model whose kind and size depend on the seed, and examples; half of them are those of the training."""
    rng, digits = np.random.default_rng(seed), data.load_digits()
    latent, kind = int(rng.choice([2, 4, 8, 16])), ("bernoulli", "gaussian", "iwae", "points")[seed % 4]
    train, test, steps, lr = digits.train_images, digits.test_images, 300, 1e-2
    if kind == "points":
        train, test = (points.astype(np.float32) for points in (data.ring(2000, rng)[0], data.ring(300, rng)[0]))
        steps = 600
        model: models.VAE = models.GaussianVAE.dense((2,), [32], 2, rng=rng)
    elif kind == "iwae":
        model = models.IWAE.dense((8, 8, 1), [64], latent, k=3, gradient="dreg", rng=rng)
    else:
        model = models.VAE.dense((8, 8, 1), [64], latent, pixels=kind, rng=rng)
    opt = optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        opt.step(grad(model.loss(train[rng.integers(len(train), size=100)], rng), opt.params))
    return model, (train if seed % 8 < 4 else test)[:300], rng


def is_healthy(model: models.VAE, x: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether the ELBO of examples x is above the log-likelihood of one distribution for all of them, plus MARGIN."""
    mean = x.mean(axis=0, dtype=np.float64)
    if model.pixels == "gaussian":
        without = -0.5 * mean.size * (math.log(2 * math.pi * ((x - mean) ** 2).mean()) + 1)
    else:
        p = mean.clip(1e-9, 1 - 1e-9)
        without = float((mean * np.log(p) + (1 - mean) * np.log1p(-p)).sum())
    with no_grad():
        return -sum(term.item() for term in model.terms(x, rng)) > without + MARGIN


def healthy_runs(seeds: range) -> dict[int, list[models.Diagnosis]]:
    """From the seeds of the healthy runs to their diagnoses."""
    runs = ((seed, *trained(seed)) for seed in seeds)
    return {seed: models.diagnose(model, x, rng) for seed, model, x, rng in runs if is_healthy(model, x, rng)}


def main() -> None:
    parser = argparse.ArgumentParser(description="share of healthy VAEs for which models.diagnose finds something")
    parser.add_argument("--runs", type=int, default=100, help="number of models to train (default: 100)")
    runs = parser.parse_args().runs
    found = healthy_runs(range(runs))
    alarms = {seed: diagnoses for seed, diagnoses in found.items() if diagnoses}
    for seed, diagnoses in alarms.items():
        print(f"seed {seed}: {'; '.join(map(str, diagnoses))}")
    low, high = scipy.stats.binomtest(len(alarms), len(found)).proportion_ci(method="exact")
    print(f"{len(found)} of {runs} runs are healthy")
    print(f"{len(alarms)} of them have a diagnosis; 95 % interval of the rate: {low:.1%} to {high:.1%}")


if __name__ == "__main__":
    main()
