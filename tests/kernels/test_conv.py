"""The ways through a convolution, each against plain NumPy in float64: any geometry, any layout, whatever is in it."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygen.kernels import compiled, reference
from tinygen.kernels.conv import winograd, winograd_tiles
from tinygen.kernels.machine.vectors import LANES
from tinygen.testing.layouts import LAYOUTS

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


@pytest.fixture(scope="module", autouse=True)
def small_images_are_enough():
    """In use they go by other ways, which are faster for them; but whatever an algorithm does wrong, it does there."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ENOUGH:
            patch.setattr(winograd, name, 0)
        yield


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


WINOGRADS = ["winograd", "strided"]


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


# -- values ------------------------------------------------------------------------------------------------------------


def test_winograd_is_within_its_bound(profile):
    settings(max_examples=EXAMPLES[profile])(given(FOR_WINOGRAD, SEEDS)(by_winograd))()


def test_strided_winograd_is_within_its_bound(profile):
    settings(max_examples=EXAMPLES[profile])(given(FOR_STRIDED, SEEDS)(by_winograd))()


def hostile(a, rng):
    """Offsets, alternating signs, and scales that differ by channel or by place: what rounding likes least."""
    place = (*a.shape[:-1], 1)
    checks = (-1.0) ** np.add.outer(*map(np.arange, a.shape[-3:-1] if len(a) > 3 else a.shape[:2]))
    for change in rng.integers(5, size=3):
        if change == 0:
            a = a * 10 ** rng.uniform(-2, 2, size=a.shape[-1])
        elif change == 1:
            a = a * 10 ** rng.uniform(-1, 1, size=place)
        elif change == 2:
            a = a + 3 * rng.normal() * abs(a).mean()
        elif change == 3:
            a = a * np.where(rng.random(a.shape) < 0.2, -1, 1)
        else:
            a = a * (checks[None, :, :, None] if a.shape[1:3] == checks.shape else checks[..., None, None])
    return (a / abs(a).max()).astype(np.float32)


def test_winograd_is_within_its_bound_on_hostile_numbers(profile):
    """The worst of each draw is made worse, a few times: a search for what breaks the bound."""

    def search(geometry, seed):
        rng, arrays = np.random.default_rng(seed), numbers(geometry, seed)[:3]
        for _ in range(3):
            found = [[hostile(a, rng) for a in arrays] for _ in range(2)]
            arrays = max(found, key=lambda arrays: max(relative_errors(geometry, arrays).values()))
            assert max(relative_errors(geometry, arrays).values()) <= WINOGRAD_ERROR

    forms = st.one_of(FOR_WINOGRAD, FOR_STRIDED)
    settings(max_examples=EXAMPLES[profile] // 4)(given(forms, SEEDS)(search))()


@pytest.mark.parametrize("channels", [(16, 15), (32, 9), (8, 16), (15, 64)])
def test_fewer_than_sixteen_channels_never_go_by_winograd(channels):
    """They win nothing there, and keep the error of plain sums: so does the smallest of images."""
    for size, few in (((12, 12), channels), ((3, 9), (32, 32))):
        geometry = Geometry(2, size, few, (3, 3), (1, 1), (1, 1), (1, 1))
        arrays = [hostile(a, np.random.default_rng(0)) for a in numbers(geometry)[:3]]
        assert all(error <= 2e-6 for error in relative_errors(geometry, arrays).values())


@pytest.mark.parametrize(
    "n, kernel_size, expected", [(3, 3, "direct"), (4, 3, "winograd"), (15, 4, "direct"), (16, 4, "strided")]
)
def test_few_pixels_never_go_by_winograd(n, kernel_size, expected, monkeypatch):
    """Transforming the weights takes as long for one image as for a hundred."""
    for name, number in ENOUGH.items():
        monkeypatch.setattr(winograd, name, number)
    stride = (kernel_size - 2, kernel_size - 2)
    assert way(Geometry(n, (14, 14), (64, 128), (kernel_size, kernel_size), stride, (1, 1), (1, 1))) == expected


@pytest.mark.parametrize("size", [(3, 3), (3, 17), (4, 4), (4, 5), (5, 4), (8, 9), (17, 6), (7, 18)])
def test_winograd_cuts_its_tiles_at_the_edges(size):
    for padding in ((1, 1), (0, 2), (2, 0)):
        if min(size) > 3:
            by_winograd(Geometry(2, size, (16, 32), (3, 3), (1, 1), padding, (1, 1)), 0)
        if min(size) > 6:
            by_winograd(Geometry(2, size, (32, 32), (4, 4), (2, 2), padding, (1, 1)), 0)


@pytest.mark.parametrize("kernel_size, stride, channels", [((3, 3), 1, 16), ((4, 4), 2, 32)])
def test_weights_add_up_many_images_within_winograds_bound(kernel_size, stride, channels):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(512, 28, 28, channels)).astype(np.float32)
    g = rng.normal(size=(512, 28 // stride, 28 // stride, channels)).astype(np.float32)
    form = kernel_size, (stride, stride), (1, 1), (1, 1)
    exact = sum(
        reference.conv2d_weight(*(a[i : i + 32].astype(float) for a in (x, g)), *form) for i in range(0, 512, 32)
    )
    assert abs(conv.conv2d_weight(x, g, *form) - exact).max() <= WINOGRAD_ERROR * abs(exact).max()


@pytest.mark.parametrize("phases, taps, points", [(1, 3, [0, 0.75, -0.75, 1.5, -1.5]), (2, 2, [0, 0.75, -0.75, 1.5])])
def test_the_matrices_of_winograd_come_from_their_points(phases, taps, points):
    """And from infinity: A and G evaluate polynomials, B interpolates; docs/fast.md says why."""
    count = len(points) + 1
    a, g, v = (np.vstack([np.vander(points, n, increasing=True), np.eye(n)[-1:]]) for n in (4, taps, count))
    products = np.array([[np.prod([p - q for q in points if q != p]) for p in points] + [1]]).T
    bt, weights, at = winograd_tiles.MATRICES[phases]
    np.testing.assert_allclose(bt, np.linalg.inv(v).T * products, atol=1e-12)
    np.testing.assert_array_equal(bt * 64, np.rint(bt * 64))
    np.testing.assert_allclose(weights, g / products, atol=1e-15)
    np.testing.assert_array_equal(at, a.T)


@pytest.mark.parametrize("geometries", [FOR_WINOGRAD, FOR_STRIDED], ids=WINOGRADS)
def test_float64_never_goes_by_winograd(geometries, profile):
    settings(max_examples=EXAMPLES[profile] // 10)(given(geometries, SEEDS)(sums_agree))()


def test_direct(profile):
    def agree(geometry, seed):
        assume(way(geometry) not in WINOGRADS)
        sums_agree(geometry, seed)

    settings(max_examples=EXAMPLES[profile])(given(FOR_DIRECT, SEEDS)(agree))()


def test_channels_that_fill_no_vector(profile):
    settings(max_examples=EXAMPLES[profile])(given(geometries(), SEEDS)(sums_agree))()


@pytest.mark.parametrize("geometry", EXAMPLE.values(), ids=EXAMPLE)
def test_several_blocks(geometry):
    (by_winograd if way(geometry) in WINOGRADS else sums_agree)(geometry, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EXAMPLE)
def test_relu_in_the_same_pass_is_relu_afterwards_to_the_bit(name, dtype):
    geometry = EXAMPLE[name]
    x, w, g, bias_o, bias_c = numbers(geometry, dtype=dtype)
    x[0, 9:13, 9:13] = g[0, 9:13, 9:13] = np.nan  # which is not below zero
    plain = geometry.all_three(conv, x, w, g, bias_o, bias_c)
    activated = {
        "conv2d": conv.conv2d(x, w, *geometry.form, bias_o, "relu"),
        "conv_transpose2d": conv.conv_transpose2d(g, w, geometry.size, *geometry.form, bias_c, "relu"),
    }
    for op, y in activated.items():
        np.testing.assert_array_equal(y, np.maximum(plain[op], 0), strict=True)
        assert 0 < (y == 0).sum() < y.size and np.isnan(y).any()


@pytest.mark.parametrize("channels", [(1, 1), (1, 16), (16, 1), (16, 16), (3, 5)])
def test_no_images(channels):
    geometry = Geometry(0, (6, 5), channels, (3, 3), (1, 1), (1, 1), (1, 1))
    expected = geometry.all_three(reference, *numbers(geometry))
    for name, got in geometry.all_three(conv, *numbers(geometry)).items():
        np.testing.assert_array_equal(got, expected[name], strict=True)


# -- layouts, threads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", EXAMPLE)
def test_every_layout_gives_the_same_bits_and_stays_as_it_is(name, layout):
    arrays = [LAYOUTS[layout](a) for a in numbers(EXAMPLE[name])]
    before = [np.array(a, order="C") for a in arrays]
    expected = EXAMPLE[name].all_three(conv, *before)
    for op, got in EXAMPLE[name].all_three(conv, *arrays).items():
        np.testing.assert_array_equal(got, expected[op], strict=True)
    for array, copy in zip(arrays, before):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", EXAMPLE)
def test_one_two_and_three_threads_give_the_same_bits_every_time(name, profile, monkeypatch):
    arrays, seen = numbers(EXAMPLE[name]), {}
    for _ in range({"quick": 3, "full": 30, "long": 1000}[profile]):
        for n in "123":
            monkeypatch.setenv("TINYGEN_NUM_THREADS", n)
            for op, got in EXAMPLE[name].all_three(conv, *arrays).items():
                assert seen.setdefault(op, got.tobytes()) == got.tobytes(), op


# -- NaN and infinity --------------------------------------------------------------------------------------------------


def reaches_what_it_is_part_of(geometry, seed, bad):
    """One number of x, w or g: the plain sums, which never meet the zeros around an image, say where it shows."""
    rng = np.random.default_rng(seed)
    for place in range(3):
        arrays = numbers(geometry, seed)
        arrays[place].flat[rng.integers(arrays[place].size)] = bad
        with np.errstate(invalid="ignore"):
            expected = geometry.all_three(reference, *arrays)
        for op, got in geometry.all_three(conv, *arrays).items():
            for kind in (np.isnan, np.isposinf, np.isneginf):
                np.testing.assert_array_equal(kind(got), kind(expected[op]), op)
            finite = np.isfinite(got)
            error = abs(got[finite] - expected[op][finite]).max(initial=0)
            assert error <= 1e-4 * abs(expected[op][finite]).max(initial=0), op


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", EXAMPLE)
def test_what_is_not_finite_reaches_the_entries_that_it_is_part_of(name, bad):
    for seed in range(3):
        reaches_what_it_is_part_of(EXAMPLE[name], seed, bad)


@pytest.mark.parametrize("forms", [FOR_WINOGRAD, FOR_STRIDED, FOR_DIRECT, geometries()])
def test_it_does_so_on_every_way(forms, profile):
    bad = st.sampled_from([np.nan, np.inf, -np.inf])
    settings(max_examples=EXAMPLES[profile] // 4)(given(forms, SEEDS, bad)(reaches_what_it_is_part_of))()


@pytest.mark.parametrize("name", WINOGRADS)
def test_numbers_that_overflow_only_within_winograd_are_right(name):
    geometry = EXAMPLE[name]
    x, w, g, *_ = numbers(geometry)
    arrays = x * np.float32(1e36), w / np.float32(1e3), g * np.float32(1e36)
    expected = geometry.all_three(reference, *(a.astype(float) for a in arrays))
    del expected["conv2d_weight"]
    for op, y in expected.items():
        got = geometry.all_three(conv, *arrays)[op]
        np.testing.assert_allclose(got, y, atol=WINOGRAD_ERROR * abs(y).max(), equal_nan=False)


@pytest.mark.parametrize("width", [LANES - 1, LANES, 2 * LANES])
@pytest.mark.parametrize("k, stride, padding", [(2, 2, 0), (1, 3, 0), (3, 3, 1)])
def test_pixels_to_the_right_of_all_copies_of_a_kernel_are_the_bias(k, stride, padding, width):
    """The widest image that a convolution sends to this width, made of rows that fill whole vectors."""
    rng, size = np.random.default_rng(0), stride * (width - 1) + k - 2 * padding + stride - 1
    g, w = rng.integers(-4, 5, (2, width, width, 8)), rng.integers(-4, 5, (k, k, 1, 8))
    form = (size, size), (stride, stride), (padding, padding), (1, 1), np.ones(1, np.float32)
    arrays = g.astype(np.float32), w.astype(np.float32)
    np.testing.assert_array_equal(conv.conv_transpose2d(*arrays, *form), reference.conv_transpose2d(*arrays, *form))
