"""The U-Net: its size, what goes in and comes out, that every part of it matters, and how it is told the time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.models import Diffusion, UNet, sinusoidal_embedding
from tinygen.models.unet import OverviewBlock


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def small(**options) -> UNet:
    return UNet(rng=rng(), channels=16, **options)


def number_of_parameters(c, multiples, middle, image_size):
    def conv(inputs, outputs, size=3):
        return size * size * inputs * outputs + outputs

    def block(inputs, outputs):
        norms, time = 2 * inputs + 2 * outputs, conv(4 * c, outputs, 1)
        skip = conv(inputs, outputs, 1) if inputs != outputs else 0
        return norms + conv(inputs, outputs) + time + conv(outputs, outputs) + skip

    m, n = (multiple * c for multiple in multiples)
    time = conv(c, 4 * c, 1) + conv(4 * c, 4 * c, 1)
    down = conv(1, c) + block(c, c) + conv(c, c) + block(c, m) + conv(m, n) + middle * block(n, n)
    up = conv(n, m) + block(2 * m, max(c, m // 2)) + conv(max(c, m // 2), c) + block(2 * c, c) + 2 * c + conv(c, 1)
    seen = n * image_size[0] * image_size[1] // 16 if image_size else 0
    overview = 2 * n + conv(seen, 256, 1) + conv(4 * c, 256, 1) + conv(256, seen, 1) if seen else 0
    return time + down + up + overview


def test_by_default_it_has_the_size_that_the_benchmark_is_about():
    assert sum(p.size for p in UNet(rng=rng()).parameters()) == number_of_parameters(32, (2, 2), 1, None) == 373_697


@given(
    channels=st.sampled_from([16, 32]),
    multiples=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    middle=st.integers(1, 3),
    image_size=st.none() | st.tuples(st.sampled_from([4, 8]), st.sampled_from([4, 8])),
)
def test_every_size_can_be_chosen(channels, multiples, middle, image_size):
    net = UNet(rng=rng(), channels=channels, multiples=multiples, middle=middle, image_size=image_size)
    assert sum(p.size for p in net.parameters()) == number_of_parameters(channels, multiples, middle, image_size)
    x = rng().standard_normal((2, *(image_size or (8, 4)), 1), dtype=np.float32)
    y = net(x, np.array([1, 999])).data
    assert y.shape == x.shape and np.isfinite(y).all()
    norms = [module for _, module in net.named_modules() if isinstance(module, tg.nn.GroupNorm)]
    assert all(norm.channels >= 2 * norm.num_groups for norm in norms), "one channel each undoes the shift by the time"


@pytest.mark.parametrize("overview", [False, True])
def test_a_diffusion_model_hands_on_what_is_chosen(overview):
    sizes = dict(channels=32, multiples=(1, 3), middle=2)
    model = Diffusion.unet((4, 8, 1), **sizes, overview=overview, rng=rng())
    size = (4, 8) if overview else None
    assert model.network.image_size == size and model.clip == 1
    assert sum(p.size for p in model.parameters()) == number_of_parameters(*sizes.values(), size)


@given(seed=st.integers(0, 1000), height=st.integers(1, 3), width=st.integers(1, 3))
def test_an_overview_is_a_hidden_layer_over_the_whole_map(seed, height, width):
    block = OverviewBlock(16, (height, width), 5, rng=rng(seed), units=7, dtype=np.float64)
    for p in block.parameters():
        p.data = p.data + 0.1 * rng(seed).standard_normal(p.shape)  # no bias stays 0
    x, time = rng(seed).standard_normal((3, height, width, 16)), rng(seed).standard_normal((3, 5))
    w = {name: p.data for name, p in block.named_parameters()}

    def silu(a):
        return a / (1 + np.exp(-a))

    groups = x.reshape(3, -1, 8, 2)
    groups = (groups - groups.mean((1, 3), keepdims=True)) / np.sqrt(groups.var((1, 3), keepdims=True) + 1e-5)
    h = silu(groups.reshape(x.shape) * w["norm.weight"] + w["norm.bias"]).reshape(3, -1)
    h = h @ w["dense1.weight"] + w["dense1.bias"] + time @ w["time.weight"] + w["time.bias"]
    h = silu(h) @ w["dense2.weight"] + w["dense2.bias"]
    np.testing.assert_allclose(block(x, time).data, x + h.reshape(x.shape), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(2, 28, 28, 1), (1, 8, 4, 3), (3, 4, 12, 2)])
def test_an_image_comes_out_as_large_as_it_went_in(shape):
    net = small(image_channels=shape[3])
    y = net(rng().standard_normal(shape, dtype=np.float32), np.arange(shape[0]))
    assert y.shape == shape and y.dtype == np.float32


@pytest.mark.parametrize(
    "shape, times, message",
    [
        ((1, 8, 8), 1, r"expected x \(N, H, W, 1\), got \(1, 8, 8\)"),
        ((1, 8, 8, 3), 1, r"expected x \(N, H, W, 1\), got \(1, 8, 8, 3\)"),
        ((1, 8, 30, 1), 1, "expected x with H and W divisible by 4, got 8x30: pad or crop the images"),
        ((2, 8, 8, 1), 3, r"expected t of shape \(2,\), one time per image, got \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(shape, times, message):
    with pytest.raises(ValueError, match=message):
        small()(np.zeros(shape, np.float32), np.zeros(times))


def test_channels_that_do_not_split_into_groups_are_refused():
    with pytest.raises(ValueError, match=r"expected channels to be a multiple of 16, got 24"):
        UNet(rng=rng(), channels=24)
    with pytest.raises(ValueError, match="expected image_channels to be a whole number of at least 1, got 0"):
        UNet(rng=rng(), image_channels=0)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(multiples=(2,)), r"expected multiples to be a list of 2 whole numbers, got \(2,\)"),
        (dict(multiples=(2, 0)), r"expected multiples\[1\] to be a whole number of at least 1, got 0"),
        (dict(middle=0), "expected middle to be a whole number of at least 1, got 0"),
        (dict(image_size=(8, 10)), "expected image_size with H and W divisible by 4, got 8x10"),
        (dict(image_size=(8, 8, 1)), r"expected image_size to be a list of 2 whole numbers, got \(8, 8, 1\)"),
    ],
)
def test_sizes_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        small(**wrong)


def test_an_overview_is_of_one_size_of_images():
    with pytest.raises(ValueError, match=r"expected images of size \(8, 8\), got \(1, 4, 8, 1\)"):
        small(image_size=(8, 8))(np.zeros((1, 4, 8, 1), np.float32), np.zeros(1))


@pytest.mark.parametrize("sizes", [{}, dict(multiples=(1, 3), middle=2, image_size=(8, 8))])
def test_the_gradient_reaches_every_parameter(sizes):
    net = small(**sizes)
    x = rng(1).standard_normal((2, 8, 8, 1), dtype=np.float32)
    loss = (net(x, np.array([3, 700])) ** 2).sum()
    for (name, p), g in zip(net.named_parameters(), tg.grad(loss, net.parameters()), strict=True):
        assert g.shape == p.shape and (np.abs(g.data) > 0).mean() > 0.9, name


@pytest.mark.parametrize("size", [None, (8, 8)])
def test_each_output_depends_on_its_own_image_and_time(size):
    net = small(image_size=size, dtype=np.float64)
    x = rng(1).standard_normal((3, 8, 8, 1))
    y = net(x, np.array([1, 50, 999])).data
    assert y.dtype == np.float64
    for i, t in enumerate((1, 50, 999)):
        np.testing.assert_allclose(net(x[i : i + 1], np.array([t])).data, y[i : i + 1], rtol=1e-10, atol=1e-12)
    assert np.abs(net(x, np.array([2, 50, 999])).data - y)[0].max() > 1e-4


def test_its_gradient_is_right():
    net = small(multiples=(1, 2), middle=2, image_size=(4, 4), dtype=np.float64)
    x, t = rng(1).standard_normal((2, 4, 4, 1)), np.array([3, 700])
    assert tg.check(lambda x: net(x, t), x, order=1).ok


# -- the time ----------------------------------------------------------------------------------------------------------

times = st.lists(st.floats(0, 1000), min_size=1, max_size=5).map(np.array)


@given(t=times, half=st.integers(1, 20), base=st.floats(2, 1e5))
def test_every_wave_is_a_point_on_a_circle_that_turns_at_its_own_rate(t, half, base):
    waves = sinusoidal_embedding(t, 2 * half, base=base, dtype=np.float64)
    assert waves.shape == (len(t), 2 * half)
    for n, time in enumerate(t):
        for i in range(half):
            angle = time * base ** (-i / half)
            assert waves[n, i] == pytest.approx(np.sin(angle), abs=1e-9)
            assert waves[n, half + i] == pytest.approx(np.cos(angle), abs=1e-9)


def test_a_thousand_times_are_all_told_apart():
    waves = sinusoidal_embedding(np.arange(1000), 32)
    assert waves.dtype == np.float32
    distances = np.linalg.norm(waves[:, None] - waves, axis=2) + 10 * np.eye(1000)
    assert distances.min() > 0.1


@pytest.mark.parametrize("features", [0, 7])
def test_features_come_in_pairs(features):
    with pytest.raises(ValueError, match=f"expected features to be even and at least 2, got {features}"):
        sinusoidal_embedding(np.arange(3), features)


def test_times_are_one_per_example():
    with pytest.raises(ValueError, match=r"expected t of shape \(N,\), one time per example, got \(3, 1\)"):
        sinusoidal_embedding(np.zeros((3, 1)), 4)
