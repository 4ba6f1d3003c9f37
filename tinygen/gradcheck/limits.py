"""Every number that decides a gradient check, each with its reason.

The unit of all limits is the scaled error |⟨g, J̃t⟩ - ⟨J*g, t⟩| / (|g| |J̃t| + |J*g| |t|): what the differences J̃ and the
rules J* disagree about, against what both of them say. Unlike a relative error it has no poles: where the two products
cancel it stays small, so a limit can be tight and right rules still never fail.
"""

import numpy as np

EPS = float(np.finfo(np.float64).eps)

STEP = EPS ** (1 / 5)  # ≈ 7.4e-4: balances the truncation h⁴ of five points against the rounding EPS/h
COMPLEX_STEP = 1e-20  # nothing is subtracted, so the step can be so small that h² vanishes

# Beside each limit the largest error of a right rule, over 5,600 draws of inputs for all ops.
LIMITS = {
    "complex step": 1e-13,  # 1.4e-15
    "order 1": 1e-10,  # 1.7e-11, median 7e-14; what is beyond the limit at first sight is looked at with smaller steps
    "order 2": 1e-9,  # 2.2e-10, median 0; f is then a gradient, which rounds more often than a value
}

COARSE = 1e-6  # where differences are no better than this, they can't judge a rule, and the report says so
FULL = 64  # up to so many entries every one is checked alone: one wrong entry of 64 can't hide in a sum
DIRECTIONS = 2  # random directions per argument: one could be an unlucky one
FLOOR = 0.1  # no component of a direction or cotangent is nearer to 0: an entry that isn't moved isn't tested
