"""The outputs of each layer equal those of plain NumPy, in training and in evaluation."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn

seeds, sizes = st.integers(0, 2**32 - 1), st.integers(1, 4)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def close(found, expected, rtol=1e-13):
    atol = rtol * np.abs(expected).max(initial=1)
    np.testing.assert_allclose(found.data, expected, rtol=0, atol=atol)


# -- products, windows and shapes --------------------------------------------------------------------------------------


@given(seed=seeds, n=sizes, m=sizes, k=sizes, bias=st.booleans())
def test_dense(seed, n, m, k, bias):
    layer = nn.Dense(m, k, bias=bias, rng=np.random.default_rng(seed), dtype=np.float64)
    x = normal(seed, n, m)
    if bias:
        layer.bias.data = normal(seed + 1, k)
    expected = x @ layer.weight.data + (layer.bias.data if bias else 0)
    close(layer(tg.Tensor(x)), expected)
    close(layer(tg.Tensor(np.stack([x, 2 * x]))[1]), 2 * (x @ layer.weight.data) + (layer.bias.data if bias else 0))
    close(layer(tg.Tensor(np.stack([x, x]))), np.stack([expected, expected]))


def placed(layer, i, j):
    """The position of the kernel's corner for window (i, j), and the step between its taps."""
    (s, t), (d, e) = layer.stride, layer.dilation
    kh, kw = layer.kernel_size
    return slice(s * i, s * i + d * (kh - 1) + 1, d), slice(t * j, t * j + e * (kw - 1) + 1, e)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(seed=seeds, k=pairs, s=pairs, d=pairs, p=st.tuples(st.integers(0, 2), st.integers(0, 2)), c=sizes, o=sizes)
def test_conv2d_sums_over_windows(seed, k, s, d, p, c, o):
    layer = nn.Conv2d(c, o, k, stride=s, padding=p, dilation=d, rng=np.random.default_rng(seed), dtype=np.float64)
    layer.bias.data = normal(seed, o)
    x = normal(seed, 2, d[0] * (k[0] - 1) + 3, d[1] * (k[1] - 1) + 4, c)
    padded = np.pad(x, ((0, 0), (p[0],) * 2, (p[1],) * 2, (0, 0)))
    y = layer(tg.Tensor(x))
    expected = np.empty(y.shape)
    for i in range(y.shape[1]):
        for j in range(y.shape[2]):
            rows, columns = placed(layer, i, j)
            window = padded[:, rows, columns]  # (N, KH, KW, C)
            expected[:, i, j] = np.tensordot(window, layer.weight.data, 3) + layer.bias.data
    close(y, expected)


@given(seed=seeds, k=pairs, s=pairs, d=pairs, c=sizes, o=sizes, data=st.data())
def test_conv_transpose2d_adds_copies_of_the_kernel(seed, k, s, d, c, o, data):
    p = tuple(data.draw(st.integers(0, (dd * (kk - 1)) // 2)) for dd, kk in zip(d, k))
    extra = tuple(data.draw(st.integers(0, ss - 1)) for ss in s)
    options = dict(stride=s, padding=p, dilation=d, rng=np.random.default_rng(seed), dtype=np.float64)
    layer = nn.ConvTranspose2d(c, o, k, output_padding=extra, **options)
    layer.bias.data = normal(seed, o)
    x = normal(seed, 2, 3, 2, c)
    size = [ss * (g - 1) + dd * (kk - 1) + 1 + e for ss, g, dd, kk, e in zip(s, (3, 2), d, k, extra)]  # before cropping
    canvas = np.zeros((2, *size, o))
    for i in range(3):
        for j in range(2):
            rows, columns = placed(layer, i, j)
            canvas[:, rows, columns] += np.einsum("nc,uvoc->nuvo", x[:, i, j], layer.weight.data)
    h, w = (n - 2 * pp for n, pp in zip(size, p))
    expected = canvas[:, p[0] : p[0] + h, p[1] : p[1] + w] + layer.bias.data
    y = layer(tg.Tensor(x))
    close(y, expected)
    named = nn.ConvTranspose2d(c, o, k, output_size=(h, w), **(options | {"rng": np.random.default_rng(seed)}))
    named.bias.data = layer.bias.data
    np.testing.assert_array_equal(named(tg.Tensor(x)).data, y.data)


@given(seed=seeds, n=sizes, h=sizes, w=sizes, c=sizes, k=pairs)
def test_pooling_and_upsampling_of_whole_blocks(seed, n, h, w, c, k):
    blocks = normal(seed, n, h, k[0], w, k[1], c)
    x = tg.Tensor(blocks.reshape(n, h * k[0], w * k[1], c))
    close(nn.MaxPool2d(k)(x), blocks.max(axis=(2, 4)))
    close(nn.AvgPool2d(k)(x), blocks.mean(axis=(2, 4)))
    close(nn.Upsample(k)(x), x.data.repeat(k[0], 1).repeat(k[1], 2))
    ramp = np.arange(6.0).reshape(1, 1, 6, 1)  # a straight line stays one where points are aligned
    wide = nn.Upsample((1, 3), mode="bilinear", align_corners=True)(tg.Tensor(ramp))
    close(wide, np.linspace(0, 5, 18).reshape(1, 1, 18, 1))


@given(seed=seeds)
def test_shapes_go_round(seed):
    x = tg.Tensor(normal(seed, 3, 2, 4, 5))
    flat = nn.Flatten()(x)
    assert flat.shape == (3, 40)
    np.testing.assert_array_equal(nn.Reshape((2, 4, 5))(flat).data, x.data)
    assert nn.Identity()(x) is x


# -- normalisation -----------------------------------------------------------------------------------------------------


@given(seed=seeds, shape=st.sampled_from([(6,), (3, 2, 2), (2, 5)]), c=sizes, momentum=st.floats(0, 1))
def test_batch_norm(seed, shape, c, momentum):
    """Training uses the batch and updates the running moments, with the unbiased variance; eval uses the latter."""
    rng = np.random.default_rng(seed)
    layer = nn.BatchNorm(c, momentum=momentum, eps=1e-3, dtype=np.float64)
    layer.weight.data, layer.bias.data = rng.normal(size=(2, c))
    mean, var = np.zeros(c), np.ones(c)
    axes = tuple(range(len(shape)))
    for _ in range(3):
        x = rng.normal(1, 2, size=(*shape, c))
        normalised = (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-3)
        close(layer(tg.Tensor(x)), normalised * layer.weight.data + layer.bias.data)
        mean = (1 - momentum) * mean + momentum * x.mean(axes)
        var = (1 - momentum) * var + momentum * x.var(axes, ddof=1)
        np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(layer.running_var, var, rtol=1e-12)
    x = rng.normal(size=(2, c))
    before = layer.state_dict()
    expected = (x - mean) / np.sqrt(var + 1e-3) * layer.weight.data + layer.bias.data
    close(layer.eval()(tg.Tensor(x)), expected, rtol=1e-12)
    close(layer(tg.Tensor(x[:1])), expected[:1], rtol=1e-12)  # an example by itself is no problem here
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@given(seed=seeds, n=sizes, positions=st.sampled_from([(), (3,), (2, 3)]), groups=sizes, per_group=sizes)
def test_group_norm(seed, n, positions, groups, per_group):
    rng = np.random.default_rng(seed)
    layer = nn.GroupNorm(groups, groups * per_group, eps=1e-3, dtype=np.float64)
    layer.weight.data, layer.bias.data = rng.normal(size=(2, groups * per_group))
    x = rng.normal(size=(n, *positions, groups * per_group))
    expected = np.empty(x.shape)
    for i in range(n):
        for g in range(groups):
            own = (i, ..., slice(g * per_group, (g + 1) * per_group))
            expected[own] = (x[own] - x[own].mean()) / np.sqrt(x[own].var() + 1e-3)
    close(layer(tg.Tensor(x)), expected * layer.weight.data + layer.bias.data, rtol=1e-12)


@given(seed=seeds, shape=st.sampled_from([(4,), (2, 3)]), c=st.integers(1, 6))
def test_layer_norm(seed, shape, c):
    rng = np.random.default_rng(seed)
    layer = nn.LayerNorm(c, dtype=np.float64)
    layer.weight.data, layer.bias.data = rng.normal(size=(2, c))
    x = rng.normal(size=(*shape, c))
    normalised = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    close(layer(tg.Tensor(x)), normalised * layer.weight.data + layer.bias.data, rtol=1e-12)


# -- dropout -----------------------------------------------------------------------------------------------------------


@given(seed=seeds, p=st.floats(0, 0.9))
def test_dropout_keeps_the_expectation(seed, p):
    """Kept entries are scaled by 1/(1 - p), and their share is 1 - p within Hoeffding's bound for one miss in 10¹²."""
    n = 4096
    x = normal(seed, n)
    layer = nn.Dropout(p, rng=np.random.default_rng(seed))
    variable = tg.Parameter(x)
    y = layer(variable)
    kept = y.data != 0
    np.testing.assert_allclose(y.data[kept], x[kept] / (1 - p), rtol=1e-15)
    assert abs(kept.mean() - (1 - p)) <= math.sqrt(math.log(2e12) / (2 * n))
    np.testing.assert_allclose(tg.grad(y.sum(), variable).data, kept / (1 - p), rtol=1e-15)
    np.testing.assert_array_equal(nn.Dropout(p, rng=np.random.default_rng(seed))(variable).data, y.data)
    if p > 0.01:
        assert not np.array_equal(layer(variable).data, y.data)  # the next draw is another
    assert layer.eval()(variable) is variable
