"""Diffusion: data dissolve in noise step by step, a network learns to tell the two apart, and samples are noise undone.

    forwards    x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε             ᾱ_0 = 1 (all data) falls to ᾱ_T ≈ 0 (all noise)
    backwards   x_s = √ᾱ_s x̂_0 + √(1 - ᾱ_s - σ²) ε̂ + σ z   s < t, with x̂_0 and ε̂ as the network sees them in x_t

(Ho, Jain & Abbeel 2020, DDPM, section 3; Song, Meng & Ermon 2021, DDIM, equation 12.) Times are the papers': 1 to T,
and 0 is the data; diffusers counts from 0, so that its timestep is t - 1. Schedules and samplers are NumPy alone, and
take any function of arrays as their denoiser: a network, or one that is known in closed form (`exact.py`).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np

from tinygen import functional, nn
from tinygen.errors import arguments
from tinygen.models.points import PointDenoiser
from tinygen.models.shapes import check_image_shape, check_shape
from tinygen.models.unet import UNet
from tinygen.op import no_grad
from tinygen.tensor import Tensor

Denoiser = Callable[[np.ndarray, np.ndarray], np.ndarray]  # x_t (N, ...) and t (N,) to its answer (N, ...)
PREDICTION_TYPES = ("epsilon", "sample", "v_prediction")
BATCH = 2**19  # numbers that go through a network at once when it samples: 668 images of MNIST, or all points


# ---- forwards: how much noise at which time, and what a network is asked -------------------------------------------


class NoiseSchedule:
    """ᾱ_t = Πᵢ₌₁..t (1 - βᵢ), how much of the data's variance is left at time t, and what follows from it.

    `betas` (T,) are the variances that the T steps add, each in (0, 1). As attributes, `betas`, `alpha_bar` and the
    signal-to-noise ratio `snr` = ᾱ/(1 - ᾱ) are (T + 1,), so that the index is the time: alpha_bar[0] = 1.
    `prediction_type` is what a network answers: the noise ε ("epsilon"), the data x_0 ("sample"), or
    v = √ᾱ ε - √(1 - ᾱ) x_0 ("v_prediction", Salimans & Ho 2022), which is well-behaved at both ends.
    """

    def __init__(self, betas: Sequence[float] | np.ndarray, *, prediction_type: str = "epsilon"):
        betas = np.asarray(betas, np.float64)
        if betas.ndim != 1 or not betas.size or not ((betas > 0) & (betas < 1)).all():
            raise ValueError(f"NoiseSchedule: betas should be (T,) numbers in (0, 1), got {betas}")
        if prediction_type not in PREDICTION_TYPES:
            known = ", ".join(map(repr, PREDICTION_TYPES))
            raise ValueError(f"NoiseSchedule: prediction_type should be one of {known}; got {prediction_type!r}")
        self.num_train_timesteps = len(betas)
        self.prediction_type = prediction_type
        self.betas = np.concatenate([[0.0], betas])
        self.alpha_bar = np.cumprod(1 - self.betas)
        with np.errstate(divide="ignore"):  # data without noise: infinite
            self.snr = self.alpha_bar / (1 - self.alpha_bar)

    def add_noise(self, x_0: np.ndarray, eps: np.ndarray, t: np.ndarray | int) -> np.ndarray:
        """x_t for noise `eps` of x_0's shape, at one time t or at one for each example, (N,)."""
        signal, noise = self._weights(t, x_0)
        return signal * x_0 + noise * eps

    def target(self, x_0: np.ndarray, eps: np.ndarray, t: np.ndarray | int) -> np.ndarray:
        """What a network that sees x_t should answer."""
        if self.prediction_type == "epsilon":
            return eps
        if self.prediction_type == "sample":
            return x_0
        signal, noise = self._weights(t, x_0)
        return signal * eps - noise * x_0

    def split(self, output: np.ndarray, x_t: np.ndarray, t: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
        """x̂_0 and ε̂ of which x_t consists according to a network's output: the inverse of `target`, for t >= 1."""
        signal, noise = self._weights(t, x_t, first=1)
        if self.prediction_type == "epsilon":
            return (x_t - noise * output) / signal, output
        if self.prediction_type == "sample":
            return output, (x_t - signal * output) / noise
        return signal * x_t - noise * output, noise * x_t + signal * output  # (x_t, v) is (x_0, ε) turned by an angle

    def _weights(self, t: np.ndarray | int, x: np.ndarray, *, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """√ᾱ_t and √(1 - ᾱ_t) in the dtype of x, shaped to multiply it."""
        t = np.asarray(t)
        if t.dtype.kind not in "iu" or t.shape not in ((), x.shape[:1]):
            raise ValueError(
                f"t should be an integer or {x.shape[:1]} of them, one per example; got {t.dtype} {t.shape}"
            )
        if t.size and not (first <= t.min() and t.max() <= self.num_train_timesteps):
            raise ValueError(f"t should lie in {first}..{self.num_train_timesteps}, got {t.min()}..{t.max()}")
        alpha_bar = self.alpha_bar[t].reshape(*t.shape, *[1] * (x.ndim - t.ndim))
        return np.sqrt(alpha_bar).astype(x.dtype), np.sqrt(1 - alpha_bar).astype(x.dtype)

    # -- backwards ---------------------------------------------------------------------------------------------------

    def timesteps(self, steps: int | Sequence[int], *, power: float = 1) -> list[int]:
        """The steps + 1 times T, ..., 0 that a sampler visits: T (i/steps)^power, rounded down, and all different.

        They are evenly spaced, or with a power above 1 denser near the data, for data with fine detail (power 2 is in
        DDIM, appendix D.2). Times that are given instead of their number should fall to 0, and come back as they are.
        """
        T = self.num_train_timesteps
        if np.ndim(steps):
            times = [arguments.whole("timesteps", "each time", t, least=0) for t in steps]
            if len(times) < 2 or times[0] > T or times[-1] != 0 or any(s >= t for t, s in pairwise(times)):
                raise ValueError(f"timesteps: times should fall from at most {T} to 0, got {times}")
            return times
        steps = arguments.whole("timesteps", "steps", steps, least=1, most=T)
        power = arguments.real("timesteps", "power", power, least=1)
        return [T, *(max(i, int(T * i**power / steps**power)) for i in range(steps - 1, -1, -1))]  # T without rounding

    def sigma(self, t: int, s: int, *, eta: float) -> float:
        """The noise that a step from t to s < t adds anew; with eta = 1 the sd of q(x_s | x_t, x_0) (DDIM, eq. 16)."""
        ahead, here = self.alpha_bar[s], self.alpha_bar[t]
        return float(eta) * math.sqrt((1 - ahead) / (1 - here) * (1 - here / ahead))

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
        """x_s from the two parts of x_t (`split`), for times s < t.

        eta = 0 is DDIM, the same x_s each time; eta = 1 is DDPM, with Ho's smaller variance; s need not be t - 1.
        """
        t = arguments.whole("step", "t", t, least=1, most=self.num_train_timesteps)
        s = arguments.whole("step", "s", s, least=0, most=t - 1)
        eta = arguments.real("step", "eta", eta, least=0, most=1)
        sigma = self.sigma(t, s, eta=eta)
        kept = max(0.0, 1 - self.alpha_bar[s] - sigma**2)  # variance; rounding alone takes it below 0
        x_s = math.sqrt(self.alpha_bar[s]) * x_0 + math.sqrt(kept) * eps
        if sigma == 0:
            return x_s
        if rng is None:
            raise ValueError(f"step: with eta = {eta} noise is added: pass rng=np.random.default_rng(seed)")
        return x_s + sigma * rng.standard_normal(x_s.shape, dtype=x_s.dtype)


def linear_schedule(
    num_train_timesteps: int = 1000,
    *,
    beta_start: float = 1e-4,
    beta_end: float = 0.02,
    prediction_type: str = "epsilon",
) -> NoiseSchedule:
    """β from `beta_start` to `beta_end` (DDPM, section 4). For fewer times T, multiply both by 1000/T.

    With the same β, fewer of them would leave too much of the data in x_T: look at `alpha_bar[-1]`.
    """
    num_train_timesteps = arguments.whole("linear_schedule", "num_train_timesteps", num_train_timesteps, least=1)
    betas = np.linspace(beta_start, beta_end, num_train_timesteps)
    return NoiseSchedule(betas, prediction_type=prediction_type)


def cosine_schedule(
    num_train_timesteps: int = 1000, *, offset: float = 0.008, prediction_type: str = "epsilon"
) -> NoiseSchedule:
    """ᾱ_t falls as cos² of an angle that grows evenly from about 0 to 90° (Nichol & Dhariwal 2021, equation 17).

    So the data dissolve evenly, and few steps go further than with linear β. Near T, where √ᾱ is almost 0, x̂_0 from ε̂
    magnifies every error: take "v_prediction" rather than "epsilon", or sample with `clip`.
    """
    num_train_timesteps = arguments.whole("cosine_schedule", "num_train_timesteps", num_train_timesteps, least=1)
    angle = (np.arange(num_train_timesteps + 1) / num_train_timesteps + offset) / (1 + offset) * np.pi / 2
    alpha_bar = np.cos(angle) ** 2  # but for a factor that cancels
    betas = np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], 0.999)  # as in the paper: the last would be 1
    return NoiseSchedule(betas, prediction_type=prediction_type)


# ---- backwards: from noise to data with any denoiser ---------------------------------------------------------------


class State(NamedTuple):
    """Where a sampler stands: the time t, x_t, and the x̂_0 that the denoiser makes out in it."""

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
    """The way from noise x_T (N, ...) to data, one State for each of the steps + 1 times; in the last, t = 0, x is x_0.

    `steps` is how many, evenly spaced, or the times themselves, such as `schedule.timesteps(50, power=2)`. `clip` keeps
    x̂_0 within [-clip, clip], where the data are known to lie, and ε̂ in step with it.
    """
    x, clip = x_T, None if clip is None else arguments.real("reverse", "clip", clip, above=0)
    for t, s in pairwise(schedule.timesteps(steps)):
        output = denoiser(x, np.full(len(x), t))
        if not isinstance(output, np.ndarray) or output.shape != x.shape:
            got = getattr(output, "shape", "")
            raise ValueError(f"denoiser: expected an array {x.shape} like x, got {type(output).__name__} {got}")
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
    """Samples by the chain of DDPM (algorithm 2), noise added anew at each step; all T steps, or fewer."""
    steps = schedule.num_train_timesteps if steps is None else steps
    return _last(reverse(schedule, denoiser, x_T, rng, steps=steps, eta=1, clip=clip))


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
    """Samples by DDIM: with eta = 0 a fixed map from x_T to x_0, smooth enough for few steps; it draws no noise."""
    return _last(reverse(schedule, denoiser, x_T, rng, steps=steps, eta=eta, clip=clip))


def _last(states: Iterator[State]) -> np.ndarray:
    for state in states:  # one by one: a list would keep them all
        x = state.x
    return x


# ---- the model -----------------------------------------------------------------------------------------------------


class Diffusion(nn.Module):
    """A network (x_t, t) -> answer with the schedule it is trained on, for examples of one shape, such as (28, 28, 1).

    The data should be about as wide as the noise: standardised points, or pixels in [-1, 1], for which `clip` is 1.
    """

    def __init__(self, network: nn.Module, schedule: NoiseSchedule, shape: Sequence[int], *, clip: float | None = None):
        self.network = network
        self.schedule = schedule
        self.shape = check_shape("Diffusion", shape)
        self.clip = None if clip is None else arguments.real("Diffusion", "clip", clip, above=0)

    # -- networks ------------------------------------------------------------------------------------------------------

    @classmethod
    def unet(
        cls,
        shape: Sequence[int],
        channels: int = 32,
        *,
        multiples: tuple[int, int] = (2, 2),
        middle: int = 1,
        overview: bool = False,
        schedule: NoiseSchedule | None = None,
        rng: np.random.Generator,
        dtype: type = np.float32,
    ) -> Self:
        """A `UNet` for images of shape (H, W, C) in [-1, 1]; 4 must divide H and W, and 16 `channels`.

        By default the schedule is the cosine schedule with v-prediction, which needs few steps. With `overview` the
        network has a dense layer over the whole image; `channels`, `multiples` and `middle` are those of `UNet`.
        """
        height, width, image_channels = check_image_shape("Diffusion.unet", shape, divisor=4)
        network = UNet(
            rng=rng,
            channels=channels,
            multiples=multiples,
            middle=middle,
            image_size=(height, width) if overview else None,
            image_channels=image_channels,
            dtype=dtype,
        )
        return cls(network, schedule or cosine_schedule(prediction_type="v_prediction"), shape, clip=1)

    @classmethod
    def points(
        cls,
        shape: Sequence[int],
        *,
        features: int = 32,
        hidden: int = 128,
        schedule: NoiseSchedule | None = None,
        rng: np.random.Generator,
        dtype: type = np.float32,
    ) -> Self:
        """A `PointDenoiser` for points of shape (D,), standardised; by default cosine schedule and v-prediction."""
        (coordinates,) = check_shape("Diffusion.points", shape)
        network = PointDenoiser(rng=rng, coordinates=coordinates, features=features, hidden=hidden, dtype=dtype)
        return cls(network, schedule or cosine_schedule(prediction_type="v_prediction"), shape)

    # -- training and sampling -----------------------------------------------------------------------------------------

    def forward(self, x_t: Tensor, t: np.ndarray) -> Tensor:
        return self.network(x_t, t)

    def loss(self, x_0: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Squared error per entry at times and with noise drawn for each example: L_simple (DDPM, equation 14).

        A network that always answers 0 has the loss 1 if it predicts noise.
        """
        if x_0.shape[1:] != self.shape or x_0.dtype.kind != "f":
            wanted = f"(N, {', '.join(map(str, self.shape))})"
            raise ValueError(f"Diffusion.loss: x_0 should be floats {wanted}, got {x_0.dtype} {x_0.shape}")
        t = rng.integers(1, self.schedule.num_train_timesteps + 1, size=len(x_0))
        eps = rng.standard_normal(x_0.shape, dtype=x_0.dtype)
        x_t = self.schedule.add_noise(x_0, eps, t)
        return functional.mse(self(x_t, t), self.schedule.target(x_0, eps, t), reduction="mean")

    def denoise(self, x_t: np.ndarray, t: np.ndarray, *, batch_size: int | None = None) -> np.ndarray:
        """The network as the samplers call it: arrays in, an array out, batch by batch, without a graph."""
        if batch_size is None:
            batch_size = max(1, BATCH // math.prod(self.shape))
        batch_size = arguments.whole("denoise", "batch_size", batch_size, least=1)
        with nn.evaluating(self), no_grad():
            batches = (slice(i, i + batch_size) for i in range(0, max(1, len(x_t)), batch_size))
            return np.concatenate([self(x_t[batch], t[batch]).numpy() for batch in batches])

    def reverse(
        self, n: int, rng: np.random.Generator, *, steps: int | Sequence[int] = 50, eta: float = 0.0
    ) -> Iterator[State]:
        """The way of n samples from noise to data, state by state."""
        n = arguments.whole("reverse", "n", n, least=0)
        x_T = rng.standard_normal((n, *self.shape), dtype=self.parameters()[0].dtype)
        return reverse(self.schedule, self.denoise, x_T, rng, steps=steps, eta=eta, clip=self.clip)

    def sample(
        self, n: int, rng: np.random.Generator, *, steps: int | Sequence[int] = 50, eta: float = 0.0
    ) -> np.ndarray:
        """n samples: eta = 0 is DDIM; eta = 1 with as many steps as times is DDPM. `steps` as for `reverse`."""
        return _last(self.reverse(n, rng, steps=steps, eta=eta))
