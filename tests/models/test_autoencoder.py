"""The autoencoders: the lecture's table, arrays in and out, and a loss that is what it is called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.evaluate import metrics
from tinygen.models import Autoencoder


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def images(n: int, size: int) -> np.ndarray:
    return rng(1).random((n, size, size, 1), dtype=np.float32)


def test_the_lectures_autoencoder_has_its_number_of_parameters():
    sizes = [p.size for p in Autoencoder.conv((28, 28, 1), rng=rng()).parameters()]
    layers = [a + b for a, b in zip(sizes[::2], sizes[1::2])]  # weight and bias
    assert layers == [320, 18_496, 50_192, 170, 34_496, 36_928, 18_464, 289]
    assert sum(sizes) == 159_355


@pytest.mark.parametrize("size, maps", [(8, (8, 4, 2)), (28, (28, 14, 7)), (32, (32, 16, 8))])
def test_each_map_halves_the_image_and_the_decoder_doubles_it_again(size, maps):
    summary = Autoencoder.conv((size, size, 1), rng=rng()).summary((size, size, 1))
    for n, channels in zip(maps, (1, 32, 64)):
        assert f"(B, {n}, {n}, {channels})" in summary
    assert "(B, 10)" in summary


@pytest.mark.parametrize("latent", [4, None])
@pytest.mark.parametrize("size", [8, 12, 28])
def test_with_pooling_maps_and_weights_have_the_same_sizes(size, latent):
    strided, pooled = (
        Autoencoder.conv((size, size, 1), (2, 3), latent, hidden=5, resize=way, rng=rng()) for way in ("stride", "pool")
    )
    assert sorted(p.size for p in strided.parameters()) == sorted(p.size for p in pooled.parameters())
    x = images(2, size)
    assert pooled(x).shape == x.shape and pooled.encode(x).shape == strided.encode(x).shape
    names = [type(layer).__name__ for layer in (*pooled.encoder, *pooled.decoder)]
    assert names.count("MaxPool2d") == names.count("Upsample") == 2 and "ConvTranspose2d" not in names
    assert ("Dense" in names) == (latent is not None)


def test_an_unknown_way_to_resize_is_refused():
    with pytest.raises(ValueError, match="resize to be one of 'stride', 'pool', got 'pooling'"):
        Autoencoder.conv((8, 8, 1), resize="pooling", rng=rng())


def test_an_image_that_cannot_be_halved_twice_is_refused():
    with pytest.raises(
        ValueError, match="expected images with H and W divisible by 4, got 30x28: pad or crop the images"
    ):
        Autoencoder.conv((30, 28, 1), rng=rng())


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder.conv((8, 8, 1), (2, 3), 4, hidden=5, rng=rng()),
        Autoencoder.dense((8, 8, 1), (20,), 4, rng=rng()),
    ],
    ids=["conv", "dense"],
)
def test_what_goes_in_and_comes_out(model):
    x = images(7, 8)
    z, y = model.encode(x, batch_size=3), model.reconstruct(x, batch_size=2)
    assert z.shape == (7, 4) and y.shape == x.shape
    assert ((y > 0) & (y < 1)).all()
    np.testing.assert_allclose(model.decode(z), y, rtol=0, atol=1e-6)
    assert model.loss(x).item() == pytest.approx(metrics.squared_error_per_image(x, y), rel=1e-5)
    path = model.interpolate(z[:3], 5)
    assert path.shape == (10, 8, 8, 1)
    np.testing.assert_allclose(path[[0, 4, 9]], y[:3], rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"interpolate: expected at least two codes \(N, K\), got \(1, \d+\)"):
        model.interpolate(z[:1], 5)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 1000))
def test_the_linear_autoencoder_is_two_matrices(features, latent, seed):
    model = Autoencoder.linear((features,), latent, rng=rng(seed), dtype=np.float64)
    w_e, w_d = (p.numpy() for p in model.parameters())
    x = rng(seed).normal(size=(5, features))
    np.testing.assert_allclose(model.reconstruct(x), x @ w_e @ w_d, rtol=0, atol=1e-12)


def test_any_invertible_change_of_the_code_has_the_same_loss():
    model = Autoencoder.linear((6,), 3, rng=rng(), dtype=np.float64)
    x, change = rng(2).normal(size=(9, 6)), rng(3).normal(size=(3, 3))
    before = model.loss(x).item()
    w_e, w_d = model.parameters()
    w_e.data, w_d.data = w_e.numpy() @ change, np.linalg.inv(change) @ w_d.numpy()
    assert model.loss(x).item() == pytest.approx(before, rel=1e-12)


def test_the_gradients_of_a_whole_autoencoder_are_right():
    model = Autoencoder.conv((4, 4, 1), (2, 3), 2, hidden=5, rng=rng(), dtype=np.float64)
    assert tg.check(model.loss, rng(4).random((2, 4, 4, 1)), order=1).ok


def test_without_the_dense_layers_the_code_is_the_maps():
    model = Autoencoder.conv((8, 8, 1), (2, 3), None, rng=rng())
    x = rng(1).random((4, 8, 8, 1), dtype=np.float32)
    codes = model.encode(x)
    assert codes.shape == (4, 2 * 2 * 3) and (codes >= 0).all()
    np.testing.assert_allclose(model.decode(codes), model.reconstruct(x), rtol=0, atol=1e-6)
    assert model.interpolate(codes, 3).shape == (9, 8, 8, 1)
