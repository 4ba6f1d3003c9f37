"""Games of two players, each with its own loss: why training a GAN need not converge.

    min over x  max over y  f(x, y)        is the game of the losses (f, -f)

Three ways to take a step in it. A game is a function of the Tensors of both players that returns both losses.
"""

from collections.abc import Callable

import numpy as np

from tinygen.grad import grad
from tinygen.tensor import Tensor

Players = tuple[np.ndarray, np.ndarray]
Game = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def bilinear(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """f = Σ xᵢ yᵢ, whose only equilibrium is 0: the gradient of each player is the position of the other."""
    f = (x * y).sum()
    return f, -f


def gradients(game: Game, players: Players) -> Players:
    """The gradient of each player's own loss, with the other player constant."""
    x, y = (Tensor(p, requires_grad=True) for p in players)
    f, g = game(x, y)
    return grad(f, x, retain_graph=True).numpy(), grad(g, y).numpy()


def simultaneous(game: Game, players: Players, lr: float) -> Players:
    """Both players step at once. In the bilinear game the distance from 0 grows by √(1 + lr²) in each step."""
    (x, y), (dx, dy) = players, gradients(game, players)
    return x - lr * dx, y - lr * dy


def alternating(game: Game, players: Players, lr: float) -> Players:
    """First x steps, then y with the new x. In the bilinear game |x|² + |y|² - lr x·y is constant."""
    x, y = players
    x = x - lr * gradients(game, (x, y))[0]
    return x, y - lr * gradients(game, (x, y))[1]


def extragradient(game: Game, players: Players, lr: float) -> Players:
    """Both step from the present point, with the gradients at the point after a trial step (Korpelevich 1976).

    In the bilinear game the distance from 0 shrinks by √(1 - lr² + lr⁴) in each step.
    """
    (x, y), (dx, dy) = players, gradients(game, simultaneous(game, players, lr))
    return x - lr * dx, y - lr * dy
