"""Wrong calls of ops raise errors with what was expected, what was given and what to do, before anything is computed.

Each table has pairs of a wrong call and words of its message; those of `grad` and Parameter are in `tests/engine`.
"""

import inspect
import re

import numpy as np
import pytest

import tinygen as tg
from tinygen.ops.support.taps import Taps


def zeros(*shape):
    return tg.Tensor(np.zeros(shape, np.float32))


X, IMAGES, KERNEL = zeros(2, 3), zeros(2, 6, 6, 3), zeros(3, 3, 3, 4)
INTEGERS = np.zeros((2, 3), int)

WRONG_SHAPES = [
    (lambda: X + zeros(2, 4), r"shapes (2, 3) and (2, 4) don't broadcast to one: aligned from the right"),
    (lambda: tg.where(np.ones((2, 4), bool), X, X), "(2, 3) and (2, 4) don't broadcast to one"),
    (lambda: X @ X, "matmul: (2, 3) has 3 columns but (2, 3) has 2 rows"),
    (
        lambda: tg.ops.fused.linear(X, zeros(3, 4), zeros(3)),
        "linear: expected (N, K) @ (K, M) + (M,), got (2, 3) @ (3, 4) +",
    ),
    (lambda: X @ zeros(), "matmul: expected vectors (K,) or matrices (..., N, K) @ (..., K, M), got (2, 3) @ ()"),
    (lambda: X @ zeros(2), "matmul: (2, 3) has 3 columns but (2,) has 2 rows"),
    (lambda: zeros(3) @ X, "matmul: (3,) has 3 columns but (2, 3) has 2 rows"),
    (lambda: zeros(2, 3, 4) @ zeros(5, 4, 3), "matmul: the batches of (2, 3, 4) and (5, 4, 3) don't broadcast to one"),
    (lambda: X.reshape(4), "reshape: 6 entries of shape (2, 3) don't fit 4"),
    (lambda: X.reshape(-1, 4), "reshape: 6 entries of shape (2, 3) don't fit (-1, 4)"),
    (lambda: X.reshape(-1, -1), "don't fit (-1, -1)"),
    (lambda: X.transpose(0), "transpose: axes (0,) are no permutation of the 2 axes of shape (2, 3)"),
    (lambda: X.transpose(1, 1), "transpose: axes (1, 1) are no permutation"),
    (lambda: tg.broadcast_to(X, shape=(2, 4)), "broadcast_to: shape (2, 3) can't be repeated to (2, 4)"),
    (lambda: tg.sum_to(X, shape=(2, 2)), "sum_to: (2, 2) doesn't broadcast to (2, 3)"),
    (lambda: tg.pad(X, widths=((1, 1),)), "pad: expected a pair of widths >= 0 for each axis of (2, 3), got ((1, 1),)"),
    (lambda: tg.pad(X, widths=((1, 1), (-1, 0))), "pad: expected a pair of widths >= 0"),
    (lambda: tg.pad(X, widths=1), "pad: expected a pair of widths >= 0 for each axis of (2, 3), got 1"),
    (
        lambda: tg.crop(X, widths=((1, 2), (0, 0))),
        "crop: widths ((1, 2), (0, 0)) are more than there is in shape (2, 3)",
    ),
    (lambda: tg.concat(X, zeros(2, 4)), "concat: shapes must agree but for axis 0, got [(2, 3), (2, 4)]"),
    (lambda: tg.concat(X, zeros(2)), "concat: shapes must agree but for axis 0, got [(2, 3), (2,)]"),
    (lambda: tg.concat(X, X, axis=2), "concat: there is no axis 2 among 2"),
    (lambda: tg.concat(), "concat: needs at least one tensor"),
    (lambda: tg.stack(X, zeros(2, 4)), "stack: expected tensors of one shape, got [(2, 3), (2, 4)]"),
    (lambda: tg.stack(X, X, axis=3), "stack: there is no axis 3 among 3"),
    (lambda: tg.flatten(X, start=2), "flatten: there is no axis 2 among 2"),
    (lambda: X.sum(axis=2), "there is no axis 2 in shape (2, 3)"),
    (lambda: X.sum(axis=(0, -2)), "axis (0, -2) names an axis of shape (2, 3) twice"),
    (lambda: zeros(0, 3).mean(axis=0), "mean: nothing to reduce along axis 0 of shape (0, 3)"),
    (lambda: zeros(0, 3).var(axis=0), "var: nothing to reduce along axis 0 of shape (0, 3)"),
    (lambda: zeros(0, 3).max(), "max: nothing to reduce along axis None of shape (0, 3)"),
    (lambda: tg.logsumexp(zeros(0, 3)), "logsumexp: nothing to reduce"),
    (
        lambda: tg.scatter(zeros(3), index=np.array([0, 1]), shape=(4,)),
        "scatter: the index picks (2,) out of (4,), but x has shape (3,)",
    ),
    (lambda: tg.scatter(zeros(1), index=slice(0, 2), shape=(4,)), "scatter: the index picks (2,) out of (4,)"),
]

WRONG_IMAGES = [
    (
        lambda: tg.conv2d(IMAGES, zeros(3, 3, 1, 4)),
        "conv2d: x has 3 channels (2, 6, 6, 3) but w expects 1 (3, 3, 1, 4); images are (N, H, W, C), "
        "kernels (KH, KW, C, O), and there are no groups",
    ),
    (lambda: tg.conv2d(zeros(6, 6, 3), KERNEL), "conv2d: x: expected images (N, H, W, C), channels last, got"),
    (lambda: tg.conv2d(IMAGES, zeros(3, 3, 3)), "conv2d: expected a kernel (KH, KW, C, O), got shape (3, 3, 3)"),
    (lambda: tg.conv2d(IMAGES, zeros(0, 3, 3, 4)), "conv2d: expected a kernel (KH, KW, C, O), got"),
    (
        lambda: tg.conv2d(IMAGES, zeros(7, 7, 3, 4)),
        "a window of 7 x 7 (kernel (7, 7), dilation (1, 1)) doesn't fit into",
    ),
    (
        lambda: tg.conv2d(IMAGES, KERNEL, dilation=3),
        "an image of 6 x 6 with padding (0, 0): pad more or shrink the kernel",
    ),
    (
        lambda: tg.conv2d(IMAGES, KERNEL, stride=0),
        "conv2d: expected stride to be a whole number of at least 1",
    ),
    (lambda: tg.conv2d(IMAGES, KERNEL, stride=(1, 2, 3)), "(height, width), got (1, 2, 3)"),
    (
        lambda: tg.conv2d(IMAGES, KERNEL, padding=-1),
        "conv2d: expected padding to be a whole number of at least 0",
    ),
    (
        lambda: tg.conv2d(IMAGES, KERNEL, padding="same"),
        "got 'same': for an odd kernel_size write (kernel_size - 1) // 2",
    ),
    (
        lambda: tg.conv2d(IMAGES, KERNEL, dilation=1.5),
        "conv2d: expected dilation to be a whole number",
    ),
    (
        lambda: tg.conv_transpose2d(zeros(2, 3, 3, 4), KERNEL, stride=2, size=9),
        "size (9, 9) is not one that conv2d sends to (3, 3); legal heights [7, 8], legal widths [7, 8]",
    ),
    (
        lambda: tg.conv_transpose2d(zeros(2, 3, 3, 3), KERNEL, size=5),
        "conv_transpose2d: g has 3 channels (2, 3, 3, 3) but w expects 4 (3, 3, 3, 4)",
    ),
    (lambda: tg.conv_transpose2d(zeros(3, 3), KERNEL, size=5), "conv_transpose2d: g: expected images (N, H, W, C)"),
    (
        lambda: tg.conv2d_weight(IMAGES, zeros(2, 4, 4, 4), kernel_size=2),
        "conv2d_weight: g has (N, GH, GW) = (2, 4, 4) but conv2d makes (2, 5, 5) of (2, 6, 6, 3)",
    ),
    (lambda: tg.conv2d_weight(IMAGES, zeros(2, 4, 4), kernel_size=3), "conv2d_weight: g: expected images"),
    (
        lambda: tg.avg_pool2d(X, kernel_size=2),
        "avg_pool2d: expected images (N, H, W, C), channels last, got shape (2, 3)",
    ),
    (lambda: tg.max_pool2d(IMAGES, kernel_size=9), "max_pool2d: a window of 9 x 9"),
    (
        lambda: tg.max_pool2d(IMAGES, kernel_size=0),
        "max_pool2d: expected kernel_size to be a whole number",
    ),
    (lambda: tg.avg_pool2d(IMAGES, kernel_size=2, padding=2), "padding (2, 2) is more than half the kernel (2, 2)"),
    (
        lambda: tg.ops.fused.log_softmax_at(X, labels=np.zeros(5, int)),
        "log_softmax_at: expected x (N, K) and labels (N,), got (2, 3) and (5,)",
    ),
    (
        lambda: tg.ops.fused.recurrence(X, X, X, zeros(3), cell="rnn"),
        "recurrence: expected x (T N, 1 H), a state (N, 1 H) and w (H, 1 H), got (2, 3), (2, 3) and (2, 3)",
    ),
    (lambda: tg.upsample(X, 2), "upsample: expected images (N, H, W, C)"),
    (lambda: tg.upsample(IMAGES, 0), "upsample: expected scale_factor to be a whole number of at least 1"),
    (lambda: tg.upsample(IMAGES, 1.5), "got 1.5"),
    (
        lambda: tg.upsample(IMAGES, 2, mode="cubic"),
        "upsample: expected mode to be one of 'nearest', 'linear'",
    ),
    (lambda: tg.upsample(IMAGES, 2, align_corners=True), 'expected align_corners=False for mode="nearest", got True'),
    (lambda: tg.resize(IMAGES, 3, mode="linear"), "for x (2, 6, 6, 3) choose 'nearest' or 'bilinear' or 'bicubic'"),
    (
        lambda: tg.resize(X, 3),
        "expected x with 1 or 2 or 3 axes between N and C for mode='nearest', got (2, 3)",
    ),
    (lambda: tg.resize(IMAGES), "resize: expected either size or scale_factor, got None and None: give one of them"),
    (lambda: tg.resize(IMAGES, 3, scale_factor=2), "resize: expected either size or scale_factor, got 3 and 2"),
    (lambda: tg.resize(IMAGES, (3, 3, 3)), "resize: expected one number or 2, one per axis, got (3, 3, 3)"),
    (lambda: tg.resize(IMAGES, 0), "resize: expected size to be a whole number of at least 1, got 0"),
    (lambda: tg.resize(IMAGES, scale_factor=0.1), "resize: expected new sizes of at least 1, got (0, 0) from (6, 6)"),
    (lambda: tg.resize(IMAGES, scale_factor=-1), "resize: expected scale_factor to be a number above 0, got -1"),
    (
        lambda: tg.upsample_nearest(IMAGES, scale=(0, 1)),
        "upsample_nearest: expected scale to be a whole",
    ),
    (lambda: tg.sum_blocks(IMAGES, scale=4), "sum_blocks: blocks of (4, 4) don't tile images of (6, 6)"),
    (
        lambda: tg.resample(IMAGES, maps=(Taps.of(np.ones((2, 5))), Taps.of(np.ones((2, 6))))),
        "resample: expected x (N, ..., C) with the sizes (5, 6) of the maps, got (2, 6, 6, 3)",
    ),
    (lambda: tg.clip(X, low=2, high=1), "clip: low 2 is above high 1"),
]

WRONG_TYPES = [
    (
        lambda: X * INTEGERS,
        "Tensor: expected float32 or float64, got int64: write array.astype(np.float32), or keep labels",
    ),
    (lambda: tg.conv2d(IMAGES, np.zeros(KERNEL.shape, int)), "float32 or float64, got int64"),
    (lambda: X * True, "expected float32 or float64, got bool: write mask.astype(np.float32), or tinygen.where("),
    (lambda: X + 1j, "float32 or float64, got complex128"),
    (lambda: X + None, "float32 or float64, got object"),
    (
        lambda: tg.Parameter(INTEGERS),
        "got int64: write array.astype(np.float32), or keep labels and indices as NumPy arrays",
    ),
    (lambda: X.astype(int), "astype: expected dtype to be np.float32 or np.float64, got int"),
    (
        lambda: tg.where(X, X, X),
        "where: the condition must be boolean, not float32: compare something first, as in x > 0",
    ),
    (lambda: tg.where(1, X, X), "where: the condition must be boolean, not int64"),
    (lambda: X.sum(axis=[0, 1]), "axis must be an integer, a tuple of them, or None for all, got [0, 1]"),
    (lambda: X.mean(axis=1.0), "axis must be an integer, a tuple of them, or None for all, got 1.0"),
    (lambda: X // 2, "unsupported operand type(s) for //"),
    (
        lambda: tg.conv2d(IMAGES, KERNEL, groups=3),
        "expected arguments among x, w, stride, padding, dilation, got groups=3",
    ),
    (
        lambda: tg.conv2d(IMAGES, KERNEL, 2),
        "settings go by name, as in conv2d(x, w, stride=2)",
    ),
    (
        lambda: tg.conv_transpose2d(IMAGES, KERNEL),
        "expected size, got nothing: write conv_transpose2d(g, w, size=...)",
    ),
    (lambda: tg.exp(), "exp: expected x, got nothing: write exp(x)"),
    (lambda: tg.mul(X), "mul: expected b, got nothing: write mul(a, b)"),
    (lambda: tg.mul(X, X, X), "mul: expected 2 positional arguments (a, b), got 3: write mul(a, b)"),
]

WRONG_INDICES = [
    (lambda: X[2], "index 2 is out of bounds for axis 0 with size 2"),
    (lambda: X[0, 0, 0], "array is 2-dimensional, but 3 were indexed"),
    (lambda: X[1.0], "only integers, slices"),
    (lambda: X[np.array([0.5])], "must be of integer (or boolean) type"),
    (lambda: X[np.array([True])], "size of axis is 2 but size of corresponding boolean axis is 1"),
    (lambda: tg.scatter(zeros(2), index=np.array([0, 9]), shape=(4,)), "index 9 is out of bounds"),
]

TABLES = [(ValueError, WRONG_SHAPES), (ValueError, WRONG_IMAGES), (TypeError, WRONG_TYPES), (IndexError, WRONG_INDICES)]
ROWS = [pytest.param(error, *row, id=row[1][:50]) for error, table in TABLES for row in table]


@pytest.mark.parametrize("error, call, words", ROWS)
def test_the_message_names_the_mistake(error, call, words):
    with tg.trace() as calls, pytest.raises(error, match=re.escape(words)):
        call()
    assert calls == []  # nothing was computed


# -- tensors by keyword ------------------------------------------------------------------------------------------------

BY_KEYWORD = {
    "mul": lambda a, b: tg.mul(a, b=b),
    "add": lambda a, b: tg.add(a=a, b=b),
    "exp": lambda a, b: tg.exp(x=a),
    "matmul": lambda a, b: tg.matmul(a, b=b),
    "conv2d": lambda a, b: tg.conv2d(a.reshape(1, 2, 2, 1), w=b.reshape(2, 2, 1, 1)),
    "clip": lambda a, b: tg.clip(a, low=b),
    "getitem": lambda a, b: a[b],
}


@pytest.mark.parametrize("name", BY_KEYWORD)
def test_a_tensor_by_keyword_is_refused(name):
    """It would get no gradient. With constants and variables, before and after a correct call of the op."""
    for variable in (tg.Tensor, tg.Parameter):
        a, b = tg.Parameter(np.ones((2, 2))), variable(np.ones((2, 2)))
        for _ in range(2):
            with pytest.raises(
                TypeError,
                match=f"{name}: (.* is a Tensor passed by keyword, which|expected an index of numbers, got a Tensor)",
            ):
                BY_KEYWORD[name](a, b)
            a * b, a + b, tg.exp(a), a @ b, tg.conv2d(a.reshape(1, 2, 2, 1), b.reshape(2, 2, 1, 1))


# -- an op of your own -------------------------------------------------------------------------------------------------


def test_an_op_without_a_rule_for_each_input_is_refused():
    @tg.op
    def test_only_forgetful(a, b):
        return a.data * b.data, lambda g: g * b

    try:
        x = tg.Parameter([1.0])
        for _ in range(2):
            with pytest.raises(TypeError, match=r"test_only_forgetful: expected one .*, got 2 tensors and 1 rule:"):
                test_only_forgetful(x, x)
    finally:
        del tg.OPS["test_only_forgetful"]


def test_help_shows_the_rule():
    """The parameters of an op are written once, in its rule, and the signature of the op shows them."""
    assert list(inspect.signature(tg.conv2d).parameters) == ["x", "w", "stride", "padding", "dilation"]
    for name, op in tg.OPS.items():
        assert op.__name__ == name
        assert op.__doc__ and op.__doc__.strip(), name
        static = [p for p in inspect.signature(op).parameters.values() if p.kind is p.KEYWORD_ONLY]
        positional = [p for p in inspect.signature(op).parameters.values() if p.kind is not p.KEYWORD_ONLY]
        assert all(p.default is p.empty for p in positional), f"{name}: settings are keyword-only"
        assert all(re.fullmatch(r"[a-z_]+", p.name) for p in static), name
