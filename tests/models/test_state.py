"""Sampling, encoding and scoring change nothing: no mode, no array, no layer's generator; also when they fail."""

from inspect import getmembers, isclass, isfunction

import numpy as np
import pytest
from helpers.small_models import SMALL

from tinygen import models, nn
from tinygen.evaluate.classifier import Classifier
from tinygen.models.registry import BUILDERS

TRAINS = {
    "forward",
    "loss",
    "terms",
    "penalty",
    "corrupt",
    "posterior",
    "likelihood",
    "given",
    "log_weights",
}  # in whatever mode the model is


def rng(seed=0):
    return np.random.default_rng(seed)


class Restless(nn.Module):
    """A network inside all that a pass may change; its own parts are in different modes."""

    def __init__(self, inner):
        self.inner, self.dropout = inner, nn.Dropout(0.5, rng=rng(3))
        self.frozen, self.norm = nn.BatchNorm(1), nn.BatchNorm(1)
        self.frozen.training = False

    def forward(self, x, *rest):
        if len(x) > 13:
            raise ZeroDivisionError("a network that fails")
        y = self.inner(self.dropout(x), *rest)
        column = y.reshape(-1, 1)
        return y + 0 * (self.norm(column) + self.frozen(column)).sum() if y.size > 1 else y


def new(name):
    """A small model of the registry, or a classifier, in training mode."""
    return Classifier((8, 8, 1), 3, rng=rng()) if name == "Classifier" else models.build({name: SMALL[name]}, rng())


def restless(name):
    """A small model with each of its networks made restless."""
    model = new(name)
    for part, network in model.named_children():
        setattr(model, part, Restless(network))
    return model


def state_of(model):
    generators = {name: g.bit_generator.state for name, g in model.generators().items()}
    modes = {name: module.training for name, module in model.named_modules()}
    return modes, {name: array.tobytes() for name, array in model.state_dict().items()}, generators


CALLS = {  # each public method that doesn't train, for examples x (N, ...), codes z (N, K), and labels if it takes them
    "encode": lambda model, x, z, *labels: model.encode(x, *labels),
    "decode": lambda model, x, z, *labels: model.decode(z, *labels),
    "reconstruct": lambda model, x, z, *labels: model.reconstruct(x, *labels),
    "interpolate": lambda model, x, z: model.interpolate(z, 3),
    "log_likelihood": lambda model, x, z, *labels: model.log_likelihood(x, *labels, 2, rng()),
    "noise": lambda model, x, z: model.noise(len(x), rng()),
    "sample": lambda model, x, z, *labels: model.sample(
        *(labels or [len(x)]), rng(), **({"steps": 2} if isinstance(model, models.Diffusion) else {})
    ),
    "rejection_sample": lambda model, x, z: model.rejection_sample(len(x), rng(), batch_size=4 * len(x)),
    "reverse": lambda model, x, z: [next(model.reverse(len(x), rng(), steps=2)) for _ in range(2)],  # and then no more
    "denoise": lambda model, x, z: model.denoise(x, np.full(len(x), 3)),
    "features": lambda model, x, z: model.features(x),
    "probabilities": lambda model, x, z: model.probabilities(z),
}


def call(name, method, model, n):
    """Call a method of a model with n examples and n codes."""
    sizes = SMALL.get(name, dict(shape=(8, 8, 1), latent=84))  # those of the classifier
    x = rng(1).random((n, *sizes["shape"]), dtype=np.float32)
    z = rng(2).standard_normal((n, sizes.get("latent", 0)), dtype=np.float32)
    labels = [np.arange(n) % sizes["classes"]] if "classes" in sizes else []
    return CALLS[method](model, x, z, *labels)


def methods(name):
    places = ("tinygen.models", "tinygen.evaluate")
    own = {key for key, f in getmembers(type(new(name)), isfunction) if f.__module__.startswith(places)}
    return sorted(key for key in own if not key.startswith("_"))


EVERY = [(name, method) for name in [*BUILDERS, "Classifier"] for method in methods(name) if method not in TRAINS]


def test_every_class_of_models_is_tested_here():
    kinds = tuple({type(new(name)) for name in [*SMALL, "Classifier"]})
    networks = {models.UNet, models.PointDenoiser}  # which have only `forward`
    own = {kind for _, kind in getmembers(models, isclass) if issubclass(kind, nn.Module)} - networks
    for kind in own:
        extra = {key for key, f in vars(kind).items() if isfunction(f) and not key.startswith("_")}
        assert issubclass(kind, kinds) or extra <= {*TRAINS, *CALLS}, kind


@pytest.mark.parametrize("name, method", EVERY)
def test_a_call_that_does_not_train_changes_nothing(name, method):
    model = restless(name)
    before = state_of(model)
    call(name, method, model, 3)
    assert state_of(model) == before
    model.eval()
    before = state_of(model)
    call(name, method, model, 3)
    assert state_of(model) == before


@pytest.mark.parametrize("name, method", [each for each in EVERY if each[1] != "noise"])
def test_a_call_that_fails_changes_nothing(name, method):
    model = restless(name)
    before = state_of(model)
    with pytest.raises(ZeroDivisionError):
        call(name, method, model, 14)
    assert state_of(model) == before


NO_ROWS = ("interpolate", "rejection_sample", "reverse")  # their results are not one row for each of the n examples


@pytest.mark.parametrize("name, method", [each for each in EVERY if each[1] not in NO_ROWS])
def test_no_examples_give_empty_arrays(name, method):
    """Empty arrays of the right shape, not an error."""
    model = new(name)
    none, some = (call(name, method, model, n) for n in (0, 3))
    for a, b in zip(none, some) if isinstance(none, tuple) else [(none, some)]:
        assert len(a) == 0 and a.shape[1:] == b.shape[1:] and a.dtype == b.dtype


def test_evaluating_restores_each_mode_even_after_an_error():
    model = restless("GAN.conv")
    modes = state_of(model)[0]
    with pytest.raises(KeyError), nn.evaluating(model):
        assert not any(module.training for _, module in model.named_modules())
        raise KeyError
    assert state_of(model)[0] == modes
