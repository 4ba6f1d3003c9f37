"""What a check found: one row per derivative, who is to blame, a picture of it, and the error that carries all."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygen.io import html
from tinygen.io.table import columns, terminal_width

if TYPE_CHECKING:
    from tinygen.plot import Picture


MOST = 20  # rows of a table that is shown whole


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
    look: Callable[[Row], Any] | None = field(default=None, repr=False, compare=False)  # a row -> its Jacobian
    unchecked: str = ""  # what f uses, and nothing here compares

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows) and all(each.verdict != "wrong" for each in self.training)

    @property
    def verdict(self) -> str:
        """ "passed", "FAILED" where something is wrong, "UNDECIDED" where something can't be known."""
        verdicts = {row.verdict for row in self.rows} | {each.verdict for each in self.training}
        return "passed" if self.ok else "UNDECIDED" if verdicts <= {"ok", "not compared", "undecided"} else "FAILED"

    @property
    def _verdict(self) -> str:
        return self.verdict + (", but only zeros were compared" if self.ok and self.rows and self.vacuous else "")

    @property
    def vacuous(self) -> bool:
        """Whether all first derivatives are zero; the check has shown next to nothing then."""
        return all(row.vacuous for row in self.rows if row.order == 1)

    @property
    def worst(self) -> Row:
        """The row that is nearest to its limit, or furthest beyond it."""
        return max(self.rows, key=lambda row: (not row.ok, row.error / row.limit))

    def plot(self) -> "Picture":
        """The Jacobian of the first row that failed, else of the first row: by differences, by the rules, and the gap.

        A frame marks the entries that differ, a cross the kinks. It calls f again, and keeps nothing. Raises ValueError
        for a report without rows.
        """
        if not self.rows or self.look is None:
            raise ValueError("Report.plot: expected a report of check(f, *arrays) with at least one array, got no rows")
        from tinygen.plot import jacobians  # here, because it imports matplotlib

        row = min(self.rows, key=lambda row: (row.ok, row.verdict != "wrong"))
        found = self.look(row)
        where = f" at order {row.order}" if row.order == 2 else ""
        return jacobians(
            found.numerical,
            found.analytic,
            columns={name: len(entries) for name, entries in found.columns.items()},
            kinked=found.kinked,
            output=found.output,
            title=f"{self.function}: {row.derivative}{where} {_WORDS[row.verdict]}",
        )

    def _repr_html_(self) -> str:
        """For notebooks: the verdicts as a table, what is to blame, and after a failure the picture."""
        table = html.table(_HEAD, self._cells())
        words = "".join(f'<div style="margin:.3em 0">{html.text(note, 2000)}</div>' for note in self._notes())
        picture = "" if all(row.ok for row in self.rows) else self._picture()
        sign = "✓" if self.ok else "✗"
        return html.block(f"{sign} gradient check of {self.function}: {self._verdict}", table, words, picture)

    def _picture(self) -> str:
        try:
            content = self.plot()._repr_png_()
        except Exception as error:  # f is called once more, and what it depends on may have changed
            return html.text(f"The Jacobian can't be drawn: {error}")
        return html.embedded(content, "the Jacobian by differences, by the rules, and their difference")

    def __repr__(self) -> str:  # a prompt shows the table, as print does
        return str(self)

    def __str__(self) -> str:
        title = f"gradient check of {self.function}: {self._verdict} (seed {self.seed})"
        return "\n".join([title, columns([_HEAD, *self._cells()], width=max(100, terminal_width())), *self._notes()])

    def _cells(self) -> list[tuple[str, ...]]:
        """The rows as text; of more than MOST, those of order 2 that are right are left out, but for the worst."""
        rows, several = self.rows, any(row.output for row in self.rows)
        if len(rows) > MOST:
            worst = max((row for row in rows if row.order == 2), key=lambda row: row.error / row.limit, default=None)
            rows = [row for row in rows if row.order == 1 or not row.ok or row is worst]
        return [_cells(row, several=several) for row in rows]

    def _notes(self) -> list[str]:
        """What is said below the table."""
        left_out = len(self.rows) - len(self._cells())
        notes = [f"and {left_out} derivatives of order 2 that are right, with smaller errors"] if left_out else []
        notes += dict.fromkeys(f"{row.derivative}: {row.note}" for row in self.rows if row.note)
        return [*notes, *map(str, self.training), *filter(None, [self.unchecked, self.blame])]


class GradientError(AssertionError):
    """A rule and the numbers disagree, or can't be compared; `report` shows where."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report
        self._shown = False

    def _render_traceback_(self) -> list[str]:
        """In a notebook, IPython calls this instead of writing the traceback: the report with its picture is shown."""
        display = sys.modules.get("IPython.display")
        if display is not None and "ipykernel" in sys.modules:  # not in IPython's terminal, which shows no pictures
            if not self._shown:  # it is called more than once
                display.display(self.report)
            self._shown = True
            return [f"GradientError: the gradient check of {self.report.function} failed; the report is shown above"]
        return [f"GradientError: {self}"]


_WORDS = {
    "ok": "is right",
    "wrong": "is wrong in the frames",
    "kink": "has kinks at the crosses",
    "not finite": "is not finite",
    "undecided": "is undecided",
}
_HEAD = ("order", "derivative", "entry", "analytic", "numerical", "error", "limit", "verdict")


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
