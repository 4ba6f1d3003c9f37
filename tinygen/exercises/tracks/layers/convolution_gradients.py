"""Layers, second part: the gradients of a convolution, as a function of arrays and as the rules of an op."""

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Wrong, call
from tinygen.exercises.refusals import Refuses
from tinygen.exercises.stages import Derivatives, Example, Extremes, Shapes, Values
from tinygen.exercises.tracks.layers.convolution import NONE, ONE, image_of, kernel_of, random_channels, random_form


def _weights(rng: np.random.Generator, size: int) -> Arguments:
    """A call of conv2d_weight."""
    image, kernel, form, outputs = random_form(rng, size)
    n, c, o = random_channels(rng, size)
    return call(rng.normal(size=(n, *image, c)), rng.normal(size=(n, *outputs, o)), kernel, *form)


def _op(rng: np.random.Generator, size: int) -> Arguments:
    """A call of the op conv2d, small enough for all its second derivatives."""
    image, kernel, form, _ = random_form(rng, min(size, 2))
    c, settings = 1 if size < 3 else 2, form._asdict() if size > 1 else {}
    if size == 1:
        image, kernel = (1, 3), (1, 2)
    elif size == 2:  # stride and dilation differ, and exchanging them keeps all shapes
        image, kernel, settings = (4, 4), (2, 2), dict(stride=2)
    elif size == 3:  # the last row takes no part
        image, kernel, settings = (3, 2), (2, 2), dict(stride=(2, 1), padding=(0, 1), dilation=(1, 2))
    return call(rng.normal(size=(1, *image, c)), rng.normal(size=(*kernel, c, 1)), **settings)


_LOOP = ":\n        w[u, v]"  # after the arguments of `_taps`

CONV2D_WEIGHT = Exercise(
    name="conv2d_weight",
    track="layers",
    title="the gradient of a convolution in its kernel",
    source="tinygen.kernels.reference_conv:conv2d_weight",
    question="x (N, H, W, C) are images, and g (N, GH, GW, O) is the gradient of the convolution's output.\n"
    "Return the gradient in the kernel, (KH, KW, C, O): entry [u,v,c,o] is the sum of\n"
    "g[n,i,j,o] · x[n, s i + d u - p, s j + d v - p, c] over all examples n and windows i, j.\n"
    "Pixels outside the image are 0.",
    page="convolution.md#the-gradients-of-any-order",
    hints=(
        "The same kernel entry is used in every window of every example: each use has a share in its gradient.",
        "Fix (u, v). Its pixels are (N, ..., C), the gradients of its windows (N, ..., O): which axes are summed?",
        "w[u, v] = np.tensordot(x[pixels], g[windows], axes=...), for all (u, v) of `_taps`.",
    ),
    stages=(
        Example(
            lambda: call(image_of([1, 2, 3], [4, 5, 6], [7, 8, 9]), image_of([1, 0], [0, 10]), (2, 2), ONE, NONE, ONE),
            kernel_of([51, 62], [84, 95]),
            "Two windows have a gradient. The kernel's first entry lies on the 1 there, and on the 5: 1 · 1 + 10 · 5.",
        ),
        Shapes(_weights),
        Values(_weights, "For one kernel entry, list the pixels that it lies on, one for each window."),
        Extremes(
            (
                lambda: call(np.zeros((0, 4, 4, 2)), np.zeros((0, 2, 2, 5)), (3, 3), ONE, NONE, ONE),
                lambda: call(image_of([1.0]), image_of([2.0]), (3, 3), ONE, ONE, ONE),
            ),
            "An entry that lies on no pixel has the gradient 0, and without an example every entry has.",
        ),
    ),
    wrong=(
        Wrong(
            (("w[u, v] =", "w[kernel_size[0] - 1 - u, kernel_size[1] - 1 - v] ="),),
            "The gradient is turned around: its entry (u, v) belongs to the pixels u rows below and v columns right.",
        ),
        Wrong(
            (("x[pixels], g[windows]", "x[pixels][:1], g[windows][:1]"),),
            "Only the first example counts. All examples share the kernel, so their gradients add up.",
        ),
        Wrong(
            (("axes=((0, 1, 2), (0, 1, 2)))", "axes=((0, 1, 2), (0, 1, 2))) / len(x)"),),
            "This is the mean over the examples. A mean belongs to the loss; the rule of an op sums.",
        ),
        Wrong(
            ((f"stride, padding, dilation){_LOOP}", f"dilation, padding, stride){_LOOP}"),),
            "Stride and dilation are exchanged in the positions.",
        ),
        Wrong(
            ((f"stride, padding, dilation){_LOOP}", f"stride, (0, 0), dilation){_LOOP}"),), "The padding is ignored."
        ),
        Wrong(
            (("np.tensordot(x[pixels], g[windows]", "np.tensordot(g[windows], x[pixels]"),),
            "The matrix of each entry is transposed: it must be (C, O), as the kernel's is.",
        ),
        Wrong((("w[u, v] =", "w[u, v] = -"),), "The sign is wrong."),
    ),
    correct=(
        """
        def conv2d_weight(x, g, kernel_size, stride, padding, dilation):
            (kh, kw), (ph, pw), (sh, sw), (dh, dw) = kernel_size, padding, stride, dilation
            wide = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
            reach = dh * (kh - 1) + 1, dw * (kw - 1) + 1
            views = np.lib.stride_tricks.sliding_window_view(wide, reach, (1, 2))[:, ::sh, ::sw, :, ::dh, ::dw]
            return np.einsum("nijcuv,nijo->uvco", views, g)
        """,
        """
        def conv2d_weight(x, g, kernel_size, stride, padding, dilation):
            total = np.zeros((*kernel_size, x.shape[3], g.shape[3]), np.result_type(x, g))
            for i in range(g.shape[1]):
                for j in range(g.shape[2]):
                    for u in range(kernel_size[0]):
                        for v in range(kernel_size[1]):
                            h = stride[0] * i + dilation[0] * u - padding[0]
                            k = stride[1] * j + dilation[1] * v - padding[1]
                            if 0 <= h < x.shape[1] and 0 <= k < x.shape[2]:
                                total[u, v] += x[:, h, k].T @ g[:, i, j]
            return total
        """,
    ),
)

LARGER = "The kernel is larger than the image."
REFUSES = Refuses(
    {
        LARGER: lambda: call(np.zeros((1, 2, 2, 1)), np.zeros((3, 3, 1, 1))),
        "x has two channels, and w is for one.": lambda: call(np.zeros((1, 3, 3, 2)), np.zeros((2, 2, 1, 1))),
        "x has one channel, and w is for two.": lambda: call(np.zeros((1, 3, 3, 1)), np.zeros((2, 2, 2, 1))),
        "x has no axis for its channels.": lambda: call(np.zeros((2, 3, 3)), np.zeros((2, 2, 3, 1))),
        "A stride of 0 goes nowhere.": lambda: call(np.zeros((1, 3, 3, 1)), np.zeros((2, 2, 1, 1)), stride=0),
    }
)

CONV2D_RULES = Exercise(
    name="conv2d_rules",
    track="layers",
    title="the two derivative rules of a convolution",
    source="tinygen.ops.conv:conv2d",
    question="Return the value, and one rule for x and one for w. The value is\n"
    'kernels.conv2d(x.data, w.data, *form), where form = geometry(stride, padding, dilation, "conv2d")\n'
    "holds three pairs, which `**form._asdict()` passes on by name. The rules call two library ops:\n"
    "conv_transpose2d(g, w, size=(H, W), ...) and conv2d_weight(x, g, kernel_size=(KH, KW), ...).\n"
    'check_conv2d("conv2d", x, w, form) raises ValueError for shapes that don\'t fit together.',
    page="convolution.md#the-gradients-of-any-order",
    hints=(
        "y is linear in x with w fixed, and linear in w with x fixed. A rule is the transpose of that linear map.",
        "Window i took pixel s i + d u - p with weight w[u, v]. Backwards it gives that pixel g[i] · w[u, v].",
        "lambda g: conv_transpose2d(g, w, size=..., **form._asdict()), lambda g: conv2d_weight(x, g, ...)",
    ),
    stages=(
        Example(
            lambda: call(image_of([1, 2, 3], [4, 5, 6], [7, 8, 9]), kernel_of([1, 2], [0, -1])),
            image_of([0, 2], [6, 8]),
        ),
        Shapes(_op),
        Values(_op),
        Derivatives(_op, seeds=2),
        REFUSES,
    ),
    wrong=(
        Wrong(
            (
                (
                    "size=x.shape[1:3], **form._asdict()",
                    "size=x.shape[1:3], stride=form.dilation, padding=form.padding, dilation=form.stride",
                ),
            ),
            "The rule of x exchanges stride and dilation. Backwards, window i still begins at pixel s i - p.",
        ),
        Wrong(
            (("size=x.shape[1:3], **form._asdict()", "size=x.shape[1:3]"),),
            "The rule of x leaves out stride, padding and dilation.",
        ),
        Wrong(
            (("kernel_size=w.shape[:2], **form._asdict()", "kernel_size=w.shape[:2]"),),
            "The rule of w leaves out stride, padding and dilation.",
        ),
        Wrong(
            (
                (
                    "size=x.shape[1:3]",
                    "size=tuple(s * (m - 1) + d * (k - 1) + 1 - 2 * p "
                    "for m, k, s, p, d in zip(g.shape[1:3], w.shape[:2], *form))",
                ),
            ),
            "The rule of x makes the smallest image with as many windows. With a stride, x may be larger.",
        ),
        Wrong(
            (("conv_transpose2d(g, w,", "conv_transpose2d(g, w[::-1, ::-1],"),),
            "The rule of x turns the kernel around. `conv_transpose2d` takes the kernel as `conv2d` does.",
        ),
        Wrong(
            (("conv_transpose2d(g, w,", "conv_transpose2d(g, w.detach(),"),),
            "The rule of x detaches w, so its own gradient by w is lost: second derivatives are wrong.",
        ),
        Wrong(
            (("conv2d_weight(x, g,", "conv2d_weight(x.detach(), g,"),),
            "The rule of w detaches x, so its own gradient by x is lost: second derivatives are wrong.",
        ),
        Wrong((('    check_conv2d("conv2d", x, w, form)\n', ""),), REFUSES.says(LARGER)),
    ),
    correct=(
        """
        @op
        def conv2d(x, w, *, stride=1, padding=0, dilation=1):
            form = geometry(stride, padding, dilation, "conv2d")
            settings = dict(stride=form.stride, padding=form.padding, dilation=form.dilation)

            def in_x(g):
                return conv_transpose2d(g, w, size=(x.shape[1], x.shape[2]), **settings)

            def in_w(g):  # examples and channels exchanged: g is the kernel, and the strides become its gaps
                images, kernel = x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)
                swapped = dict(stride=form.dilation, padding=form.padding, dilation=form.stride)
                return library.conv2d(images, kernel, **swapped)[:, : w.shape[0], : w.shape[1]].transpose(1, 2, 0, 3)

            import tinygen as library

            return library.conv2d(x.detach(), w.detach(), **settings).data, in_x, in_w
        """,
        """
        @op
        def conv2d(x, w, *, stride=1, padding=0, dilation=1):
            form = geometry(stride, padding, dilation, "conv2d")
            (n, height, width, c), (kh, kw, _, o) = x.shape, w.shape
            rows, columns = form.outputs((height, width), (kh, kw), "conv2d")

            def windows(x):
                wide = pad(x, widths=((0, 0), *((p, p) for p in form.padding), (0, 0)))
                i, j = (s * np.arange(m) for s, m in zip(form.stride, (rows, columns)))
                u, v = (d * np.arange(k) for d, k in zip(form.dilation, (kh, kw)))
                index = (slice(None), (i[:, None] + u)[:, None, :, None], (j[:, None] + v)[None, :, None, :])
                return getitem(wide, index=index), index

            def in_x(g):
                _, index = windows(x.detach())
                shape = (n, height + 2 * form.padding[0], width + 2 * form.padding[1], c)
                shares = (g.reshape(-1, o) @ w.reshape(-1, o).T).reshape(n, rows, columns, kh, kw, c)
                widths = ((0, 0), *((p, p) for p in form.padding), (0, 0))
                return crop(scatter(shares, index=index, shape=shape), widths=widths)

            def in_w(g):
                taken, _ = windows(x)
                return (taken.reshape(-1, kh * kw * c).T @ g.reshape(-1, o)).reshape(w.shape)

            from tinygen.ops.shape import crop, getitem, pad, scatter

            taken, _ = windows(x.detach())
            y = taken.data.reshape(-1, kh * kw * c) @ w.data.reshape(-1, o)
            return y.reshape(n, rows, columns, o), in_x, in_w
        """,
    ),
)
