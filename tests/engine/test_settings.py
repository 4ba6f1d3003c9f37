"""A NumPy number as a setting gives the same bits and the same dtype as the Python number, so float32 stays float32.

Objects keep Python numbers: neither NumPy's, which promote, nor an array that the caller may still write to.
"""

import inspect

import numpy as np
import pytest

import tinygen as tg
from tinygen import functional as F
from tinygen import models, nn, optim
from tinygen.distributions import Bernoulli, Normal
from tinygen.testing import CASES

KINDS = (np.float64, np.float32, np.array)


def as_numpy(kind, value):
    """`value`, if it is a number that `kind` holds exactly, as one of NumPy's numbers or an array of no axes."""
    if isinstance(value, tuple):
        return tuple(as_numpy(kind, each) for each in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or float(kind(value)) != value:
        return value
    return np.array(value) if kind is np.array else np.int64(value) if isinstance(value, int) else kind(value)


def in_numpy(kind, settings):
    return {name: as_numpy(kind, value) for name, value in settings.items()}


def with_numbers(kind):
    """The ops that have a setting which this kind of number can replace."""
    samples = {name: CASES[name].sample(np.random.default_rng(0))[1] for name in sorted(set(CASES) - {"astype"})}
    return [name for name, static in samples.items() if any(as_numpy(kind, v) is not v for v in static.values())]


def same(a, b):
    assert a.dtype == b.dtype == np.float32
    np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("name, kind", [(name, kind) for kind in KINDS for name in with_numbers(kind)])
def test_every_setting_of_every_op(name, kind):
    case = CASES[name]
    arrays, static = case.sample(np.random.default_rng(0))
    results = []
    for given in (static, in_numpy(kind, static)):
        xs = [tg.Tensor(a.astype(np.float32), requires_grad=True) for a in arrays]
        y = case.op(*xs, **given)
        results.append([y, *tg.grad(y, xs, np.ones(y.shape, np.float32))])
    for a, b in zip(*results):
        same(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_with_a_width(kind):
    x = np.array([[0.25, -3.0]], np.float32)
    same(F.huber(x, 0 * x, delta=1.5), F.huber(x, 0 * x, delta=as_numpy(kind, 1.5)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_every_setting_of_every_optimizer(name, kind):
    make = getattr(optim, name)
    numbers = {
        p.name: p.default if isinstance(p.default, float) else 0.25
        for p in inspect.signature(make).parameters.values()
        if p.name not in ("params", "betas", "nesterov")
    }
    weights = []
    for settings in (numbers, in_numpy(kind, numbers)):
        w = tg.Parameter(np.ones(3, np.float32))
        opt = make([w], **settings)
        for _ in range(3):
            opt.step([np.array([0.5, -1, 2], np.float32)])
        weights.append(tg.Tensor(w.data))
    same(*weights)


# -- objects -----------------------------------------------------------------------------------------------------------


def rng():
    return np.random.default_rng(0)


def network(inputs=4, outputs=4):
    return nn.Dense(inputs, outputs, rng=rng())


REQUIRED = {  # the settings without a default, and small ones in place of some defaults
    nn.Dense: dict(in_features=3, out_features=2),
    nn.Conv2d: dict(in_channels=2, out_channels=3, kernel_size=3, stride=(1, 2)),
    nn.ConvTranspose2d: dict(in_channels=2, out_channels=3, kernel_size=3, stride=2, output_padding=(0, 1)),
    nn.Conv1d: dict(in_channels=2, out_channels=3, kernel_size=3, stride=2),
    nn.ConvTranspose1d: dict(in_channels=2, out_channels=3, kernel_size=3, stride=2, output_padding=1),
    nn.InstanceNorm: dict(num_features=4, affine=True),
    nn.PixelShuffle: dict(upscale_factor=2),
    nn.Dropout: dict(p=0.25),
    nn.Embedding: dict(num_embeddings=5, embedding_dim=3),
    nn.BatchNorm: dict(num_features=4, momentum=0.25),
    nn.GroupNorm: dict(num_groups=2, num_channels=4),
    nn.LayerNorm: dict(num_features=4),
    nn.Reshape: dict(shape=(2, 3)),
    nn.Upsample: dict(scale_factor=2),
    nn.RNN: dict(input_size=2, hidden_size=3),
    nn.GRU: dict(input_size=2, hidden_size=3, num_layers=2),
    nn.LSTM: dict(input_size=2, hidden_size=3),
    nn.RNNCell: dict(input_size=2, hidden_size=3),
    nn.GRUCell: dict(input_size=2, hidden_size=3),
    nn.LSTMCell: dict(input_size=2, hidden_size=3),
    nn.MaxPool2d: dict(kernel_size=2, stride=(1, 2)),
    nn.AvgPool2d: dict(kernel_size=2, padding=1),
    nn.ELU: dict(alpha=0.5),
    nn.LeakyReLU: dict(negative_slope=0.25),
    models.GAN: dict(generator=network(3), discriminator=network(4, 1), latent=3),
    models.VAE: dict(encoder=network(4, 6), decoder=network(3), latent=3),
    models.IWAE: dict(encoder=network(4, 6), decoder=network(3), latent=3, k=2),
    models.ConditionalVAE: dict(encoder=network(4, 6), decoder=network(3), latent=3, classes=2),
    models.VAE.conv: dict(shape=(8, 8, 1), channels=(2, 3), latent=3, hidden=4),
    models.GaussianVAE: dict(encoder=network(4, 6), decoder=network(3), latent=3),
    models.Autoencoder.conv: dict(shape=(8, 8, 1), channels=(2, 3), hidden=4, latent=4),
    models.Autoencoder.dense: dict(shape=(8, 8, 1), widths=(5,), latent=3),
    models.Autoencoder.linear: dict(shape=(4,), latent=2),
    models.SparseAutoencoder: dict(encoder=network(), decoder=network(), weight=0.25, target=0.125),
    models.ContractiveAutoencoder: dict(encoder=network(), decoder=network(), weight=0.25, directions=2),
    models.DenoisingAutoencoder: dict(encoder=network(), decoder=network(), sd=0.25, share=0.5),
    models.StochasticAutoencoder: dict(encoder=network(), decoder=network(), pixels="gaussian", variance=0.25),
    models.WassersteinAutoencoder: dict(encoder=network(), decoder=network(), latent=3, weight=0.5),
    models.VAE.dense: dict(shape=(8, 8, 1), widths=(5,), latent=3),
    models.GAN.conv: dict(shape=(8, 8, 1), channels=(2, 4), latent=3),
    models.GAN.dense: dict(shape=(2,), widths=(8,), latent=3),
    models.Diffusion.unet: dict(shape=(8, 8, 1), channels=16, multiples=(1, 2), overview=True),
    models.Diffusion.points: dict(shape=(2,), features=4, hidden=5),
    models.PointDenoiser: dict(features=4, hidden=5),
    models.UNet: dict(channels=16, multiples=(1, 2), image_size=(8, 8)),
    models.Diffusion: dict(network=network(), schedule=models.linear_schedule(10), shape=(8, 8, 1), clip=0.5),
    models.GaussianNoise: dict(sd=0.25),
    models.Erasures: dict(share=0.25),
    models.GaussianMixture: dict(means=np.ones((2, 3)), sd=0.5, weights=(0.25, 0.75)),
    models.NoiseSchedule: dict(betas=(0.125, 0.25)),
    models.linear_schedule: dict(num_train_timesteps=10),
    models.cosine_schedule: dict(num_train_timesteps=10),
    models.sinusoidal_embedding: dict(t=np.arange(3), features=4),
    Normal: dict(mu=0.5, log_var=0.25),
    Bernoulli: dict(logits=0.5),
    optim.cosine: dict(lr=0.25, total=10, final=0.125, warmup=2),
    optim.step_decay: dict(lr=0.25, every=3),
    optim.warmup: dict(schedule=0.25, steps=3),
    optim.clip_by_norm: dict(grads=[np.ones(3, np.float32)], max_norm=0.5),
    optim.EMA: dict(params=[tg.Parameter(np.ones(3, np.float32))], decay=0.5),
}
WITHOUT_NUMBERS = {models.Autoencoder, models.Diagnosis, models.PCA, models.WienerFilter, nn.Sequential, nn.Module}


def parameters_of(make):
    return [p for p in inspect.signature(make).parameters.values() if p.kind is not p.VAR_KEYWORD]


def test_every_layer_and_model_is_in_the_table():
    classes = {v for space in (nn, models) for n in space.__all__ if isinstance(v := getattr(space, n), type)}
    assert {kind for kind in classes if parameters_of(kind)} - WITHOUT_NUMBERS <= REQUIRED.keys()


def same_state(a, b, seen):
    """Equal in every attribute, its type included."""
    assert type(a) is type(b)
    if id(a) in seen:
        return
    seen.add(id(a))
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, tg.Tensor):
        same_state(a.data, b.data, seen)
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same_state(x, y, seen)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            same_state(a[key], b[key], seen)
    elif isinstance(a, np.random.Generator):
        assert a.bit_generator.state == b.bit_generator.state
    elif inspect.isfunction(a):  # a schedule
        same_state([a(step) for step in range(12)], [b(step) for step in range(12)], seen)
    elif hasattr(a, "__dict__") or hasattr(a, "__slots__"):
        for name in vars(a) if hasattr(a, "__dict__") else a.__slots__:
            same_state(getattr(a, name), getattr(b, name), seen)
    else:
        assert a == b


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", REQUIRED, ids=lambda make: make.__name__)
def test_every_setting_of_every_layer_model_and_schedule(make, kind):
    given = {p.name: p.default for p in parameters_of(make) if p.default is not p.empty} | REQUIRED[make]
    results = []
    for settings in (given, in_numpy(kind, given)):
        fresh = {"rng": rng()} if any(p.name == "rng" for p in parameters_of(make)) else {}
        results.append(make(**settings, **fresh))
    same_state(*results, set())
