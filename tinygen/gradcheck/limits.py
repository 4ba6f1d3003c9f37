"""Every number that decides a gradient check, each with its reason.

The unit of all limits is the scaled error |⟨g, J̃t⟩ - ⟨J*g, t⟩| / (|g| |J̃t| + |J*g| |t|): what the differences J̃ and the
rules J* disagree about, against what both of them say. Unlike a relative error it has no poles: where the two products
cancel it stays small, so a limit can be tight and right rules still never fail.
"""

import numpy as np

EPS = float(np.finfo(np.float64).eps)
EPS32 = float(np.finfo(np.float32).eps)

STEP = 2.0**-11  # near EPS^(1/5), which balances the truncation h⁴ of five points against the rounding EPS/h
COMPLEX_STEP = 1e-20  # nothing is subtracted, so the step can be so small that h² vanishes
BITS = 8  # of a tangent's components: with a power of two as the step, x + ht is then a float, and nothing is rounded

# Beside each limit the largest error of a right rule, over 5,600 draws of inputs for all ops.
LIMITS = {
    "complex step": 1e-13,  # 1.4e-15
    "order 1": 1e-10,  # 1.7e-11, median 7e-14; what is beyond the limit at first sight is looked at with smaller steps
    "order 2": 1e-9,  # 2.2e-10, median 0; f is then a gradient, which rounds more often than a value
}

COARSE = 1e-6  # where differences are no better than this, the check is undecided
SAME = 1e-8  # Jacobians are equal if no entry differs by more of the largest one: five points are good to 1e-10
TRUST = 8  # a rule is wrong only if it is this many times further off than the differences themselves may be
FULL = 64  # up to so many entries every one is checked alone: one wrong entry of 64 can't hide in a sum
DIRECTIONS = 2  # random directions per argument: one could be an unlucky one
FLOOR = 0.1  # no component of a direction or cotangent is nearer to 0: an entry that isn't moved isn't tested

# The ladder of steps, where the first step did not settle the matter.
LADDER = range(-44, -2)  # powers of two, times each size at which f may vary: 5.7e-14 to 1/8 of it
RESOLVED = 1e-4  # three steps in a row that agree so well, relative to the slope, are no accident
PLATEAU = 6  # this many of them in a row: rounded values may agree by chance, but not over a factor of 64
FAR = 2.0**-3  # a step beyond must lie on a plateau: far away f is another function, and a small difference no proof
AHEAD = 2.0**6  # a step shows the noise of steps this much smaller, which may all have fallen on one rounded value
PLACES = range(-12, 13, 2)  # powers of two, times the size of x: where to look for the smallest change of f
GRAINS = range(-52, 0, 3)  # powers of two, times the distance of such a place: the steps to take there
KINK = 100  # a kink counts if it is this many times larger than rounding; smaller ones are noise

ORDINARY = (2.0**-8, 2.0**8)  # arrays whose largest entry is in between are moved by steps near 1, others in units
TINY = 2.0**-20  # an entry this much smaller than the largest has a unit of its own
EVEN = 32  # binary digits: outputs are weighed in units of 2³², so only slopes more than 2¹⁶ away from 1 are rescaled
NEARBY = 2.0**-30  # a relative move that changes a smooth gradient by next to nothing, and all of its rounding

# float32: f is run in float64 several times, with noise put on every op's output; what comes out of float32 may differ
# from float64 as much as those runs do.
NOISE = 8 * EPS32  # per op: one rounding is EPS32/2, a sum of many terms a few of them
RUNS = 6  # the largest deviation of this many is, for one entry, almost surely no accident
SPREAD = (
    16  # float32 may be this many times further off than the noisy runs: sums of up to 10⁵ terms, kernels' own ulps
)
BLUNT = 1e-3  # where noise alone changes a result by more of its size, float32 is not compared
RANGE = (1e-30, 1e30)  # arrays whose largest entry is outside are at the edge of what float32 can hold
