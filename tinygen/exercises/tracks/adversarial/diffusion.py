"""Diffusion: adding noise, what the network predicts, and one step back."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.stages import Example, Extremes, Shapes, Values
from tinygen.exercises.tracks.adversarial import sampling
from tinygen.exercises.tracks.inputs import SHAPES, easy_schedule, random_schedule
from tinygen.models.schedules import NoiseSchedule

TRACK = "GANs and diffusion"


def _at_times(kind: str | None, first: int) -> Callable[[np.random.Generator, int], Arguments]:
    """A schedule, two arrays of one shape, and a time from `first` on for all examples, or one for each."""

    def draw(rng: np.random.Generator, size: int) -> Arguments:
        schedule, (a, b) = random_schedule(rng, size, kind), rng.standard_normal((2, *SHAPES[size]))
        t = rng.integers(first, schedule.num_train_timesteps + 1, len(a))
        return call(schedule, a, b, t if rng.random() < 0.7 else int(t[0]))

    return draw


_noised = _at_times("epsilon", 0)

ADD_NOISE = Exercise(
    name="add_noise",
    track=TRACK,
    title="the noisy example at any time, in one step",
    source="tinygen.models.schedules:NoiseSchedule.add_noise",
    question="Return x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε, in the dtype of x_0. x_0 and eps have the same shape\n"
    "(N, ...). t is one time for all examples, or an array (N,) of a time for each.\n"
    "self.alpha_bar is an array (T + 1,) in float64, and self.alpha_bar[t] is ᾱ at the times t.",
    page="diffusion.md#forwards-adding-noise",
    hints=(
        "alpha_bar[t] has the shape of t, () or (N,). What shape must it have to multiply images (N, H, W, C)?",
        "Reshape alpha_bar[t] to (N, 1, ..., 1), with as many axes as x_0; a single time needs no axes.",
        "a = self.alpha_bar[t].reshape(np.shape(t) + (1,) * (x_0.ndim - np.ndim(t))); the two weights are √a and ...",
    ),
    stages=(
        Example(
            lambda: call(
                easy_schedule(),
                np.array([[1.0, 2.0], [1.0, 2.0]]),
                np.array([[1.0, -1.0], [1.0, -1.0]]),
                np.array([1, 2]),
            ),
            np.array([[1.4, 1.0], [1.4, 0.4]]),
            "Here √ᾱ is 0.8 at time 1 and 0.6 at time 2, so √(1 - ᾱ) is 0.6 and 0.8: "
            "the first row is 0.8 x_0 + 0.6 ε, the second 0.6 x_0 + 0.8 ε.",
        ),
        Shapes(_noised),
        Values(_noised),
        Extremes(
            [
                lambda: call(easy_schedule(), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, int)),
                lambda: call(easy_schedule(), np.array([[3.0]]), np.array([[1e30]]), 0),
                lambda: call(NoiseSchedule([0.5, 1 - 1e-12]), np.array([[3.0]]), np.array([[1.0]]), np.int64(2)),
            ]
        ),
    ),
    wrong=(
        Wrong(
            (("signal * x_0 + noise * eps", "signal**2 * x_0 + noise**2 * eps"),),
            "The roots are missing: ᾱ and 1 - ᾱ are shares of the variance, and the weights are their roots.",
        ),
        Wrong(
            (("signal * x_0 + noise * eps", "noise * x_0 + signal * eps"),),
            "The weights are exchanged: x_0 has the weight √ᾱ, which is 1 at time 0.",
        ),
        Wrong(
            (("signal * x_0 + noise * eps", "signal * x_0 + (1 - signal) * eps"),),
            "The weight of the noise is √(1 - ᾱ), not 1 - √ᾱ: the squares of the weights add up to 1.",
        ),
        Wrong(
            (("signal * x_0 + noise * eps", "signal * x_0 + noise**2 * eps"),),
            "The root of the second weight is missing: it is √(1 - ᾱ).",
        ),
        Wrong(
            (
                (
                    "signal, noise = self._weights(t, x_0)",
                    "signal, noise = self._weights(np.maximum(np.subtract(t, 1), 0), x_0)",
                ),
            ),
            "It is one time too early: self.alpha_bar[t] is ᾱ_t, because its first entry belongs to time 0, the data.",
        ),
        Wrong(
            (
                (
                    "signal, noise = self._weights(t, x_0)",
                    "signal, noise = (np.sqrt(a).astype(x_0.dtype) for a in (1 - self.betas[t], self.betas[t]))\n"
                    "    signal, noise = (np.reshape(a, np.shape(t) + (1,) * (x_0.ndim - np.ndim(t))) "
                    "for a in (signal, noise))",
                ),
            ),
            "These are the weights of one step, from x_(t-1) to x_t. From x_0 to x_t they are made of ᾱ, the product "
            "of all 1 - β up to time t.",
        ),
        Wrong(
            (
                (
                    "signal, noise = self._weights(t, x_0)",
                    "a = self.alpha_bar[t]\n"
                    "    signal, noise = np.sqrt(a).astype(x_0.dtype), np.sqrt(1 - a).astype(x_0.dtype)",
                ),
            ),
            "A time for each example needs weights of shape (N, 1, ..., 1). With shape (N,) they multiply the last "
            "axis instead of the first.",
        ),
        Wrong(
            (("signal * x_0 + noise * eps", "signal * x_0 + noise * eps.astype(np.float64)"),),
            "The result is float64 for float32 examples: alpha_bar is float64, so bring the weights to x_0.dtype.",
        ),
    ),
    correct=(
        """
        def add_noise(self, x_0, eps, t):
            alpha_bar = self.alpha_bar[np.broadcast_to(t, len(x_0))]
            rows = [a**0.5 * x.astype(float) + (1 - a) ** 0.5 * e for a, x, e in zip(alpha_bar, x_0, eps)]
            return np.array(rows, x_0.dtype).reshape(x_0.shape)
        """,
        """
        def add_noise(self, x_0, eps, t):
            a = np.asarray(self.alpha_bar[t])
            while 0 < a.ndim < x_0.ndim:
                a = a[..., None]
            return (np.sqrt(a) * x_0 + np.sqrt(1 - a) * eps).astype(x_0.dtype)
        """,
    ),
)

_any_kind = _at_times(None, 1)

TARGET = Exercise(
    name="target",
    track=TRACK,
    title="what the network learns to predict: ε, x_0 or v",
    source="tinygen.models.schedules:NoiseSchedule.target",
    question="Return what the network should predict from x_t: the noise eps if self.prediction_type is\n"
    '"epsilon", the data x_0 if it is "sample", and v = √ᾱ_t ε - √(1 - ᾱ_t) x_0 if it is "v_prediction".\n'
    "signal, noise = self._weights(t, x_0) returns √ᾱ_t and √(1 - ᾱ_t), shaped to multiply x_0.",
    page="diffusion.md#what-the-network-predicts",
    hints=(
        "Three cases, three lines. Only the last one needs the weights.",
        "With √ᾱ = cos φ and √(1 - ᾱ) = sin φ, x_t = cos φ x_0 + sin φ ε. Then v = dx_t/dφ: differentiate.",
        "signal * eps, and then the other weight times x_0, with the sign that the derivative of the cosine has",
    ),
    stages=(
        Example(
            lambda: call(easy_schedule(), np.array([[1.0, 2.0]]), np.array([[1.0, -1.0]]), 1),
            np.array([[0.2, -2.0]]),
            "Here √ᾱ = 0.8 and √(1 - ᾱ) = 0.6, so v = 0.8 (1, -1) - 0.6 (1, 2).",
        ),
        Example(
            lambda: call(easy_schedule("epsilon"), np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), 1),
            np.array([[3.0, 4.0]]),
            'For prediction_type "epsilon" the target is eps.',
            name='an example of "epsilon"',
        ),
        Shapes(_any_kind),
        Values(_any_kind),
    ),
    wrong=(
        Wrong((("signal * eps - noise * x_0", "signal * eps + noise * x_0"),), "The sign of x_0 in v is wrong."),
        Wrong((("signal * eps - noise * x_0", "noise * x_0 - signal * eps"),), "This is -v: both signs are wrong."),
        Wrong(
            (("signal * eps - noise * x_0", "noise * eps - signal * x_0"),),
            "The weights are exchanged: at time 0, where √ᾱ = 1, v is the noise.",
        ),
        Wrong(
            (("signal * eps - noise * x_0", "signal * x_0 - noise * eps"),),
            "x_0 and ε are exchanged: v = √ᾱ ε - √(1 - ᾱ) x_0.",
        ),
        Wrong((("signal * eps - noise * x_0", "signal * x_0 + noise * eps"),), "This is x_t, the network's input."),
        Wrong(
            (("signal * eps - noise * x_0", "eps - x_0"),),
            "This is the velocity of flow matching, which has no weights.",
        ),
        Wrong(
            (('== "sample"', '== "other"'), ('== "epsilon"', '== "sample"'), ('== "other"', '== "epsilon"')),
            '"epsilon" and "sample" are exchanged: epsilon is the noise, sample the data.',
        ),
        Wrong(
            (('if self.prediction_type == "epsilon"', 'if self.prediction_type != "sample"'),),
            'It returns the noise for "v_prediction" too.',
        ),
    ),
    correct=(
        """
        def target(self, x_0, eps, t):
            signal, noise = self._weights(t, x_0)
            a, b = {"epsilon": (0 * signal, 1), "sample": (1, 0 * noise), "v_prediction": (-noise, signal)}[
                self.prediction_type
            ]
            return a * x_0 + b * eps
        """,
        """
        def target(self, x_0, eps, t):
            match self.prediction_type:
                case "sample":
                    return x_0
                case "v_prediction":
                    a = self.alpha_bar[t].reshape(np.shape(t) + (1,) * (x_0.ndim - np.ndim(t)))
                    return (np.sqrt(a) * eps - np.sqrt(1 - a) * x_0).astype(x_0.dtype)
            return eps
        """,
    ),
)

SPLIT = Exercise(
    name="split",
    track=TRACK,
    title="data and noise from a prediction",
    source="tinygen.models.schedules:NoiseSchedule.split",
    question="A network received x_t at the times t, each at least 1, and predicted `output`: ε̂, x̂_0 or\n"
    'v̂, as self.prediction_type says ("epsilon", "sample", "v_prediction"). Return x̂_0 and ε̂, where\n'
    "x_t = √ᾱ_t x̂_0 + √(1 - ᾱ_t) ε̂ and v̂ = √ᾱ_t ε̂ - √(1 - ᾱ_t) x̂_0.\n"
    "signal, noise = self._weights(t, x_t) returns √ᾱ_t and √(1 - ᾱ_t), shaped to multiply x_t.",
    page="diffusion.md#what-the-network-predicts",
    hints=(
        "Two unknowns and two equations. If one part was predicted, solve the first equation for the other.",
        "For v, multiply the first equation by √ᾱ and the second by √(1 - ᾱ), and subtract: ᾱ + (1 - ᾱ) = 1.",
        "For v: x̂_0 = signal * x_t - noise * output, and ε̂ is the same rotation's other half.",
    ),
    stages=(
        Example(
            lambda: call(easy_schedule(), np.array([[0.2, -2.0]]), np.array([[1.4, 1.0]]), 1),
            (np.array([[1.0, 2.0]]), np.array([[1.0, -1.0]])),
            "Here x_t = 0.8 x_0 + 0.6 ε and v = 0.8 ε - 0.6 x_0. Try x_0 = (1, 2) and ε = (1, -1) in both.",
        ),
        Example(
            lambda: call(easy_schedule("epsilon"), np.array([[1.0, -1.0]]), np.array([[1.4, 1.0]]), 1),
            (np.array([[1.0, 2.0]]), np.array([[1.0, -1.0]])),
            "Here x_t = 0.8 x_0 + 0.6 ε, and ε = (1, -1) was predicted.",
            name='an example of "epsilon"',
        ),
        Shapes(_any_kind),
        Values(_any_kind),
    ),
    wrong=(
        Wrong(
            (
                (
                    "return signal * x_t - noise * output, noise * x_t + signal * output",
                    "return signal * x_t + noise * output, noise * x_t - signal * output",
                ),
            ),
            "The signs for v are exchanged: x̂_0 = √ᾱ x_t - √(1 - ᾱ) v̂, and ε̂ = √(1 - ᾱ) x_t + √ᾱ v̂.",
        ),
        Wrong(
            (
                (
                    "return signal * x_t - noise * output, noise * x_t + signal * output",
                    "return noise * x_t + signal * output, signal * x_t - noise * output",
                ),
            ),
            "For v the two parts are in the wrong order: x̂_0 comes first.",
        ),
        Wrong(
            (("(x_t - noise * output) / signal", "(x_t - noise * output)"),),
            'For "epsilon", x̂_0 is not divided by √ᾱ.',
        ),
        Wrong(
            (("(x_t - noise * output) / signal", "(x_t - output) / signal"),),
            'For "epsilon", ε̂ has to be multiplied by √(1 - ᾱ) before it is subtracted.',
        ),
        Wrong(
            (("(x_t - signal * output) / noise", "(x_t - signal * output)"),),
            'For "sample", ε̂ is not divided by √(1 - ᾱ).',
        ),
        Wrong(
            (("(x_t - signal * output) / noise", "(x_t - noise * output) / signal"),),
            'For "sample", the weights are exchanged: x̂_0 has the weight √ᾱ in x_t.',
        ),
        Wrong(
            (("return output, (x_t - signal * output) / noise", "return (x_t - signal * output) / noise, output"),),
            'For "sample" the two parts are in the wrong order: x̂_0 comes first.',
        ),
    ),
    correct=(
        """
        def split(self, output, x_t, t):
            signal, noise = self._weights(t, x_t)
            if self.prediction_type == "sample":
                x_0 = output
            elif self.prediction_type == "epsilon":
                x_0 = x_t / signal - output * (noise / signal)
            else:
                x_0 = signal * x_t - noise * output
            return x_0, output if self.prediction_type == "epsilon" else (x_t - signal * x_0) / noise
        """,
        """
        def split(self, output, x_t, t):
            signal, noise = (np.broadcast_to(w, x_t.shape).astype(float) for w in self._weights(t, x_t))
            second = {"epsilon": (0 * signal, 0 * noise + 1), "sample": (0 * signal + 1, 0 * noise)}
            c, d = second.get(self.prediction_type, (-noise, signal))
            determinant = signal * d - noise * c  # of the equations signal x + noise e = x_t and c x + d e = output
            x_0 = (d * x_t - noise * output) / determinant
            return x_0.astype(x_t.dtype), ((signal * output - c * x_t) / determinant).astype(x_t.dtype)
        """,
    ),
)

EXERCISES = (ADD_NOISE, TARGET, SPLIT, *sampling.EXERCISES)
