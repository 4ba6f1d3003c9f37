"""Convolutions of any geometry by the compiled kernels, and their comparison with plain NumPy in float64."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from tinygen.kernels import compiled, reference
from tinygen.kernels.conv import winograd
from tinygen.kernels.machine.vectors import LANES

conv = SimpleNamespace(**{name: compiled(name) for name in ("conv2d", "conv_transpose2d", "conv2d_weight")})

EXAMPLES = {"quick": 100, "full": 500, "long": 10_000}
WINOGRAD_ERROR = 2e-5  # of the largest output
MANY = st.sampled_from([n for n in range(16, 97, 16) if n % LANES == 0])  # channels
MORE = st.sampled_from([n for n in range(32, 97, 8) if n % LANES == 0])
FEW = st.sampled_from([1, 2, 3, 5, 16, 33])
SEEDS = st.integers(0, 2**32 - 1)


class Geometry(NamedTuple):
    """x (N, H, W, C), w (KH, KW, C, O) and g (N, GH, GW, O)"""

    n: int
    size: tuple[int, int]
    channels: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def form(self):
        return self[4:]

    @property
    def shapes(self):
        c, o = self.channels
        outputs = tuple(
            (h + 2 * p - d * (k - 1) - 1) // s + 1
            for h, k, s, p, d in zip(self.size, self.kernel_size, *self.form)
        )  # fmt: skip
        return (self.n, *self.size, c), (*self.kernel_size, c, o), (self.n, *outputs, o)

    def all_three(self, kernels, x, w, g, *biases):
        """The outputs, the gradient of x and the gradient of w; with biases (O,) and (C,), if any, in the first two."""
        bias_o, bias_c = biases or (None, None)
        return {
            "conv2d": kernels.conv2d(x, w, *self.form, bias_o),
            "conv_transpose2d": kernels.conv_transpose2d(g, w, self.size, *self.form, bias_c),
            "conv2d_weight": kernels.conv2d_weight(x, g, self.kernel_size, *self.form),
        }


@st.composite
def geometries(draw, channels=(FEW, FEW), kernel=(1, 5), stride=(1, 3), padding=(0, 3), dilation=((1, 3), (1, 3))):
    """Images from the smallest that the kernel fits into."""
    kernel_size, strides, paddings = (draw(st.tuples(*[st.integers(*ends)] * 2)) for ends in (kernel, stride, padding))
    dilations = tuple(draw(st.integers(*ends)) for ends in dilation)
    room = draw(st.tuples(*[st.integers(0, 13)] * 2))
    least = (max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel_size, paddings, dilations))
    size = tuple(a + b for a, b in zip(least, room))
    channels = tuple(draw(c) for c in channels)
    return Geometry(draw(st.integers(1, 3)), size, channels, kernel_size, strides, paddings, dilations)


ONE = (1, 1)
ENOUGH = {name: getattr(winograd, name) for name in ("PIXELS", "PRODUCTS")}
WINOGRADS = ["winograd", "strided"]
FOR_WINOGRAD = geometries((MANY, MANY), kernel=(3, 3), stride=ONE, dilation=(ONE, ONE)).filter(
    lambda g: min(g.size) > 3
)
FOR_STRIDED = geometries((MORE, MORE), kernel=(4, 4), stride=(2, 2), dilation=(ONE, ONE)).filter(
    lambda g: min(g.size) > 6
)
FOR_DIRECT = geometries((FEW, MANY))
EXAMPLE = {  # one of each, of several blocks
    "winograd": Geometry(2, (29, 30), (32, 48), (3, 3), (1, 1), (1, 1), (1, 1)),
    "filled": Geometry(3, (29, 30), (40, 36), (3, 3), (1, 1), (1, 1), (1, 1)),
    "filled strided": Geometry(3, (28, 31), (36, 44), (4, 4), (2, 2), (1, 1), (1, 1)),
    "strided": Geometry(9, (28, 31), (32, 48), (4, 4), (2, 2), (1, 1), (1, 1)),
    "direct": Geometry(5, (41, 37), (16, 32), (4, 3), (2, 1), (1, 2), (2, 1)),
    "pixels": Geometry(3, (30, 31), (48, 32), (1, 1), (1, 1), (0, 0), (1, 1)),
    "ragged": Geometry(6, (40, 31), (17, 9), (3, 4), (1, 2), (1, 0), (1, 2)),
    "column": Geometry(3, (28, 28), (32, 1), (3, 3), (1, 1), (1, 1), (1, 1)),
}


def way(g: Geometry, dtype=np.float32) -> str:
    x, o = np.empty(g.shapes[0], dtype), g.channels[1]
    if winograd.fits(x, g.kernel_size, o, g.stride, g.dilation):
        return WINOGRADS[g.stride[0] - 1]
    return "direct"


def numbers(geometry, seed=0, dtype=np.float32, whole=False):
    """x, w, g and two biases."""
    rng = np.random.default_rng(seed)
    shapes = (*geometry.shapes, *[(n,) for n in geometry.channels[::-1]])
    return [(rng.integers(-4, 5, s) if whole else rng.normal(size=s)).astype(dtype) for s in shapes]


def sums_agree(geometry, seed):
    """As sums of products should: exactly on whole numbers, within rounding on others."""
    for whole in (True, False):
        arrays = numbers(geometry, seed, np.float64, whole)
        expected = geometry.all_three(reference, *arrays)
        terms = geometry.all_three(reference, *(np.ones(a.shape) for a in arrays))
        largest = geometry.all_three(reference, *(abs(a) for a in arrays))
        for dtype in (np.float32, np.float64):
            if way(geometry, dtype) in WINOGRADS:
                continue
            rounded = [a.astype(dtype) for a in arrays]
            rounding = max(np.finfo(dtype).eps, np.finfo(np.float64).eps)
            for name, got in geometry.all_three(conv, *rounded).items():
                assert got.dtype == dtype and got.shape == expected[name].shape
                within = 0 if whole else 4 * np.sqrt(terms[name]) * rounding * largest[name]
                assert (abs(got - expected[name]) <= within).all(), (name, dtype)


def relative_errors(geometry, arrays) -> dict[str, float]:
    """Of each of the three, the largest error, as a part of the largest entry."""
    exact = geometry.all_three(reference, *(a.astype(np.float64) for a in arrays))
    got = geometry.all_three(conv, *arrays)
    assert all(y.dtype == np.float32 and y.shape == exact[name].shape for name, y in got.items())
    return {name: abs(y - exact[name]).max() / abs(exact[name]).max() for name, y in got.items()}


def by_winograd(geometry, seed):
    assert way(geometry) in WINOGRADS
    assert max(relative_errors(geometry, numbers(geometry, seed)).values()) <= WINOGRAD_ERROR
