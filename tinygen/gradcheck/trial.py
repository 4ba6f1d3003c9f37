"""One trial: both sides of a comparison along one tangent, and what their difference means.

The numbers are in the units that compare.py chooses.
"""

from typing import NamedTuple

import numpy as np

from tinygen.gradcheck.differences import Slope
from tinygen.gradcheck.limits import COARSE, EPS, TRUST
from tinygen.gradcheck.moves import Moves


class Trial(NamedTuple):
    """One comparison: the change of weighted sums of outputs along a tangent, by the rules and by differences."""

    tangent: np.ndarray
    entry: tuple[int, ...] | None  # the only entry that moves, or None if all do
    cotangents: np.ndarray  # (R, M): g
    gradients: np.ndarray  # (R, N): J*g
    analytic: np.ndarray  # (R,): ⟨J*g, t⟩

    def negligible(self, slope: Slope) -> np.ndarray:
        """(R,): where both sides are zero, or smaller than the rounding of f."""
        numerical, doubt = self.cotangents @ slope.value, np.abs(self.cotangents) @ slope.doubt
        return np.max(np.abs([self.analytic, numerical]), axis=0) <= TRUST * doubt

    def is_constant(self, slope: Slope) -> bool:
        """Whether f is constant along the tangent: both sides are exactly zero, or less than a millionth of f."""
        doubt, size = (np.abs(self.cotangents) @ part for part in (slope.doubt, slope.size))
        zero = not self.analytic.any() and not (self.cotangents @ slope.value).any()
        return (
            bool(self.negligible(slope).all())
            and not slope.kinked.any()
            and bool(zero or np.all(TRUST * doubt <= COARSE * size))
        )


class Finding(NamedTuple):
    """Both sides of a trial, for the cotangent about which they disagree most."""

    row: int
    analytic: float
    numerical: float
    error: float
    doubt: float  # how far the numerical side may be off, in the unit of the error
    verdict: str

    def allowed(self, limit: float) -> float:
        """The limit, or the accuracy of the differences, if that is only a little more."""
        return max(limit, min(TRUST * self.doubt, COARSE))


def trials_of(moves: Moves, cotangents: np.ndarray, gradients: list[np.ndarray]) -> list[Trial]:
    pulled = np.array([(g * moves.units).reshape(-1) for g in gradients])  # (R, N)
    directions = moves.entries.count(None)
    trials = []
    for i, (t, entry) in enumerate(zip(moves.tangents, moves.entries)):
        rows = slice(i, i + 1) if entry is None else slice(directions, None)
        if not len(pulled[rows]):
            continue  # an output without entries has no single ones
        trials.append(Trial(t, entry, cotangents[rows], pulled[rows], pulled[rows] @ t.reshape(-1)))
    return trials


def weigh(trials: list[Trial], slopes: list[Slope], limit: float) -> list[Finding]:
    """The scaled error of each trial; single entries share one scale per cotangent, their largest product."""
    results = [trial.cotangents @ slope.value for trial, slope in zip(trials, slopes)]
    single = [np.fmax(np.abs(n), np.abs(t.analytic)) for n, t in zip(results, trials) if t.entry is not None]
    rows = np.max(np.where(np.isfinite(single), single, 0), axis=0, initial=0) if single else np.zeros(0)
    rounding = 2 * EPS * np.max(rows, initial=0)  # of the rules themselves
    findings = []
    for trial, slope, numerical in zip(trials, slopes, results):
        doubts = np.abs(trial.cotangents) @ slope.doubt + rounding * (trial.entry is not None)
        scales = rows
        if trial.entry is None:
            scales = np.array([size_of(trial.cotangents) * size_of(slope.value) + size_of(trial.gradients)])
        errors = _ratios(np.abs(trial.analytic - numerical), scales)
        doubts = _ratios(doubts, np.where(scales > 0, scales, np.abs(trial.cotangents) @ slope.size))
        finite = np.isfinite(trial.analytic) & np.isfinite(numerical)
        zero = trial.negligible(slope)
        row, verdict = _verdict(errors, doubts, zero, finite, kinked=bool(slope.kinked.any()), limit=limit)
        findings.append(Finding(row, trial.analytic[row], numerical[row], errors[row], doubts[row], verdict))
    return findings


def _verdict(
    errors: np.ndarray, doubts: np.ndarray, zero: np.ndarray, finite: np.ndarray, *, kinked: bool, limit: float
) -> tuple[int, str]:
    """The cotangent that decides, and what it decides; "zero" if neither side shows anything else."""
    if not finite.all():
        return int(finite.argmin()), "not finite"
    worst = int(errors.argmax())
    if kinked:
        return worst, "kink"
    doubts = TRUST * doubts
    wrong = errors > np.maximum(limit, doubts)
    accurate = ~wrong & (doubts <= COARSE)
    verdicts = {"wrong": wrong, "ok": accurate & ~zero, "undecided": ~accurate & ~zero, "zero": accurate}
    for verdict, which in verdicts.items():
        if which.any():
            return int(np.where(which, errors, -1).argmax()), verdict
    return worst, "undecided"


def largest(*arrays: np.ndarray) -> float:
    """The largest absolute value of all finite entries."""
    return max((float(np.max(np.abs(a), where=np.isfinite(a), initial=0)) for a in arrays), default=0.0)


def size_of(a: np.ndarray) -> float:
    """The Euclidean norm of all entries, whatever their size."""
    largest = float(np.max(np.abs(a), initial=0))
    return largest * float(np.linalg.norm(a / largest)) if 0 < largest < np.inf else largest


def _ratios(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """values / scales; infinite where not finite, 0 where the scale is."""
    with np.errstate(all="ignore"):
        return np.where(np.isfinite(values) & ~np.isnan(scales), np.where(scales > 0, values / scales, 0.0), np.inf)
