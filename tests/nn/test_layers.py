"""Each layer: its value against NumPy, its derivatives against differences, its modes, its errors."""

import math

import numpy as np
import pytest
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


# -- derivatives of every input and parameter, first and second --------------------------------------------------------

LAYERS = {  # name: (make(rng), shape of x)
    "Dense": (lambda o: nn.Dense(3, 4, **o), (5, 3)),
    "Dense of a sequence": (lambda o: nn.Dense(3, 4, bias=False, **o), (2, 5, 3)),
    "Conv2d": (lambda o: nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), **o), (2, 5, 6, 2)),
    "ConvTranspose2d": (
        lambda o: nn.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=1, output_padding=(1, 2), **o),
        (2, 3, 2, 2),
    ),
    "Conv1d": (lambda o: nn.Conv1d(2, 3, 3, stride=2, padding=1, dilation=2, **o), (2, 7, 2)),
    "ConvTranspose1d": (lambda o: nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1, **o), (2, 4, 2)),
    "InstanceNorm": (lambda o: nn.InstanceNorm(3, affine=True, dtype=o["dtype"]), (2, 2, 3, 3)),
    "PixelShuffle": (lambda o: nn.PixelShuffle(2), (2, 2, 3, 8)),
    "Upsample nearest": (lambda o: nn.Upsample((2, 3)), (2, 3, 2, 2)),
    "Upsample bilinear": (lambda o: nn.Upsample(2, mode="bilinear"), (2, 3, 4, 2)),
    "Upsample bicubic": (lambda o: nn.Upsample(size=(5, 3), mode="bicubic"), (2, 3, 4, 2)),
    "Upsample linear": (lambda o: nn.Upsample(1.5, mode="linear"), (2, 5, 2)),
    "Upsample trilinear": (lambda o: nn.Upsample(size=3, mode="trilinear", align_corners=True), (2, 2, 4, 3, 2)),
    "MaxPool2d": (lambda o: nn.MaxPool2d(3, stride=2, padding=1), (2, 5, 6, 2)),
    "AvgPool2d": (lambda o: nn.AvgPool2d((2, 3), padding=1), (2, 5, 6, 2)),
    "AvgPool2d of real pixels": (
        lambda o: nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        (2, 4, 6, 2),
    ),
    "MaxPool2d to the end": (lambda o: nn.MaxPool2d(2, ceil_mode=True), (2, 5, 3, 2)),
    "BatchNorm": (lambda o: nn.BatchNorm(3, dtype=o["dtype"]), (4, 2, 2, 3)),
    "BatchNorm, eval": (lambda o: nn.BatchNorm(3, dtype=o["dtype"]).eval(), (4, 3)),
    "GroupNorm": (lambda o: nn.GroupNorm(2, 6, dtype=o["dtype"]), (2, 2, 3, 6)),
    "LayerNorm": (lambda o: nn.LayerNorm(5, dtype=o["dtype"]), (4, 5)),
    "Dropout": (lambda o: nn.Dropout(0.4, rng=o["rng"]), (4, 5)),
    "Flatten": (lambda o: nn.Flatten(), (2, 3, 2, 2)),
    "Reshape": (lambda o: nn.Reshape((2, 6)), (2, 3, 4)),
    "ReLU": (lambda o: nn.ReLU(), (4, 5)),
    "LeakyReLU": (lambda o: nn.LeakyReLU(0.2), (4, 5)),
    "ELU": (lambda o: nn.ELU(0.7), (4, 5)),
    "Sigmoid": (lambda o: nn.Sigmoid(), (4, 5)),
    "Tanh": (lambda o: nn.Tanh(), (4, 5)),
    "SiLU": (lambda o: nn.SiLU(), (4, 5)),
    "GELU": (lambda o: nn.GELU(), (4, 5)),
    "Softplus": (lambda o: nn.Softplus(), (4, 5)),
    "Identity": (lambda o: nn.Identity(), (4, 5)),
}


def test_every_layer_has_a_case():
    public = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    recurrent = {"RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell"}  # test_recurrent.py
    others = {"Module", "Sequential", "Embedding"} | recurrent
    assert public - {name.split()[0].strip(",") for name in LAYERS} == others


def off_kinks(rng, shape):
    """Numbers at least 0.05 from each other and from 0, in random order: far from every kink of relu and max."""
    n = math.prod(shape)
    return (rng.permutation(n) - n // 2 + 0.5).reshape(shape) / 10


def directional_error(f, variables, rng):
    """The largest scaled difference of ⟨g, J t⟩, by a five-point formula, and ⟨Jᵀg, t⟩, by `grad`, per variable."""
    y = f()
    g = rng.normal(size=y.shape)
    gradients = tg.grad(y, variables, g)
    errors = []
    for variable, gradient in zip(variables, gradients):
        x, t = variable.data, rng.normal(size=variable.shape)
        t /= np.linalg.norm(t)
        h = np.finfo(np.float64).eps ** 0.2
        slope = np.zeros(y.shape)
        for steps, weight in [(1, 8), (-1, -8), (2, -1), (-2, 1)]:
            variable.data = x + steps * h * t
            slope += weight * f().data / (12 * h)
        variable.data = x
        scale = np.linalg.norm(g) * np.linalg.norm(slope) + np.linalg.norm(gradient.data)
        errors.append(abs((g * slope).sum() - (gradient.data * t).sum()) / max(scale, 1e-300))
    return max(errors)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("order", [1, 2])
@given(seed=seeds)
def test_derivatives(name, order, seed):
    make, shape = LAYERS[name]
    rng = np.random.default_rng(seed)
    layer = make(dict(rng=rng, dtype=np.float64))
    for p in layer.parameters():
        p.data = rng.normal(size=p.shape)
    variables = [tg.Parameter(off_kinks(rng, shape)), *layer.parameters()]

    def output():
        if name == "Dropout":
            layer.rng = np.random.default_rng(seed)  # the same entries each time
        return layer(variables[0])

    cotangent = rng.normal(size=output().shape)

    def slopes():
        found = tg.grad(output(), variables, cotangent, create_graph=True)
        return tg.concat(*[g.reshape(-1) for g in found]) + sum([0.0 * (v * v).sum() for v in variables])

    assert directional_error(output if order == 1 else slopes, variables, rng) <= (1e-10 if order == 1 else 1e-9)


# -- values ------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_float32(name):
    make, shape = LAYERS[name]
    rng = np.random.default_rng(0)
    layer = make(dict(rng=rng, dtype=np.float32))
    x = tg.Parameter(off_kinks(rng, shape).astype(np.float32))
    y = layer(x)
    assert y.dtype == np.float32
    assert all(g.dtype == np.float32 for g in tg.grad(y.sum(), [x, *layer.parameters()]))
    assert all(array.dtype == np.float32 for array in layer.state_dict().values())


# -- errors ------------------------------------------------------------------------------------------------------------

rng = np.random.default_rng(0)
images = np.zeros((8, 28, 28, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: nn.Dense(3, 2), TypeError, "rng"),
        (lambda: nn.Dense(3, 2, rng=0), TypeError, r"Dense: expected rng to be a numpy.random.Generator.*got 0"),
        (lambda: nn.Dense(3.0, 2, rng=rng), TypeError, "expected in_features to be a whole number.* got 3.0"),
        (lambda: nn.Conv2d(1, 0, 3, rng=rng), ValueError, "Conv2d: expected out_channels to be .* got 0"),
        (lambda: nn.Conv2d(2, 2, 3, groups=2, rng=rng), ValueError, "expected groups=1, got 2: slice the channels"),
        (
            lambda: nn.Conv2d(2, 2, 3, activation="relu6", rng=rng),
            ValueError,
            "Conv2d: .* None, .relu., .leaky_relu., .elu., .silu",
        ),
        (lambda: nn.Conv2d(2, 2, 3, stride=0, rng=rng), ValueError, "Conv2d: expected stride to be a whole number"),
        (lambda: nn.ConvTranspose2d(2, 2, 0, rng=rng), ValueError, "ConvTranspose2d: expected kernel_size"),
        (
            lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=2, rng=rng),
            ValueError,
            "expected output_padding to be below the stride 2, got 2",
        ),
        (
            lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=1, output_size=5, rng=rng),
            ValueError,
            "got both: leave one out",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 2, 3, stride=2, output_size=60, rng=rng)(images),
            ValueError,
            "height 57 to 58",
        ),
        (
            lambda: nn.ConvTranspose2d(1, 8, 3, rng=rng)(images),
            ValueError,
            r"ConvTranspose2d: expected x \(N, H, W, 1\)",
        ),
        (lambda: nn.Conv2d(28, 8, 3, rng=rng)(images), ValueError, r"channels last, x\.transpose\(0, 2, 3, 1\)"),
        (lambda: nn.Conv2d(3, 8, 30, rng=rng)(images), ValueError, "Conv2d: a window of 30 x 30"),
        (lambda: nn.Conv2d(3, 8, 3, rng=rng)(images[0]), ValueError, "Conv2d: expected images"),
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, r"got a list of 1: put a star before it"),
        (
            lambda: nn.Conv2d(1, 32, 3, rng=rng)(images),
            ValueError,
            r"Conv2d: expected x \(N, H, W, 1\), .*got \(8, 28, 28, 3\)",
        ),
        (lambda: nn.Dense(2352, 2, rng=rng)(images), ValueError, r"got \(8, 28, 28, 3\): put nn.Flatten\(\) before"),
        (
            lambda: nn.Reshape((7, 7, 64))(images),
            ValueError,
            r"Reshape: expected 3136 entries .* got x \(8, 28, 28, 3\)",
        ),
        (lambda: nn.Reshape((7, -1)), ValueError, r"expected shape\[1\] to be a whole number of at least 1"),
        (lambda: nn.Upsample(2, mode="cubic"), ValueError, "'nearest', 'linear', .*, got 'cubic'"),
        (lambda: nn.Upsample(0), ValueError, "Upsample: expected scale_factor"),
        (
            lambda: nn.ConvTranspose1d(2, 3, 4, stride=2, output_size=3, rng=np.random.default_rng(0))(
                np.zeros((1, 5, 2), np.float32)
            ),
            ValueError,
            r"an output of length 12 to 13 for x \(1, 5, 2\), got 3",
        ),
        (
            lambda: nn.ConvTranspose1d(2, 3, 4, output_padding=2, rng=np.random.default_rng(0)),
            ValueError,
            "below the stride 1, got 2",
        ),
        (lambda: nn.Upsample(), ValueError, "Upsample: expected either size or scale_factor"),
        (lambda: nn.Upsample(2, size=3), ValueError, "Upsample: expected either size or scale_factor"),
        (lambda: nn.MaxPool2d(0), ValueError, "MaxPool2d: expected kernel_size"),
        (lambda: nn.AvgPool2d(2, stride=0), ValueError, "AvgPool2d: expected stride"),
        (lambda: nn.Dropout(0.5), TypeError, "rng"),
        (lambda: nn.Dropout(1.0, rng=rng), ValueError, "at least 0 and below 1, got 1.0"),
        (lambda: nn.BatchNorm(4, 0.8), TypeError, "expected 1 positional argument"),
        (lambda: nn.BatchNorm(4, eps=0), ValueError, "expected eps to be a number above 0"),
        (lambda: nn.BatchNorm(4, momentum=1.5), ValueError, "at least 0 and at most 1, got 1.5"),
        (lambda: nn.BatchNorm(4)(images), ValueError, r"BatchNorm: expected x \(N, ..., 4\), .*got \(8, 28, 28, 3\)"),
        (lambda: nn.BatchNorm(3)(images[:1, 0, 0]), ValueError, r"at least two values per channel .*got x \(1, 3\)"),
        (lambda: nn.GroupNorm(2, 3), ValueError, "expected num_groups to divide 3 channels, got 2"),
        (lambda: nn.GroupNorm(2, 4)(images), ValueError, "GroupNorm: expected x"),
        (lambda: nn.LayerNorm(4)(images), ValueError, "LayerNorm: expected x"),
    ],
)
def test_errors_say_what_to_do(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
