"""The outputs of an autoencoder and the losses that belong to them, beside the formulas in NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import tinygen as tg
from tinygen import nn, optim
from tinygen.models import Autoencoder, StochasticAutoencoder, mirror, pretrain_layers

SEEDS = st.integers(0, 2**32 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def images(seed: int, n: int = 5) -> np.ndarray:
    return rng(seed).random((n, 4, 4, 1))


def dense(seed=0, kind=Autoencoder, widths=(6,), latent=3, **settings):
    return kind.dense((4, 4, 1), widths, latent, rng=rng(seed), dtype=np.float64, **settings)


def bernoulli_nll(p, x):
    return -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum() / len(x)


@given(SEEDS)
def test_the_cross_entropy_is_that_of_the_reconstruction(seed):
    model, x = dense(seed, loss="bce"), images(seed)
    y = model.reconstruct(x)
    assert ((y > 0) & (y < 1)).all()
    assert model.loss(x).item() == pytest.approx(bernoulli_nll(y, x), rel=1e-10)
    np.testing.assert_allclose(model.decode(model.encode(x)), y, rtol=1e-12)
    np.testing.assert_allclose(model(x).numpy(), y, rtol=1e-12)


def test_the_cross_entropy_of_a_certain_and_wrong_pixel_is_finite():
    model = dense(loss="bce", widths=())
    weight = model.decoder[0].weight
    weight.data = weight.numpy() * 1e4
    assert np.isfinite(model.loss(images(0)).item())


@pytest.mark.parametrize("output, inside", [("sigmoid", True), ("linear", False)])
def test_the_output_is_in_the_range_that_it_is_called(output, inside):
    for model in (
        dense(output=output, latent=8),
        Autoencoder.conv((4, 4, 1), (2, 3), 4, output=output, activation="tanh", rng=rng(), dtype=np.float64),
    ):
        y = model.reconstruct(images(1) * 100 - 50)
        assert bool(((y > 0) & (y < 1)).all()) == inside


def test_the_defaults_are_a_sigmoid_and_the_squared_error():
    a, b = dense(), dense(activation="relu", output="sigmoid", loss="mse")
    x = images(2)
    assert a.loss(x).item() == b.loss(x).item() == tg.functional.mse(a(x), x).item()
    layers = [repr(layer) for layer in Autoencoder.conv((8, 8, 1), rng=rng()).decoder]
    assert layers[-1] == "Sigmoid()" and layers[1] == "ReLU()"


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", None])
def test_the_activation_is_in_every_hidden_layer(activation):
    model = dense(activation=activation, code_activation="sigmoid")
    layers = [layer for part in (model.encoder, model.decoder) for layer in part if isinstance(layer, nn.Dense)]
    assert [layer.activation for layer in layers] == [activation, "sigmoid", activation, "sigmoid"]
    conv = Autoencoder.conv((4, 4, 1), (2, 3), 4, activation=activation, rng=rng())
    assert conv.encoder[0].activation == activation and conv.reconstruct(images(0).astype(np.float32)).shape[1:] == (
        4,
        4,
        1,
    )


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match=r"Autoencoder.dense: expected output='sigmoid' for a cross-entropy"):
        dense(loss="bce", output="linear")
    with pytest.raises(ValueError, match=r"Autoencoder: expected loss to be one of 'mse', 'bce'"):
        dense(loss="l1")
    with pytest.raises(ValueError, match=r"Autoencoder.conv: expected output to be one of 'linear', 'sigmoid'"):
        Autoencoder.conv((4, 4, 1), output="tanh", rng=rng())
    with pytest.raises(ValueError, match=r"expected activation to be None"):
        Autoencoder.conv((4, 4, 1), activation="sin", rng=rng())


# -- tied weights ------------------------------------------------------------------------------------------------------


@given(SEEDS)
def test_tied_weights_are_one_matrix(seed):
    model, x = dense(seed, tied=True, widths=(), output="linear"), images(seed)
    (w, b), c = model.encoder[1].parameters(), model.decoder[0].bias
    b.data, c.data = rng(seed).normal(size=b.shape), rng(seed + 1).normal(size=c.shape)
    assert [p.shape for p in model.parameters()] == [(16, 3), (3,), (16,)]
    rows, w = x.reshape(5, 16), w.numpy()
    expected = (rows @ w + b.numpy()) @ w.T + c.numpy()
    np.testing.assert_allclose(model.reconstruct(x).reshape(5, 16), expected, rtol=1e-12, atol=1e-12)


def test_tied_weights_have_right_gradients():
    assert tg.check(dense(tied=True, activation="tanh").loss, images(3), order=1).ok


# -- stochastic decoders -----------------------------------------------------------------------------------------------


@given(SEEDS, st.floats(0.1, 4))
def test_the_loss_of_a_stochastic_decoder_is_minus_log_of_scipys_density(seed, variance):
    x = images(seed)
    model = dense(seed, StochasticAutoencoder, pixels="gaussian", variance=variance, output="linear")
    mean = model.reconstruct(x)
    nll = -stats.norm.logpdf(x, mean, np.sqrt(variance)).sum() / len(x)
    assert model.loss(x).item() == pytest.approx(nll, rel=1e-10)
    model = dense(seed, StochasticAutoencoder)
    assert model.loss(x).item() == pytest.approx(bernoulli_nll(model.reconstruct(x), x), rel=1e-10)
    binary = (x > 0.5).astype(float)
    nll = -stats.bernoulli.logpmf(binary, model.reconstruct(x)).sum() / len(x)
    noisy = model.loss(binary, rng(), corrupt=lambda _, rng: x)
    assert noisy.item() == pytest.approx(nll, rel=1e-9)


def test_the_learned_variance_is_the_mean_squared_error_at_the_optimum():
    """Σ over pixels of (x - x̂)² / (2σ²) + ½ log σ² is least for σ² = the error per pixel, whatever x̂ is."""
    model, x = dense(kind=StochasticAutoencoder, pixels="gaussian"), images(4, 20)
    opt = optim.Adam([model.log_var], 0.1)
    for _ in range(300):
        opt.step([tg.grad(model.loss(x), model.log_var)])
    error = ((model.reconstruct(x) - x) ** 2).mean()
    assert np.exp(model.log_var.item()) == pytest.approx(error, rel=1e-3)
    assert tg.check(model.loss, x[:2], order=1).ok


def test_stochastic_decoders_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match=r'no variance with pixels="bernoulli", got 0.5'):
        dense(kind=StochasticAutoencoder, variance=0.5)
    with pytest.raises(ValueError, match=r"expected at least one image"):
        dense(kind=StochasticAutoencoder).loss(images(0)[:0])


# -- layer-wise pretraining --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [dict(), dict(loss="bce"), dict(tied=True)], ids=str)
def test_each_pair_of_layers_is_trained_alone(settings):
    model, x = dense(widths=(8, 6), **settings), images(5, 40)
    before = {name: array.copy() for name, array in model.state_dict().items()}
    losses = pretrain_layers(model, x, steps=60, lr=0.01, rng=rng())
    assert [len(each) for each in losses] == [60] * 3
    assert all(np.mean(each[-10:]) < np.mean(each[:10]) for each in losses)
    assert all((array != before[name]).any() for name, array in model.state_dict().items())


def test_the_outermost_pair_comes_first_and_stays_as_it_is_afterwards():
    """The first of two pairs is trained as in a model that has only this pair."""
    deep, x = dense(widths=(6,), activation="tanh"), images(6, 30)
    alone = Autoencoder(nn.Sequential(*deep.encoder[:2]), nn.Sequential(*deep.decoder[1:]))
    initial = deep.state_dict()
    (losses,) = pretrain_layers(alone, x, steps=5, rng=rng())
    outer = deep.encoder[1].weight.numpy().copy()
    deep.load_state_dict(initial)
    assert pretrain_layers(deep, x, steps=5, rng=rng())[0] == losses
    np.testing.assert_array_equal(deep.encoder[1].weight.numpy(), outer)


def test_a_mirrored_decoder_can_be_pretrained_and_another_is_refused():
    encoder = nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=rng()), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dense(2, 2, rng=rng())
    )
    x = images(0).astype(np.float32)
    model = Autoencoder(encoder, mirror(encoder, (4, 4, 1), rng=rng()))
    assert len(pretrain_layers(model, x, steps=2, rng=rng())) == 2
    with pytest.raises(ValueError, match=r"expected layer 0 of the decoder, .*, to return \(1, 4, 4, 1\)"):
        pretrain_layers(Autoencoder.conv((4, 4, 1), rng=rng()), x, steps=1, rng=rng())
    odd = nn.Sequential(nn.Dense(3, 7, rng=rng()), nn.Dense(7, 9, rng=rng()), nn.Dense(9, 16, rng=rng()))
    with pytest.raises(ValueError, match=r"as many layers with weights in the encoder .* got 2 and 3"):
        pretrain_layers(Autoencoder(dense().encoder, odd), images(0), steps=1, rng=rng())
    with pytest.raises(ValueError, match=r"expected at least one example"):
        pretrain_layers(dense(), images(0)[:0], steps=1, rng=rng())
