"""Models refuse what newcomers pass: a number for a list of sizes, no generator, pixels that were not scaled."""

import re
from inspect import Parameter, isfunction, signature

import numpy as np
import pytest
from helpers.small_models import SMALL
from hypothesis import given
from hypothesis import strategies as st

from tinygen import models, nn
from tinygen.models import VAE, Autoencoder, StochasticAutoencoder
from tinygen.models.registry import BUILDERS

LISTS = ("shape", "widths", "channels", "multiples")
SIZES = [(name, each) for name, builder in BUILDERS.items() for each in LISTS if each in signature(builder).parameters]


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name, argument", [pair for pair in SIZES if pair != ("Diffusion.unet", "channels")])
def test_a_number_for_a_list_is_refused_with_the_list(name, argument):
    number = rf"expected {argument} to be a list of .*whole numbers, got 16: write \(16, ?(16)?\)$"
    with pytest.raises(TypeError, match=number):
        BUILDERS[name](**SMALL[name] | {argument: 16}, rng=rng())


@pytest.mark.parametrize("make", [lambda: nn.Reshape(3), lambda: models.UNet(image_size=8, rng=rng())])
def test_parts_of_models_refuse_it_too(make):
    with pytest.raises(TypeError, match=r"to be a list of .*whole numbers, got \d: write \("):
        make()


def needing_rng():
    """Each public method of a model that needs a generator, by the name of its class."""
    kinds = {builder.__self__ for builder in BUILDERS.values()}
    for kind in sorted(kinds, key=lambda kind: kind.__name__):
        for name in dir(kind):
            method = getattr(kind, name)
            if isfunction(method) and not name.startswith("_") and name != "corrupt":
                if getattr(signature(method).parameters.get("rng"), "default", None) is Parameter.empty:
                    yield kind, name


@pytest.mark.parametrize("kind, name", list(needing_rng()), ids=lambda each: getattr(each, "__name__", each))
def test_a_missing_generator_is_named_with_a_call_that_works(kind, name):
    builder = next(each for each in BUILDERS if each.startswith(f"{kind.__name__}."))
    model = models.build({builder: SMALL[builder]}, rng())
    *before, _ = [p.name for p in list(signature(getattr(model, name)).parameters.values()) if p.default is p.empty]
    written = f"write {kind.__name__}.{name}({', '.join(before)}, rng=np.random.default_rng(0))"
    error = rf"^{kind.__name__}\.{name}: expected rng, got nothing: {re.escape(written)}$"
    with pytest.raises(TypeError, match=error):
        getattr(model, name)(*[2] * len(before))


BOUNDED = {
    "Autoencoder.conv": {},
    "Autoencoder.dense": {},
    "Autoencoder.dense, bce": dict(loss="bce"),
    "SparseAutoencoder.dense": {},
    "ContractiveAutoencoder.dense": {},
    "DenoisingAutoencoder.dense": {},
    "StochasticAutoencoder.dense": {},
    "WassersteinAutoencoder.dense": {},
    "VAE.dense": {},
    "IWAE.dense": {},
}


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize(
    "scale, hint",
    [(255, "got 0..255: divide by 255"), (-1, "got -1..-0: scale them, or "), (np.nan, "got nan..nan: remove NaN")],
)
def test_pixels_that_no_output_can_equal_are_refused_by_the_loss(name, scale, hint):
    kind = name.partition(",")[0]
    model, before = models.build({kind: SMALL[kind] | BOUNDED[name]}, rng()), rng(1)
    x = np.zeros((2, *SMALL[kind]["shape"]), np.float32)
    x[0] = 1
    error = rf"^{kind.partition('.')[0]}\.loss: expected pixels in \[0, 1\], {re.escape(hint)}"
    with pytest.raises(ValueError, match=error):
        model.loss(x * np.float32(scale), before)
    assert before.bit_generator.state == rng(1).bit_generator.state, "nothing was computed before"
    assert np.isfinite(model.loss(x, before).item())


def test_images_of_eight_bits_are_refused_with_the_same_words():
    with pytest.raises(ValueError, match=r"VAE.loss: expected pixels in \[0, 1\], got 0..255: divide by 255"):
        VAE.dense((2, 2, 1), (3,), 2, rng=rng()).loss(np.array([[[[0], [9]], [[255], [1]]]], np.uint8), rng())


@given(st.floats(-100, 100), st.floats(0.1, 100))
def test_models_of_any_numbers_take_any_numbers(mean, sd):
    x = (mean + sd * rng().standard_normal((3, 2, 2, 1))).astype(np.float32)
    for model in (
        Autoencoder.dense((2, 2, 1), (3,), 2, output="linear", rng=rng()),
        StochasticAutoencoder.dense((2, 2, 1), (3,), 2, pixels="gaussian", output="linear", rng=rng()),
        VAE.dense((2, 2, 1), (3,), 2, pixels="gaussian", rng=rng()),
    ):
        assert np.isfinite(model.loss(x, rng()).item())


def test_rounding_in_a_mixture_of_images_is_no_error():
    x = np.full((2, 2, 2, 1), np.nextafter(np.float32(1), np.float32(2)))
    assert np.isfinite(Autoencoder.dense((2, 2, 1), (3,), 2, rng=rng()).loss(x).item())
