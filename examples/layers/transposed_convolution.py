r"""
The transposed convolution, kernel by kernel
============================================

A decoder has to enlarge: the `lecture <../README.md>`__'s goes from 7 × 7 to 14 × 14 and 28 × 28 with transposed
convolutions. Each computes :math:`\text{output} = a(\sum \text{input} \otimes \text{kernel} + b)`, with an activation a
and a bias b. What does the circled product do? And why is there, as the lecture says, "for each transposed convolution
an equivalent convolution"?
"""

# %%
# The example of the lecture
# --------------------------
# Each entry of the input places a copy of the kernel in the output, scaled by the entry. Where copies overlap, they add
# up. The lecture takes a 2 × 2 input and a 2 × 2 kernel with the same numbers, so there are four copies.

import numpy as np

import tinygen as tg
from tinygen import nn, plot
from tinygen.claims import claim

rng = np.random.default_rng(0)
x = kernel = np.array([[1.0, 3.0], [0.0, 2.0]])
slide = tg.explain_conv_transpose(x, kernel)
copies = {f"{x[i, j]:.0f} × kernel": slide.summands[2 * i + j] for i, j in np.ndindex(2, 2)}

marks = {name: [(i, j, 2, 2)] for name, (i, j) in zip(copies, np.ndindex(2, 2))}  # where each copy lies
parts = {"input": x, "kernel": kernel} | copies | {"the sum of the four": slide.total}
plot.show(plot.matrices(parts, numbers=True, outlines=marks, cell=44), name="four_summands")

on_the_slide = [[[1, 3, 0], [0, 2, 0], [0, 0, 0]], [[0, 3, 9], [0, 0, 6], [0, 0, 0]]]
on_the_slide += [[[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 2, 6], [0, 0, 4]]]
claim("A3", "the four summands are those on the slide", slide.summands, on_the_slide)
claim("A3", "their sum is the matrix on the slide", slide.total, [[1, 6, 9], [0, 4, 12], [0, 0, 4]])

# %%
# The layer adds the bias and applies the activation.

layer = nn.ConvTranspose2d(1, 1, 2, rng=rng, activation="relu", dtype=np.float64)
layer.load_state_dict({"weight": kernel[:, :, None, None], "bias": [-4.0]})
output = layer(x[None, :, :, None]).numpy()[0, :, :, 0]
claim("A4", "the layer is a(sum + b), for ReLU and b = -4", output, np.maximum(slide.total - 4, 0))

# %%
# Stride 1 and stride 2
# ---------------------
# The stride is the distance between two copies, so a larger stride makes a larger output. (In a convolution it is the
# distance between two windows, and makes the output smaller.) Here a 3 × 3 input places copies of a 3 × 3 kernel. With
# stride 1, up to nine copies overlap in a pixel, and with stride 2 one, two or four.

x = np.arange(1.0, 10.0).reshape(3, 3)
kernel = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0])
film = tg.explain_conv_transpose(x, kernel).film(fps=1.5, title="Stride 1: copies are one pixel apart")
plot.show(film, name="stride_1")

# %%
# With padding, the outer rows and columns are cut off in the end: a convolution with this padding reads zeros there.
# The *output padding* adds a row and a column at one end, so that 3 × 3 becomes exactly 6 × 6.

twice = dict(stride=2, padding=1, output_padding=1)
doubled = tg.explain_conv_transpose(x, kernel, **twice)
plot.show(doubled.film(fps=1.5, title="Stride 2, padding 1: the size doubles"), name="stride_2")

# %%
# The equivalent convolution
# --------------------------
# An output pixel collects what the copies around it contribute. So the same result comes from a convolution with stride
# 1 over a larger input: insert s - 1 zeros between the entries, surround it with d(K-1) zeros, and turn the kernel by
# 180 degrees. Then cut off the padding.


def equivalent(x, kernel, stride, padding, dilation, output_padding):
    rows, columns = (s * (n - 1) + 1 for s, n in zip(stride, x.shape))
    spread = np.zeros((rows, columns))
    spread[:: stride[0], :: stride[1]] = x
    reach = [d * (k - 1) for d, k in zip(dilation, kernel.shape)]
    wide = np.pad(spread, [(r, r + extra) for r, extra in zip(reach, output_padding)])
    turned = kernel[::-1, ::-1]
    y = tg.conv2d(wide[None, :, :, None], turned[:, :, None, None], dilation=dilation).numpy()[0, :, :, 0]
    (top, left), (h, w) = padding, y.shape
    return y[top : h - top, left : w - left], wide, turned


small, kernel = np.array([[1.0, 3.0], [0.0, 2.0]]), np.arange(1.0, 10.0).reshape(3, 3)
output, wide, turned = equivalent(small, kernel, (2, 2), (0, 0), (1, 1), (0, 0))
parts = {"input with zeros": wide, "turned kernel": turned, "output": output}
marks = {"input with zeros": [(2, 2, 3, 3)]}  # without what surrounds it
plot.show(plot.matrices(parts, numbers=True, outlines=marks, cell=30), name="equivalent")

# %%
# Most products on this way have a factor of 0, so a library doesn't compute it like this. But the result is the same.
# With whole numbers, there are no rounding errors, and equal means equal.

differences = []
for _ in range(100):
    stride, dilation, k = (tuple(rng.integers(1, 4, 2)) for _ in range(3))
    extra = tuple(rng.integers(0, stride))  # the output padding, below the stride
    x, kernel = (rng.integers(-9, 10, size).astype(float) for size in (rng.integers(3, 6, 2), k))
    form = dict(stride=stride, padding=tuple(rng.integers(0, 2, 2)), dilation=dilation)
    y = tg.explain_conv_transpose(x, kernel, output_padding=extra, **form).total
    M = tg.conv_matrix(kernel, y.shape, **form)
    by_op = tg.conv_transpose2d(x[None, :, :, None], kernel[:, :, None, None], size=y.shape, **form).numpy()
    others = [equivalent(x, kernel, *form.values(), extra)[0], (M.T @ x.ravel()).reshape(y.shape), by_op[0, :, :, 0]]
    differences.append([np.abs(y - other).max() for other in others])
names = ["the equivalent convolution", "the transposed matrix Mᵀ", "conv_transpose2d"]
for name, worst in zip(names, np.max(differences, axis=0)):
    claim("A5 A6", f"placed kernels and {name} agree in 100 random geometries", worst, 0)

# %%
# Try this
# --------
# - Make the film for a kernel of 4 with stride 2. How many copies overlap in a pixel, and why is this better than 3?
# - Which stride, padding and output padding take 7 to 14 with a kernel of 3? And with a kernel of 4?
# - Read `Convolution <../../docs/convolution.md>`__: there the transpose is the gradient of the convolution.
#
# Exercises: `layers <../../docs/exercises.md#layers>`__.
