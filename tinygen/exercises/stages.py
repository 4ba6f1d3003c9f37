"""The stages of grading: an example, shapes, values, derivatives, extremes, and properties of your own.

Every stage makes its own calls, so that a function that changes its arguments can't change what others get. An answer
is compared with the shipped function; the numbers of an example are literal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen.exercises.difference import differs, finding
from tinygen.exercises.exercise import Arguments, Finding, Stage
from tinygen.exercises.outcome import (
    SEEDS,
    Draw,
    NoAnswer,
    as_wide,
    attempt,
    calls,
    forms,
    is_empty,
    line_of,
    outcome,
    plain,
    same,
    simplified,
    unlike,
)
from tinygen.exercises.show import shown, shown_call
from tinygen.grad import grad
from tinygen.gradcheck import check
from tinygen.tensor import Tensor

ROUNDING = 1e-13  # of a derivative that is 0: answers that sum in another order get other remainders

# -- the stages --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Example:
    """One tiny call whose numbers can be checked by hand."""

    make: Callable[[], Arguments]
    expected: Any
    why: str = ""
    name: str = "a tiny example"

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        call = self.make()
        try:
            found = outcome(answer, call)
        except NoAnswer as error:
            return Finding(str(error), shown_call(answer, self.make()), shown(plain(self.expected)))
        why, alike = self.why or "Compute this one by hand first.", lambda a, b: same(as_wide(a), as_wide(b))
        return finding(found, plain(self.expected), lambda: shown_call(answer, self.make()), why, alike)

    def behaviour(self, f: Callable) -> list[Any]:
        return [attempt(f, self.make())]


@dataclass(frozen=True, eq=False)
class Shapes:
    """The shape and the dtype of every result, in float32 and float64; empty arrays wait until the values are right."""

    draw: Draw
    name: str = "shapes and dtypes"

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        for make in calls(self.draw):
            if is_empty(make()):
                break
            expected = outcome(solution, make())
            try:
                found = outcome(answer, make())
            except NoAnswer as error:
                return Finding(str(error), shown_call(answer, make()), forms(expected))
            if forms(found) != forms(expected):
                return Finding(unlike(found, expected), shown_call(answer, make()), forms(expected), forms(found))
        return None

    def behaviour(self, f: Callable) -> list[Any]:
        found = [attempt(f, make()) for make in calls(self.draw)[::3]]
        return [*found, " ".join(forms(each) for each in found if not isinstance(each, str))]


@dataclass(frozen=True, eq=False)
class Values:
    """The value on random inputs; of those that fail, the smallest is shown, with its numbers rounded to `digits`."""

    draw: Draw
    why: str = "The shape is right, the numbers are not."
    name: str = "values on random inputs"
    digits: tuple[int, ...] = (0, 1)  # fewer are easier to follow by hand; () where rounded inputs are ambiguous

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        for make in calls(self.draw):
            if (finding := differs(answer, solution, make, self.why)) is not None:
                for digits in self.digits:
                    simple = simplified(make, digits)
                    try:
                        finding = differs(answer, solution, simple, self.why) or finding
                    except NoAnswer:  # the solution refuses these numbers
                        continue
                    if finding.call == shown_call(answer, simple()):
                        break
                return finding
        return None

    def behaviour(self, f: Callable) -> list[Any]:
        return [attempt(f, make()) for make in calls(self.draw)[::3]]


@dataclass(frozen=True, eq=False)
class Derivatives:
    """The rules, up to `order`, compared with differences; the words are those of `tinygen.check`.

    `draw` makes calls whose arguments by position are float64 arrays away from kinks; settings are kept fixed.
    """

    draw: Draw
    order: int = 2
    name: str = "derivatives"
    seeds: int = SEEDS  # calls of each size: few where one check takes long

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        for seed in range(self.seeds):
            for size in range(1, 4):
                call = self.draw(np.random.default_rng(seed), size)
                try:
                    report = check(_of_arrays(answer, call), *call.args, order=self.order, raises=False, float32=False)
                except Exception as error:
                    says = f"A rule raises {type(error).__name__}: {error}{line_of(error, answer)}"
                    return Finding(says, shown_call(answer, call))
                if not report.ok:
                    worst = report.worst
                    blame = report.blame.removeprefix("blame: ").removeprefix("no op: ")
                    says = blame[:1].upper() + blame[1:] or f"The derivative {worst.derivative} is {worst.verdict}."
                    at = f"{worst.derivative}" + (f" at {worst.entry}" if worst.entry else "")
                    slope, rule = f"{worst.numerical:.6g}", f"{worst.analytic:.6g}"
                    return Finding(says, f"{shown_call(answer, call)}, {at}", slope, rule)
        return None

    def behaviour(self, f: Callable) -> list[Any]:
        return [each for seed in range(SEEDS) for size in (1, 2, 3) for each in self._gradients(f, size, seed)]

    @np.errstate(all="ignore")
    def _gradients(self, f: Callable, size: int, seed: int) -> list[Any]:
        """First and second derivatives along random directions; of those that raise, the name of the error."""
        call, rng = self.draw(np.random.default_rng(seed), size), np.random.default_rng(1)
        xs, found = [Tensor(a, requires_grad=True) for a in call.args], []
        try:
            y = f(*xs, **call.settings)
            gy = Tensor(rng.standard_normal(y.shape), requires_grad=True)  # all that a linear op's gradient depends on
            total = Tensor(0.0)
        except Exception as error:
            return [type(error).__name__]
        for x in xs:
            direction = rng.standard_normal(x.shape)
            try:
                g = grad(y, x, gy, create_graph=self.order == 2, retain_graph=True)
                found.append(g.numpy())
                total = total + (g * direction).sum()
            except Exception as error:
                found.append(type(error).__name__)
        if self.order == 2 and total.requires_grad:
            try:
                found += plain(grad(total, [*xs, gy]))
            except Exception as error:
                found.append(type(error).__name__)
        return [each if isinstance(each, str) else np.where(np.abs(each) < ROUNDING, 0, each) for each in found]


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients with respect to tensors that are not arguments themselves, such as the parameters of a network.

    They are compared with those of the shipped function. `draw` makes calls in float64, and `variables` returns the
    tensors of a call. The function may return one tensor or several.
    """

    draw: Draw
    variables: Callable[[Arguments], Sequence[Tensor]]
    why: str = "The value is right, its gradient is not."
    lost: str = "The gradient is lost: compute with tensors, not with their arrays, and without `detach`."
    name: str = "gradients"

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        for size in range(1, 4):
            for seed in range(SEEDS):
                expected, (found, error) = self._of(solution, size, seed)[0], self._of(answer, size, seed)
                if error is not None or not same(found, expected):
                    call = shown_call(answer, self.draw(np.random.default_rng(seed), size))
                    if error is not None:
                        says = f"Its gradient raises {type(error).__name__}: {error}{line_of(error, answer)}"
                        return Finding(says, call)
                    gone = any(b.any() and not a.any() for a, b in zip(found, expected))
                    return Finding(self.lost if gone else self.why, call, shown(expected), shown(found))
        return None

    def behaviour(self, f: Callable) -> list[Any]:
        return [self._of(f, size, 0)[0] for size in (1, 2, 3)]

    @np.errstate(all="ignore")
    def _of(self, f: Callable, size: int, seed: int) -> tuple[Any, Exception | None]:
        """The gradients, zeros where a result is a constant; or the name of the error, and the error."""
        call, rng = self.draw(np.random.default_rng(seed), size), np.random.default_rng(1)
        xs = list(self.variables(call))
        try:
            with np.errstate(all="ignore"):
                ys = f(*call.args, **call.settings)
                ys = [ys] if isinstance(ys, Tensor) else ys
                total = sum(((y * rng.standard_normal(np.shape(y))).sum() for y in ys), Tensor(np.zeros(())))
                return plain(grad(total, xs) if total.requires_grad else [np.zeros(x.shape) for x in xs]), None
        except Exception as error:
            return type(error).__name__, error


@dataclass(frozen=True, eq=False)
class Extremes:
    """Very large, very small and empty inputs, infinities and NaN."""

    makes: Sequence[Callable[[], Arguments]]
    why: str = "It is right for ordinary numbers, but not at the extremes."
    name: str = "extremes"

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        for make in self.makes:
            finding = differs(answer, solution, make, self.why)
            if finding is not None:
                return finding
        return None

    def behaviour(self, f: Callable) -> list[Any]:
        return [attempt(f, make()) for make in self.makes]


@dataclass(frozen=True, eq=False)
class Property:
    """A property of your own: `test(answer)` returns None, or a Finding.

    `makes` are calls that tell one wrong answer from another, with a generator of a fixed seed where there is one.
    """

    name: str
    test: Callable[[Callable], Finding | None]
    makes: Sequence[Callable[[], Arguments]] = ()

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        try:
            return self.test(answer)
        except NoAnswer as error:
            return Finding(str(error))
        except Exception as error:
            return Finding(f"It raises {type(error).__name__}: {error}{line_of(error, answer)}")

    def behaviour(self, f: Callable) -> list[Any]:
        return [attempt(f, make()) for make in self.makes]


@dataclass(frozen=True, eq=False)
class FromRng:
    """All randomness comes from the generator that is given; `make` returns a call with that generator."""

    make: Callable[[np.random.Generator], Arguments]
    name: str = "random numbers from rng"

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        one = np.random.default_rng(0)
        try:
            first, second = outcome(answer, self.make(one)), outcome(answer, self.make(one))
            again, other = (outcome(answer, self.make(np.random.default_rng(seed))) for seed in (0, 1))
        except NoAnswer as error:
            return Finding(str(error), shown_call(answer, self.make(one)))
        says = ""
        if not same(first, again):
            says = "Two generators of the same seed give different results: draw from rng, and from nothing else."
        elif same(first, other):
            says = "Two generators of different seeds give the same result: draw from rng."
        elif same(first, second):
            says = "A second call with the same rng repeats the first: draw from rng itself, not from a copy."
        return Finding(says, shown_call(answer, self.make(one))) if says else None

    def behaviour(self, f: Callable) -> list[Any]:
        return [attempt(f, self.make(np.random.default_rng(0)))]


@dataclass(frozen=True, eq=False)
class Made:
    """A stage that grades what `make` makes of the learner's function: a function of arrays with a name of its own.

    It serves where the learner's function is a method, or changes the state of its object, or takes a network. For a
    call of what was made, `written` returns lines of Python that call the learner's function in the same way.
    """

    make: Callable[[Callable], Callable]
    stage: Stage
    written: Callable[[Arguments], str] | None = None

    @property
    def name(self) -> str:
        return self.stage.name

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        return self.stage.run(self._made(answer), self._made(solution))

    def behaviour(self, f: Callable) -> list[Any]:
        return self.stage.behaviour(self._made(f))

    def _made(self, f: Callable) -> Callable:
        made: Any = self.make(f)
        made.learners, made.written = f, self.written  # for the line of an error, and for `shown_call`
        return made


# -- helpers -----------------------------------------------------------------------------------------------------------


def _of_arrays(answer: Callable, call: Arguments) -> Callable:
    """The function of its arguments by position alone, under its own name, for `check`."""

    def f(*args):
        return answer(*args, **call.settings)

    f.__name__ = answer.__name__
    f.__wrapped__ = answer  # for the names of the arguments
    return f
