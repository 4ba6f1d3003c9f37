"""Holding what the rules say against what the numbers say, for one function at one point."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.linalg import norm

from tinygen.gradcheck.differences import Slope
from tinygen.gradcheck.limits import COARSE, STEP
from tinygen.gradcheck.point import Exact, Moves, Point, normal


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


class Trial(NamedTuple):
    """One question to both sides: what do these cotangents see when the argument moves along a tangent?"""

    entry: tuple[int, ...] | None  # the only entry that moves, or None if all do
    cotangents: np.ndarray  # (R, M): g
    gradients: np.ndarray  # (R, N): J*g
    analytic: np.ndarray  # (R,): ⟨J*g, t⟩


class Finding(NamedTuple):
    """The two answers to a trial that disagree most."""

    analytic: float
    numerical: float
    error: float
    doubt: float  # how far the numerical answer may be off, in the unit of the error
    bent: bool

    def allowed(self, limit: float) -> float:
        """The limit; or, for an error beyond it, what the numbers can tell, if that is only a little less."""
        return limit if self.error <= limit else max(limit, min(8 * self.doubt, COARSE))

    def verdict(self, limit: float) -> str:
        if not np.isfinite([self.analytic, self.numerical]).all():
            return "not finite"
        if self.bent:
            return "kink"
        if self.error <= self.allowed(limit):
            return "ok"
        return "unclear" if self.error <= 8 * self.doubt else "wrong"


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
        pulled = [point.pull(k, g) for g in cotangents]
        for j, move in enumerate(moves):
            yield k, j, _judge(move, block, cotangents, [gradients[j] for gradients in pulled], limit)


def _judge(moves: Moves, block: slice, cotangents: np.ndarray, gradients: list[np.ndarray], limit: float) -> Outcome:
    """Believe what agrees; look closer at what does not, worst first; stop at the first that stays wrong."""
    for g in gradients:
        if g.shape != moves.x.shape:
            note = f"the gradient has shape {g.shape}, the argument {moves.x.shape}"
            return Outcome(limit, None, np.nan, np.nan, np.inf, "wrong", note=note)
    trials = _trials(moves, cotangents, gradients)
    slopes = [moves.known(i, block) for i in range(len(trials))]
    findings = _weigh(trials, slopes)
    if all(map(_is_zero, trials, slopes)) and not any(f.bent for f in findings):
        return _vacuous(trials, slopes, limit)
    unseen, note = set(range(len(trials))), ""
    while doubtful := [i for i in unseen if findings[i].error > limit or findings[i].bent]:
        i = max(doubtful, key=lambda i: findings[i].error)
        unseen.remove(i)
        slopes[i] = moves.refined(i, block)
        findings = _weigh(trials, slopes)
        if findings[i].verdict(limit) != "ok":
            return _failure(findings[i], trials[i], moves, block, limit)
        why = "a kink or a pole is near" if slopes[i].step <= STEP else "f is large beside its slope"
        note = f"{why}: it took steps of {slopes[i].step:.1e}"
    if all(map(_is_zero, trials, slopes)):
        return _vacuous(trials, slopes, limit, note)
    found, trial = max(zip(findings, trials), key=lambda pair: pair[0].error)
    return Outcome(found.allowed(limit), trial.entry, found.analytic, found.numerical, found.error, note=note)


def _failure(found: Finding, trial: Trial, moves: Moves, block: slice, limit: float) -> Outcome:
    """The finding in words; where a random tangent failed, with the two numbers of the entry that is most to blame."""
    verdict = found.verdict(limit)
    entry, analytic, numerical = trial.entry, found.analytic, found.numerical
    if entry is None:
        entry, analytic, numerical = _locate(moves, block, trial.cotangents[0], trial.gradients[0])
    note = {
        "kink": "a kink: the slopes to its two sides differ, however small the step; move the point off it",
        "unclear": f"rounding hides the slope: the numbers are only good to {found.doubt:.0e} of it; rescale f or x",
        "not finite": f"the {'gradient' if np.isfinite(numerical) else 'function'} is not finite here",
    }
    return Outcome(limit, entry, analytic, numerical, found.error, verdict, note=note.get(verdict, ""))


def _locate(moves: Moves, block: slice, g: np.ndarray, gradient: np.ndarray) -> tuple[tuple[int, ...], float, float]:
    """The entry where ⟨g, J̃t⟩ and ⟨J*g, t⟩ part, found by halving; and what each of them says there."""

    def sides(part: np.ndarray) -> tuple[float, float]:
        t = np.zeros(moves.x.shape)
        t.flat[part] = moves.tangents[0].flat[part] if len(part) > 1 else 1
        return float(gradient @ t.reshape(-1)), float(g @ moves.slope(t).value[block])

    part = np.arange(moves.x.size)
    while len(part) > 1:
        part = max(np.array_split(part, 2), key=lambda half: _gap(*sides(half)))
    entry = tuple(int(i) for i in np.unravel_index(part[0], moves.x.shape))
    return entry, *sides(part)


def _gap(analytic: float, numerical: float) -> float:
    gap = abs(analytic - numerical)
    return np.inf if np.isnan(gap) else gap


def _trials(moves: Moves, cotangents: np.ndarray, gradients: list[np.ndarray]) -> list[Trial]:
    pulled = np.array([g.reshape(-1) for g in gradients])  # (R, N)
    directions = moves.entries.count(None)
    trials = []
    for i, (t, entry) in enumerate(zip(moves.tangents, moves.entries)):
        rows = slice(i, i + 1) if entry is None else slice(directions, None)
        if not len(pulled[rows]):
            continue  # an output without entries has no single ones
        trials.append(Trial(entry, cotangents[rows], pulled[rows], pulled[rows] @ t.reshape(-1)))
    return trials


def _weigh(trials: list[Trial], slopes: list[Slope]) -> list[Finding]:
    """The scaled error of each trial; single entries share one scale, the largest of the Jacobian."""
    answers = [trial.cotangents @ slope.value for trial, slope in zip(trials, slopes)]
    single = [_largest(n, trial.analytic) for n, trial in zip(answers, trials) if trial.entry is not None]
    largest = max(single, default=0.0)
    findings = []
    for trial, slope, numerical in zip(trials, slopes, answers):
        scale = largest
        if trial.entry is None:
            scale = float(norm(trial.cotangents) * norm(slope.value) + norm(trial.gradients))
            if _is_zero(trial, slope):  # a tangent and a cotangent that both miss the Jacobian, noise against noise
                scale = np.inf
        gaps = np.abs(trial.analytic - numerical)
        row = int(gaps.argmax())  # a NaN counts as the largest
        doubt = np.max(np.abs(trial.cotangents) @ slope.doubt)
        error, doubt = (_ratio(float(v), scale) for v in (gaps[row], doubt))
        findings.append(Finding(trial.analytic[row], numerical[row], error, doubt, bool(slope.bent.any())))
    return findings


def _is_zero(trial: Trial, slope: Slope) -> bool:
    """Whether both sides are zero, or smaller than the rounding of f: true of a constant, but it proves little."""
    rounding = 25 * np.max(np.abs(trial.cotangents), initial=0) * np.max(slope.doubt, initial=0)
    values = np.append(trial.analytic, trial.cotangents @ slope.value)
    return bool(np.all(np.abs(values) <= rounding))


def _vacuous(trials: list[Trial], slopes: list[Slope], limit: float, note: str = "") -> Outcome:
    analytic = _largest(*(trial.analytic for trial in trials))
    numerical = _largest(*(trial.cotangents @ slope.value for trial, slope in zip(trials, slopes)))
    return Outcome(limit, analytic=analytic, numerical=numerical, vacuous=True, note=note)


def _largest(*arrays: np.ndarray) -> float:
    """Of all finite entries."""
    return max(float(np.max(np.abs(a), where=np.isfinite(a), initial=0)) for a in arrays)


def _ratio(value: float, scale: float) -> float:
    if not np.isfinite(value) or np.isnan(scale):
        return np.inf
    return value / scale if scale else 0.0
