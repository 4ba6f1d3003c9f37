"""Gradient checks for your own functions and ops: `check` compares their rules with the slopes that they really have.

Read checker.py first; then point.py (what is compared), differences.py (the numerical side) with moves.py (directions,
units and steps), compare.py with trial.py (the two sides together), training.py (float32 and compiled kernels),
and blame.py with verdict.py and locate.py (which op is to blame, and why). jacobians.py has the arrays of the picture,
examining.py the mode of a check, limits.py every number.
"""

from tinygen.gradcheck.checker import check
from tinygen.gradcheck.limits import LIMITS
from tinygen.gradcheck.report import GradientError, Report, Row

__all__ = ["LIMITS", "GradientError", "Report", "Row", "check"]
