"""Learning rates that change: a schedule is any function from the step, 0 for the first, to the rate of that step.

    schedule = cosine(1e-3, total=10_000, warmup=500)
    for step, batch in enumerate(batches):
        opt.lr = schedule(step)
        ...

A lambda is a schedule too: `warmup(lambda step: 1e-3 / (1 + step / 1000), steps=500)`.
"""

import math
from collections.abc import Callable

from tinygen.errors import arguments

Schedule = Callable[[int], float]


def step_decay(lr: float, *, every: int, factor: float = 0.1) -> Schedule:
    """lr · factorᵏ, where k counts how often `every` steps are done."""
    lr, factor = (arguments.real("step_decay", name, x, least=0) for name, x in (("lr", lr), ("factor", factor)))
    every = arguments.whole("step_decay", "every", every, least=1)
    return lambda step: lr * factor ** (step // every)


def cosine(lr: float, *, total: int, final: float = 0.0, warmup: int = 0) -> Schedule:
    """Half a cosine from `lr` at step 0 down to `final` from step `total` on (Loshchilov & Hutter 2017).

    Its first `warmup` steps are multiplied by a ramp up to 1, as `warmup` does it. The ramp is at most a fifth of
    `total`, because a short run with a ramp that never ends would train at a fraction of `lr`.
    """
    lr, final = (arguments.real("cosine", name, x, least=0) for name, x in (("lr", lr), ("final", final)))
    total = arguments.whole("cosine", "total", total, least=1)
    ramp = max(1, min(arguments.whole("cosine", "warmup", warmup, least=0), total // 5))

    def rate(step: int) -> float:
        half = final + (lr - final) * (1 + math.cos(math.pi * min(step, total) / total)) / 2
        return half * min(1.0, (step + 1) / ramp)

    return rate


def warmup(schedule: Schedule | float, *, steps: int) -> Schedule:
    """The schedule, or a constant rate, times a ramp 1/steps, 2/steps, ... up to 1 (Goyal et al. 2017).

    The ramp has these `steps` however short the run is; `cosine` knows the length of the run and shortens its own.
    """
    steps = arguments.whole("warmup", "steps", steps, least=1)
    rate = 0.0 if callable(schedule) else arguments.real("warmup", "schedule", schedule, least=0)
    base = schedule if callable(schedule) else lambda step: rate
    return lambda step: base(step) * min(1.0, (step + 1) / steps)
