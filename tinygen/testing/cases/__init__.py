"""The table: one Case for every registered op, and for the compositions that are public beside them.

The files mirror those of `tinygen/ops`; `tests/testing/test_completeness.py` fails if table and registry differ.
"""

from tinygen.testing.case import Case
from tinygen.testing.cases.activation import ACTIVATION
from tinygen.testing.cases.conv import CONV
from tinygen.testing.cases.elementwise import ELEMENTWISE
from tinygen.testing.cases.gamma import GAMMA
from tinygen.testing.cases.linalg import LINALG
from tinygen.testing.cases.norm import NORM
from tinygen.testing.cases.pool import POOL
from tinygen.testing.cases.recurrent import RECURRENT
from tinygen.testing.cases.reduce import REDUCE
from tinygen.testing.cases.resample import RESAMPLE
from tinygen.testing.cases.shape import SHAPE

CASES: dict[str, Case] = {
    case.name: case
    for family in (SHAPE, ELEMENTWISE, ACTIVATION, REDUCE, LINALG, CONV, NORM, POOL, RESAMPLE, RECURRENT, GAMMA)
    for case in family
}
