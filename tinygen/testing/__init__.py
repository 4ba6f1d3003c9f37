"""How ops are tested, for ours and for yours.

    check_op(my_op, sample, oracle)   the whole battery for one op, in one call
    CASES                             the table: one row for each op of tinygen
    tinygen.testing.strategies        hypothesis strategies: memory layouts, shapes, convolutions (needs tinygen[test])

Reading order: case.py (what a row is), cases/ (the rows), properties.py (the properties that every op must have),
values.py and derivatives.py (how they are measured), battery.py (all of them for one op), coverage.py (how often each
one was tested).
"""

from tinygen.testing.battery import check_op
from tinygen.testing.case import Case, Waiver
from tinygen.testing.cases import CASES
from tinygen.testing.measure import Failure

__all__ = ["CASES", "Case", "Failure", "Waiver", "check_op"]
