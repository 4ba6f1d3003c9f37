"""Learning rates that change: a schedule is any function from the step, 0 for the first, to the rate of that step.

    schedule = cosine(1e-3, total=10_000, warmup=500)
    for step, batch in enumerate(batches):
        opt.lr = schedule(step)
        ...

A lambda is a schedule too: `warmup(lambda step: 1e-3 / (1 + step / 1000), steps=500)`.
"""

import math
from collections.abc import Callable

import numpy as np

from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.io import html

Schedule = Callable[[int], float]


class Rate:
    """A schedule that shows its arguments, and its curve over the first `steps` steps in a notebook."""

    def __init__(self, rate: Schedule, text: str, steps: int):
        self.rate, self.text, self.steps = rate, text, steps

    def __call__(self, step: int) -> float:
        """The learning rate of this step, 0 for the first."""
        return self.rate(step)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        shown = np.unique(np.linspace(0, self.steps, 200).astype(int))
        rates = np.array([self.rate(int(step)) for step in shown])
        return html.block(self.text, html.chart("learning rate", {"lr": (shown, rates)}, xlabel="step"))


@explained
def step_decay(lr: float, *, every: int, factor: float = 0.1) -> Schedule:
    """lr · factorᵏ after k times `every` steps."""
    lr, factor = (arguments.real("step_decay", name, x, least=0) for name, x in (("lr", lr), ("factor", factor)))
    every = arguments.whole("step_decay", "every", every, least=1)
    text = f"step_decay({lr:g}, every={every}, factor={factor:g})"
    return Rate(lambda step: lr * factor ** (step // every), text, 5 * every)


@explained
def cosine(lr: float, *, total: int, final: float = 0.0, warmup: int = 0) -> Schedule:
    """Half a cosine from `lr` at step 0 down to `final` from step `total` on (Loshchilov & Hutter 2017).

    Args:
        lr: the largest learning rate.
        total: number of steps of the whole run.
        final: the learning rate at the end.
        warmup: number of first steps that are multiplied by a ramp; it takes at most a fifth of `total`, because a
            short run would otherwise never reach `lr`.

    Returns a function from the step, 0 for the first, to its learning rate.

    >>> schedule = tg.optim.cosine(0.1, total=100)
    >>> [round(schedule(step), 4) for step in (0, 50, 100)]
    [0.1, 0.05, 0.0]
    """
    lr, final = (arguments.real("cosine", name, x, least=0) for name, x in (("lr", lr), ("final", final)))
    total = arguments.whole("cosine", "total", total, least=1)
    ramp = max(1, min(arguments.whole("cosine", "warmup", warmup, least=0), total // 5))

    def rate(step: int) -> float:
        half = final + (lr - final) * (1 + math.cos(math.pi * min(step, total) / total)) / 2
        return half * min(1.0, (step + 1) / ramp)

    end, ramped = f", final={final:g}" if final else "", f", warmup={warmup}" if warmup else ""
    return Rate(rate, f"cosine({lr:g}, total={total}{end}{ramped})", total)


@explained
def warmup(schedule: Schedule | float, *, steps: int) -> Schedule:
    """The schedule, or a constant rate, times a ramp 1/steps, 2/steps, ... up to 1 (Goyal et al. 2017).

    The ramp takes `steps` steps even in a short run; `cosine` knows the length of the run and shortens its ramp.
    """
    steps = arguments.whole("warmup", "steps", steps, least=1)
    rate = 0.0 if callable(schedule) else arguments.real("warmup", "schedule", schedule, least=0)
    base = schedule if callable(schedule) else lambda step: rate
    base_text = getattr(schedule, "__name__", repr(schedule)) if callable(schedule) else f"{rate:g}"
    text = f"warmup({base_text}, steps={steps})"
    shown = max(2 * steps, schedule.steps if isinstance(schedule, Rate) else 0)
    return Rate(lambda step: base(step) * min(1.0, (step + 1) / steps), text, shown)
