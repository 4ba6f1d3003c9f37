"""Convolution, its transpose and its weight gradient: three views of one trilinear form.

    T(x, w, g) = Σ g[n, i, j, o] · w[u, v, c, o] · x[n, s·i + d·u - p, s·j + d·v - p, c]

Freeze two of its arguments and it is linear in the third; those three linear maps are the three ops below. The gradient
of each is another of them, at every order. docs/convolution.md derives them.
"""

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.op import op
from tinygen.ops.activation import relu_vjp
from tinygen.ops.reduce import sum
from tinygen.ops.support.geometry import check_image, geometry
from tinygen.ops.support.once import fused


@op
def conv2d(x, w, *, stride=1, padding=0, dilation=1):
    """y[n,i,j,o] = Σ w[u,v,c,o] x[n, si+du-p, sj+dv-p, c]: images x (N, H, W, C), kernel w (KH, KW, C, O)."""
    return _conv2d("conv2d", x, w, None, geometry(stride, padding, dilation, "conv2d"))


@op
def conv2d_bias(x, w, b, *, stride=1, padding=0, dilation=1, activation=None):
    """`conv2d` plus b (O,) in every pixel, then "relu" if that is the activation: all in one pass over the images."""
    _check_bias("conv2d_bias", b, w.shape[-1], activation)
    form = geometry(stride, padding, dilation, "conv2d_bias")
    return _with_bias(*_conv2d("conv2d_bias", x, w, b.data, form, activation), activation=activation)


def _conv2d(name, x, w, bias, form, activation=None):
    check_image(x, f"{name}: x")
    _check_kernel(w, name)
    if x.shape[3] != w.shape[2]:
        raise ValueError(
            f"{name}: x has {x.shape[3]} channels {x.shape} but w expects {w.shape[2]} {w.shape}; "
            "images are (N, H, W, C), kernels (KH, KW, C, O), and there are no groups"
        )
    form.outputs(x.shape[1:3], w.shape[:2], name)
    static = form._asdict()
    return (
        kernels.conv2d(x.data, w.data, *form, bias, activation),
        lambda g: conv_transpose2d(g, w, size=x.shape[1:3], **static),
        lambda g: conv2d_weight(x, g, kernel_size=w.shape[:2], **static),
    )


@op
def conv_transpose2d(g, w, *, size, stride=1, padding=0, dilation=1):
    """x[n, si+du-p, sj+dv-p, c] = Σ w[u,v,c,o] g[n,i,j,o]: makes images of `size` (H, W) from g (N, GH, GW, O).

    Several sizes are sent to the same (GH, GW) by `conv2d` when it strides, so the size has to be said.
    """
    return _conv_transpose2d(
        "conv_transpose2d", g, w, None, size, geometry(stride, padding, dilation, "conv_transpose2d")
    )


@op
def conv_transpose2d_bias(g, w, b, *, size, stride=1, padding=0, dilation=1, activation=None):
    """`conv_transpose2d` plus b (C,) in every pixel, then "relu" if that is the activation."""
    name = "conv_transpose2d_bias"
    _check_bias(name, b, w.shape[-2], activation)
    rules = _conv_transpose2d(name, g, w, b.data, size, geometry(stride, padding, dilation, name), activation)
    return _with_bias(*rules, activation=activation)


def _conv_transpose2d(name, g, w, bias, size, form, activation=None):
    check_image(g, f"{name}: g")
    _check_kernel(w, name)
    if g.shape[3] != w.shape[3]:
        raise ValueError(
            f"{name}: g has {g.shape[3]} channels {g.shape} but w expects {w.shape[3]} {w.shape}; "
            "the kernel of a transpose is (KH, KW, C_out, C_in)"
        )
    size = arguments.pair(name, "size", size, least=1)
    heights, widths = form.sizes(g.shape[1:3], w.shape[:2])
    if size[0] not in heights or size[1] not in widths:
        raise ValueError(
            f"{name}: size {size} is not one that conv2d sends to {g.shape[1:3]}; "
            f"legal heights {list(heights)}, legal widths {list(widths)}"
        )
    static = form._asdict()
    return (
        kernels.conv_transpose2d(g.data, w.data, size, *form, bias, activation),
        lambda h: conv2d(h, w, **static),
        lambda h: conv2d_weight(h, g, kernel_size=w.shape[:2], **static),
    )


@op
def conv2d_weight(x, g, *, kernel_size, stride=1, padding=0, dilation=1):
    """w[u,v,c,o] = Σ g[n,i,j,o] x[n, si+du-p, sj+dv-p, c]: from x (N, H, W, C) and g (N, GH, GW, O)."""
    check_image(x, "conv2d_weight: x")
    check_image(g, "conv2d_weight: g")
    form = geometry(stride, padding, dilation, "conv2d_weight")
    kernel_size = arguments.pair("conv2d_weight", "kernel_size", kernel_size, least=1)
    expected = (x.shape[0], *form.outputs(x.shape[1:3], kernel_size, "conv2d_weight"))
    if g.shape[:3] != expected:
        raise ValueError(f"conv2d_weight: g has (N, GH, GW) = {g.shape[:3]} but conv2d makes {expected} of {x.shape}")
    static = form._asdict()
    return (
        kernels.conv2d_weight(x.data, g.data, kernel_size, *form),
        lambda h: conv_transpose2d(g, h, size=x.shape[1:3], **static),
        lambda h: conv2d(x, h, **static),
    )


def _with_bias(value, x_rule, w_rule, *, activation):
    """The rules of a convolution with a bias, whose gradient is a sum over all pixels, and an activation behind it."""
    if activation is None:
        return value, x_rule, w_rule, _over_pixels
    before, b_rule = fused(
        lambda g: kernels.relu_vjp_sum(g, value),
        lambda g: relu_vjp(g, y=value),
        lambda g: _over_pixels(relu_vjp(g, y=value)),
    )
    return value, lambda g: x_rule(before(g)), lambda g: w_rule(before(g)), b_rule


def _over_pixels(g):
    return sum(g, axis=(0, 1, 2))


def _check_kernel(w, name: str) -> None:
    if w.ndim != 4 or 0 in w.shape[:2]:
        raise ValueError(f"{name}: expected a kernel (KH, KW, C, O), got shape {w.shape}")


def _check_bias(name: str, b, channels: int, activation: str | None) -> None:
    if activation not in (None, "relu"):
        raise ValueError(f'{name}: activation must be None or "relu", got {activation!r}; call others on its result')
    if b.shape != (channels,):
        raise ValueError(f"{name}: expected a bias ({channels},), one number per channel made, got shape {b.shape}")
