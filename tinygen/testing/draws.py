"""The parts of samples: shapes, settings and numbers, each drawn from a Generator.

Structure (sizes, axes, choices) is drawn one integer at a time, smallest first, so that `strategies.examples` can let
hypothesis draw those integers and shrink a failing example.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Rng = np.random.Generator

# -- structure ---------------------------------------------------------------------------------------------------------


def pick(rng: Rng, options: Sequence) -> Any:
    return options[int(rng.integers(len(options)))]


def one_in(rng: Rng, n: int) -> bool:
    return int(rng.integers(n)) == n - 1


def shape(rng: Rng, *, least: int = 0, most: int = 3, empty: bool = True) -> Shape:
    """`least` to `most` axes of 1 to 4 entries; one in four has an axis of length 0 if `empty`."""
    ndim = pick(rng, (*range(least, most + 1), *range(max(least, 1), most + 1)))  # scalars half as often as the rest
    sizes = [int(rng.integers(1, 5)) for _ in range(ndim)]
    if empty and sizes and one_in(rng, 4):
        sizes[int(rng.integers(len(sizes)))] = 0
    return tuple(sizes)


def narrowed(rng: Rng, whole: Shape) -> Shape:
    """A shape that broadcasts to `whole`: with fewer axes or axes of size 1; in half the draws it is `whole`."""
    if not one_in(rng, 2):
        return whole
    rest = whole[int(rng.integers(len(whole) + 1)) :]
    return tuple(1 if one_in(rng, 2) else n for n in rest)


def broadcast_shapes(rng: Rng, n: int = 2) -> list[Shape]:
    """n shapes that broadcast to a common one."""
    whole = shape(rng)
    return [narrowed(rng, whole) for _ in range(n)]


def axes(rng: Rng, ndim: int, *, allowed: Sequence[int] | None = None) -> int | tuple[int, ...] | None:
    """A value for the `axis` of a reduction: None, a number, a negative number or a tuple, among the `allowed` axes."""
    among = list(range(ndim)) if allowed is None else list(allowed)
    if len(among) == ndim and not one_in(rng, 4):
        return None if not ndim or one_in(rng, 3) else _signed(rng, pick(rng, among), ndim)
    return tuple(_signed(rng, a, ndim) for a in among if one_in(rng, 2))


def _signed(rng: Rng, axis: int, ndim: int) -> int:
    return axis - ndim if one_in(rng, 2) else axis


def index(rng: Rng, whole: Shape) -> Any:
    """An index for an array of shape `whole`: half of them repeat an entry, the others are basic or masks."""
    kind = pick(rng, ("basic", "repeated", "mask", "repeated", "repeated"))
    if kind == "basic" or not whole:
        return _basic_index(rng, whole)
    if kind == "mask":
        rows = whole[: int(rng.integers(1, len(whole) + 1))]
        return rng.integers(2, size=rows) == 1
    count = int(rng.integers(1, 4))
    if len(whole) > 1 and min(whole[:2]) and one_in(rng, 2):
        return tuple(_repeated(rng, n, count) for n in whole[:2])
    rows = _repeated(rng, next(iter(whole)), count)
    return rows if not one_in(rng, 3) else (np.stack([rows, rows]), Ellipsis, slice(None, None, -1))[: len(whole) + 1]


def _repeated(rng: Rng, n: int, count: int) -> np.ndarray:
    """Positive and negative indices into n entries, the first of them twice; no indices if n is 0."""
    if n == 0:
        return np.zeros(0, int)
    rows = rng.integers(-n, n, size=count)
    return np.append(rows, rows[0])


def _basic_index(rng: Rng, whole: Shape) -> tuple:
    parts: list = []
    for n in whole:
        if n and one_in(rng, 3):
            parts.append(int(rng.integers(-n, n)))
        else:
            parts.append(slice(pick(rng, (None, 1, -3)), pick(rng, (None, 3, -1)), pick(rng, (None, 2, -1, -2))))
    if one_in(rng, 3):
        parts.insert(int(rng.integers(len(parts) + 1)), None)
    return (..., *parts[1:]) if parts and one_in(rng, 4) else tuple(parts)


# -- images ------------------------------------------------------------------------------------------------------------

UNEQUAL = ((1, 1), (2, 1), (1, 2), (3, 2), (2, 3), (1, 3))  # (height, width), mostly of different numbers


def counts(rng: Rng, n: int) -> list[int]:
    """Batch sizes and channels: 1 or 2 each; in one of five draws one of them is 0."""
    sizes = [int(rng.integers(1, 3)) for _ in range(n)]
    if one_in(rng, 5):
        sizes[int(rng.integers(n))] = 0
    return sizes


def window(rng: Rng) -> dict[str, tuple[int, int]]:
    """The geometry of a window; stride and dilation, height and width differ in more than half the draws."""
    return {
        "kernel_size": pick(rng, UNEQUAL),
        "stride": pick(rng, UNEQUAL),
        "padding": pick(rng, ((0, 0), (1, 0), (0, 1), (1, 2))),
        "dilation": pick(rng, ((1, 1), (2, 1), (1, 2))),
    }


def image_size(rng: Rng, form: dict[str, tuple[int, int]]) -> tuple[Shape, Shape]:
    """An image size (H, W) that such a window fits, and the numbers of its positions, (GH, GW)."""
    size, outputs = [], []
    for k, s, p, d in zip(form["kernel_size"], form["stride"], form["padding"], form["dilation"]):
        reach, g = d * (k - 1) + 1, int(rng.integers(1, 3))
        n = max(1, s * (g - 1) + reach - 2 * p + int(rng.integers(s)))  # up to s - 1 pixels that no window reaches
        size.append(n)
        outputs.append((n + 2 * p - reach) // s + 1)
    return tuple(size), tuple(outputs)


# -- numbers -----------------------------------------------------------------------------------------------------------


def normal(rng: Rng, shape: Shape) -> np.ndarray:
    return np.asarray(rng.normal(size=shape))


def positive(rng: Rng, shape: Shape) -> np.ndarray:
    return np.asarray(rng.uniform(0.5, 3, size=shape))


def integral(rng: Rng, shape: Shape) -> np.ndarray:
    """Small whole numbers, so that their sums and products are exact in floating point, in any order."""
    return np.asarray(rng.integers(-4, 5, size=shape), np.float64)


def away_from(*kinks: float) -> Callable[[Rng, Shape], np.ndarray]:
    """Normal numbers; those within 0.05 of a kink are moved away from it."""

    def draw(rng: Rng, shape: Shape) -> np.ndarray:
        x = normal(rng, shape)
        for kink in kinks:
            x = np.where(np.abs(x - kink) < 0.05, x + np.where(x < kink, -0.1, 0.1), x)
        return x

    return draw


def distinct(rng: Rng, *shapes: Shape) -> list[np.ndarray]:
    """Arrays in which any two entries, of one array or of two, differ by more than 0.03: no ties, nor near ones."""
    sizes = [int(np.prod(s)) for s in shapes]
    n = sum(sizes)
    x = (rng.permutation(n) - n / 2 + rng.uniform(-0.2, 0.2, size=n)) * max(4 / max(n, 1), 0.05)
    return [part.reshape(s) for part, s in zip(np.split(x, np.cumsum(sizes)[:-1]), shapes)]
