"""Two-player games: steps that spiral out, stay on an ellipse, or converge."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit

import tinygen as tg
from tinygen.models import minimax, r1_penalty
from tinygen.models.theory import games

positions = st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=3).map(
    lambda xy: tuple(np.array(xy).T)
)
rates = st.floats(0.01, 0.9)


def distance(players: games.Players) -> float:
    return float(np.hypot(*(np.linalg.norm(p) for p in players)))


@given(positions, rates)
def test_simultaneous_steps_spiral_out(start, lr):
    assume(distance(start) > 1e-3)
    there = games.simultaneous(games.bilinear, start, lr)
    assert distance(there) / distance(start) == pytest.approx(np.sqrt(1 + lr**2), rel=1e-14)


@given(positions, rates)
def test_extragradient_converges(start, lr):
    assume(distance(start) > 1e-3)
    there = games.extragradient(games.bilinear, start, lr)
    assert distance(there) / distance(start) == pytest.approx(np.sqrt(1 - lr**2 + lr**4), rel=1e-13)


@given(positions, rates)
def test_alternating_steps_stay_on_an_ellipse(start, lr):
    def invariant(players):
        x, y = players
        return float(x @ x + y @ y - lr * x @ y)

    players, far = start, 0.0
    for _ in range(20):
        players = games.alternating(games.bilinear, players, lr)
        far = max(far, distance(players))
        assert invariant(players) == pytest.approx(invariant(start), rel=1e-12, abs=1e-12)
    assert far <= distance(start) * np.sqrt((1 + lr / 2) / (1 - lr / 2)) + 1e-12  # the axes of that ellipse


def dirac(gamma: float) -> games.Game:
    """Data at 0, a generator that says θ, a discriminator with the logit ψx (Mescheder et al. 2018, definition 2.1)."""

    def game(θ: tg.Tensor, ψ: tg.Tensor):
        critic = lambda x: x * ψ
        real = np.zeros((1, 1))
        d_loss = minimax.d_loss(critic(real), critic(θ))
        return minimax.g_loss(critic(θ)), d_loss + gamma / 2 * r1_penalty(critic, real)

    return game


def test_the_smallest_gan_spirals_out_and_with_r1_it_arrives():
    """Each step takes (θ, ψ) away from (0, 0) by √(1 + lr² D²); R₁ turns the spiral round."""
    lr, start = 0.2, (np.array([[1.0]]), np.array([[0.0]]))
    alone = calm = start
    for _ in range(150):
        there = games.simultaneous(dirac(0.0), alone, lr)
        D = expit(alone[0] * alone[1]).item()
        assert distance(there) / distance(alone) == pytest.approx(np.sqrt(1 + (lr * D) ** 2), rel=1e-12)
        alone, calm = there, games.simultaneous(dirac(1.0), calm, lr)
    assert distance(calm) < 1e-3
