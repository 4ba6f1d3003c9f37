"""The mirror of an encoder: from codes back to the shape of the examples, for every legal size and geometry."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import models, nn

rng = np.random.default_rng(0)


@st.composite
def image_encoders(draw):
    """A random encoder of images, and the shape that it takes."""
    shape = draw(st.tuples(st.integers(5, 20), st.integers(5, 20), st.integers(1, 3)))
    channels, layers, pair = shape[2], [], st.integers
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "transpose", "max", "avg", "norm", "act", "drop", "up"]))
        kernel, stride, padding, dilation = (
            draw(st.tuples(pair(low, high), pair(low, high))) for low, high in ((1, 3), (1, 3), (0, 1), (1, 2))
        )
        if kind in ("conv", "transpose"):
            out = draw(st.integers(1, 3))
            layer = nn.Conv2d if kind == "conv" else nn.ConvTranspose2d
            options = dict(stride=stride, padding=padding, dilation=dilation, bias=draw(st.booleans()))
            activation = draw(st.sampled_from([None, "relu", "leaky_relu", "tanh"]))
            layers.append(layer(channels, out, kernel, activation=activation, rng=rng, **options))
            channels = out
        elif kind in ("max", "avg"):
            layers.append((nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(kernel, stride=stride))
        elif kind == "norm":
            layers.append(draw(st.sampled_from([nn.BatchNorm, nn.LayerNorm, nn.InstanceNorm]))(channels))
        else:
            others = {"act": nn.SiLU, "drop": lambda: nn.Dropout(0.5, rng=rng), "up": lambda: nn.Upsample(2)}
            layers.append(others[kind]())
    if draw(st.booleans()):
        try:
            size = nn.Sequential(*layers).eval()(np.zeros((1, *shape), np.float32)).size
        except ValueError:
            assume(False)
        layers += [nn.Flatten(), nn.Dense(size, 4, rng=rng)]
    return nn.Sequential(*layers), shape


@given(image_encoders())
def test_the_mirror_returns_the_shape_of_the_input(drawn):
    encoder, shape = drawn
    x = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    try:
        code = encoder.eval()(x)
    except ValueError:  # a window that does not fit
        assume(False)
    decoder = models.mirror(encoder, shape, rng=rng).eval()
    assert decoder(code).shape == x.shape
    weights = [layer for layer in encoder if hasattr(layer, "weight") and not hasattr(layer, "eps")]
    backwards = [layer for layer in decoder if hasattr(layer, "weight") and not hasattr(layer, "eps")]
    assert [sorted(layer.weight.shape) for layer in weights] == [sorted(b.weight.shape) for b in backwards][::-1]


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2))
def test_series(length, kernel, stride, padding, dilation):
    assume(length + 2 * padding >= dilation * (kernel - 1) + 1)
    encoder = nn.Conv1d(2, 3, kernel, stride=stride, padding=padding, dilation=dilation, rng=rng)
    x = np.zeros((2, length, 2), np.float32)
    assert models.mirror(encoder, x.shape[1:], rng=rng)(encoder(x)).shape == x.shape


def test_activations_and_norms_come_in_the_order_of_the_encoder():
    encoder = nn.Sequential(
        nn.Sequential(nn.Dense(6, 5, rng=rng), nn.BatchNorm(5, momentum=0.3), nn.ELU(0.5), nn.Dropout(0.1, rng=rng)),
        nn.Dense(5, 4, activation="leaky_relu", negative_slope=0.2, bias=False, rng=rng),
        nn.Dense(4, 2, activation="tanh", rng=rng),
    )
    assert list(map(repr, models.mirror(encoder, (6,), rng=rng, output="sigmoid"))) == [
        "Dense(2, 4)",
        "LeakyReLU(0.2)",
        "Dense(4, 5, bias=False)",
        "BatchNorm(5, eps=1e-05, momentum=0.3)",
        "ELU(0.5)",
        "Dropout(0.1)",
        "Dense(5, 6)",
        "Sigmoid()",
    ]


def test_the_weights_are_new_and_the_encoder_stays_as_it_is():
    encoder = nn.Sequential(nn.Dense(4, 4, rng=rng), nn.BatchNorm(4), nn.Dense(4, 2, rng=rng)).train()
    before = encoder.state_dict()
    decoder = models.mirror(encoder, (4,), rng=rng)
    assert not {id(p) for p in encoder.parameters()} & {id(p) for p in decoder.parameters()}
    assert encoder.training and all(m.training for m in encoder)
    for name, array in encoder.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert models.mirror(nn.Dense(3, 2, rng=rng, dtype=np.float64), (3,), rng=rng)[0].weight.dtype == np.float64


def test_wrong_calls_are_refused():
    with pytest.raises(
        TypeError, match=r"mirror: expected dense layers, .* got GRU\(3, 2\): write the decoder by hand"
    ):
        models.mirror(nn.Sequential(nn.Dense(3, 3, rng=rng), Last(nn.GRU(3, 2, rng=rng))), (4, 3), rng=rng)
    with pytest.raises(ValueError, match="mirror: expected output to be None or the name of an activation, got 'no'"):
        models.mirror(nn.Dense(3, 2, rng=rng), (3,), rng=rng, output="no")
    with pytest.raises(ValueError, match=r"Dense: expected x \(..., 3\), got \(1, 4\)"):
        models.mirror(nn.Dense(3, 2, rng=rng), (4,), rng=rng)


class Last(nn.Module):
    """The outputs of a recurrent layer."""

    def __init__(self, layer):
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]

    def __repr__(self):
        return repr(self.layer)


def test_a_mirrored_network_trains():
    encoder = nn.Sequential(nn.Flatten(), nn.Dense(16, 3, activation="tanh", rng=rng), nn.Dense(3, 2, rng=rng))
    model = models.Autoencoder(encoder, models.mirror(encoder, (4, 4, 1), rng=rng))
    x = np.random.default_rng(2).random((8, 4, 4, 1)).astype(np.float32)
    opt = tg.optim.Adam(model.parameters(), 0.03)
    losses = []
    for _ in range(60):
        losses.append(model.loss(x).item())
        opt.step(tg.grad(model.loss(x), model.parameters()))
    assert losses[-1] < 0.6 * losses[0]
