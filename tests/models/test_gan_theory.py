"""Results of the papers on GANs: the best discriminator, the divergence that it measures, and the best critic.

Where densities are discrete with a count of examples for each symbol, a batch of exactly these examples makes every
mean an expectation: nothing is sampled, and what holds on paper has to hold to the last digits.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.special import expit, ndtri

import tinygen as tg
from tinygen import grad, nn, optim
from tinygen.models import GAN, gradient_penalty, minimax, non_saturating, wasserstein
from tinygen.models.theory import games

LOG2 = np.log(2)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def column(x) -> tg.Tensor:
    return tg.Tensor(np.asarray(x, float)[:, None])


def js(p: np.ndarray, q: np.ndarray) -> float:
    """The Jensen-Shannon divergence of two discrete distributions, in nats."""
    middle = (p + q) / 2
    return (stats.entropy(p, middle) + stats.entropy(q, middle)) / 2


@st.composite
def counts(draw):
    """How many real and how many fake examples there are of each symbol; each symbol is among one of them at least."""
    each = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(any), min_size=2, max_size=6)
    real, fake = np.array(draw(each)).T
    assume(real.any() and fake.any())
    return real, fake


# -- the best discriminator --------------------------------------------------------------------------------------------


@given(counts())
def test_at_the_best_discriminator_the_loss_is_the_divergence(pair):
    """L(G, D*) = 2 JS - 2 log 2 with D* = p/(p + q), and 0 <= JS <= log 2. L is what D maximises: -d_loss."""
    real, fake = pair
    p, q = real / real.sum(), fake / fake.sum()
    with np.errstate(divide="ignore"):
        best = np.clip(np.log(p) - np.log(q), -1e3, 1e3)  # its logits: certain where one of them is 0
    value = -minimax.d_loss(column(np.repeat(best, real)), column(np.repeat(best, fake))).item()
    assert value == pytest.approx(2 * js(p, q) - 2 * LOG2, abs=1e-12)
    assert -1e-12 <= value + 2 * LOG2 <= 2 * LOG2 + 1e-12
    if (p == q).all():
        assert value == pytest.approx(-2 * LOG2, abs=1e-12)


@given(counts(), st.integers(0, 2**32 - 1))
def test_no_discriminator_does_better_and_there_its_gradient_is_zero(pair, seed):
    """D as a table, one logit for each symbol: the gradient vanishes at D*, and any other table has a larger loss."""
    real, fake = pair
    assume(real.all() and fake.all())

    def loss(table: tg.Tensor) -> tg.Tensor:
        symbols = np.arange(len(real))
        return minimax.d_loss(table[np.repeat(symbols, real)], table[np.repeat(symbols, fake)])

    best = np.log(real / real.sum()) - np.log(fake / fake.sum())
    table = tg.Parameter(best)
    least = loss(table)
    assert np.abs(grad(least, table).numpy()).max() < 1e-15
    assert loss(tg.Parameter(best + rng(seed).normal(size=len(best)))).item() >= least.item()


@given(st.floats(-2, 2), st.floats(0.3, 2), st.floats(-2, 2), st.floats(0.3, 2))
def test_between_normal_densities_by_quadrature(μ_p, σ_p, μ_q, σ_q):
    """The same for densities: the loss at D* with equally probable points of each, JS by the trapezium rule."""
    p, q = stats.norm(μ_p, σ_p), stats.norm(μ_q, σ_q)
    n = 2000
    u = (np.arange(n) + 0.5) / n
    real, fake = p.ppf(u), q.ppf(u)
    value = -minimax.d_loss(*(column(p.logpdf(x) - q.logpdf(x)) for x in (real, fake))).item()

    x = np.linspace(-20, 20, 8001)
    a, b = p.logpdf(x), q.logpdf(x)
    middle = np.logaddexp(a, b) - LOG2
    divergence = integrate.trapezoid(np.exp(a) * (a - middle) + np.exp(b) * (b - middle), x) / 2
    assert -1e-9 <= divergence <= LOG2 + 1e-9
    # Equal weights err by at most the variation of the integrand over n, and it turns twice at most.
    logits = p.logpdf(np.r_[real, fake]) - q.logpdf(np.r_[real, fake])
    assert value == pytest.approx(2 * divergence - 2 * LOG2, abs=4 * (1 + np.ptp(logits)) / n)


def test_a_linear_discriminator_finds_the_logit_of_two_normal_densities():
    """N(1, 1) against N(-1, 1) has log p/q = 2x: logistic regression, with the maximum likelihood's known spread."""
    model, n = GAN.dense((1,), (), 1, rng=rng(1), dtype=np.float64), 4000
    real, fake = rng(2).normal(1, 1, (n, 1)), rng(3).normal(-1, 1, (n, 1))
    params = model.discriminator.parameters()
    opt = optim.Adam(params, 0.1)
    for step in range(300):
        opt.lr = 0.1 * (1 - step / 300)
        opt.step(grad(minimax.d_loss(model.discriminator(real), model.discriminator(fake)), params))
    w, b = (p.item() for p in params)
    x = np.concatenate([real, fake])[:, 0]
    weight = expit(2 * x) * expit(-2 * x)
    spread = np.sqrt(
        np.diag(np.linalg.inv([[(weight * x * x).sum(), (weight * x).sum()], [(weight * x).sum(), weight.sum()]]))
    )
    assert abs(w - 2) < 4.5 * spread[0] and abs(b) < 4.5 * spread[1]


def test_a_trained_discriminator_is_p_over_p_plus_q_everywhere():
    """A small network, two modes against one: |D - D*| stays small wherever examples are.

    By theory the loss exceeds that of D* by 2 ∫ (p + q)(D - D*)² at least (Pinsker's inequality): both are looked at.
    """
    x = np.linspace(-3.5, 3.5, 701)
    p = (stats.norm.pdf(x, -1.5, 0.5) + stats.norm.pdf(x, 1.0, 0.7)) / 2
    q = stats.norm.pdf(x, 0, 1.5)
    model = GAN.dense((1,), (32, 32), 1, rng=rng(4), dtype=np.float64)
    params, draws, n = model.discriminator.parameters(), rng(5), 256
    opt = optim.Adam(params)
    schedule = optim.cosine(0.01, total=300)
    for step in range(300):
        opt.lr = schedule(step)
        u = (np.arange(n) + draws.random((2, n))) / n  # one draw in each n-th of the probability: means hardly spread
        z = ndtri(u)[:, :, None]  # (2, N, 1) normal ones
        real, fake = np.concatenate([0.5 * z[0, ::2] - 1.5, 0.7 * z[0, 1::2] + 1.0]), 1.5 * z[1]
        opt.step(grad(minimax.d_loss(model.discriminator(real), model.discriminator(fake)), params))
    best, found = p / (p + q), expit(model.discriminator(x[:, None]).numpy()[:, 0])
    assert best.min() < 0.1 and best.max() > 0.6  # something to learn
    assert np.abs(found - best).max() < 0.06
    losses = [-(p * np.log(D) + q * np.log(1 - D)) for D in (found, best)]
    excess = integrate.trapezoid(losses[0] - losses[1], x)
    assert 0 <= 2 * integrate.trapezoid((p + q) * (found - best) ** 2, x) <= excess < 0.005


# -- what the generator feels ------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=8))
def test_the_slopes_of_saturating_and_non_saturating_losses(values):
    """In the logit exactly -D and -(1 - D), shared among the batch: at -3 that is 0.047 against 0.953."""
    s = tg.Parameter(np.array(values)[:, None])
    n = len(values)
    np.testing.assert_allclose(grad(minimax.g_loss(s), s).numpy(), -expit(s.numpy()) / n, rtol=1e-13)
    np.testing.assert_allclose(grad(non_saturating.g_loss(s), s).numpy(), -expit(-s.numpy()) / n, rtol=1e-13)


def test_the_figures_of_the_chart():
    s = tg.Parameter(np.array([[-3.0]]))
    sizes = [-grad(objective.g_loss(s), s).item() for objective in (minimax, non_saturating)]
    assert sizes == pytest.approx([0.047426, 0.952574], abs=1e-6)


# -- games -------------------------------------------------------------------------------------------------------------


def distance(players: games.Players) -> float:
    return float(np.hypot(*(np.linalg.norm(p) for p in players)))


# -- the critic of a Wasserstein GAN -----------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_the_best_critic_of_a_shift_measures_the_earth_movers_distance(seed, shift):
    """Of points and the same points moved: -d_loss of f(x) = ±x is W₁, by sorted points."""
    real = rng(seed).normal(size=(40, 1))
    fake = real + shift
    f = lambda x: -np.sign(shift) * tg.Tensor(x)
    distance = stats.wasserstein_distance(real[:, 0], fake[:, 0])
    assert -wasserstein.d_loss(f(real), f(fake)).item() == pytest.approx(distance, abs=1e-12)


def test_where_the_penalty_holds_a_linear_critic():
    """d_loss + λ (|w| - 1)² is least at |w| = 1 + shift/2λ: the penalty is a spring, not a wall."""
    critic, λ, shift = nn.Dense(1, 1, rng=rng(6), dtype=np.float64), 10.0, 1.5
    real = rng(7).normal(size=(30, 1))
    fake, params = real - shift, critic.parameters()
    opt = optim.SGD(params, 0.02)
    for _ in range(100):
        loss = wasserstein.d_loss(critic(real), critic(fake)) + λ * gradient_penalty(critic, real, fake, rng(8))
        opt.step(grad(loss, params))
    assert abs(critic.weight.item()) == pytest.approx(1 + shift / (2 * λ), rel=1e-9)
