"""Samplers: DDPM and DDIM lead from noise to data, with any denoiser.

A denoiser is a function of arrays: a network, or one that is known in closed form (`theory/mixture.py`).
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tinygen.errors import arguments
from tinygen.models.schedules import NoiseSchedule

Denoiser = Callable[[np.ndarray, np.ndarray], np.ndarray]  # x_t (N, ...) and t (N,) to a prediction (N, ...)


class State(NamedTuple):
    """The state of a sampler: the time t, x_t (N, ...), and the prediction x̂_0 (N, ...)."""

    t: int
    x: np.ndarray
    x_0: np.ndarray


def reverse(
    schedule: NoiseSchedule,
    denoiser: Denoiser,
    x_T: np.ndarray,
    rng: np.random.Generator | None = None,
    *,
    steps: int | Sequence[int],
    eta: float,
    clip: float | None = None,
) -> Iterator[State]:
    """Yield the states from noise x_T (N, ...) to data, one for each of the steps + 1 times; x is x_0 in the last.

    `steps` is the number of evenly spaced steps, or the times themselves, such as `schedule.timesteps(50, power=2)`.
    `clip` limits x̂_0 to [-clip, clip], the known range of the data, and recomputes ε̂ from it.
    """
    x, clip = x_T, None if clip is None else arguments.real("reverse", "clip", clip, above=0)
    for t, s in pairwise(schedule.timesteps(steps)):
        output = denoiser(x, np.full(len(x), t))
        if not isinstance(output, np.ndarray) or output.shape != x.shape:
            got = getattr(output, "shape", "")
            raise ValueError(f"denoiser: expected an array of shape {x.shape}, got {type(output).__name__} {got}")
        x_0, eps = schedule.split(output, x, t)
        if clip is not None and np.abs(x_0).max(initial=0) > clip:
            x_0 = np.clip(x_0, -clip, clip)
            signal, noise = math.sqrt(schedule.alpha_bar[t]), math.sqrt(1 - schedule.alpha_bar[t])
            eps = (x - signal * x_0) / noise
        yield State(t, x, x_0)
        x = schedule.step(x_0, eps, t, s, eta=eta, rng=rng)
    yield State(0, x, x)


def ddpm(
    schedule: NoiseSchedule,
    denoiser: Denoiser,
    x_T: np.ndarray,
    rng: np.random.Generator,
    *,
    steps: int | Sequence[int] | None = None,
    clip: float | None = None,
) -> np.ndarray:
    """Samples by DDPM (algorithm 2), which adds noise at each step; by default with all T steps."""
    steps = schedule.num_train_timesteps if steps is None else steps
    return last(reverse(schedule, denoiser, x_T, rng, steps=steps, eta=1, clip=clip))


def ddim(
    schedule: NoiseSchedule,
    denoiser: Denoiser,
    x_T: np.ndarray,
    rng: np.random.Generator | None = None,
    *,
    steps: int | Sequence[int] = 50,
    eta: float = 0.0,
    clip: float | None = None,
) -> np.ndarray:
    """Samples by DDIM: with eta = 0 a deterministic map from x_T to x_0, smooth enough for few steps."""
    return last(reverse(schedule, denoiser, x_T, rng, steps=steps, eta=eta, clip=clip))


def last(states: Iterator[State]) -> np.ndarray:
    """x of the last state; the others are dropped as they come, to save memory."""
    (final,) = deque(states, maxlen=1)
    return final.x
