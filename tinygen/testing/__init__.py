"""How ops are tested, for ours and for yours.

    check_op(my_op, sample, oracle)   the whole battery for one op, in one call
    CASES                             the table: one row for each op of tinygen
    tinygen.testing.strategies        hypothesis strategies: memory layouts, shapes, convolutions (needs tinygen[test])

To read: case.py (what a row is), cases/ (the rows), properties.py (what every op has to have), values.py and
derivatives.py (how that is measured), battery.py (putting both together), coverage.py (proof that it was done).
"""

from tinygen.testing.battery import check_op
from tinygen.testing.case import Case, Waiver
from tinygen.testing.cases import CASES
from tinygen.testing.measure import Failure

__all__ = ["CASES", "Case", "Failure", "Waiver", "check_op"]
