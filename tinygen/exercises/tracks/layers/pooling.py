"""Layers, third part: max pooling, nearest upsampling and the sum of blocks."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import plain
from tinygen.exercises.refusals import Refuses
from tinygen.exercises.show import shown
from tinygen.exercises.stages import Derivatives, Example, Extremes, Property, Shapes, Values
from tinygen.exercises.tracks.layers.convolution import NONE, ONE, image_of


def _pool(rng: np.random.Generator, size: int) -> Arguments:
    """A call of max_pool2d: negative pixels, some of them equal, and windows that may end beyond the image."""
    if size == 0:
        return call(rng.normal(size=(1, 2, 2, 1)) - 3, ONE, (2, 2), (2, 2), NONE)
    kernel = rng.integers(1, 4, 2)
    stride = rng.integers(1, 4, 2)
    padding = rng.integers(0, kernel // 2 + 1) if size > 1 else np.zeros(2, int)
    image = kernel + rng.integers(0, 4, 2)
    outputs = (image + 2 * padding - kernel) // stride + 1
    if size > 2:  # one window more, where it begins in the image
        outputs = np.where(outputs * stride < image + padding, outputs + 1, outputs)
    n, c = (1, 1) if size == 1 else map(int, rng.integers(1, 4, 2))
    x = rng.integers(-5, 0, (n, *image, c)) if rng.random() < 0.5 else rng.normal(size=(n, *image, c)) - 3
    outputs, kernel, stride, padding = (tuple(map(int, pair)) for pair in (outputs, kernel, stride, padding))
    return call(x.astype(float), outputs, kernel, stride, padding)


def _up(rng: np.random.Generator, size: int) -> Arguments:
    n, h, w, c, *scale = (1, 1, 2, 1, 1, 2) if size < 2 else map(int, rng.integers(1, 4, 6))
    if size == 2:
        n, c = 1, 1
    return call(rng.normal(size=(n, h, w, c)), scale=tuple(scale))


def _blocks(rng: np.random.Generator, size: int) -> Arguments:
    args, settings = _up(rng, size)
    n, h, w, c = args[0].shape
    return call(rng.normal(size=(n, h * settings["scale"][0], w * settings["scale"][1], c)), **settings)


def _refuses(sum_blocks: Callable) -> Finding | None:
    try:
        y = sum_blocks(np.ones((1, 3, 2, 1)), scale=2)
    except ValueError:
        return None
    says = "Blocks of two rows don't tile an image of three: expected a ValueError."
    return Finding(says, "sum_blocks(array of shape (1, 3, 2, 1), scale=2)", "ValueError", shown(plain(y)))


MAX_POOL2D = Exercise(
    name="max_pool2d",
    track="layers",
    title="the largest pixel of each window, and where it is",
    source="tinygen.kernels.reference:max_pool2d",
    question="x is (N, H, W, C). `outputs` is (GH, GW), the number of windows; `kernel_size`, `stride` and\n"
    "`padding` are pairs too. Window (i, j) begins at pixel (s i - p, s j - p). Return two arrays\n"
    "(N, GH, GW, C): the largest pixel of each window, and its position u · KW + v there, as int32.\n"
    "Of equal pixels the first counts. Pixels outside the image never count, whatever those inside are.",
    page="rules.md#matrices-and-images",
    hints=(
        "Which number can stand for a pixel outside, so that it is never the largest? Not 0: pixels may be negative.",
        "With all windows in one array (N, GH, GW, C, KH KW), `argmax` over the last axis gives the positions.",
        "wide = np.pad(x, ..., constant_values=-np.inf); sliding_window_view(wide, kernel_size, (1, 2))[:, ::s, ::s]",
    ),
    stages=(
        Example(
            lambda: call(image_of([1, 5, 2], [7, 3, 5]), (1, 2), (2, 2), ONE, NONE),
            [image_of([7, 5]), image_of([2, 0])],
            "In the window [[1, 5], [7, 3]] it is 7, at position 2; in [[5, 2], [3, 5]] the first 5, at position 0.",
        ),
        Shapes(_pool),
        Values(_pool, "Lay the window on the image: which pixels are inside, and which of them is the first largest?"),
        Extremes(
            (
                lambda: call(np.zeros((0, 4, 4, 2)), (2, 2), (2, 2), (2, 2), NONE),
                lambda: call(image_of([-1e300, -1e301], [-1e302, -1e303]), (2, 2), (2, 2), (2, 2), ONE),
                lambda: call(np.full((1, 2, 2, 1), -np.inf), (2, 2), (2, 2), (2, 2), ONE),
            ),
            "A pixel outside the image is never the largest, not even where all pixels inside are -inf.",
        ),
    ),
    wrong=(
        Wrong(
            (("windows(x, -np.inf)", "windows(x, 0)"),),
            "Pixels outside count as 0, so they win where all pixels are negative. They must never count.",
        ),
        Wrong(
            (("= pixels.argmax(axis=4)", "= pixels.shape[4] - 1 - pixels[..., ::-1].argmax(axis=4)"),),
            "Of equal pixels the last one counts. It must be the first, row by row.",
        ),
        Wrong((("pixels.argmax(", "pixels.argmin("),), "This is the smallest pixel of each window."),
        Wrong(
            (
                (
                    "found[..., 0].astype(np.int32)",
                    "(found[..., 0] % kernel_size[1] * kernel_size[0] + found[..., 0] // kernel_size[1])"
                    ".astype(np.int32)",
                ),
            ),
            "The positions count column by column. They count row by row: u · KW + v.",
        ),
        Wrong((("found[..., 0].astype(np.int32)", "found[..., 0]"),), "The positions are int64: return int32."),
        Wrong(
            ((":: stride[0], :: stride[1]", ":: stride[1], :: stride[0]"),),
            "The strides are exchanged: a pair is (height, width).",
        ),
        Wrong(
            ((":: stride[0], :: stride[1]", ":: kernel_size[0], :: kernel_size[1]"),),
            "The windows lie side by side. They begin `stride` pixels apart, and may overlap.",
        ),
        Wrong(
            (
                (
                    "found = np.where(np.take_along_axis(inside, found, 4), found, inside.argmax(axis=4)[..., None])",
                    "pass",
                ),
            ),
            "In a window of -inf alone, the position is that of a pixel outside the image.",
        ),
    ),
    correct=(
        """
        def max_pool2d(x, outputs, kernel_size, stride, padding):
            (n, height, width, channels), (kh, kw) = x.shape, kernel_size
            values = np.zeros((n, *outputs, channels), x.dtype)
            positions = np.zeros((n, *outputs, channels), np.int32)
            for i in range(outputs[0]):
                for j in range(outputs[1]):
                    top, left = stride[0] * i - padding[0], stride[1] * j - padding[1]
                    inside = [
                        (u * kw + v, x[:, top + u, left + v])
                        for u in range(kh)
                        for v in range(kw)
                        if 0 <= top + u < height and 0 <= left + v < width
                    ]
                    pixels = np.stack([pixel for _, pixel in inside])
                    best = pixels.argmax(axis=0)
                    values[:, i, j] = pixels.max(axis=0)
                    positions[:, i, j] = np.array([number for number, _ in inside])[best]
            return values, positions
        """,
        """
        def max_pool2d(x, outputs, kernel_size, stride, padding):
            n, height, width, channels = x.shape
            i, j = np.ogrid[: outputs[0], : outputs[1]]
            best = np.full((n, *outputs, channels), -np.inf, x.dtype)
            found = np.full(best.shape, -1, dtype="int32")
            for number in range(kernel_size[0] * kernel_size[1]):
                u, v = divmod(number, kernel_size[1])
                rows, columns = stride[0] * i + u - padding[0], stride[1] * j + v - padding[1]
                inside = ((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width))[..., None]
                pixels = x[:, rows.clip(0, height - 1), columns.clip(0, width - 1)]
                better = inside & ((pixels > best) | (found < 0))
                best, found = np.where(better, pixels, best), np.where(better, np.int32(number), found)
            return best, found
        """,
    ),
)

UPSAMPLE_NEAREST = Exercise(
    name="upsample_nearest",
    track="layers",
    title="nearest upsampling and its derivative rule",
    source="tinygen.ops.resample:upsample_nearest",
    question="x is (N, H, W, C). Return the value as an array (N, SH H, SW W, C), in which every pixel of x.data\n"
    "has become a block of SH x SW equal ones; then the rule of x. The rule may call `sum_blocks`, an op\n"
    "of the library, or others. `scale` is a pair (SH, SW), or one number for both: `arguments.pair`.",
    page="upsampling.md#one-matrix-per-axis",
    hints=(
        "One pixel of x is in SH SW pixels of the result. Its gradient is made of all of theirs.",
        "The value: repeat along two axes. The rule: each block of g becomes one number, its sum.",
        "np.repeat(np.repeat(x.data, scale[0], axis=1), ..., axis=2), and lambda g: sum_blocks(g, ...)",
    ),
    stages=(
        Example(
            lambda: call(image_of([1, 2], [3, 4]), scale=(1, 2)),
            image_of([1, 1, 2, 2], [3, 3, 4, 4]),
            "Each pixel twice side by side, because SW is 2; each row once, because SH is 1.",
        ),
        Shapes(_up),
        Values(_up),
        Derivatives(_up, seeds=2),
        Extremes(
            (
                lambda: call(np.zeros((0, 2, 2, 3)), scale=(2, 2)),
                lambda: call(image_of([np.inf, 1, np.nan]), scale=2),
            ),
            "Every pixel is copied, whatever it is, and `scale` may be one number.",
        ),
    ),
    wrong=(
        Wrong((("least=1)\n", "least=1)[::-1]\n"),), "The scales are exchanged: SH is for the rows of the image."),
        Wrong(
            (("kernels.resample(x.data, maps)", "np.tile(x.data, (1, *scale, 1))"),),
            "This lays copies of the whole image side by side. Every pixel becomes a block.",
        ),
        Wrong(
            (
                (
                    "kernels.resample(x.data, maps)",
                    "np.kron(x.data, np.eye(1, np.prod(scale)).reshape(1, *scale, 1))",
                ),
            ),
            "Only the first pixel of each block has the value, the others are 0.",
        ),
        Wrong(
            (("sum_blocks(g, scale=scale)", "sum_blocks(g, scale=scale) * (1 / (scale[0] * scale[1]))"),),
            "The rule takes the mean of each block. Every copy passes its whole gradient back: it is the sum.",
        ),
        Wrong(
            (("sum_blocks(g, scale=scale)", "g[:, :: scale[0], :: scale[1]]"),),
            "The rule takes the gradient of the first copy only. All copies of a pixel have a share: it is the sum.",
        ),
        Wrong(
            (("lambda g: sum_blocks(g, scale=scale)", "lambda g: upsample_nearest(g, scale=scale)"),),
            "The rule enlarges g once more. It must lead back to the shape of x.",
        ),
    ),
    correct=(
        """
        @op
        def upsample_nearest(x, *, scale):
            sh, sw = arguments.pair("upsample_nearest", "scale", scale, least=1)
            value = x.data.repeat(sh, axis=1).repeat(sw, axis=2)
            return value, lambda g: sum_blocks(g, scale=(sh, sw))
        """,
        """
        @op
        def upsample_nearest(x, *, scale):
            sh, sw = (scale, scale) if isinstance(scale, int) else scale
            n, h, w, c = x.shape
            blocks = np.broadcast_to(x.data[:, :, None, :, None, :], (n, h, sh, w, sw, c))

            def rule(g):
                return g.reshape(n, h, sh, w, sw, c).sum(axis=(2, 4))

            return blocks.reshape(n, h * sh, w * sw, c).copy(), rule
        """,
    ),
)

ODD = "Blocks of 2 x 2 pixels don't tile an image of 3 x 4."
REFUSES = Refuses(
    {
        ODD: lambda: call(np.zeros((1, 3, 4, 1)), scale=2),
        "Blocks of 2 x 2 pixels don't tile an image of 4 x 3.": lambda: call(np.ones((2, 4, 3, 1)), scale=(2, 2)),
    }
)

SUM_BLOCKS = Exercise(
    name="sum_blocks",
    track="layers",
    title="the sum of blocks, the adjoint of nearest upsampling",
    source="tinygen.ops.resample:sum_blocks",
    question="x is (N, SH H, SW W, C). Return the value as an array (N, H, W, C), in which every block of SH x SW\n"
    "pixels of x.data has become its sum; then the rule of x, which may call `upsample_nearest`.\n"
    "`scale` is a pair (SH, SW), or one number for both. Raise ValueError if blocks don't tile x.",
    page="upsampling.md#one-matrix-per-axis",
    hints=(
        "Write an axis of SH H pixels as two axes, H and SH: which of them comes first, and which is summed?",
        "The value: x.data.reshape(N, H, SH, W, SW, C), summed. The rule: each pixel has slope 1 in its sum.",
        "x.data.reshape(...).sum(axis=(2, 4)), lambda g: upsample_nearest(g, ...)",
    ),
    stages=(
        Example(
            lambda: call(image_of([1, 2, 3, 4], [5, 6, 7, 8]), scale=(1, 2)),
            image_of([3, 7], [11, 15]),
            "The blocks are one row high and two columns wide: [1, 2], [3, 4], [5, 6], [7, 8].",
        ),
        Shapes(_blocks),
        Values(_blocks),
        Derivatives(_blocks, seeds=2),
        Extremes(
            (
                lambda: call(np.zeros((0, 4, 4, 3)), scale=(2, 2)),
                lambda: call(image_of([1e300, 1e300, 1e-300, 1e-300]), scale=(1, 2)),
                lambda: call(image_of([np.inf, 1], [2, 3], [4, 5], [6, 7]), scale=2),
            ),
            "Every block is summed for itself, and `scale` may be one number.",
        ),
        REFUSES,
        Property("a size that it refuses", _refuses),
    ),
    wrong=(
        Wrong((("least=1)\n", "least=1)[::-1]\n"),), "The scales are exchanged: SH is for the rows of the image."),
        Wrong(
            (("kernels.resample(x.data, maps)", "kernels.resample(x.data, maps) / (scale[0] * scale[1])"),),
            "This is the mean of each block, average pooling. The adjoint of copying is the sum.",
        ),
        Wrong(
            (("kernels.resample(x.data, maps)", "x.data[:, :: scale[0], :: scale[1]]"),),
            "This is the first pixel of each block.",
        ),
        Wrong(
            (
                (
                    "kernels.resample(x.data, maps)",
                    "x.data.reshape(len(x), scale[0], -1, scale[1], x.shape[2] // scale[1], x.shape[3])"
                    ".sum(axis=(1, 3))",
                ),
            ),
            "This adds pixels that lie H rows or W columns apart: split the axes into (H, SH) and (W, SW).",
        ),
        Wrong(
            (
                (
                    "upsample_nearest(g, scale=scale)",
                    "upsample_nearest(g, scale=scale) * (1 / (scale[0] * scale[1]))",
                ),
            ),
            "The rule shares the gradient out among the pixels of a block. In a sum each term has slope 1.",
        ),
        Wrong(
            (("lambda g: upsample_nearest(g, scale=scale)", "lambda g: sum_blocks(g, scale=1)"),),
            "The rule returns g in its own shape. It must lead back to the shape of x.",
        ),
        Wrong((("x.shape[1] % scale[0] or x.shape[2] % scale[1]", "False"),), REFUSES.says(ODD)),
    ),
    correct=(
        """
        @op
        def sum_blocks(x, *, scale):
            sh, sw = arguments.pair("sum_blocks", "scale", scale, least=1)
            n, height, width, c = x.shape
            blocks = x.data.reshape(n, height // sh, sh, width // sw, sw, c)
            return blocks.sum(axis=(2, 4)), lambda g: upsample_nearest(g, scale=(sh, sw))
        """,
        """
        @op
        def sum_blocks(x, *, scale):
            sh, sw = (scale, scale) if isinstance(scale, int) else scale
            if x.shape[1] % sh or x.shape[2] % sw:
                raise ValueError("blocks don't tile the image")
            value = sum(x.data[:, u::sh, v::sw] for u in range(sh) for v in range(sw))

            def rule(g):
                n, h, w, c = g.shape
                return broadcast_to(g.reshape(n, h, 1, w, 1, c), shape=(n, h, sh, w, sw, c)).reshape(x.shape)

            from tinygen.ops import broadcast_to

            return value, rule
        """,
    ),
)
