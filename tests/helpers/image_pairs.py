"""Pairs of an op on images and its PyTorch counterpart: (N, H, W, C) here, (N, C, H, W) there."""

import numpy as np

import tinygen as tg
from helpers.pairs import F, normal, row, torch
from tinygen.ops.resize import MODES
from tinygen.ops.support.taps import Taps


def first(x):
    """(N, ..., C) to (N, C, ...)."""
    return x.movedim(-1, 1)


def last(x):
    """(N, C, ...) to (N, ..., C)."""
    return x.movedim(1, -1)


def kernel_there(w):
    """(KH, KW, C, O) to (O, C, KH, KW), in memory as well: PyTorch refuses some gradients otherwise."""
    return w.permute(3, 2, 0, 1).contiguous()


def window(rng, *, dilated=True, padding=2):
    """Settings of a window, each a pair that mostly differs from axis to axis, and its outputs (GH, GW)."""
    kernel, stride = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    dilation = rng.integers(1, 4, 2) if dilated else np.ones(2, int)
    padding = np.minimum(rng.integers(0, padding + 1, 2), dilation * (kernel - 1) // 2 if not dilated else padding)
    outputs = rng.integers(1, 4, 2)
    while (stride * (outputs - 1) + dilation * (kernel - 1) + 1 - 2 * padding < 1).any():
        outputs = outputs + 1
    size = stride * (outputs - 1) + dilation * (kernel - 1) + 1 - 2 * padding
    extra = rng.integers(0, stride)  # what the last window doesn't reach
    pairs = [tuple(v.tolist()) for v in (kernel, stride, padding, dilation, outputs, size + extra, extra)]
    return dict(zip("kernel stride padding dilation outputs size extra".split(), pairs))


def form_of(w):
    return {key: w[key] for key in ("stride", "padding", "dilation")}


@row("conv2d")
def _(rng):
    w, (n, c, o) = window(rng), rng.integers(1, 4, 3)
    form = form_of(w)
    return (
        [normal(rng, n, *w["size"], c), normal(rng, *w["kernel"], c, o)],
        lambda x, k: tg.conv2d(x, k, **form),
        lambda x, k: last(F.conv2d(first(x), kernel_there(k), **form)),
    )


@row("conv_transpose2d")
def _(rng):
    w, (n, c, o) = window(rng), rng.integers(1, 4, 3)
    form = form_of(w)
    return (
        [normal(rng, n, *w["outputs"], o), normal(rng, *w["kernel"], c, o)],
        lambda g, k: tg.conv_transpose2d(g, k, size=w["size"], **form),
        lambda g, k: last(F.conv_transpose2d(first(g), kernel_there(k), output_padding=w["extra"], **form)),
    )


@row("conv2d_bias")
def _(rng):
    w, (n, c, o) = window(rng), rng.integers(1, 4, 3)
    form = form_of(w)
    return (
        [normal(rng, n, *w["size"], c), normal(rng, *w["kernel"], c, o), normal(rng, o)],
        lambda x, k, b: tg.ops.fused.conv2d_bias(x, k, b, **form, activation="relu"),
        lambda x, k, b: last(F.conv2d(first(x), kernel_there(k), b, **form)).relu(),
    )


@row("conv_transpose2d_bias")
def _(rng):
    w, (n, c, o) = window(rng), rng.integers(1, 4, 3)
    form = form_of(w)
    return (
        [normal(rng, n, *w["outputs"], o), normal(rng, *w["kernel"], c, o), normal(rng, c)],
        lambda g, k, b: tg.ops.fused.conv_transpose2d_bias(g, k, b, size=w["size"], **form, activation="relu"),
        lambda g, k, b: last(
            F.conv_transpose2d(first(g), kernel_there(k), b, output_padding=w["extra"], **form)
        ).relu(),
    )


@row("conv2d_weight")
def _(rng):
    w, (n, c, o) = window(rng), rng.integers(1, 4, 3)
    form = form_of(w)

    def theirs(x, g):
        """The windows as columns (N, C·KH·KW, GH·GW), times the gradient."""
        columns = F.unfold(first(x), w["kernel"], **form)
        weight = torch.einsum("nkl,nlo->ko", columns, g.reshape(n, -1, o))
        return weight.reshape(c, *w["kernel"], o).permute(1, 2, 0, 3)

    return (
        [normal(rng, n, *w["size"], c), normal(rng, n, *w["outputs"], o)],
        lambda x, g: tg.conv2d_weight(x, g, kernel_size=w["kernel"], **form),
        theirs,
    )


def pool(name, theirs, *switches):
    def draw(rng):
        w = window(rng, dilated=False)
        form = {"kernel_size": w["kernel"], "stride": w["stride"], "padding": w["padding"]}
        form |= {switch: bool(rng.integers(2)) for switch in ("ceil_mode", *switches)}
        images = normal(rng, 2, *w["size"], rng.integers(1, 4))
        return [images], lambda x: tg.OPS[name](x, **form), lambda x: last(theirs(first(x), **form))

    row(name)(draw)


pool("avg_pool2d", F.avg_pool2d, "count_include_pad")
pool("max_pool2d", F.max_pool2d)


def upsampling(name, **mode):
    def draw(rng):
        scale = tuple(rng.integers(1, 4, 2).tolist())
        return (
            [normal(rng, 2, *rng.integers(1, 5, 2), 2)],
            lambda x: tg.upsample(x, scale, **mode),
            lambda x: last(F.interpolate(first(x), scale_factor=tuple(map(float, scale)), **mode)),
        )

    row(name)(draw)


upsampling("upsample_nearest", mode="nearest")
upsampling("upsample bilinear", mode="bilinear", align_corners=False)
upsampling("upsample bilinear, corners aligned", mode="bilinear", align_corners=True)
upsampling("upsample bicubic", mode="bicubic", align_corners=False)
upsampling("upsample bicubic, corners aligned", mode="bicubic", align_corners=True)


def resizing(name, mode, axes, *, sized):
    def draw(rng):
        old, channels = rng.integers(1, 9, axes).tolist(), 2
        corners = {} if mode == "nearest" else {"align_corners": bool(rng.integers(2))}
        new = {"size": tuple(rng.integers(1, 15, axes).tolist())}
        if not sized:  # PyTorch's "nearest" ignores the factor where rounding leaves the size as it was or doubles it
            factors = [float(rng.choice([f for f in FACTORS if int(n * f) not in (0, n, 2 * n)])) for n in old]
            new = {"scale_factor": tuple(factors)}
        return (
            [normal(rng, 2, *old, channels)],
            lambda x: tg.resize(x, **new, mode=mode, **corners),
            lambda x: last(F.interpolate(first(x), **new, mode=mode, **corners)),
        )

    row(name)(draw)


FACTORS = (1.25, 1.5, 2.25, 2.75, 3.5)
for mode, kinds in MODES.items():
    for axes in kinds:
        for sized in (True, False):
            resizing(f"resize {mode}, {axes} axes, {'size' if sized else 'scale_factor'}", mode, axes, sized=sized)


@row("sum_blocks")
def _(rng):
    scale, blocks = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    mine = tuple(scale.tolist())
    return (
        [normal(rng, 2, *(scale * blocks), 2)],
        lambda x: tg.sum_blocks(x, scale=mine),
        lambda x: last(F.avg_pool2d(first(x), mine, divisor_override=1)),
    )


@row("resample")
def _(rng):
    (h, w), (a, b) = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    rows, columns = normal(rng, a, h), normal(rng, b, w)
    R, C = torch.from_numpy(rows.copy()), torch.from_numpy(columns.copy())
    return (
        [normal(rng, 2, h, w, 2)],
        lambda x: tg.resample(x, maps=(Taps.of(rows), Taps.of(columns))),
        lambda x: torch.einsum("ah,nhwc,bw->nabc", R, x, C),
    )


def normalisation(rng):
    """Images, a scale and a shift, and settings that PyTorch has too; activations away from their kinks."""
    groups, size = rng.integers(1, 4), rng.integers(1, 3)
    n, h, w, c = *rng.integers(2, 4, 3), groups * size
    settings = {"num_groups": int(groups), "eps": 1e-3, "activation": [None, "silu"][rng.integers(2)]}
    return [normal(rng, n, h, w, c), normal(rng, c), normal(rng, c)], settings


def normalised(x, weight, bias, settings):
    y = F.group_norm(first(x), settings["num_groups"], weight, bias, settings["eps"])
    return last(F.silu(y) if settings["activation"] else y)


@row("group_norm")
def _(rng):
    arrays, settings = normalisation(rng)
    return arrays, lambda *xs: tg.group_norm(*xs, **settings), lambda *xs: normalised(*xs, settings)


@row("group_norm_vjp")
def _(rng):
    """PyTorch's own three gradients in turn."""
    arrays, settings = normalisation(rng)

    def theirs(g, *xs):
        xs = [x if x.requires_grad else x.requires_grad_() for x in xs]
        grads = torch.autograd.grad(normalised(*xs, settings), xs, g, create_graph=True)
        return torch.cat([d.reshape(-1) for d in grads]) + 0 * xs[2].sum()  # the bias is in none of them, without SiLU

    return [normal(rng, *arrays[0].shape), *arrays], lambda *xs: tg.ops.backward.group_norm_vjp(*xs, **settings), theirs
