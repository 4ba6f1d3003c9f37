"""Sampling, encoding and scoring change nothing: no mode, no array, no layer's generator; also when they fail."""

from inspect import getmembers, isclass, isfunction

import numpy as np
import pytest
from helpers.small_models import SMALL

from tinygen import models, nn
from tinygen.evaluate.classifier import Classifier
from tinygen.models.registry import BUILDERS

TRAINS = {"forward", "loss", "terms", "posterior", "likelihood", "log_weights"}  # in whatever mode the model is


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


def restless(name):
    """A small model of the registry, or a classifier, in training mode, each of its networks made restless."""
    model = Classifier((8, 8, 1), 3, rng=rng()) if name == "Classifier" else models.build({name: SMALL[name]}, rng())
    for part, network in model.named_children():
        setattr(model, part, Restless(network))
    return model


def state_of(model):
    generators = {name: g.bit_generator.state for name, g in model.generators().items()}
    modes = {name: module.training for name, module in model.named_modules()}
    return modes, {name: array.tobytes() for name, array in model.state_dict().items()}, generators


def images(n):
    return rng(1).random((n, 8, 8, 1), dtype=np.float32)


CALLS = {  # each public method that doesn't train, for n examples
    "encode": lambda model, n: model.encode(images(n)),
    "decode": lambda model, n: model.decode(rng(2).normal(size=(n, codes(model))).astype(np.float32)),
    "reconstruct": lambda model, n: model.reconstruct(images(n)),
    "interpolate": lambda model, n: model.interpolate(np.ones((n, codes(model)), np.float32), 3),
    "log_likelihood": lambda model, n: model.log_likelihood(images(n), 2, rng()),
    "noise": lambda model, n: model.noise(n, rng()),
    "sample": lambda model, n: model.sample(n, rng(), **({"steps": 2} if isinstance(model, models.Diffusion) else {})),
    "rejection_sample": lambda model, n: model.rejection_sample(n, rng(), batch_size=n),
    "reverse": lambda model, n: [next(model.reverse(n, rng(), steps=2)) for _ in range(2)],  # and then no more
    "denoise": lambda model, n: model.denoise(images(n), np.full(n, 3)),
    "features": lambda model, n: model.features(images(n)),
    "probabilities": lambda model, n: model.probabilities(np.ones((n, 84), np.float32)),
}


def codes(model):
    return getattr(model, "latent", {"ConvAutoencoder": 4, "DenseAutoencoder": 3}.get(type(model).__name__))


def methods(name):
    kind = Classifier if name == "Classifier" else type(models.build({name: SMALL[name]}, rng()))
    places = ("tinygen.models", "tinygen.evaluate")
    own = {key for key, f in getmembers(kind, isfunction) if f.__module__.startswith(places)}
    return sorted(key for key in own if not key.startswith("_"))


EVERY = [(name, method) for name in [*BUILDERS, "Classifier"] for method in methods(name) if method not in TRAINS]


def test_every_model_of_the_package_is_of_a_kind_that_is_tried_here():
    kinds = tuple({type(models.build({name: SMALL[name]}, rng())) for name in SMALL} | {Classifier})
    networks = {models.UNet, models.PointDenoiser}  # which have only `forward`
    own = {kind for _, kind in getmembers(models, isclass) if issubclass(kind, nn.Module)} - networks
    for kind in own:
        extra = {key for key, f in vars(kind).items() if isfunction(f) and not key.startswith("_")}
        assert issubclass(kind, kinds) or extra <= {*TRAINS, *CALLS}, kind


@pytest.mark.parametrize("name, method", EVERY)
def test_a_call_that_does_not_train_changes_nothing(name, method):
    model = restless(name)
    before = state_of(model)
    CALLS[method](model, 3)
    assert state_of(model) == before
    model.eval()
    before = state_of(model)
    CALLS[method](model, 3)
    assert state_of(model) == before


@pytest.mark.parametrize("name, method", [each for each in EVERY if each[1] != "noise"])
def test_nor_does_one_that_fails(name, method):
    model = restless(name)
    before = state_of(model)
    with pytest.raises(ZeroDivisionError):
        CALLS[method](model, 14)
    assert state_of(model) == before


NO_ROWS = ("interpolate", "rejection_sample", "reverse")  # their results are not one row for each of the n examples


@pytest.mark.parametrize("name, method", [each for each in EVERY if each[1] not in NO_ROWS])
def test_of_no_examples_comes_nothing(name, method):
    """Empty arrays of the right shape, not an error."""
    model = Classifier((8, 8, 1), 3, rng=rng()) if name == "Classifier" else models.build({name: SMALL[name]}, rng())
    none, some = (CALLS[method](model, n) for n in (0, 3))
    for a, b in zip(none, some) if isinstance(none, tuple) else [(none, some)]:
        assert len(a) == 0 and a.shape[1:] == b.shape[1:] and a.dtype == b.dtype


def test_evaluating_restores_each_mode_even_after_an_error():
    model = restless("DCGAN")
    modes = state_of(model)[0]
    with pytest.raises(KeyError), nn.evaluating(model):
        assert not any(module.training for _, module in model.named_modules())
        raise KeyError
    assert state_of(model)[0] == modes
