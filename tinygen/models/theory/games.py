"""Games of two players, each of whom walks down a loss of its own: why training a GAN need not converge.

    min over x  max over y  f(x, y)        is the game of the losses (f, -f)

Three ways to take a step of it. A game is a function of both players' Tensors that returns both losses.
"""

from collections.abc import Callable

import numpy as np

from tinygen.grad import grad
from tinygen.tensor import Tensor

Players = tuple[np.ndarray, np.ndarray]
Game = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def bilinear(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """f = Σ xᵢ yᵢ, whose one equilibrium is 0: the gradient of each is where the other stands."""
    f = (x * y).sum()
    return f, -f


def gradients(game: Game, players: Players) -> Players:
    """Each player's gradient of its own loss; the other stands still meanwhile."""
    x, y = (Tensor(p, requires_grad=True) for p in players)
    f, g = game(x, y)
    return grad(f, x, retain_graph=True).numpy(), grad(g, y).numpy()


def simultaneous(game: Game, players: Players, lr: float) -> Players:
    """Both step from where they stand. On the bilinear game the distance from 0 grows by √(1 + lr²) each time."""
    (x, y), (dx, dy) = players, gradients(game, players)
    return x - lr * dx, y - lr * dy


def alternating(game: Game, players: Players, lr: float) -> Players:
    """The first steps, then the second, who sees that. On the bilinear game |x|² + |y|² - lr x·y stays what it is."""
    x, y = players
    x = x - lr * gradients(game, (x, y))[0]
    return x, y - lr * gradients(game, (x, y))[1]


def extragradient(game: Game, players: Players, lr: float) -> Players:
    """Both look where a step would lead, and step from where they stand by the gradients there (Korpelevich 1976).

    On the bilinear game the distance from 0 shrinks by √(1 - lr² + lr⁴) each time.
    """
    (x, y), (dx, dy) = players, gradients(game, simultaneous(game, players, lr))
    return x - lr * dx, y - lr * dy
