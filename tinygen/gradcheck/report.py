"""What a check found: one row per derivative, who is to blame, and the error that carries both."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tinygen.io.table import columns


@dataclass(frozen=True)
class Row:
    """One derivative: of output `output`, and at order 2 of its gradient in `argument`, by the argument named `by`.

    `analytic` and `numerical` are the two numbers that disagree most; `entry` is where, an index into the argument
    that moved, or None for a sum over a random direction. `vacuous` means that both sides are zero to rounding, which
    for a constant or a second derivative of a linear function is right, but proves little.
    """

    order: int
    argument: int
    name: str
    by: str
    output: int
    entry: tuple[int, ...] | None
    analytic: float
    numerical: float
    error: float
    limit: float
    verdict: str  # "ok", "wrong", "kink" (no derivative here), "not finite" or "undecided" (rounding hides it)
    vacuous: bool = False
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"

    @property
    def derivative(self) -> str:
        """∂a at order 1, ∂a∂b at order 2."""
        return f"∂{self.name}" + (f" ∂{self.by}" if self.order == 2 else "")


class Comparison(NamedTuple):
    """f and its gradient as training computes them, compared with a more reliable result; `note` explains a failure."""

    what: str
    against: str
    error: float  # relative to the largest entry
    limit: float
    verdict: str  # "ok", "wrong" or "not compared"
    note: str

    def __str__(self) -> str:
        if self.verdict == "not compared":
            return f"not compared in {self.what}: {self.note}"
        return f"{self.what} against {self.against}: error {self.error:.1e}, limit {self.limit:.0e}: {self.verdict}"


@dataclass(frozen=True)
class Report:
    """All rows of one check, readable with print; `ok` if each of them is; `blame` in words if not.

    `rows` compare the rules with differences in float64, `training` the float32 and the kernels that training uses
    with float64 and with the plain kernels; an impossible comparison has its reason in `note`, and does not fail.
    """

    function: str
    seed: int
    rows: list[Row] = field(default_factory=list)
    blame: str = ""
    training: list[Comparison] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows) and all(each.verdict != "wrong" for each in self.training)

    @property
    def verdict(self) -> str:
        """ "passed", "FAILED" where something is wrong, "UNDECIDED" where something can't be known."""
        verdicts = {row.verdict for row in self.rows} | {each.verdict for each in self.training}
        return "passed" if self.ok else "UNDECIDED" if verdicts <= {"ok", "not compared", "undecided"} else "FAILED"

    @property
    def vacuous(self) -> bool:
        """Whether no first derivative was anything but zero: then the check has shown next to nothing."""
        return all(row.vacuous for row in self.rows if row.order == 1)

    @property
    def worst(self) -> Row:
        """The row that is nearest to its limit, or furthest beyond it."""
        return max(self.rows, key=lambda row: (not row.ok, row.error / row.limit))

    def __str__(self) -> str:
        head = ("order", "derivative", "entry", "analytic", "numerical", "error", "limit", "verdict")
        lines = [head, *(_cells(row, several=any(r.output for r in self.rows)) for row in self.rows)]
        notes = list(dict.fromkeys(f"{r.derivative}: {r.note}" for r in self.rows if r.note))
        title = f"gradient check of {self.function}: {self.verdict} (seed {self.seed})"
        notes += map(str, self.training)
        return "\n".join([title, columns(lines), *notes, *([self.blame] if self.blame else [])])


class GradientError(AssertionError):
    """A rule and the numbers disagree, or can't be compared; `report` shows where."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report


def _cells(row: Row, *, several: bool) -> tuple[str, ...]:
    return (
        str(row.order),
        row.derivative + (f" of output {row.output}" if several else ""),
        "" if row.entry is None else str(row.entry),
        f"{row.analytic:.9g}",
        f"{row.numerical:.9g}",
        f"{row.error:.1e}",
        f"{row.limit:.0e}",
        row.verdict + (" (vacuous)" if row.vacuous else ""),
    )
