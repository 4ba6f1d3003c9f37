"""Where the largest pixel of each window is, in a single pass over the pixels."""

from tinygen.kernels.machine.jit import as_input, kernel
from tinygen.kernels.machine.memory import empty
from tinygen.kernels.machine.threads import share

BLOCK = 1 << 12  # windows in a block, at least


def max_pool2d_indices(x, kernel_size, stride, padding):
    n, h, w, c = x.shape
    gh, gw = ((size + 2 * p - k) // s + 1 for size, k, s, p in zip((h, w), kernel_size, stride, padding))
    found = empty((n, gh, gw, c), "int64")
    rows = max(1, BLOCK // max(1, gw * c))
    window = tuple(kernel_size), tuple(stride), tuple(padding)
    share(_first_largest, -(-n * gh // rows), as_input(x), found, *window, rows)
    return found


@kernel
def _first_largest(x, found, kernel_size, stride, padding, rows, start, stop):
    n, h, w, c = x.shape
    _, gh, gw, _ = found.shape
    flat = x.reshape(-1)
    for row in range(start * rows, min(stop * rows, n * gh)):
        image, i = row // gh, row % gh
        top = i * stride[0] - padding[0]
        for j in range(gw):
            left = j * stride[1] - padding[1]
            for q in range(c):
                best = -1
                for u in range(max(0, top), min(h, top + kernel_size[0])):
                    for v in range(max(0, left), min(w, left + kernel_size[1])):
                        at = ((image * h + u) * w + v) * c + q
                        # NaN is larger than everything, as in NumPy, and compares as larger than nothing.
                        if best < 0 or flat[at] > flat[best] or (flat[at] != flat[at] and flat[best] == flat[best]):
                            best = at
                found[image, i, j, q] = best
