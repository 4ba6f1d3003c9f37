"""The three convolutions as gathers and matrix products, in blocks that stay in the cache.

A whole batch of windows written out is nine times the batch, and would stream through memory twice. So a block of a few
image rows gathers its windows into a buffer of cache size, multiplies it by the kernel as a matrix, and goes on. The
transpose gathers too: an output pixel (h, k) meets only the kernel entries (u, v) for which s divides h + p - d u and
k + p - d v, so the pixels fall into s x s phases, each a small convolution of its own, and no zero is multiplied.
"""

import numpy as np

from tinygen.kernels.jit import as_input, kernel
from tinygen.kernels.threads import run_blocks

BUFFER = 1 << 16  # numbers in a block's buffer: 256 kB of float32, which leaves room in a second-level cache


def conv2d(x, w, stride, padding, dilation):
    """Blocks of image rows: gather their windows, multiply by the kernel as a matrix (KH·KW·C, O)."""
    (n, h, wd, c), (kh, kw, _, o) = x.shape, w.shape
    gh, gw = _outputs(h, kh, stride[0], padding[0], dilation[0]), _outputs(wd, kw, stride[1], padding[1], dilation[1])
    y = np.empty((n, gh, gw, o), x.dtype)
    rows, blocks = _blocks(n * gh, gw * kh * kw * c)
    matrix = as_input(w.reshape(kh * kw * c, o))
    geometry = np.array([*stride, *padding, *dilation, kh, kw, rows])
    run_blocks(_conv2d, blocks, y.size * kh * kw * c, as_input(x), matrix, y, geometry)
    return y


def conv2d_weight(x, g, kernel_size, stride, padding, dilation):
    """The same blocks, transposed, times g; sums of blocks are added in an order that the shapes fix."""
    (n, gh, gw, o), (kh, kw), c = g.shape, kernel_size, x.shape[3]
    rows, blocks = _blocks(n * gh, gw * kh * kw * c)
    # A sum over everything: each of a fixed number of parts adds up its own blocks, then the parts are added in order.
    parts = min(blocks, 8)
    sums = np.zeros((parts, kh * kw * c, o), x.dtype)
    geometry = np.array([*stride, *padding, *dilation, kh, kw, rows])
    run_blocks(_conv2d_weight, parts, g.size * kh * kw * c, as_input(x), as_input(g), sums, geometry)
    return sums.sum(axis=0).reshape(kh, kw, c, o)


def conv_transpose2d(g, w, size, stride, padding, dilation):
    """Phase by phase: gather the entries of g that a pixel meets, multiply by the part of the kernel that it meets."""
    (n, _, _, o), (kh, kw, c, _) = g.shape, w.shape
    x = np.zeros((n, *size, c), g.dtype)
    for first_row, us in _phases(kh, stride[0], padding[0], dilation[0]):
        for first_column, vs in _phases(kw, stride[1], padding[1], dilation[1]):
            high, wide = _steps(size[0], first_row, stride[0]), _steps(size[1], first_column, stride[1])
            if not (len(us) and len(vs) and high and wide):
                continue  # pixels that no kernel entry reaches stay zero
            taps = len(us) * len(vs)
            part = w[us][:, vs].transpose(0, 1, 3, 2).reshape(taps * o, c)  # (taps · O, C)
            # Pixel t of this phase meets entry g[t + from]: exact divisions, by the choice of the phase.
            from_row = (first_row + padding[0] - dilation[0] * us) // stride[0]
            from_column = (first_column + padding[1] - dilation[1] * vs) // stride[1]
            rows, blocks = _blocks(n * high, wide * taps * o)
            geometry = np.array([first_row, first_column, *stride, high, wide, rows])
            work = n * high * wide * c * taps * o
            arrays = as_input(g), as_input(part), x, from_row, from_column, geometry
            run_blocks(_conv_transpose2d, blocks, work, *arrays)
    return x


@kernel
def _gather(x, buffer, at, image, row, gw, sh, sw, ph, pw, dh, dw, kh, kw):
    """The windows of one output row as rows at, at + 1, ... of the buffer; zeros where they leave the image."""
    _, h, w, c = x.shape
    for u in range(kh):
        y = sh * row + dh * u - ph
        for j in range(gw):
            for v in range(kw):
                z = sw * j + dw * v - pw
                start = (u * kw + v) * c
                if 0 <= y < h and 0 <= z < w:
                    for q in range(c):
                        buffer[at + j, start + q] = x[image, y, z, q]
                else:
                    for q in range(c):
                        buffer[at + j, start + q] = 0


@kernel
def _conv2d(x, matrix, y, geometry, start, stop):
    sh, sw, ph, pw, dh, dw, kh, kw, rows = geometry
    n, gh, gw, o = y.shape
    flat = y.reshape(n * gh * gw, o)
    buffer = np.empty((rows * gw, matrix.shape[0]), x.dtype)
    for block in range(start, stop):
        first, last = block * rows, min((block + 1) * rows, n * gh)
        for r in range(first, last):
            _gather(x, buffer, (r - first) * gw, r // gh, r % gh, gw, sh, sw, ph, pw, dh, dw, kh, kw)
        np.dot(buffer[: (last - first) * gw], matrix, flat[first * gw : last * gw])


@kernel
def _conv2d_weight(x, g, sums, geometry, start, stop):
    sh, sw, ph, pw, dh, dw, kh, kw, rows = geometry
    n, gh, gw, o = g.shape
    flat = g.reshape(n * gh * gw, o)
    parts, k, _ = sums.shape
    blocks = (n * gh + rows - 1) // rows
    buffer = np.empty((rows * gw, k), x.dtype)
    product = np.empty((k, o), x.dtype)
    for part in range(start, stop):
        total = sums[part]
        for block in range(blocks * part // parts, blocks * (part + 1) // parts):
            first, last = block * rows, min((block + 1) * rows, n * gh)
            for r in range(first, last):
                _gather(x, buffer, (r - first) * gw, r // gh, r % gh, gw, sh, sw, ph, pw, dh, dw, kh, kw)
            np.dot(buffer[: (last - first) * gw].T, flat[first * gw : last * gw], product)
            for i in range(k):
                for j in range(o):
                    total[i, j] += product[i, j]


@kernel
def _conv_transpose2d(g, matrix, x, from_row, from_column, geometry, start, stop):
    first_row, first_column, sh, sw, high, wide, rows = geometry
    n, gh, gw, o = g.shape
    c = x.shape[3]
    buffer = np.empty((rows * wide, matrix.shape[0]), g.dtype)
    product = np.empty((rows * wide, c), g.dtype)
    for block in range(start, stop):
        first, last = block * rows, min((block + 1) * rows, n * high)
        for r in range(first, last):
            image, i, at = r // high, r % high, (r - first) * wide
            for a in range(len(from_row)):
                y = i + from_row[a]
                for j in range(wide):
                    for b in range(len(from_column)):
                        z = j + from_column[b]
                        begin = (a * len(from_column) + b) * o
                        if 0 <= y < gh and 0 <= z < gw:
                            for q in range(o):
                                buffer[at + j, begin + q] = g[image, y, z, q]
                        else:
                            for q in range(o):
                                buffer[at + j, begin + q] = 0
        m = (last - first) * wide
        np.dot(buffer[:m], matrix, product[:m])
        for r in range(first, last):
            image, row, at = r // high, first_row + sh * (r % high), (r - first) * wide
            for j in range(wide):
                for q in range(c):
                    x[image, row, first_column + sw * j, q] = product[at + j, q]


def _outputs(h: int, k: int, s: int, p: int, d: int) -> int:
    return (h + 2 * p - d * (k - 1) - 1) // s + 1


def _blocks(rows: int, row_size: int) -> tuple[int, int]:
    """How many image rows make a block whose buffer stays near BUFFER, and how many blocks that gives."""
    each = max(1, min(rows, BUFFER // max(1, row_size)))
    return each, -(-rows // each)


def _phases(k: int, s: int, p: int, d: int) -> list[tuple[int, np.ndarray]]:
    """Along one axis: for each first pixel h < s, the kernel entries u that reach it, with s dividing h + p - d u."""
    u = np.arange(k)
    return [(h, u[(h + p - d * u) % s == 0]) for h in range(s)]


def _steps(size: int, first: int, stride: int) -> int:
    """How many pixels first, first + stride, ... lie below `size`."""
    return max(0, -(-(size - first) // stride))
