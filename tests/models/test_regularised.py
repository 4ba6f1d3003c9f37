"""The penalties of regularised autoencoders beside their definitions, computed in another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import tinygen as tg
from tinygen import nn
from tinygen.models import (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    Erasures,
    GaussianNoise,
    SparseAutoencoder,
)

SEEDS = st.integers(0, 2**32 - 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def images(seed: int, n: int = 4) -> np.ndarray:
    return rng(seed).random((n, 3, 3, 1))


def dense(kind, seed=0, widths=(), latent=4, **others):
    return kind.dense((3, 3, 1), widths, latent, rng=rng(seed), dtype=np.float64, **others)


def difference_jacobian(model, x):
    """∂E(x)/∂x of each example by central differences, (N, K, D)."""
    columns, h = [], 1e-5
    for i in range(x[0].size):
        step = np.zeros(x[0].size)
        step[i] = h
        step = step.reshape(x.shape[1:])
        columns.append((model.encode(x + step) - model.encode(x - step)) / (2 * h))
    return np.stack(columns, axis=2)


def decoder_rows(model):
    return np.linalg.norm(model.decoder[0].weight.numpy(), axis=1)


# -- sparse ------------------------------------------------------------------------------------------------------------


@given(SEEDS, st.floats(0, 2))
def test_the_l1_penalty_is_the_sum_of_absolute_codes(seed, weight):
    model, x = dense(SparseAutoencoder, seed, weight=weight), images(seed)
    error = ((model.reconstruct(x) - x) ** 2).sum() / len(x)
    penalty = np.abs(model.encode(x)).sum() / len(x)
    terms = model.terms(x)
    assert (terms.reconstruction.item(), terms.penalty.item()) == pytest.approx((error, penalty), rel=1e-12)
    assert model.loss(x).item() == pytest.approx(error + weight * penalty, rel=1e-12)


@given(SEEDS, st.floats(0.05, 0.95))
def test_the_kl_penalty_is_that_of_the_mean_code(seed, target):
    model = dense(SparseAutoencoder, seed, weight=1, target=target, code_activation="sigmoid")
    x = images(seed)
    share = model.encode(x).mean(axis=0)
    kl = sum(stats.entropy([target, 1 - target], [q, 1 - q]) for q in share)
    assert model.terms(x).penalty.item() == pytest.approx(kl, rel=1e-9, abs=1e-12)


def test_a_code_of_exact_zeros_has_a_finite_penalty_and_gradient():
    model = SparseAutoencoder.dense(
        (3, 3, 1), (), 4, weight=1, target=0.1, code_activation="sigmoid", rng=rng(), dtype=np.float32
    )
    model.encoder[1].bias.data = np.full(4, -200, np.float32)
    loss = model.loss(images(0).astype(np.float32))
    assert np.isfinite(loss.item())
    assert all(np.isfinite(g.numpy()).all() for g in tg.grad(loss, model.parameters()))


def test_a_target_needs_codes_in_the_unit_interval():
    with pytest.raises(ValueError, match=r'the code to be in \[0, 1\], got .* write code_activation="sigmoid"'):
        dense(SparseAutoencoder, weight=1, target=0.1, output="linear").loss(images(0) - 0.5)
    with pytest.raises(ValueError, match=r"the target has no unit"):
        dense(SparseAutoencoder, weight=1, target=0.1, unit_decoder=True)


# -- contractive -------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=10)
@given(SEEDS, st.sampled_from([(), (5,)]), st.sampled_from(["sigmoid", "tanh", "softplus", None]), st.booleans())
def test_the_penalty_is_the_squared_norm_of_the_jacobian(seed, widths, activation, unit):
    """Closed form and backpropagation, beside central differences."""
    settings = dict(activation="tanh", code_activation=activation, weight=0.3, unit_decoder=unit)
    model, x = dense(ContractiveAutoencoder, seed, widths, **settings), images(seed)
    rates = difference_jacobian(model, x)
    rates = rates * decoder_rows(model)[:, None] if unit else rates
    assert model.terms(x).penalty.item() == pytest.approx((rates**2).sum() / len(x), rel=1e-6, abs=1e-9)


@given(SEEDS, st.sampled_from(["sigmoid", "tanh", "relu", None]), st.booleans())
def test_closed_form_and_full_jacobian_agree(seed, activation, unit):
    short, x = (
        dense(ContractiveAutoencoder, seed, code_activation=activation, weight=1, unit_decoder=unit),
        images(seed),
    )
    hidden = nn.Sequential(short.encoder, nn.Identity())  # no longer one dense layer, so the general way
    full = ContractiveAutoencoder(hidden, short.decoder, weight=1, unit_decoder=unit)
    a, b = short.terms(x).penalty, full.terms(x).penalty
    assert a.item() == pytest.approx(b.item(), rel=1e-10)
    for g, h in zip(tg.grad(a, short.parameters()), tg.grad(b, short.parameters())):
        np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("widths", [(), (4,)])
@pytest.mark.parametrize("unit", [False, True])
def test_the_gradient_of_the_whole_loss_is_right(widths, unit):
    """A penalty of derivatives, so that this is a gradient of a gradient."""
    others = dict(activation="tanh", code_activation="sigmoid", output="linear", weight=0.7, unit_decoder=unit)
    assert tg.check(dense(ContractiveAutoencoder, 0, widths, 3, **others).loss, images(1, 2), order=1).ok
    sparse = dense(SparseAutoencoder, 0, widths, 3, **others)
    assert tg.check(sparse.loss, images(1, 2), order=1).ok


def test_random_directions_estimate_the_penalty_without_bias():
    x = images(2)
    for unit in (False, True):
        others = dict(code_activation="sigmoid", weight=1, unit_decoder=unit)
        exact = dense(ContractiveAutoencoder, 3, **others).terms(x).penalty.item()
        rough = dense(ContractiveAutoencoder, 3, directions=1, **others)
        draws = np.array([rough.terms(x, rng(seed)).penalty.item() for seed in range(400)])
        assert abs(draws.mean() - exact) < 4 * draws.std(ddof=1) / np.sqrt(len(draws))
        assert draws.std() > 0
    with pytest.raises(TypeError, match=r"pass rng=np.random.default_rng\(0\)"):
        rough.loss(x)


def test_a_convolutional_encoder_has_an_exact_penalty():
    model = ContractiveAutoencoder.conv(
        (4, 4, 1), (2, 3), 3, hidden=4, activation="tanh", weight=1, rng=rng(), dtype=np.float64
    )
    x = rng(1).random((2, 4, 4, 1))
    rates = difference_jacobian(model, x)
    assert model.terms(x).penalty.item() == pytest.approx((rates**2).sum() / len(x), rel=1e-6)


# -- what both share ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SparseAutoencoder, ContractiveAutoencoder])
@given(SEEDS, st.floats(1e-3, 1e3))
def test_scaling_the_code_cheats_the_penalty_unless_it_is_measured_in_decoder_units(kind, seed, scale):
    for unit in (False, True):
        model, x = dense(kind, seed, output="linear", weight=1, unit_decoder=unit), images(seed)
        before = model.terms(x)
        down, up = model.encoder[1], model.decoder[0]
        down.weight.data, down.bias.data = down.weight.numpy() * scale, down.bias.numpy() * scale
        up.weight.data = up.weight.numpy() / scale
        after = model.terms(x)
        assert after.reconstruction.item() == pytest.approx(before.reconstruction.item(), rel=1e-8)
        power = 0 if unit else 2 if kind is ContractiveAutoencoder else 1
        assert after.penalty.item() == pytest.approx(before.penalty.item() * scale**power, rel=1e-8)


def test_decoder_units_need_a_dense_layer():
    encoder, decoder = nn.Dense(4, 2, rng=rng()), nn.Sequential(nn.ReLU(), nn.Dense(2, 4, rng=rng()))
    with pytest.raises(ValueError, match=r"a decoder that begins with a Dense layer, got ReLU\(\): write unit_decoder"):
        SparseAutoencoder(encoder, decoder, weight=1, unit_decoder=True)
    tied = dense(SparseAutoencoder, tied=True, weight=1, unit_decoder=True)
    lengths = np.linalg.norm(tied.encoder[1].weight.numpy(), axis=0)
    x = images(0)
    assert tied.terms(x).penalty.item() == pytest.approx((np.abs(tied.encode(x)) * lengths).sum() / len(x))


# -- denoising ---------------------------------------------------------------------------------------------------------


@given(SEEDS)
def test_a_denoising_autoencoder_has_the_loss_of_a_corrupted_input(seed):
    x = images(seed)
    for others, corruption in ((dict(sd=0.3), GaussianNoise(0.3)), (dict(share=0.4), Erasures(0.4))):
        model = dense(DenoisingAutoencoder, seed, **others)
        plain = Autoencoder(model.encoder, model.decoder)
        assert model.loss(x, rng(seed)).item() == plain.loss(x, rng(seed), corrupt=corruption).item()
    both = dense(DenoisingAutoencoder, seed, sd=0.3, share=0.4)
    generator = rng(seed)
    damaged = Erasures(0.4)(GaussianNoise(0.3)(x, generator), generator)
    expected = ((both.reconstruct(damaged) - x) ** 2).sum() / len(x)
    assert both.loss(x, rng(seed)).item() == pytest.approx(expected, rel=1e-12)


def test_a_denoising_autoencoder_needs_some_damage_and_a_generator():
    with pytest.raises(ValueError, match=r"expected sd or share above 0, got neither"):
        dense(DenoisingAutoencoder)
    with pytest.raises(TypeError, match=r"expected rng to be a numpy.random.Generator"):
        dense(DenoisingAutoencoder, sd=0.1).loss(images(0))
