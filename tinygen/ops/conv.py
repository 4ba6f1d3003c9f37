"""Convolution, its transpose and its weight gradient: three linear maps of one trilinear form.

    T(x, w, g) = Σ g[n, i, j, o] · w[u, v, c, o] · x[n, s·i + d·u - p, s·j + d·v - p, c]

With two of its arguments fixed, T is linear in the third: the three linear maps are the three ops below. The gradient
of each is another of them, at every order. docs/convolution.md derives them.
"""

from tinygen import kernels
from tinygen.errors import arguments
from tinygen.op import op
from tinygen.ops.support.geometry import Pair, check_conv2d, check_conv2d_weight, check_conv_transpose2d, geometry


@op
def conv2d(x, w, *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1):
    """y[n,i,j,o] = Σ w[u,v,c,o] x[n, si+du-p, sj+dv-p, c]: images x (N, H, W, C), kernel w (KH, KW, C, O).

    y is (N, H', W', O), H' = ⌊(H + 2p - d(KH-1) - 1)/s⌋ + 1. `stride` s from one window to the next, `padding` p with
    zeros on each side and `dilation` d between entries of w are pixels, or pairs (height, width). Raises ValueError
    otherwise.

    >>> tg.conv2d(np.ones((1, 5, 5, 1)), np.ones((3, 3, 1, 2)), stride=2, padding=1).shape
    (1, 3, 3, 2)
    """
    form = geometry(stride, padding, dilation, "conv2d")
    check_conv2d("conv2d", x, w, form)
    return (
        kernels.conv2d(x.data, w.data, *form),
        lambda g: conv_transpose2d(g, w, size=x.shape[1:3], **form._asdict()),
        lambda g: conv2d_weight(x, g, kernel_size=w.shape[:2], **form._asdict()),
    )


@op
def conv_transpose2d(g, w, *, size, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1):
    """x[n,h,k,c] = Σ w[u,v,c,o] g[n,i,j,o] over si+du-p = h, sj+dv-p = k and o: images of `size` (H, W) from g.

    g is (N, GH, GW, O). `size` is an argument because a `conv2d` with a stride maps images of several sizes to the same
    (GH, GW).
    """
    form = geometry(stride, padding, dilation, "conv_transpose2d")
    size = arguments.pair("conv_transpose2d", "size", size, least=1)
    check_conv_transpose2d("conv_transpose2d", g, w, size, form)
    return (
        kernels.conv_transpose2d(g.data, w.data, size, *form),
        lambda h: conv2d(h, w, **form._asdict()),
        lambda h: conv2d_weight(h, g, kernel_size=w.shape[:2], **form._asdict()),
    )


@op
def conv2d_weight(x, g, *, kernel_size, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1):
    """w[u,v,c,o] = Σ g[n,i,j,o] x[n, si+du-p, sj+dv-p, c]: from x (N, H, W, C) and g (N, GH, GW, O)."""
    form = geometry(stride, padding, dilation, "conv2d_weight")
    kernel_size = arguments.pair("conv2d_weight", "kernel_size", kernel_size, least=1)
    check_conv2d_weight("conv2d_weight", x, g, kernel_size, form)
    return (
        kernels.conv2d_weight(x.data, g.data, kernel_size, *form),
        lambda h: conv_transpose2d(g, h, size=x.shape[1:3], **form._asdict()),
        lambda h: conv2d(x, h, **form._asdict()),
    )
