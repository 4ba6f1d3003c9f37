"""Hypothesis strategies: arrays in every memory layout, shapes that broadcast, convolution forms, examples of a case.

Structure is drawn by hypothesis and shrinks; the numbers come from a seed, which shrinks too. Needs `tinygen[test]`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygen.testing import draws
from tinygen.testing.case import Arrays, Case, Static
from tinygen.testing.layouts import LAYOUTS


class Drawn(np.random.Generator):
    """A Generator that reads a tape of bytes: single integers directly, arrays of numbers from a seed at its start.

    For hypothesis, one tape is one choice. It varies all decisions independently and shrinks each towards its first
    option.
    """

    def __init__(self, tape: bytes):
        super().__init__(np.random.PCG64(int.from_bytes(tape[:4])))
        self._tape = iter(tape[4:])

    def integers(self, low, high=None, size=None, **more):
        if size is not None:
            return super().integers(low, high, size=size, **more)
        low, high = (0, low) if high is None else (low, high)
        return low + next(self._tape, 0) % (high - low)  # of at most 256 options


def _drawn(draw: Callable) -> Drawn:
    return Drawn(draw(st.binary(min_size=44, max_size=44)))  # a seed and 40 decisions; beyond those, first options


@st.composite
def shapes(draw, *, least: int = 0, most: int = 3, empty: bool = True) -> tuple[int, ...]:
    """`least` to `most` axes of up to 4 entries; one in four has an axis of length 0 if `empty`."""
    return draws.shape(_drawn(draw), least=least, most=most, empty=empty)


@st.composite
def broadcastable_shapes(draw, n: int = 2) -> list[tuple[int, ...]]:
    """n shapes that broadcast to a common one, most of them smaller."""
    return draws.broadcast_shapes(_drawn(draw), n)


def layouts() -> st.SearchStrategy[Callable[[np.ndarray], np.ndarray]]:
    """Functions that copy an array to another memory layout; only `layouts.repeated` changes its numbers."""
    return st.sampled_from(list(LAYOUTS.values()))


@st.composite
def arrays(
    draw,
    shape: tuple[int, ...] | st.SearchStrategy | None = None,
    *,
    numbers: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] = draws.normal,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Arrays in any memory layout, with NaN in the gaps; `numbers(rng, shape)` fills them (normal by default)."""
    rng = _drawn(draw)
    drawn = draw(shapes() if shape is None else shape) if not isinstance(shape, tuple) else shape
    return draw(layouts())(np.asarray(numbers(rng, drawn)).astype(dtype))


@st.composite
def conv_forms(draw) -> dict[str, tuple[int, ...]]:
    """Pairs `kernel_size`, `stride`, `padding`, `dilation`, with a fitting image `size` and its `outputs`."""
    rng = _drawn(draw)
    form = draws.window(rng)
    size, outputs = draws.image_size(rng, form)
    return {**form, "size": size, "outputs": outputs}


@st.composite
def examples(draw, case: Case) -> tuple[Arrays, Static]:
    """Inputs and keyword arguments as `case.sample` draws them."""
    return case.sample(_drawn(draw))
