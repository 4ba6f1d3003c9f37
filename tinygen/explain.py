"""Convolutions taken apart: the matrix of a convolution, and the kernels that a transposed convolution places.

Both work on the arrays of one image, record no graph, and are made for looking at, not for speed.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygen.errors import arguments
from tinygen.ops.support.geometry import Pair, geometry
from tinygen.tensor import Tensor, array_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from tinygen.plot import Film

Array = np.ndarray | Tensor


def conv_matrix(
    kernel: Array, image_shape: tuple[int, ...], *, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> "csr_array":
    """The matrix M of a convolution of one image: `conv2d` is M x, and `conv_transpose2d` is Mᵀ y.

    x and y are the image and its convolution, both flattened by `ravel()`. Row (i, j, o) of M contains the kernel of
    channel o at the pixels of window (i, j). Dumoulin & Visin (2016), chapter 4.

    Args:
        kernel: (KH, KW, C, O), such as the weight of a `Conv2d`; or (KH, KW) for one channel.
        image_shape: the shape (H, W, C) of the image; (H, W) for one channel.
        stride: pixels from one window to the next, one number or a pair (height, width).
        padding: rows and columns of zeros on each side.
        dilation: pixels from one entry of the kernel to the next.

    Returns a sparse matrix of SciPy, (GH·GW·O, H·W·C), in which each product of the convolution is one stored entry.
    Raises ValueError for a kernel that doesn't fit the image.

    >>> M = tg.conv_matrix(np.array([[1.0, 2.0], [3.0, 4.0]]), (2, 3))
    >>> M.toarray()
    array([[1., 2., 0., 3., 4., 0.],
           [0., 1., 2., 0., 3., 4.]])
    >>> (M @ np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).ravel()).tolist()  # of an image
    [1.0, 4.0]
    """
    from scipy.sparse import csr_array

    w = _kernel("conv_matrix", kernel)
    size = arguments.sizes("conv_matrix", **{f"image_shape[{i}]": n for i, n in enumerate(image_shape)})
    height, width, channels = (*size, 1) if len(size) == 2 else size if len(size) == 3 else (0, 0, 0)
    kh, kw, c, o = w.shape
    if channels != c:
        raise ValueError(
            f"conv_matrix: expected image_shape (H, W, {c}) for a kernel (KH, KW, C, O) = {w.shape}, got {image_shape}"
        )
    form = geometry(stride, padding, dilation, "conv_matrix")
    gh, gw = form.outputs((height, width), (kh, kw), "conv_matrix")
    rows, columns = (  # of the pixel under each entry of the kernel in each window: (GH, KH) and (GW, KW)
        s * np.arange(g)[:, None] + d * np.arange(k) - p
        for s, g, d, k, p in zip(form.stride, (gh, gw), form.dilation, (kh, kw), form.padding)
    )
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    i, j, u, v = inside.nonzero()  # (T,) each, inside is (GH, GW, KH, KW)
    pixel, window = rows[i, u] * width + columns[j, v], i * gw + j
    to = window[:, None, None] * o + np.arange(o)  # (T, 1, O)
    of = pixel[:, None, None] * c + np.arange(c)[:, None]  # (T, C, 1)
    entries = w[u, v]  # (T, C, O)
    to, of = np.broadcast_to(to, entries.shape), np.broadcast_to(of, entries.shape)
    shape = (gh * gw * o, height * width * c)
    return csr_array((entries.ravel(), (to.ravel(), of.ravel())), shape=shape)


class PlacedKernels(NamedTuple):
    """What `explain_conv_transpose` returns; a notebook shows the film.

    `x` and `kernel` are the arrays that it was given, and `settings` the stride, padding, dilation and output padding.
    """

    summands: np.ndarray  # (GH·GW, H, W) or (GH·GW, H, W, C): the kernel that each entry of x places, row by row
    total: np.ndarray  # (H, W) or (H, W, C): their sum, the transposed convolution
    x: np.ndarray
    kernel: np.ndarray
    settings: dict[str, tuple[int, int]]

    def film(self, *, fps: float = 2.0, width: int = 640, title: str = "") -> "Film":
        """The kernels as they are placed, one frame each: `plot.placed_kernels` of one channel.

        Args:
            fps: frames per second.
            width: width of the film in pixels.
            title: a text above the film.

        Raises ValueError for several channels, and for inputs that are too large to be drawn.
        """
        from tinygen import plot

        if self.x.ndim != 2:
            raise ValueError(
                f"film: expected x (GH, GW) and a kernel (KH, KW), got {self.x.shape} and {self.kernel.shape}: "
                "explain one channel, x[:, :, k] and kernel[:, :, c, k]"
            )
        options: dict[str, Any] = self.settings
        return plot.placed_kernels(self.x, self.kernel, fps=fps, width=width, title=title, **options)

    def _repr_html_(self) -> str | None:
        try:
            return self.film()._repr_html_()
        except ValueError:  # too large, or several channels: the arrays are shown
            return None


def explain_conv_transpose(
    x: Array,
    kernel: Array,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    output_padding: Pair = 0,
) -> PlacedKernels:
    """A transposed convolution as a sum: each entry of the input places a copy of the kernel, scaled by the entry.

    Args:
        x: the input (GH, GW), or (GH, GW, C_in) with channels.
        kernel: (KH, KW), or with channels (KH, KW, C_out, C_in), such as the weight of a `ConvTranspose2d`.
        stride: pixels from one placed kernel to the next, one number or a pair (height, width).
        padding: rows and columns to cut off on each side.
        dilation: pixels from one entry of the kernel to the next.
        output_padding: rows and columns to add below and at the right; below the stride.

    Returns a `PlacedKernels` with the `summands`, their `total`, and a `film()`. Raises ValueError for arrays that
    don't fit together.

    >>> slide = tg.explain_conv_transpose(np.array([[1.0, 3.0], [0.0, 2.0]]), np.array([[1.0, 3.0], [0.0, 2.0]]))
    >>> slide.summands[1]  # 3 times the kernel, one column further
    array([[0., 3., 9.],
           [0., 0., 6.],
           [0., 0., 0.]])
    >>> slide.total
    array([[ 1.,  6.,  9.],
           [ 0.,  4., 12.],
           [ 0.,  0.,  4.]])
    """
    who = "explain_conv_transpose"
    w, g, plain = _kernel(who, kernel), _floats(x), np.ndim(array_of(kernel)) == 2
    if g.ndim != (2 if plain else 3) or not g.size or (not plain and g.shape[2] != w.shape[3]):
        expected = "(GH, GW) for a kernel (KH, KW)" if plain else f"(GH, GW, {w.shape[3]}) for a kernel {w.shape}"
        raise ValueError(f"{who}: expected x {expected}, got shape {g.shape}: a kernel is (KH, KW, C_out, C_in)")
    form = geometry(stride, padding, dilation, who)
    extra = arguments.pair(who, "output_padding", output_padding, least=0)
    if any(e >= s for e, s in zip(extra, form.stride)):
        raise ValueError(f"{who}: expected output_padding to be below the stride {form.stride}, got {extra}")
    reach = [d * (k - 1) + 1 for d, k in zip(form.dilation, w.shape)]
    whole = [s * (n - 1) + r + e for s, n, r, e in zip(form.stride, g.shape, reach, extra)]  # with the padding
    height, width = (n - 2 * p for n, p in zip(whole, form.padding))
    if min(height, width) < 1:
        raise ValueError(f"{who}: expected a result of at least 1 x 1, got {height} x {width}: use less padding")
    scaled = np.einsum("uvco,ijo->ijuvc", w, g.reshape(*g.shape[:2], -1))  # (GH, GW, KH, KW, C)
    placed = np.zeros((*scaled.shape[:2], *whole, w.shape[2]), scaled.dtype)  # (GH, GW, H + 2p, W + 2p, C)
    for i, j in np.ndindex(scaled.shape[:2]):
        top, left = form.stride[0] * i, form.stride[1] * j
        rows, columns = (slice(a, a + r, d) for a, r, d in zip((top, left), reach, form.dilation))
        placed[i, j, rows, columns] = scaled[i, j]
    (p, q), count = form.padding, scaled.shape[0] * scaled.shape[1]
    summands = placed[:, :, p : p + height, q : q + width].reshape(count, height, width, -1)
    if plain:
        summands = summands[..., 0]
    settings = form._asdict() | {"output_padding": extra}
    return PlacedKernels(summands, summands.sum(axis=0), g, _floats(kernel), settings)


def _kernel(who: str, kernel: Array) -> np.ndarray:
    """The kernel with all four axes, in floating point."""
    w = _floats(kernel)
    if w.ndim == 2:
        w = w[:, :, None, None]
    if w.ndim != 4 or not w.size:
        raise ValueError(f"{who}: expected a kernel (KH, KW, C, O), or (KH, KW) for one channel, got shape {w.shape}")
    return w


def _floats(array: Array) -> np.ndarray:
    """An array in float32 if it is one, else in float64."""
    array = np.asarray(array_of(array))
    return array if array.dtype == np.float32 else array.astype(np.float64)
