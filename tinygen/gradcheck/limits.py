"""Every number that decides a gradient check, each with its reason.

The unit of all limits is the scaled error |⟨g, J̃t⟩ - ⟨J*g, t⟩| / (|g| |J̃t| + |J*g| |t|): what the differences J̃ and the
rules J* disagree about, relative to both. Unlike a relative error it has no poles: it stays small where the products
cancel, so a limit can be tight and right rules still pass.
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
    "order 1": 1e-10,  # 1.7e-11, median 7e-14; errors beyond the limit are measured again with smaller steps
    "order 2": 1e-9,  # 2.2e-10, median 0; f is then a gradient, with more roundings than a value
}

COARSE = 1e-6  # if differences are less accurate than this, the check is undecided
SAME = 1e-8  # Jacobians are equal if no entry differs by more of the largest one: five points are good to 1e-10
TRUST = 8  # a rule is wrong only if its error is this many times that of the differences
FULL = 64  # arrays of up to this many entries are checked entry by entry: a wrong one can't hide in a sum
DIRECTIONS = 2  # random directions per argument: one alone could miss an error
FLOOR = 0.1  # no component of a direction or cotangent is nearer to 0: an entry that isn't moved isn't tested

# The ladder of steps, for slopes that the first step does not decide.
LADDER = range(-44, -2)  # powers of two, times each size at which f may vary: 5.7e-14 to 1/8 of it
RESOLVED = 1e-4  # three steps in a row that agree this well, relative to the slope, are no coincidence
PLATEAU = 6  # this many of them in a row: rounded values may agree by chance, but not over a factor of 64
FAR = 2.0**-3  # larger steps only count on a plateau: far away f may be different, so a small difference proves nothing
AHEAD = 2.0**6  # a step shows the noise of steps this much smaller, which may all have given one rounded value
PLACES = range(-12, 13, 2)  # powers of two, times the size of x: where to look for the smallest change of f
GRAINS = range(-52, 0, 3)  # powers of two, times the distance of such a place: the steps to take there
STEPS = range(-44, 0, 2)  # powers of two: where to look for the first change of f next to x
JUMP = 16 * COARSE  # a first change above this share of f is a jump: a gap that hides a slope is at most COARSE of f
KINK = 100  # a kink counts if it is this many times larger than rounding; smaller ones are noise

ORDINARY = (2.0**-8, 2.0**8)  # arrays whose largest entry is in between are moved by steps near 1, others in units
LOST = 2.0**-1000  # 1e-301: what a rule may lose where its numbers are too small for a float, in intermediate ones too
TINY = 2.0**-20  # an entry this much smaller than the largest has a unit of its own
EVEN = 32  # binary digits: outputs are weighed in units of 2³², so only slopes more than 2¹⁶ away from 1 are rescaled
NEARBY = 2.0**-30  # a relative move that changes a smooth gradient by next to nothing, and all of its rounding

# float32: f runs in float64 several times, with noise on the output of every op. The results in float32 may differ from
# those in float64 as much as these runs do.
NOISE = 8 * EPS32  # per op: one rounding is EPS32/2, a sum of many terms a few of them
RUNS = 6  # enough that the largest deviation of an entry is unlikely to be an accident
SPREAD = 16  # how many times the error of the noisy runs float32 may have: sums of 10⁵ terms, roundings of kernels
BLUNT = 1e-3  # where noise alone changes a result by more of its size, float32 is not compared
RANGE = (1e-30, 1e30)  # arrays whose largest entry is outside are at the edge of what float32 can hold
