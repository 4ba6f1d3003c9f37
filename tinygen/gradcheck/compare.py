"""Comparing the gradients of the rules with differences, for one function at one point.

Everything is compared in units that are powers of two, near the size of each input entry and of each output's slope:
so nothing overflows or vanishes, and 1e-250 is as good a number as 1.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinygen.gradcheck.differences import Slope
from tinygen.gradcheck.limits import COARSE, EPS, EVEN, FAR, JUMP, LOST, STEP, TRUST
from tinygen.gradcheck.locate import kinked_entry, largest_gap
from tinygen.gradcheck.moves import Moves
from tinygen.gradcheck.point import Exact, Point, normal
from tinygen.gradcheck.trial import Finding, Trial, largest, size_of, trials_of, weigh

NOTES = {
    "kink": "a kink: the slopes to its two sides differ, however small the step; move the point off it",
    "undecided": "rounding hides the slope: the differences are only accurate to {doubt:.0e} of it; rescale f or x",
}
GRAIN = (
    "the values of f have gaps of {grain:.0e}, which hide the slope, as when f adds a large number and subtracts it "
    "again: check f without that number"
)
SMALL = "the slope is near the smallest float, 2e-308, where rules lose digits: rescale f or x"


class Outcome(NamedTuple):
    """How one comparison ended: the two numbers that disagree most, and where."""

    limit: float
    entry: tuple[int, ...] | None = None
    analytic: float = 0.0
    numerical: float = 0.0
    error: float = 0.0
    verdict: str = "ok"
    vacuous: bool = False
    note: str = ""


def compare(
    point: Point, rng: np.random.Generator, *, limit: float, full: int, directions: int, exact: Exact | None = None
) -> Iterator[tuple[int, int, Outcome]]:
    """(k, j, outcome) for the derivative of each output k by each argument j."""
    moves = [Moves(point, j, rng, full=full, directions=directions, exact=exact) for j in range(len(point.arrays))]
    for k, block in enumerate(point.blocks):
        m = block.stop - block.start
        cotangents = normal(rng, (directions, m))
        if any(len(move.tangents) > directions for move in moves):  # all unit vectors show the whole Jacobian
            cotangents = np.concatenate([cotangents, np.eye(m) if m <= full else normal(rng, (8, m))])
        units = _output_units(moves, block)
        pulled = [point.pull(k, g) for g in cotangents / units]
        for j, move in enumerate(moves):
            comparison = _Comparison(point, k, j, move, units, limit)
            with np.errstate(all="ignore"):  # a wrong rule may overflow, which shows in the outcome
                outcome = comparison.outcome(cotangents, [gradients[j] for gradients in pulled])
            yield k, j, outcome


def _output_units(moves: list[Moves], block: slice) -> np.ndarray:
    """For each output a power of two within 2¹⁶ of its largest slope that could be seen, or of what hides it."""
    with np.errstate(all="ignore"):
        sizes = [np.fmax(np.abs(s.value[block]), s.doubt[block] / COARSE) for move in moves for s in move.slopes]
        size = np.max(sizes, axis=0, initial=0) if sizes else np.ones(block.stop - block.start)
        size = np.where((size > 0) & np.isfinite(size), size, 1.0)
        return np.ldexp(1.0, (EVEN * np.rint(np.log2(size) / EVEN)).clip(-992, 992).astype(int))


class _Comparison:
    """Output k of a point by its argument j."""

    def __init__(self, point: Point, k: int, j: int, moves: Moves, units: np.ndarray, limit: float):
        self.point, self.k, self.j, self.moves, self.units, self.limit = point, k, j, moves, units, limit
        self.block = point.blocks[k]

    def outcome(self, cotangents: np.ndarray, gradients: list[np.ndarray]) -> Outcome:
        """Accept what agrees; refine what does not, worst first; stop at the first trial that stays wrong."""
        for g in gradients:
            if g.shape != self.moves.x.shape:
                note = f"the gradient has shape {g.shape}, the argument {self.moves.x.shape}"
                return Outcome(self.limit, None, np.nan, np.nan, np.inf, "wrong", note=note)
        trials = trials_of(self.moves, cotangents, gradients)
        slopes = [self._cut(slope, trial.tangent) for slope, trial in zip(self.moves.slopes, trials)]
        if self.moves.ordinary and self._is_vacuous(trials, slopes):
            for i, trial in enumerate(trials):  # larger steps may show a slope that small ones lose in rounding
                if trial.entry is None and self._visible(trial, slopes[i]).any() and not self._only_jumps(trial):
                    slopes[i] = self._refined(trial, slopes[i])
            if self._is_vacuous(trials, slopes):
                return self._zero(trials, slopes)
        findings = weigh(trials, slopes, self.limit)
        unseen, note, hidden = set(range(len(trials))), "", None
        while doubtful := [i for i in unseen if self._is_doubtful(findings[i], trials[i], slopes[i])]:
            i = max(doubtful, key=lambda i: findings[i].error)
            unseen.remove(i)
            slopes[i] = self._refined(trials[i], slopes[i])
            findings = weigh(trials, slopes, self.limit)
            if findings[i].verdict == "wrong" and (grain := self._grain(findings[i], trials[i], slopes[i])) is not None:
                slopes[i] = slopes[i].with_grain(grain)
                findings = weigh(trials, slopes, self.limit)
                if findings[i].verdict != "wrong":
                    hidden = hidden or (findings[i]._replace(verdict="undecided"), trials[i], grain)
            if findings[i].verdict in ("wrong", "not finite"):
                return self._failure(findings[i], trials[i])
            step = float(slopes[i].step.min(initial=np.inf))
            why = "a kink or a pole is near" if step <= STEP else "f is large beside its slope"
            note = f"{why}: it took steps of {step:.1e}"
        if hidden:
            found, trial, grain = hidden
            return self._failure(found, trial)._replace(note=self._gaps(grain))
        if self._is_vacuous(trials, slopes):
            return self._zero(trials, slopes, note)
        return self._summary(trials, findings, note)

    def _zero(self, trials: list[Trial], slopes: list[Slope], note: str = "") -> Outcome:
        """Passed as vacuous, or undecided where f changes further away by more than the gaps between its values."""
        pairs = [pair for pair in zip(trials, slopes) if pair[0].entry is None]
        for trial, slope in pairs:
            if (grain := self._hidden(trial, slope)) is not None:
                return self._unresolved(trial, slope, grain, GRAIN)
        analytic = largest(*(trial.analytic for trial in trials))
        numerical = largest(*(trial.cotangents @ slope.value for trial, slope in zip(trials, slopes)))
        return Outcome(self.limit, analytic=analytic, numerical=numerical, vacuous=True, note=note)

    def _unresolved(self, trial: Trial, slope: Slope, grain: np.ndarray, note: str) -> Outcome:
        found = weigh([trial], [slope.with_grain(grain)], self.limit)[0]._replace(verdict="undecided")
        return self._failure(found, trial)._replace(note=self._gaps(grain, note))

    def _grains(self, trial: Trial) -> np.ndarray:
        return self.moves.grain(trial.tangent)[self.block] / self.units

    def _hidden(self, trial: Trial, slope: Slope) -> np.ndarray | None:
        """The gaps between values of the outputs, if small steps can't tell the slope from 0 and large ones show it."""
        far = self.moves.far(trial.tangent).cut(self.block, self.units)
        change = np.where(np.isfinite(far.value), np.abs(far.value), 0.0)
        if not np.any(change * FAR > 8 * slope.noise) or self._only_jumps(trial):
            return None
        grain = self._grains(trial)
        resolution = 4 * TRUST * (grain + EPS * slope.size) / slope.step
        hidden = (change * FAR > 8 * (slope.noise + grain)) & (resolution > COARSE * change)
        return grain if np.any(hidden & (grain <= COARSE * far.size)) else None  # larger ones are jumps, not rounding

    def _only_jumps(self, trial: Trial) -> bool:
        """Whether all outputs that a large step changes are constant next to the point, until they jump at a kink."""
        far = self.moves.far(trial.tangent).cut(self.block, self.units)
        change = self.moves.first_change(trial.tangent)[self.block] / self.units
        return bool(np.all((change > JUMP * far.size) | (far.value == 0)))

    def _gaps(self, grain: np.ndarray, note: str = GRAIN) -> str:
        return note.format(grain=float(np.max(grain * self.units)))

    def _summary(self, trials: list[Trial], findings: list[Finding], note: str) -> Outcome:
        """The trial with the largest error among those that decide."""
        verdicts = {found.verdict for found in findings}
        verdict = next(each for each in ("kink", "ok", "undecided", "zero") if each in verdicts)
        found, trial = max(
            ((found, trial) for found, trial in zip(findings, trials) if found.verdict == verdict),
            key=lambda pair: pair[0].error,
        )
        if verdict in ("kink", "undecided"):
            return self._failure(found, trial)
        return Outcome(found.allowed(self.limit), trial.entry, found.analytic, found.numerical, found.error, note=note)

    def _is_vacuous(self, trials: list[Trial], slopes: list[Slope]) -> bool:
        """Whether f is constant, and the rules give zero too, or only their own rounding."""
        if not all(map(Trial.is_constant, trials, slopes)):
            return False
        return not any(trial.analytic.any() for trial in trials) or self._is_rounding(trials[0])

    def _is_doubtful(self, found: Finding, trial: Trial, slope: Slope) -> bool:
        """Whether smaller or larger steps may change the verdict."""
        if found.verdict not in ("ok", "zero"):
            return True
        return not self.moves.ordinary and bool(trial.negligible(slope).all())  # the steps may be too small for f

    def _grain(self, found: Finding, trial: Trial, slope: Slope) -> np.ndarray | None:
        """The gaps between values of the outputs, if a step of a size that should show the error changed none of f."""
        missing = np.abs(found.analytic - found.numerical) * slope.still
        if not np.any(missing > TRUST * EPS * slope.size * np.abs(trial.cotangents[found.row])):
            return None
        return self._grains(trial)

    def _is_rounding(self, trial: Trial) -> bool:
        """Whether the rules give something else next to the point, where a smooth gradient is nearly the same."""
        if self.point.nearby is None:
            return False
        here = trial.gradients[0]
        g = trial.cotangents[0] / self.units
        there = (self.point.nearby.pull(self.k, g)[self.j] * self.moves.units).reshape(-1)
        return bool(size_of(there - here) >= 1e-3 * size_of(here))

    def _refined(self, trial: Trial, slope: Slope) -> Slope:
        """The slope along the trial's tangent once more, with the best of many steps."""
        with np.errstate(all="ignore"):
            varies = np.abs(trial.cotangents) @ slope.size / self._visible(trial, slope)
        varies = float(np.min(varies[np.isfinite(varies)], initial=np.inf))
        return self._cut(self.moves.refined(trial.tangent, varies), trial.tangent)

    def _cut(self, slope: Slope, t: np.ndarray) -> Slope:
        """The slope of output k in its units; the doubt includes what rules may lose in numbers that are too small."""
        slope = slope.cut(self.block, self.units)
        return slope._replace(doubt=slope.doubt + self._lost(t))

    def _lost(self, t: np.ndarray) -> np.ndarray:
        return LOST * float(np.sum(self.moves.units * np.abs(t))) / self.units

    def _visible(self, trial: Trial, slope: Slope) -> np.ndarray:
        """(R,): the size of the slope that the rules show, or else the differences, with a large step if need be."""
        visible = np.abs(np.where(trial.analytic, trial.analytic, trial.cotangents @ slope.value))
        if visible.any():
            return visible
        return np.abs(trial.cotangents @ self.moves.far(trial.tangent).cut(self.block, self.units).value)

    def _failure(self, found: Finding, trial: Trial) -> Outcome:
        """The finding in words and in plain numbers, not units; if a direction failed, those of the entry to blame."""
        entry, g = trial.entry, trial.cotangents[found.row]
        scale = self._scale(g)
        analytic, numerical = found.analytic * scale, found.numerical * scale
        if entry is None:
            gradient = trial.gradients[found.row]

            def sides(t: np.ndarray) -> tuple[float, float]:
                slope = self.moves.slope(t).cut(self.block, self.units)
                return float(gradient @ t.reshape(-1)), float(g @ slope.value)

            if found.verdict == "kink":
                entry = kinked_entry(self.moves, trial.tangent, self.block)
            else:
                entry = largest_gap(self.moves, trial.tangent, sides)
            only = np.zeros(self.moves.x.shape)
            only[entry] = 1
            analytic, numerical = (side * scale for side in sides(only))
        unit = self.moves.units[entry]
        note = NOTES.get(found.verdict, "").format(doubt=found.doubt)
        if found.verdict == "undecided" and self._is_small(trial, found):
            note = SMALL
        if found.verdict == "not finite":
            note = f"the {'gradient' if np.isfinite(found.numerical) else 'function'} is not finite here"
        return Outcome(self.limit, entry, analytic / unit, numerical / unit, found.error, found.verdict, note=note)

    def _is_small(self, trial: Trial, found: Finding) -> bool:
        """Whether the numbers that a rule may lose are what makes the finding undecided."""
        lost = np.abs(trial.cotangents[found.row]) @ self._lost(trial.tangent)
        return bool(TRUST * lost > COARSE * max(abs(found.analytic), abs(found.numerical)))

    def _scale(self, g: np.ndarray) -> float:
        """The factor from units back to the output, if only one entry of g is not 0; else the largest factor."""
        counts = np.flatnonzero(g)
        return float(self.units[counts[0]]) if len(counts) == 1 else float(np.max(self.units, initial=0) or 1)
