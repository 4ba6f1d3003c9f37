"""Noise schedules: how much noise a diffusion model adds at each time, and the steps back.

    x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε             ᾱ_0 = 1 (data) falls to ᾱ_T ≈ 0 (noise)
    x_s = √ᾱ_s x̂_0 + √(1 - ᾱ_s - σ²) ε̂ + σ z   s < t, with x̂_0 and ε̂ predicted from x_t

(Ho, Jain & Abbeel 2020, DDPM, section 3; Song, Meng & Ermon 2021, DDIM, equation 12.) Times are those of the papers: 1
to T, and 0 is the data; diffusers counts from 0, so its timestep is t - 1. This file uses NumPy alone.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from tinygen.errors import arguments
from tinygen.io import html

PREDICTION_TYPES = ("epsilon", "sample", "v_prediction")


class NoiseSchedule:
    """ᾱ_t = Πᵢ₌₁..t (1 - βᵢ), the share of the data's variance that is left at time t.

    The attributes `betas`, `alpha_bar` and the signal-to-noise ratio `snr` = ᾱ/(1 - ᾱ) are (T + 1,), so the index is
    the time: alpha_bar[0] = 1.

    Args:
        betas: (T,), the variances that the T steps add, each in (0, 1).
        prediction_type: what a network predicts: the noise ε ("epsilon"), the data x_0 ("sample"), or
            v = √ᾱ ε - √(1 - ᾱ) x_0 ("v_prediction", Salimans & Ho 2022), which is well-behaved at both ends.

    >>> from tinygen import models
    >>> models.NoiseSchedule([0.5, 0.5]).alpha_bar.tolist()
    [1.0, 0.5, 0.25]
    """

    def __init__(self, betas: Sequence[float] | np.ndarray, *, prediction_type: str = "epsilon"):
        betas = np.asarray(betas, np.float64)
        if betas.ndim != 1 or not betas.size or not ((betas > 0) & (betas < 1)).all():
            raise ValueError(f"NoiseSchedule: expected betas to be (T,) numbers in (0, 1), got {betas}")
        self.num_train_timesteps = len(betas)
        self.prediction_type = arguments.choice("NoiseSchedule", "prediction_type", prediction_type, PREDICTION_TYPES)
        self.betas = np.concatenate([[0.0], betas])
        self.alpha_bar = np.cumprod(1 - self.betas)
        with np.errstate(divide="ignore"):  # data without noise: infinite
            self.snr = self.alpha_bar / (1 - self.alpha_bar)

    def __repr__(self) -> str:
        end = f"ᾱ_T = {self.alpha_bar[-1]:.2g}"
        return f"NoiseSchedule(T = {self.num_train_timesteps}, {end}, prediction_type={self.prediction_type!r})"

    def _repr_html_(self) -> str:
        """For notebooks: the signal that is left, the signal-to-noise ratio and β against the time."""
        t = np.arange(self.num_train_timesteps + 1)
        shares = {"signal √ᾱ": (t, np.sqrt(self.alpha_bar)), "noise √(1 − ᾱ)": (t, np.sqrt(1 - self.alpha_bar))}
        charts = html.chart("weight of", shares, xlabel="time t")
        charts += html.chart("signal-to-noise ratio", {"snr": (t[1:], self.snr[1:])}, xlabel="time t", log=True)
        charts += html.chart("β", {"β": (t[1:], self.betas[1:])}, xlabel="time t")
        left = f"{self.alpha_bar[-1]:.2g} of the variance of the data"
        facts = {"times": f"1 to {self.num_train_timesteps}", "left at the end": left}
        return html.block("NoiseSchedule", html.facts(facts | {"prediction_type": self.prediction_type}), charts)

    def add_noise(self, x_0: np.ndarray, eps: np.ndarray, t: np.ndarray | int) -> np.ndarray:
        """x_t for noise `eps` of the shape of x_0, at one time t, or at one time per example (N,)."""
        signal, noise = self._weights(t, x_0)
        return signal * x_0 + noise * eps

    def target(self, x_0: np.ndarray, eps: np.ndarray, t: np.ndarray | int) -> np.ndarray:
        """What the network should predict from x_t."""
        if self.prediction_type == "epsilon":
            return eps
        if self.prediction_type == "sample":
            return x_0
        signal, noise = self._weights(t, x_0)
        return signal * eps - noise * x_0

    def split(self, output: np.ndarray, x_t: np.ndarray, t: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
        """x̂_0 and ε̂ from a prediction about x_t: the inverse of `target`, for t >= 1."""
        signal, noise = self._weights(t, x_t, first=1)
        if self.prediction_type == "epsilon":
            return (x_t - noise * output) / signal, output
        if self.prediction_type == "sample":
            return output, (x_t - signal * output) / noise
        return signal * x_t - noise * output, noise * x_t + signal * output  # (x_t, v) is a rotation of (x_0, ε)

    def _weights(self, t: np.ndarray | int, x: np.ndarray, *, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """√ᾱ_t and √(1 - ᾱ_t) in the dtype of x, shaped to multiply it."""
        t = np.asarray(t)
        if t.dtype.kind not in "iu" or t.shape not in ((), x.shape[:1]):
            raise ValueError(
                f"NoiseSchedule: expected t to be an integer, or {x.shape[:1]} of them, got {t.dtype} {t.shape}"
            )
        if t.size and not (first <= t.min() and t.max() <= self.num_train_timesteps):
            raise ValueError(
                f"NoiseSchedule: expected t in {first}..{self.num_train_timesteps}, got {t.min()}..{t.max()}"
            )
        alpha_bar = self.alpha_bar[t].reshape(*t.shape, *[1] * (x.ndim - t.ndim))
        return np.sqrt(alpha_bar).astype(x.dtype), np.sqrt(1 - alpha_bar).astype(x.dtype)

    # -- steps back --------------------------------------------------------------------------------------------------

    def timesteps(self, steps: int | Sequence[int], *, power: float = 1) -> list[int]:
        """The steps + 1 times T, ..., 0 of a sampler: T (i/steps)^power, rounded down, all different.

        They are evenly spaced; a power above 1 makes them denser near the data, for fine detail (power 2 is in DDIM,
        appendix D.2). A sequence of falling times that ends at 0 is returned as a list of ints.
        """
        T = self.num_train_timesteps
        if np.ndim(steps) and isinstance(steps, Iterable):
            times = [arguments.whole("timesteps", "each time", t, least=0) for t in steps]
            if len(times) < 2 or times[0] > T or times[-1] != 0 or any(s >= t for t, s in pairwise(times)):
                raise ValueError(f"timesteps: expected times that fall from at most {T} to 0, got {times}")
            return times
        steps = arguments.whole("timesteps", "steps", steps, least=1, most=T)
        power = arguments.real("timesteps", "power", power, least=1)
        return [T, *(max(i, int(T * i**power / steps**power)) for i in range(steps - 1, -1, -1))]  # T without rounding

    def sigma(self, t: int, s: int, *, eta: float) -> float:
        """The sd of the noise that a step from t to s < t adds: eta times that of q(x_s | x_t, x_0) (DDIM, eq. 16)."""
        alpha_s, alpha_t = self.alpha_bar[s], self.alpha_bar[t]
        return float(eta) * math.sqrt((1 - alpha_s) / (1 - alpha_t) * (1 - alpha_t / alpha_s))

    def step(
        self,
        x_0: np.ndarray,
        eps: np.ndarray,
        t: int,
        s: int,
        *,
        eta: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> np.ndarray:
        """x_s from the two parts x_0 and eps of x_t (see `split`), for times s < t.

        eta = 0 is DDIM, which is deterministic; eta = 1 is DDPM with the smaller of its two variances; s need not be
        t - 1.
        """
        t = arguments.whole("step", "t", t, least=1, most=self.num_train_timesteps)
        s = arguments.whole("step", "s", s, least=0, most=t - 1)
        eta = arguments.real("step", "eta", eta, least=0, most=1)
        sigma = self.sigma(t, s, eta=eta)
        kept = max(0.0, 1 - self.alpha_bar[s] - sigma**2)  # rounding can make it negative
        x_s = math.sqrt(self.alpha_bar[s]) * x_0 + math.sqrt(kept) * eps
        if sigma == 0:
            return x_s
        if rng is None:
            raise ValueError(
                f"step: expected rng for eta = {eta}, which adds noise, got None: pass rng=np.random.default_rng(seed)"
            )
        return x_s + sigma * rng.standard_normal(x_s.shape, dtype=x_s.dtype)


def linear_schedule(
    num_train_timesteps: int = 1000,
    *,
    beta_start: float = 1e-4,
    beta_end: float = 0.02,
    prediction_type: str = "epsilon",
) -> NoiseSchedule:
    """β grows linearly from `beta_start` to `beta_end` (DDPM, section 4). For other T multiply both by 1000/T.

    Otherwise too much of the data may be left in x_T: `alpha_bar[-1]` shows it.
    """
    num_train_timesteps = arguments.whole("linear_schedule", "num_train_timesteps", num_train_timesteps, least=1)
    betas = np.linspace(beta_start, beta_end, num_train_timesteps)
    return NoiseSchedule(betas, prediction_type=prediction_type)


def cosine_schedule(
    num_train_timesteps: int = 1000, *, offset: float = 0.008, prediction_type: str = "epsilon"
) -> NoiseSchedule:
    """ᾱ_t falls as cos² of an angle that grows evenly from about 0 to 90° (Nichol & Dhariwal 2021, equation 17).

    The signal falls evenly, so few steps suffice. Near T, √ᾱ is almost 0, and x̂_0 computed from ε̂ magnifies every
    error: use "v_prediction" rather than "epsilon", or sample with `clip`.
    """
    num_train_timesteps = arguments.whole("cosine_schedule", "num_train_timesteps", num_train_timesteps, least=1)
    angle = (np.arange(num_train_timesteps + 1) / num_train_timesteps + offset) / (1 + offset) * np.pi / 2
    alpha_bar = np.cos(angle) ** 2  # up to a factor that cancels
    betas = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], 0.999)  # as in the paper: the last would be 1
    return NoiseSchedule(betas, prediction_type=prediction_type)
