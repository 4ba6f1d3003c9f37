"""Diffusion, one step back: DDIM without new noise, DDPM with it, and all between."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.draws import not_normal
from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import NoAnswer, outcome
from tinygen.exercises.show import shown
from tinygen.exercises.stages import Example, FromRng, Property, Shapes, Values
from tinygen.exercises.tracks.inputs import SHAPES, easy_schedule, random_schedule, seeded
from tinygen.models.schedules import NoiseSchedule


def _step_without_noise(rng: np.random.Generator, size: int) -> Arguments:
    """Steps with eta 0, or to time 0 with any eta: both add no noise. The generator is there or not."""
    schedule, (x_0, eps) = random_schedule(rng, size), rng.standard_normal((2, *SHAPES[size]))
    t = int(rng.integers(1, schedule.num_train_timesteps + 1))
    s = 0 if rng.random() < 0.3 else int(rng.integers(0, t))
    eta = 0.0 if s else float(rng.choice([0.0, 0.5, 1.0]))
    return call(schedule, x_0, eps, t, s, eta=eta, rng=None if rng.random() < 0.5 else seeded(0))


def _step_with_noise(rng: np.random.Generator) -> Arguments:
    return call(easy_schedule(), np.zeros((2, 3)), np.ones((2, 3)), 2, 1, eta=0.5, rng=rng)


def _noise_of_a_step(answer: Callable) -> Finding | None:
    """The share of x_0 and of eps in x_s, and then the law of the noise that is added to them."""
    schedule = NoiseSchedule([0.1, 0.3, 0.2, 0.4])
    x_0, eps = seeded(0).standard_normal((2, 4, 3))

    def step(a: float, b: float, t: int, s: int, eta: float) -> np.ndarray:
        rng = seeded(7)
        return outcome(answer, call(schedule, a * x_0, b * eps, t, s, eta=eta, rng=rng))

    for t, s, eta in [(4, 3, 1.0), (4, 1, 1.0), (3, 2, 0.5), (3, 1, 0.25)]:
        how = f"step(NoiseSchedule([0.1, 0.3, 0.2, 0.4]), x_0, eps, {t}, {s}, eta={eta}, rng=rng)"
        noise, signal = step(0, 0, t, s, eta), schedule.alpha_bar[s] ** 0.5
        sd = schedule.sigma(t, s, eta=eta)
        kept = (1 - schedule.alpha_bar[s] - sd**2) ** 0.5
        for what, weight, found in [
            ("x_0", signal, (step(1, 0, t, s, eta) - noise) / x_0),
            ("eps", kept, (step(0, 1, t, s, eta) - noise) / eps),
        ]:
            if not np.allclose(found, weight, atol=1e-7):
                says = f"With noise, the weight of {what} is not right: the variances of x_s add up to 1 - ᾱ_s."
                return Finding(says, how, f"{what} times {shown(weight)}", f"{what} times {shown(found.mean())}")
    return None


def _law_of_the_noise(answer: Callable) -> Finding | None:
    schedule = NoiseSchedule([0.1, 0.3, 0.2, 0.4])
    zeros = np.zeros((10_000, 2))
    for t, s, eta in [(4, 3, 1.0), (4, 1, 0.5)]:
        how = f"step(NoiseSchedule([0.1, 0.3, 0.2, 0.4]), x_0, eps, {t}, {s}, eta={eta}, rng=rng)"
        sd = schedule.sigma(t, s, eta=eta)
        rng = seeded(1)
        found = np.array([outcome(answer, call(schedule, zeros, zeros, t, s, eta=eta, rng=rng)) for _ in range(2)])
        finding = not_normal(found / sd)
        if finding:
            return Finding(
                f"The noise that the step adds is not σ z with z from N(0, 1): {finding}.",
                how,
                f"sd {shown(sd)}",
                f"sd {shown(found.std())}",
            )
    return None


def _rounded(answer: Callable) -> Finding | None:
    """Here 1 - ᾱ_s - σ² is 0, and -6e-17 after rounding."""
    schedule = NoiseSchedule([0.3, 1 - 1e-16])
    how = "step(NoiseSchedule([0.3, 1 - 1e-16]), [[1]], [[1]], 2, 1, eta=1.0, rng=rng)"
    given = call(schedule, np.ones((1, 1)), np.ones((1, 1)), 2, 1, eta=1.0, rng=seeded(0))
    says = "Rounding makes 1 - ᾱ_s - σ² a little less than 0 here. Its root must be 0 then."
    try:
        found = outcome(answer, given)
    except NoAnswer as error:
        return Finding(f"{says} {error}", how)
    return None if np.isfinite(found).all() else Finding(says, how, "a finite number", shown(found))


_NOISE = "rng.standard_normal(x_s.shape, dtype=x_s.dtype)"

STEP = Exercise(
    name="ddim_step",
    track="GANs and diffusion",
    title="one step back, with or without new noise (DDIM)",
    source="tinygen.models.schedules:NoiseSchedule.step",
    question="Return x_s = √ᾱ_s x_0 + √(1 - ᾱ_s - σ²) ε + σ z with z from N(0, 1), for two times s < t.\n"
    "x_0 and eps are the parts of x_t that a network predicted, of any one shape.\n"
    "self.alpha_bar is an array (T + 1,), and self.sigma(t, s, eta=eta) returns σ, a number: it is 0\n"
    "if eta or s is 0. Then no noise is added, and rng may be None. Rounding can make 1 - ᾱ_s - σ²\n"
    "negative; its root is 0 then. The result has the dtype of x_0.",
    page="diffusion.md#backwards-one-step-for-every-sampler",
    hints=(
        "Begin with eta = 0: x_s is then what `add_noise` makes of x_0 and eps at time s.",
        "New noise z of variance σ² takes the place of as much variance of eps: 1 - ᾱ_s - σ² is left for it.",
        "x_s = math.sqrt(self.alpha_bar[s]) * x_0 + ... * eps; then add σ times rng.standard_normal of that shape and"
        " dtype, unless σ is 0",
    ),
    stages=(
        Example(
            lambda: call(easy_schedule(), np.array([[1.0, 2.0]]), np.array([[1.0, -1.0]]), 2, 1),
            np.array([[1.4, 1.0]]),
            "eta is 0, so there is no new noise. At time s = 1, √ᾱ = 0.8 and √(1 - ᾱ) = 0.6.",
        ),
        Shapes(_step_without_noise),
        Values(_step_without_noise),
        Property("weights of a step with noise", _noise_of_a_step),
        Property("law of the noise", _law_of_the_noise),
        Shapes(
            lambda rng, size: call(easy_schedule(), *rng.standard_normal((2, *SHAPES[size])), 2, 1, eta=1.0, rng=rng),
            name="dtypes with noise",
        ),
        FromRng(_step_with_noise),
        Property("a variance of almost 0", _rounded),
    ),
    wrong=(
        Wrong(
            (("1 - self.alpha_bar[s] - sigma**2", "1 - self.alpha_bar[s]"),),
            "The new noise is added on top. Reduce the variance of eps by σ², so that x_s has no more than 1 - ᾱ_s.",
        ),
        Wrong(
            (("1 - self.alpha_bar[s] - sigma**2", "1 - self.alpha_bar[s] - sigma"),),
            "σ is a standard deviation. The variance to subtract is its square.",
        ),
        Wrong(
            (("1 - self.alpha_bar[s] -", "1 - self.alpha_bar[t] -"),),
            "The weight of eps belongs to time t, from which the step comes. It is 1 - ᾱ_s.",
        ),
        Wrong(
            (("math.sqrt(self.alpha_bar[s]) * x_0", "math.sqrt(self.alpha_bar[t]) * x_0"),),
            "The weight of x_0 belongs to time t, from which the step comes. It is √ᾱ_s.",
        ),
        Wrong(
            (("math.sqrt(kept) * eps", "kept * eps"),),
            "The root is missing in the weight of eps.",
        ),
        Wrong(
            (("math.sqrt(self.alpha_bar[s]) * x_0", "self.alpha_bar[s] * x_0"),),
            "The root is missing in the weight of x_0.",
        ),
        Wrong(
            (("return x_s + sigma * rng", "return x_s + sigma**2 * rng"),),
            "The new noise is multiplied by its variance σ². Multiply it by σ.",
        ),
        Wrong(
            (("return x_s + sigma * rng.standard_normal(x_s.shape, dtype=x_s.dtype)", "return x_s"),),
            "With eta above 0 a step adds new noise, σ z.",
        ),
        Wrong(
            (("rng.standard_normal(x_s.shape, dtype=x_s.dtype)", "rng.standard_normal()"),),
            "All entries get the same random number. Draw an array of the shape of x_s.",
        ),
        Wrong(
            (("rng.standard_normal(x_s.shape, dtype=x_s.dtype)", "eps"),),
            "It adds eps again. The new noise z is drawn from rng, independent of eps.",
        ),
        Wrong(
            ((_NOISE, "rng.uniform(-(3**0.5), 3**0.5, x_s.shape).astype(x_s.dtype)"),),
            "z has the mean 0 and the variance 1, but it is uniform. It must be normal.",
        ),
        Wrong(
            ((_NOISE, f"np.clip({_NOISE}, -2, 2)"),),
            "z is cut off at ±2. One of twenty normal numbers is further from 0.",
        ),
        Wrong(
            ((_NOISE, f"np.sort({_NOISE}, axis=0)"),),
            "z is normal, but sorted. Every entry is drawn for itself.",
        ),
    ),
    correct=(
        """
        def step(self, x_0, eps, t, s, *, eta=0.0, rng=None):
            signal, noise = self._weights(s, x_0)
            if eta == 0 or s == 0:
                return signal * x_0 + noise * eps
            a, b = self.alpha_bar[s], self.alpha_bar[t]
            variance = eta**2 * (1 - a) / (1 - b) * (1 - b / a)
            mean = signal * x_0 + np.sqrt(np.clip(1 - a - variance, 0, None)).astype(x_0.dtype) * eps
            return rng.normal(mean, np.sqrt(variance)).astype(x_0.dtype)
        """,
        """
        def step(self, x_0, eps, t, s, *, eta=0.0, rng=None):
            sigma = self.sigma(t, s, eta=eta)
            share = max(1 - self.alpha_bar[s] - sigma**2, 0)
            x_s = x_0 * float(self.alpha_bar[s] ** 0.5) + eps * float(share**0.5)
            z = np.zeros(x_0.size) if rng is None else [rng.standard_normal() for _ in range(x_0.size)]
            return (x_s + sigma * np.reshape(z, x_0.shape)).astype(x_0.dtype)
        """,
    ),
)

EXERCISES = (STEP,)
