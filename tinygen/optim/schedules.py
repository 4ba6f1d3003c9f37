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
from tinygen.errors.calls import explained

Schedule = Callable[[int], float]


@explained
def step_decay(lr: float, *, every: int, factor: float = 0.1) -> Schedule:
    """lr · factorᵏ after k times `every` steps."""
    lr, factor = (arguments.real("step_decay", name, x, least=0) for name, x in (("lr", lr), ("factor", factor)))
    every = arguments.whole("step_decay", "every", every, least=1)
    return lambda step: lr * factor ** (step // every)


@explained
def cosine(lr: float, *, total: int, final: float = 0.0, warmup: int = 0) -> Schedule:
    """Half a cosine from `lr` at step 0 down to `final` from step `total` on (Loshchilov & Hutter 2017).

    The first `warmup` steps are multiplied by the ramp of the function `warmup`. The ramp takes at most a fifth of
    `total`, because a short run would otherwise never reach `lr`.
    """
    lr, final = (arguments.real("cosine", name, x, least=0) for name, x in (("lr", lr), ("final", final)))
    total = arguments.whole("cosine", "total", total, least=1)
    ramp = max(1, min(arguments.whole("cosine", "warmup", warmup, least=0), total // 5))

    def rate(step: int) -> float:
        half = final + (lr - final) * (1 + math.cos(math.pi * min(step, total) / total)) / 2
        return half * min(1.0, (step + 1) / ramp)

    return rate


@explained
def warmup(schedule: Schedule | float, *, steps: int) -> Schedule:
    """The schedule, or a constant rate, times a ramp 1/steps, 2/steps, ... up to 1 (Goyal et al. 2017).

    The ramp takes `steps` steps even in a short run; `cosine` knows the length of the run and shortens its ramp.
    """
    steps = arguments.whole("warmup", "steps", steps, least=1)
    rate = 0.0 if callable(schedule) else arguments.real("warmup", "schedule", schedule, least=0)
    base = schedule if callable(schedule) else lambda step: rate
    return lambda step: base(step) * min(1.0, (step + 1) / steps)
