"""Layers, first part: the convolution by windows, its transpose by placement, and the gradients of both."""

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.stages import Example, Extremes, Shapes, Values
from tinygen.ops.support.geometry import Geometry

Size = tuple[int, ...]


def random_form(rng: np.random.Generator, size: int) -> tuple[Size, Size, Geometry, Size]:
    """Image, kernel, geometry and number of windows along both axes: from one pixel to pairs that differ in all."""
    if size == 0:
        return (2, 3), (1, 1), Geometry((1, 1), (0, 0), (1, 1)), (2, 3)
    kernel = rng.integers(1, 4, 2) if size > 1 else np.array([2, 2])
    stride, dilation = (rng.integers(1, min(size, 3) + 1, 2) for _ in range(2))
    padding = rng.integers(0, min(size, 3), 2)
    reach = dilation * (kernel - 1) + 1
    image = np.maximum(reach - 2 * padding, 1) + rng.integers(0, 4, 2)
    outputs = (image + 2 * padding - reach) // stride + 1
    image, kernel, stride, padding, dilation, outputs = (
        tuple(map(int, pair)) for pair in (image, kernel, stride, padding, dilation, outputs)
    )
    return image, kernel, Geometry(stride, padding, dilation), outputs


def random_channels(rng: np.random.Generator, size: int) -> tuple[int, int, int]:
    """Examples N, input channels C and output channels O."""
    n, c, o = (1, 1, 1) if size < 2 else map(int, rng.integers(1, 4, 3))
    return n, c, o


def _ending(rng: np.random.Generator, size: int, channels: int) -> dict:
    """Nothing, a bias, or a bias and ReLU."""
    endings = {}, {}, {"bias": rng.normal(size=channels)}, {"bias": rng.normal(size=channels), "activation": "relu"}
    return endings[int(rng.integers(4))] if size > 1 else {}


def _windows(rng: np.random.Generator, size: int) -> Arguments:
    """A call of conv2d."""
    image, kernel, form, _ = random_form(rng, size)
    n, c, o = random_channels(rng, size)
    x, w = rng.normal(size=(n, *image, c)), rng.normal(size=(*kernel, c, o))
    return call(x, w, *form, **_ending(rng, size, o))


def _placement(rng: np.random.Generator, size: int) -> Arguments:
    """A call of conv_transpose2d."""
    image, kernel, form, outputs = random_form(rng, size)
    n, c, o = random_channels(rng, size)
    g, w = rng.normal(size=(n, *outputs, o)), rng.normal(size=(*kernel, c, o))
    return call(g, w, image, *form, **_ending(rng, size, c))


def image_of(*rows: list[float]) -> np.ndarray:
    """(1, H, W, 1)"""
    return np.array(rows, float)[None, :, :, None]


def kernel_of(*rows: list[float]) -> np.ndarray:
    """(KH, KW, 1, 1)"""
    return np.array(rows, float)[:, :, None, None]


ONE, NONE = (1, 1), (0, 0)

CONV2D = Exercise(
    name="conv2d",
    track="layers",
    title="the convolution, by windows",
    source="tinygen.kernels.reference_conv:conv2d",
    question="x is (N, H, W, C), w is (KH, KW, C, O). Stride s, padding p and dilation d are pairs\n"
    "(height, width) in pixels. Return y (N, H', W', O), where y[n,i,j,o] is the sum of\n"
    "w[u,v,c,o] · x[n, s i + d u - p, s j + d v - p, c] over all u, v and c. Pixels outside are 0.\n"
    "`_finished` adds bias (O,) and ReLU. If you want it, `_taps` gives for each kernel entry (u, v)\n"
    "the windows in which it lies on a pixel, and these pixels.",
    page="convolution.md#the-form",
    hints=(
        "How many windows fit on an axis? A window reaches over d (K - 1) + 1 pixels; the padded image has H + 2 p.",
        "Begin with zeros (N, H', W', O). For each kernel entry, add the matrix product of pixels (..., C) and (C, O).",
        "for u, v, windows, pixels in _taps((h, w_), outputs, (kh, kw), stride, padding, dilation): y[windows] += ...",
    ),
    stages=(
        Example(
            lambda: call(image_of([1, 2, 3], [4, 5, 6], [7, 8, 9]), kernel_of([1, 2], [0, -1]), ONE, NONE, ONE),
            image_of([0, 2], [6, 8]),
            "Lay the kernel on the first window: 1 · 1 + 2 · 2 + 0 · 4 - 1 · 5 = 0. The next window is one pixel on.",
        ),
        Shapes(_windows),
        Values(_windows, "A window begins at pixel s i - p, and its entries are d pixels apart: check the sums there."),
        Extremes(
            (
                lambda: call(np.zeros((0, 4, 4, 2)), np.ones((3, 3, 2, 5)), ONE, ONE, ONE),
                lambda: call(image_of([1e200]), kernel_of([0, 1, 0], [1, 1e100, 1], [0, 1, 0]), ONE, ONE, ONE),
            )
        ),
    ),
    wrong=(
        Wrong(
            (("w[u, v]", "w[kh - 1 - u, kw - 1 - v]"),),
            "You turn the kernel around, as the convolution of mathematics does. The layer doesn't: entry (u, v) lies "
            "on the pixel u rows below and v columns right of the window's first.",
        ),
        Wrong(
            (("w[u, v]", "w[v, u]"),),
            "You read w[v, u]: the first axis of the kernel counts its rows, as the first axis of an image does.",
        ),
        Wrong(
            (("y[windows] +=", "y[windows] ="),),
            "Each kernel entry overwrites what the others have added: only the last one counts.",
        ),
        Wrong((("// s + 1", "// s"),), "One window is missing: n steps lead through n + 1 positions."),
        Wrong((("2 * p", "p"),), "Padding is added on both sides, so the image grows by 2 p, not by p."),
        Wrong(
            (("d * (k - 1)", "(k - 1)"),),
            "The number of windows ignores the dilation: a kernel with gaps reaches over d (K - 1) + 1 pixels.",
        ),
        Wrong(
            (("form = stride, padding, dilation", "form = dilation, padding, stride"),),
            "Stride and dilation are exchanged.",
        ),
        Wrong((("(y, bias, activation)", "(y, None, activation)"),), "The bias (O,) is not added."),
    ),
    correct=(
        """
        def conv2d(x, w, stride, padding, dilation, bias=None, activation=None):
            (kh, kw), (ph, pw), (dh, dw) = w.shape[:2], padding, dilation
            wide = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
            reach = dh * (kh - 1) + 1, dw * (kw - 1) + 1
            views = np.lib.stride_tricks.sliding_window_view(wide, reach, (1, 2))
            views = views[:, :: stride[0], :: stride[1], :, ::dh, ::dw]
            return _finished(np.einsum("nijcuv,uvco->nijo", views, w), bias, activation)
        """,
        """
        def conv2d(x, w, stride, padding, dilation, bias=None, activation=None):
            n, height, width, channels = x.shape
            kh, kw, _, outputs = w.shape
            rows = (height + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
            columns = (width + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
            y = np.zeros((n, rows, columns, outputs), dtype=np.result_type(x, w))
            for i in range(rows):
                for j in range(columns):
                    for u in range(kh):
                        for v in range(kw):
                            h = stride[0] * i + dilation[0] * u - padding[0]
                            k = stride[1] * j + dilation[1] * v - padding[1]
                            if 0 <= h < height and 0 <= k < width:
                                y[:, i, j] += x[:, h, k] @ w[u, v]
            if bias is not None:
                y = y + bias
            return np.where(y > 0, y, 0) if activation == "relu" else y
        """,
    ),
)

CONV_TRANSPOSE2D = Exercise(
    name="conv_transpose2d",
    track="layers",
    title="the transposed convolution, by placement",
    source="tinygen.kernels.reference_conv:conv_transpose2d",
    question="g is (N, GH, GW, O), w is (KH, KW, C, O). `size` is (H, W); stride s, padding p and dilation d\n"
    "are pairs (height, width) in pixels. Return x (N, H, W, C): each entry g[n,i,j,o] places\n"
    "g · w[:,:,c,o] on channel c, with entry (u, v) on pixel (s i + d u - p, s j + d v - p). What lies\n"
    "outside the image is dropped. `_finished` adds bias (C,) and ReLU. If you want it, `_taps` gives for\n"
    "each kernel entry (u, v) the entries of g whose kernel has it in the image, and these pixels.",
    page="convolution.md#the-lectures-example-by-hand",
    hints=(
        "Begin with an image of zeros of the size that is asked for. What happens where placed kernels overlap?",
        "For each kernel entry, w[u, v] is a matrix (C, O). It must take g (..., O) to (..., C): transpose it.",
        "for u, v, windows, pixels in _taps(size, g.shape[1:3], (kh, kw), stride, padding, dilation): x[pixels] += ...",
    ),
    stages=(
        Example(
            lambda: call(image_of([1, 2]), kernel_of([1, 3], [0, -1]), (2, 3), ONE, NONE, ONE),
            image_of([1, 5, 6], [0, -1, -2]),
            "Place 1 · [[1, 3], [0, -1]] on the left, and twice that one pixel on. The middle column is in both.",
        ),
        Shapes(_placement),
        Values(_placement, "Follow one entry of g: where does each entry of its kernel come to lie?"),
        Extremes(
            (
                lambda: call(np.zeros((0, 2, 2, 5)), np.ones((3, 3, 2, 5)), (4, 4), ONE, NONE, ONE),
                lambda: call(image_of([1.0]), kernel_of([1, 2]), (3, 5), (4, 4), NONE, ONE),
                lambda: call(image_of([1e-300, 1e300]), kernel_of([1e-300, 1], [1, 1e300]), (2, 3), ONE, NONE, ONE),
            ),
            "Pixels that no kernel reaches stay 0, and there may be no example at all.",
        ),
    ),
    wrong=(
        Wrong(
            (("x[pixels] +=", "x[pixels] ="),),
            "Where placed kernels overlap, the later one overwrites the earlier. They add up.",
        ),
        Wrong(
            (("w[u, v]", "w[kh - 1 - u, kw - 1 - v]"),),
            "You turn the kernel around. It is placed as it is; turning it around belongs to another way of writing "
            "this, where windows slide over g.",
        ),
        Wrong(
            (("w[u, v].T", "w[u, v]"),),
            "w[u, v] is (C, O): it maps channels of images to channels of g. The way back is its transpose.",
        ),
        Wrong((("stride, padding, dilation):", "dilation, padding, stride):"),), "Stride and dilation are exchanged."),
        Wrong(
            (("stride, padding, dilation):", "stride, (0, 0), dilation):"),),
            "The padding is ignored: it moves every placed kernel p pixels up and left, and the border is cut off.",
        ),
        Wrong(
            (
                (
                    "w.shape\n",
                    "w.shape\n    form = zip(g.shape[1:3], (kh, kw), stride, padding, dilation)\n"
                    "    size = [s * (m - 1) + d * (k - 1) + 1 - 2 * p for m, k, s, p, d in form]\n",
                ),
            ),
            "This is the smallest image. With a stride, several sizes have as many windows: `size` says which it is.",
        ),
        Wrong((("(x, bias, activation)", "(x, None, activation)"),), "The bias (C,) is not added."),
    ),
    correct=(
        """
        def conv_transpose2d(g, w, size, stride, padding, dilation, bias=None, activation=None):
            (n, rows, columns, _), (kh, kw, c, _) = g.shape, w.shape
            (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
            reach = dh * (kh - 1) + 1, dw * (kw - 1) + 1
            canvas = np.zeros((n, size[0] + 2 * ph, size[1] + 2 * pw, c), np.result_type(g, w))
            for i in range(rows):
                for j in range(columns):
                    placed = np.einsum("no,uvco->nuvc", g[:, i, j], w)
                    canvas[:, sh * i : sh * i + reach[0] : dh, sw * j : sw * j + reach[1] : dw] += placed
            return _finished(canvas[:, ph : ph + size[0], pw : pw + size[1]], bias, activation)
        """,
        """
        def conv_transpose2d(g, w, size, stride, padding, dilation, bias=None, activation=None):
            (height, width), (kh, kw) = size, w.shape[:2]

            def places(n, m, k, s, p, d):  # (n, m, k): 1 where entry u of window i lies on pixel h
                h, i, u = np.ogrid[:n, :m, :k]
                return (s * i + d * u - p == h).astype(w.dtype)

            down = places(height, g.shape[1], kh, stride[0], padding[0], dilation[0])
            right = places(width, g.shape[2], kw, stride[1], padding[1], dilation[1])
            x = np.einsum("hiu,kjv,uvco,nijo->nhkc", down, right, w, g, optimize=True)
            return _finished(x, bias, activation)
        """,
    ),
)
