"""Real numbers of 220 digits in NumPy's object arrays, with which an oracle in plain NumPy computes as with floats.

`np.exp` and similar functions call the method of that name on each entry; operators and comparisons work as usual. So
1 + e⁻³⁰⁰ and the square of a subnormal float32 keep their digits. Functions without a method here raise TypeError.
"""

import operator
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext

import numpy as np

PRECISION = Context(prec=220, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])  # without traps e^(10³⁰) is infinite


def wide(array: np.ndarray) -> np.ndarray:
    """Exactly the same numbers as an object array."""
    numbers = np.empty(array.shape, object)
    for place in np.ndindex(array.shape):
        numbers[place] = Wide(Decimal(float(array[place])))
    return numbers


def narrow(numbers: np.ndarray | Sequence) -> np.ndarray:
    """The nearest float64 to each entry."""
    return np.array([float(x) for x in np.ravel(numbers)])


class Wide:
    """One number."""

    __slots__ = ("value",)

    def __init__(self, value: Decimal):
        self.value = value

    @property
    def real(self) -> "Wide":
        return self

    def __float__(self) -> float:
        return float(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __neg__(self) -> "Wide":
        return Wide(-self.value)

    def __abs__(self) -> "Wide":
        return Wide(abs(self.value))

    def sqrt(self) -> "Wide":
        return Wide(self.value.sqrt())

    def exp(self) -> "Wide":
        return Wide(self.value.exp())

    def expm1(self) -> "Wide":
        return Wide(self.exp().value - 1)

    def log(self) -> "Wide":
        return Wide(self.value.ln())

    def log1p(self) -> "Wide":
        return Wide(self.value + 1).log()

    def tanh(self) -> "Wide":
        e = Wide(-2 * abs(self.value)).exp().value
        return Wide((1 - e) / (1 + e) * (1 if self.value >= 0 else -1))


def _decimal(x) -> Decimal:
    return x.value if isinstance(x, Wide) else Decimal(float(x))


def _lift(name: str):
    f = getattr(operator, name)
    setattr(Wide, f"__{name}__", lambda a, b: Wide(f(a.value, _decimal(b))))
    setattr(Wide, f"__r{name}__", lambda a, b: Wide(f(_decimal(b), a.value)))


def _compare(name: str):
    f = getattr(operator, name)
    setattr(Wide, f"__{name}__", lambda a, b: f(a.value, _decimal(b)))


for _name in ("add", "sub", "mul", "truediv", "pow"):
    _lift(_name)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _compare(_name)


def derivative(f: Callable, numbers: list[np.ndarray], i: int) -> np.ndarray:
    """∂f/∂xᵢ at each entry as float64, by a tiny difference to each side; NaN at a kink, where the sides differ."""
    step = np.array([abs(x) * Decimal("1e-30") if x else Wide(Decimal("1e-90")) for x in numbers[i]], object)
    right, left = _slope(f, numbers, i, step), _slope(f, numbers, i, -step)
    with np.errstate(invalid="ignore"):  # ∞ - ∞
        kink = ~(np.abs(right - left) <= 1e-9 * np.abs(right))
    return np.where(kink, np.nan, right)


def _slope(f: Callable, numbers: list[np.ndarray], i: int, step: np.ndarray) -> np.ndarray:
    """The slopes over these steps as float64; at 0 their limit, which may be 0, as of x³, or infinite, as of ∛x."""
    x, here = numbers[i], f(*numbers)
    slope = narrow((f(*numbers[:i], x + step, *numbers[i + 1 :]) - here) / step)
    zero = np.array([not entry for entry in x], bool)
    if zero.any():
        nearer = step * np.array([Wide(Decimal("1e-20"))] * len(x), object)
        again = narrow((f(*numbers[:i], x + nearer, *numbers[i + 1 :]) - here) / nearer)
        slope = np.where(zero & (np.abs(again) < 1e-3 * np.abs(slope)), 0.0, slope)
        slope = np.where(zero & (np.abs(again) > 1e3 * np.abs(slope)), np.copysign(np.inf, again), slope)
    return slope


def precisely() -> AbstractContextManager:
    """A context in which wide numbers keep 220 digits."""
    return localcontext(PRECISION)
