"""Find the bug: two derivative rules, of a transposed convolution and of a normalisation."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.show import number
from tinygen.exercises.stages import Derivatives, Example, Extremes, Property, Shapes, Values
from tinygen.exercises.tracks.layers.convolution import image_of, kernel_of, random_channels, random_form

TRACK = "find the bug"

# -- the transposed convolution ----------------------------------------------------------------------------------------


def _placed(rng: np.random.Generator, size: int) -> Arguments:
    """A call of the op conv_transpose2d; in size 2, exchanging stride and dilation keeps all shapes."""
    if size < 2:
        return call(rng.normal(size=(1, 1, 2, 1)), rng.normal(size=(1, 2, 1, 1)), size=(1, 3))
    if size == 2:
        return call(rng.normal(size=(1, 2, 2, 1)), rng.normal(size=(2, 2, 1, 1)), size=(4, 4), stride=2)
    if size == 3:
        form = dict(size=(3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 2))
        return call(rng.normal(size=(1, 1, 2, 1)), rng.normal(size=(2, 2, 2, 1)), **form)
    image, kernel, geometry, outputs = random_form(rng, 3)
    n, c, o = random_channels(rng, 2)
    g, w = rng.normal(size=(n, *outputs, o)), rng.normal(size=(*kernel, c, o))
    return call(g, w, size=image, **geometry._asdict())


_BACK = "lambda h: conv2d(h, w, **form._asdict())"
_SWAPPED = ((_BACK, "lambda h: conv2d(h, w, stride=form.dilation, padding=form.padding, dilation=form.stride)"),)

BUG_CONV_TRANSPOSE = Exercise(
    name="bug_conv_transpose",
    track=TRACK,
    title="a transposed convolution whose derivative is wrong for some settings",
    source="tinygen.ops.conv:conv_transpose2d",
    question="The value is right, and so are the rules as long as stride and dilation are 1. With a stride of 2,\n"
    "the generator that uses it hardly learns. Find out why, and fix it.",
    story="Found in candle. For most shapes the backward pass raises an error; where the shapes happen to agree, the "
    "gradient is wrong without one.",
    page="convolution.md#the-gradients-of-any-order",
    hints=(
        "There are two rules, one for g and one for w. `check` names the argument whose derivative is wrong.",
        "The transpose placed entry i of g at pixel s i + d u - p. From where does its gradient come back?",
        "Compare the arguments that the two rules pass on, one by one.",
    ),
    stages=(
        Example(
            lambda: call(image_of([1, 2]), kernel_of([1, 3]), size=(1, 3)),
            image_of([1, 5, 6]),
            "The value: 1 · [1, 3] on the left, and 2 · [1, 3] one pixel on.",
        ),
        Shapes(_placed),
        Values(_placed),
        Derivatives(_placed, seeds=2),
    ),
    wrong=(
        Wrong(
            ((_BACK, "lambda h: conv2d(h, w)"),),
            "The rule of g leaves out stride, padding and dilation.",
        ),
        Wrong(
            ((_BACK, "lambda h: conv2d(h, w, stride=form.stride, padding=form.padding)"),),
            "The rule of g leaves out the dilation.",
        ),
        Wrong(
            ((_BACK, "lambda h: conv2d(h, w[::-1, ::-1], **form._asdict())"),),
            "The rule of g turns the kernel around. `conv2d` takes it as it is.",
        ),
        Wrong(
            ((_BACK, "lambda h: conv2d(h, w.detach(), **form._asdict())"),),
            "The rule of g detaches w, so its own gradient by w is lost: second derivatives are wrong.",
        ),
        Wrong(
            (
                _SWAPPED[0],
                (
                    "kernel_size=w.shape[:2], **form._asdict()",
                    "kernel_size=w.shape[:2], stride=form.dilation, padding=form.padding, dilation=form.stride",
                ),
            ),
            "Now both rules exchange stride and dilation.",
        ),
        Wrong(
            (
                (
                    "kernels.conv_transpose2d(g.data, w.data, size, *form)",
                    "kernels.conv_transpose2d(g.data, w.data, size, form.dilation, form.padding, form.stride)",
                ),
                _SWAPPED[0],
            ),
            "Now the value exchanges stride and dilation too. The value was right.",
        ),
    ),
    correct=(
        """
        @op
        def conv_transpose2d(g, w, *, size, stride=1, padding=0, dilation=1):
            form = geometry(stride, padding, dilation, "conv_transpose2d")
            size = arguments.pair("conv_transpose2d", "size", size, least=1)
            check_conv_transpose2d("conv_transpose2d", g, w, size, form)

            def in_g(h):
                return conv2d(h, w, stride=form.stride, padding=form.padding, dilation=form.dilation)

            def in_w(h):
                return conv2d_weight(h, g, kernel_size=w.shape[:2], **form._asdict())

            return kernels.conv_transpose2d(g.data, w.data, size, *form), in_g, in_w
        """,
        """
        @op
        def conv_transpose2d(g, w, *, size, stride=1, padding=0, dilation=1):
            form = geometry(stride, padding, dilation, "conv_transpose2d")
            s, p, d = form
            value = kernels.conv_transpose2d(g.data, w.data, tuple(size), s, p, d)

            def in_w(h):
                images, kernel = h.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)
                full = conv2d(images, kernel, stride=d, padding=p, dilation=s)
                return full[:, : w.shape[0], : w.shape[1]].transpose(1, 2, 0, 3)

            return value, lambda h: conv2d(h, w, stride=stride, padding=padding, dilation=dilation), in_w
        """,
    ),
    bug=_SWAPPED,
)

# -- the input gradient of normalisation -------------------------------------------------------------------------------


def _norm(rng: np.random.Generator, size: int) -> Arguments:
    """A call of group_norm_vjp: examples, positions, and groups of several channels."""
    n, positions, groups, share = [(1, 3, 1, 1), (1, 4, 1, 1), (1, 4, 2, 1), (2, 3, 1, 2), (3, 4, 2, 3)][size]
    c = groups * share
    g, x = rng.normal(size=(2, n, positions, c)) * rng.uniform(0.5, 2)
    weight, bias = rng.uniform(0.5, 2, c), rng.normal(size=c)
    activation = [None, None, "silu"][int(rng.integers(3))] if size > 2 else None
    known = np.stack([rng.normal(size=(n, groups)), rng.uniform(1, 2, (n, groups))], axis=1) if size == 4 else None
    return call(g, 3 + x, weight, bias, known, groups, 0.1, activation, 0.0)


def _gradients_add_up(group_norm_vjp: Callable) -> Finding | None:
    """A shift of x changes no output, so its gradients add up to 0; nor, without eps, does a scale."""
    for n, positions, groups, share in [(1, 4, 1, 1), (1, 6, 2, 1), (2, 5, 1, 3)]:
        rng = np.random.default_rng(n)
        c = groups * share
        g, x = rng.normal(size=(2, n, positions, c))
        flat = outcome(group_norm_vjp, call(g, x, np.ones(c), np.zeros(c), None, groups, 1e-12, None, 0.0))
        gx = np.asarray(flat)[: x.size].reshape(n, positions, groups, share)
        total, along = gx.sum(axis=(1, 3)), (gx * x.reshape(gx.shape)).sum(axis=(1, 3))
        how = f"group_norm_vjp(g, x, ...) with x {x.shape}, {groups} group{'s' * (groups > 1)}"
        if np.abs(total).max() > 1e-8:
            says = (
                "The same number added to all entries of a group changes no output. So the gradients of the entries of "
                "a group must add up to 0."
            )
            return Finding(says, how, "Σ gx = 0", f"Σ gx = {number(total.flat[0])}")
        if np.abs(along).max() > 1e-6:
            says = (
                "A group of twice the size has the same output, since eps is almost 0 here. So the gradient must be "
                "orthogonal to x."
            )
            return Finding(says, how, "Σ gx · x = 0", f"Σ gx · x = {number(along.flat[0])}")
    return None


_GX = "gx = r * (u - mean_u - xhat * mean_ux)"
_CONSTANT = ((_GX, "gx = r * u"),)

BUG_NORM_GRADIENT = Exercise(
    name="bug_norm_gradient",
    track=TRACK,
    title="a normalisation whose input gets the wrong gradient",
    source="tinygen.kernels.reference:group_norm_vjp",
    question="The backward pass of y = weight · n + bias, where n = (x - mean) · r with r = 1/√(variance + eps)\n"
    "for each group of entries, and g (N, ..., C) is the gradient of y. It returns three gradients. Those\n"
    "of weight and bias are right, but every layer before this one gets a wrong gradient. Find out why,\n"
    "and fix it.",
    story="Found in CrypTen, and a similar one in mlpack (#1923). The gradient check of mlpack had passed, because it "
    "looked at weights, and no layer stood before the one under test.",
    page="rules.md#normalisation-opsnormpy",
    hints=(
        "x is in the output in three places: as itself, in the mean, and in the variance.",
        "The way through the mean subtracts the mean of u, so that the gradients of a group add up to 0.",
        "The way through the variance subtracts something along xhat: its factor is the mean of u · xhat.",
    ),
    stages=(
        Property("gradients of a shift and of a scale", _gradients_add_up),
        Shapes(_norm),
        Values(_norm, "The gradient of x is not right.", digits=()),
        Extremes(
            (
                lambda: call(
                    np.ones((1, 2, 1)), np.full((1, 2, 1), 5.0), np.ones(1), np.zeros(1), None, 1, 0.25, None, 0.0
                ),
            ),
            "Where all entries are equal, the variance is 0 and r is 1/√eps.",
        ),
    ),
    wrong=(
        Wrong(
            ((_GX, "gx = r * (u - mean_u)"),),
            "The way through the mean is there, the one through the variance is not.",
        ),
        Wrong(
            ((_GX, "gx = r * (u - xhat * mean_ux)"),),
            "The way through the variance is there, the one through the mean is not.",
        ),
        Wrong(((_GX, "gx = r * (u - mean_u + xhat * mean_ux)"),), "The sign of the way through the variance is wrong."),
        Wrong(
            ((_GX, "gx = r * (u - mean_u - mean_ux)"),),
            "The way through the variance acts along xhat: an entry far from the mean has a larger share in it.",
        ),
        Wrong(((_GX, "gx = u - mean_u - xhat * mean_ux"),), "The factor r is missing: x is divided by the deviation."),
        Wrong(
            ((_GX, "gx = r * (u - mean_u - x * mean_ux)"),),
            "The way through the variance acts along xhat, the normalised x, not along x.",
        ),
    ),
    correct=(
        """
        def group_norm_vjp(g, x, weight, bias, known, num_groups, eps, activation, slope):
            normalised, r = _normalised(x, moments(x, num_groups) if known is None else known, eps)
            gz = gate(g, _activated(normalised * weight + bias, activation, slope)[1])
            channels = tuple(range(x.ndim - 1))
            u, xhat = _grouped(gz * weight, num_groups), _grouped(normalised, num_groups)

            def mean(t):
                return t.mean(axis=(1, 3), keepdims=True)

            through_mean = -r * mean(u)
            through_variance = -r * xhat * mean(u * xhat)
            gx = (r * u + through_mean + through_variance).astype(x.dtype)
            return np.concatenate([gx.ravel(), sum_along(gz * normalised, channels), sum_along(gz, channels)])
        """,
        """
        def group_norm_vjp(g, x, weight, bias, known, num_groups, eps, activation, slope):
            normalised, r = _normalised(x, moments(x, num_groups) if known is None else known, eps)
            gz = gate(g, _activated(normalised * weight + bias, activation, slope)[1])
            u, xhat = _grouped(gz * weight, num_groups), _grouped(normalised, num_groups)
            gx = np.empty_like(u)
            for n in range(len(u)):
                for k in range(num_groups):
                    a, b = u[n, :, k].ravel(), xhat[n, :, k].ravel()
                    m = len(a)
                    jacobian = (np.eye(m) - 1 / m - np.outer(b, b) / m) * r[n, 0, k, 0]
                    gx[n, :, k] = (jacobian @ a).reshape(gx[n, :, k].shape)
            channels = tuple(range(x.ndim - 1))
            return np.concatenate([gx.ravel(), (gz * normalised).sum(axis=channels), gz.sum(axis=channels)])
        """,
    ),
    bug=_CONSTANT,
)

EXERCISES: tuple[Exercise, ...] = (BUG_CONV_TRANSPOSE, BUG_NORM_GRADIENT)
