"""Training: one step of SGD with momentum, and one of Adam."""

from collections.abc import Callable, Sequence

import numpy as np

from tinygen.exercises.draws import in_turn, uniform
from tinygen.exercises.exercise import Arguments, Exercise, Stage, Wrong, call
from tinygen.exercises.show import code, shown
from tinygen.exercises.stages import Example, Extremes, Made, Shapes, Values

STEPS = (((1,), 1), ((0,), 1), ((1,), 2), ((2,), 2), ((3,), 3), ((2, 3), 4))  # shape, steps


EACH = "θ of each step"


def _drawn(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First values, and the gradients of a few steps."""
    shape, steps = in_turn(rng, size, STEPS)
    return uniform(rng, shape), rng.uniform(-2, 2, (steps, *shape))


def _all_steps(step: Callable, θ: np.ndarray, gs: np.ndarray, memories: Sequence[str]) -> dict | None:
    """The values after each step, and the memory after the last, of step(t, θ, g, *memory); None if it returns none."""
    memory, values = [np.zeros_like(θ) for _ in memories], []
    for t, g in enumerate(gs, 1):
        g = np.array(g)
        for a in (θ, g):
            a.flags.writeable = False
        θ = step(t, θ, g, *memory)
        if θ is None or θ is ...:
            return None
        θ = np.array(θ)
        values.append(θ)
    return {EACH: np.array(values), **dict(zip(memories, memory))}


def _loop(θ: np.ndarray, gs: np.ndarray, memories: Sequence[str], step: str) -> str:
    """A run as Python text."""
    zeros = ", ".join(["np.zeros_like(θ)"] * len(memories))
    loop = f"for t, g in enumerate({code(gs)}, 1):"
    return f"θ = {code(θ)}\n{', '.join(memories)} = {zeros}\n{loop}\n    θ = {step}"


# -- momentum ----------------------------------------------------------------------------------------------------------


def _with_momentum(step: Callable) -> Callable:
    """A run, whose learning rate falls: α, α/2, α/3, ..."""

    def momentum_steps(θ, gs, α, μ, nesterov):
        return _all_steps(lambda t, θ, g, v: step(θ, g, v, α / t, μ, nesterov), θ, gs, "v")

    return momentum_steps


def _graded_momentum(stage: Stage) -> Made:
    def written(call: Arguments) -> str:
        θ, gs, α, μ, nesterov = call.args
        return _loop(θ, gs, "v", f"momentum_step(θ, g, v, {shown(α)} / t, {shown(μ)}, {nesterov})")

    return Made(_with_momentum, stage, written)


def _momentum_run(rng: np.random.Generator, size: int) -> Arguments:
    θ, gs = _drawn(rng, size)
    return call(θ, gs, 0.5, 0.75, size % 2 == 0)


MOMENTUM = Exercise(
    name="momentum",
    track="training",
    title="one step of gradient descent with momentum",
    source="tinygen.kernels.reference_optim:momentum_step",
    question="v ← μ v + g, then θ - α v, or with `nesterov` θ - α (g + μ v), where v is the new velocity.\n"
    "θ, g and v are arrays of one shape. Write the new velocity into the array v, because the next step reads it\n"
    "there; leave θ and g as they are, and return the new θ. The grader runs several steps with a falling α.",
    page="glossary.md#momentum",
    hints=(
        "With μ = 0.5 and a gradient of 1 at each step, v is 1, then 1.5, then 1.75: the sum of all gradients, those k "
        "steps ago with the weight μᵏ.",
        "`v = μ * v + g` gives the name v to a new array, and the caller's array is never changed. `v[...] = ` writes.",
        "v[...] = μ * v + g. The direction is v, or g + μ * v if nesterov; θ moves by α against it.",
    ),
    stages=(
        _graded_momentum(
            Example(
                lambda: call(np.array([1.0]), np.array([[2.0], [2.0]]), 0.5, 0.5, False),
                {EACH: np.array([[0.0], [-0.75]]), "v": np.array([3.0])},
                "θ after each of two steps with α = 0.5, then 0.25, and v after the last. Step 1: v = 2 and "
                "θ = 1 - 0.5 · 2 = 0. Step 2: v = 0.5 · 2 + 2 = 3 and θ = 0 - 0.25 · 3.",
            ),
        ),
        _graded_momentum(Shapes(_momentum_run)),
        _graded_momentum(Values(_momentum_run)),
        _graded_momentum(
            Extremes(
                (
                    lambda: call(np.array([1.0]), np.array([[1e200], [-1e200]]), 1e-200, 0.5, True),
                    lambda: call(np.array([1.0]), np.array([[1.0], [0.0]] * 20), 0.1, 0.99, False),
                )
            ),
        ),
    ),
    wrong=(
        Wrong(
            (("v[...] = μ * v + g", "v = μ * v + g"),),
            "`v = ...` names a new array; the one that the next step reads stays 0. Write into it: v[...] = ...",
        ),
        Wrong(
            (("μ * v + g\n", "μ * v + (1 - μ) * g\n"),),
            "This velocity is the mean of the gradients. With momentum it is their sum: v ← μ v + g.",
        ),
        Wrong(
            (("μ * v + g\n", "μ * v - α * g\n"), ("return θ - α * (g + μ * v if nesterov else v)", "return θ + v")),
            "The learning rate is part of v here, so a change of α has no effect on the gradients of earlier steps.",
        ),
        Wrong(
            (("g + μ * v if nesterov else v", "v"),),
            "`nesterov` has no effect: with it, the step goes along g + μ v.",
        ),
        Wrong((("g + μ * v if nesterov", "g + v if nesterov"),), "With `nesterov`, v is multiplied by μ: g + μ v."),
        Wrong((("θ - α", "θ + α"),), "θ moves up the slope. The gradient points uphill, so subtract."),
        Wrong((("μ * v + g\n", "μ * (v + g)\n"),), "The new gradient is multiplied by μ too: v ← μ v + g."),
        Wrong((("(g + μ * v if nesterov else v)", "g"),), "The velocity is computed, but not used."),
    ),
    correct=(
        """
        def momentum_step(θ, g, v, α, μ, nesterov):
            v[:] = μ * v
            v += g
            if nesterov:
                return θ - α * g - α * μ * v
            return θ - α * v
        """,
        """
        def momentum_step(θ, g, v, α, μ, nesterov):
            direction = (1 + μ) * g + μ * μ * v if nesterov else μ * v + g
            np.add(np.multiply(μ, v), g, out=v)
            return np.subtract(θ, np.multiply(α, direction))
        """,
    ),
)

# -- Adam --------------------------------------------------------------------------------------------------------------


def _with_adam(step: Callable) -> Callable:
    def adam_steps(θ, gs, α, β1, β2, ε):
        return _all_steps(lambda t, θ, g, m, v: step(θ, g, m, v, α, β1, β2, ε, t), θ, gs, "mv")

    return adam_steps


def _graded_adam(stage: Stage) -> Made:
    def written(call: Arguments) -> str:
        θ, gs, *numbers = call.args
        return _loop(θ, gs, "mv", f"adam_step(θ, g, m, v, {', '.join(map(shown, numbers))}, t)")

    return Made(_with_adam, stage, written)


def _adam_run(rng: np.random.Generator, size: int) -> Arguments:
    θ, gs = _drawn(rng, size)
    β1, β2, ε = ((0.9, 0.999, 1e-8), (0.5, 0.75, 0.25), (0.0, 0.9, 1e-3))[size % 3]
    return call(θ, gs, 0.125, β1, β2, ε)


def _constant(g: float, steps: int, ε: float, dtype: type = np.float64):
    return lambda: call(np.ones(1, dtype), np.full((steps, 1), g, dtype), 0.1, 0.9, 0.999, ε)


ADAM = Exercise(
    name="adam",
    track="training",
    title="one step of Adam",
    source="tinygen.kernels.reference_optim:adam_step",
    question="Algorithm 1 of Kingma & Ba: m ← β1 m + (1 - β1) g and v ← β2 v + (1 - β2) g², then m̂ = m / (1 - β1ᵗ),\n"
    "v̂ = v / (1 - β2ᵗ) and θ - α m̂ / (√v̂ + ε). All arrays have one shape; t counts the steps from 1.\n"
    "Write the new m and v into their arrays, leave θ and g as they are, and return the new θ, of the dtype of θ:\n"
    "float32 arrays must not become float64.",
    page="glossary.md#adam",
    hints=(
        "In the first step m = (1 - β1) g, which is ten times too small as a mean of g. What corrects it, at every t?",
        "m[...] = ... writes into the array that the next step reads; `m = ...` doesn't. The hats are new arrays, "
        "because m and v themselves go on without the correction.",
        "m[...] = β1 * m + (1 - β1) * g, v[...] likewise with g * g; m_hat = m / (1 - β1**t), v_hat likewise; the step "
        "is α * m_hat / (np.sqrt(v_hat) + ε): ε is outside the root.",
    ),
    stages=(
        _graded_adam(
            Example(
                lambda: call(np.array([1.0]), np.array([[2.0], [2.0]]), 0.25, 0.5, 0.75, 0.0),
                {EACH: np.array([[0.75], [0.5]]), "m": np.array([1.5]), "v": np.array([1.75])},
                "θ after each of two steps, and m and v after the last. Step 1: m = 0.5 · 2 and v = 0.25 · 4, so "
                "m̂ = 1 / (1 - 0.5) = 2 and v̂ = 1 / (1 - 0.75) = 4: θ moves by 0.25 · 2 / √4. For a constant gradient "
                "every step is α long.",
            ),
        ),
        _graded_adam(Shapes(_adam_run)),
        _graded_adam(Values(_adam_run)),
        _graded_adam(
            Extremes(
                (
                    _constant(0.0, 2, 1e-8),
                    _constant(1e-9, 2, 1e-8),
                    _constant(1e-12, 2, 1e-8),
                    _constant(1e9, 2, 1e-8),
                    _constant(1.0, 60, 1e-8),
                    _constant(1e-6, 3, 1e-8, np.float32),
                )
            ),
        ),
    ),
    wrong=(
        Wrong(
            (("m_hat = m / (1 - β1**t)", "m_hat = m"), ("v_hat = v / (1 - β2**t)", "v_hat = v")),
            "The correction is missing: m and v start at 0, and are divided by 1 - βᵗ.",
        ),
        Wrong(
            (("β1**t", "β1"), ("β2**t", "β2")),
            "The correction is that of the first step at all times. It is 1 - βᵗ, with the power t.",
        ),
        Wrong(
            (("(np.sqrt(v_hat) + ε)", "np.sqrt(v_hat + ε)"),),
            "ε is inside the root. With 1e-8 there, gradients below 1e-4 make much smaller steps: √(v̂ + ε) is 1e-4.",
        ),
        Wrong((("g * g", "np.abs(g)"),), "v is the mean of |g|. It must be that of g²."),
        Wrong(
            (("mixed(m, g, β1)", "mixed(m, g, β2)"), ("mixed(v, g * g, β2)", "mixed(v, g * g, β1)")),
            "β1 and β2 are exchanged: β1 belongs to m.",
        ),
        Wrong(
            (("m[...] = ", "m = "), ("v[...] = ", "v = ")),
            "`m = ...` names a new array; the one that the next step reads stays 0. Write into it: m[...] = ...",
        ),
        Wrong(
            (
                ("m_hat = m / (1 - β1**t)", "m_hat = np.sqrt(1 - β2**t) / (1 - β1**t) * m"),
                ("v_hat = v / (1 - β2**t)", "v_hat = v"),
                ("np.sqrt(v_hat) + ε", "np.sqrt(v_hat) + ε * np.sqrt(1 - β2**t)"),
            ),
            "The numbers are right, but np.sqrt of a number is a NumPy float64 scalar, which makes float32 arrays "
            "float64. Take the root with ** 0.5 or math.sqrt.",
        ),
        Wrong((("np.sqrt(v_hat)", "v_hat"),), "The root is missing: the step is divided by √v̂."),
        Wrong((("return θ - α", "return θ + α"),), "θ moves up the slope. The gradient points uphill, so subtract."),
    ),
    correct=(
        """
        def adam_step(θ, g, m, v, α, β1, β2, ε, t):
            m[:] = β1 * m + (1 - β1) * g
            v *= β2
            v += (1 - β2) * g**2
            return θ - α * (m / (1 - β1**t)) / (ε + (v / (1 - β2**t)) ** 0.5)
        """,
        """
        def adam_step(θ, g, m, v, α, β1, β2, ε, t):
            np.copyto(m, m + (1 - β1) * (g - m))
            np.copyto(v, v + (1 - β2) * (np.square(g) - v))
            root = (1 - β2**t) ** 0.5  # of the correction of v, taken out of the quotient
            return θ - (α * root / (1 - β1**t)) * m / (np.sqrt(v) + ε * root)
        """,
    ),
)

EXERCISES = (MOMENTUM, ADAM)
