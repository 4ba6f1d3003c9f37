"""The U-Net: its size, what goes in and comes out, that every part of it matters, and how it is told the time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.models import UNet, sinusoidal_embedding


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def small(**options) -> UNet:
    return UNet(rng=rng(), channels=16, **options)


def test_it_has_its_number_of_parameters():
    def conv(inputs, outputs, size=3):
        return size * size * inputs * outputs + outputs

    def block(inputs, outputs):
        norms, time = 2 * inputs + 2 * outputs, 128 * outputs + outputs
        skip = conv(inputs, outputs, 1) if inputs != outputs else 0
        return norms + conv(inputs, outputs) + time + conv(outputs, outputs) + skip

    time = 32 * 128 + 128 + 128 * 128 + 128
    down = conv(1, 32) + block(32, 32) + conv(32, 32) + block(32, 64) + conv(64, 64) + block(64, 64)
    up = conv(64, 64) + block(128, 32) + conv(32, 32) + block(64, 32) + 64 + conv(32, 1)
    assert sum(p.size for p in UNet(rng=rng()).parameters()) == time + down + up == 373_697


@pytest.mark.parametrize("shape", [(2, 28, 28, 1), (1, 8, 4, 3), (3, 4, 12, 2)])
def test_an_image_comes_out_as_large_as_it_went_in(shape):
    net = small(image_channels=shape[3])
    y = net(rng().standard_normal(shape, dtype=np.float32), np.arange(shape[0]))
    assert y.shape == shape and y.dtype == np.float32


@pytest.mark.parametrize(
    "shape, times, message",
    [
        ((1, 8, 8), 1, r"x should be \(N, H, W, 1\), channels last; got \(1, 8, 8\)"),
        ((1, 8, 8, 3), 1, r"x should be \(N, H, W, 1\), channels last; got \(1, 8, 8, 3\)"),
        ((1, 8, 30, 1), 1, r"4 must divide height and width, .* got \(1, 8, 30, 1\)"),
        ((2, 8, 8, 1), 3, r"t should be \(2,\), one time per image .* got shape \(3,\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(shape, times, message):
    with pytest.raises(ValueError, match=message):
        small()(np.zeros(shape, np.float32), np.zeros(times))


def test_channels_that_do_not_split_into_groups_are_refused():
    with pytest.raises(ValueError, match=r"channels must be a multiple of 16, .*; got 24"):
        UNet(rng=rng(), channels=24)
    with pytest.raises(ValueError, match="image_channels must be an integer >= 1, got 0"):
        UNet(rng=rng(), image_channels=0)


def test_the_gradient_reaches_every_parameter():
    net = small()
    x = rng(1).standard_normal((2, 8, 8, 1), dtype=np.float32)
    loss = (net(x, np.array([3, 700])) ** 2).sum()
    for (name, p), g in zip(net.named_parameters(), tg.grad(loss, net.parameters()), strict=True):
        assert g.shape == p.shape and (np.abs(g.data) > 0).mean() > 0.9, name


def test_each_image_is_answered_alone_and_its_time_matters():
    net = small(dtype=np.float64)
    x = rng(1).standard_normal((3, 8, 8, 1))
    y = net(x, np.array([1, 50, 999])).data
    assert y.dtype == np.float64
    for i, t in enumerate((1, 50, 999)):
        np.testing.assert_allclose(net(x[i : i + 1], np.array([t])).data, y[i : i + 1], rtol=1e-10, atol=1e-12)
    assert np.abs(net(x, np.array([2, 50, 999])).data - y)[0].max() > 1e-4


def test_its_gradient_is_right():
    net = small(dtype=np.float64)
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
    with pytest.raises(ValueError, match=f"features must be even, half sines and half cosines; got {features}"):
        sinusoidal_embedding(np.arange(3), features)


def test_times_are_one_per_example():
    with pytest.raises(ValueError, match=r"t should be \(N,\), one time per example, got shape \(3, 1\)"):
        sinusoidal_embedding(np.zeros((3, 1)), 4)
