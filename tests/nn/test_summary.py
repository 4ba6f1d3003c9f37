"""A model is shown as text: its tree, its summary and its gradient norms, from the calls that `watch` records."""

import numpy as np
import pytest
from helpers.branches import Branches, batch

import tinygen as tg
from tinygen import functional as F
from tinygen import nn


def test_repr_is_a_tree():
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=(1, 0), rng=rng),
        up=nn.Sequential(nn.ConvTranspose2d(2, 1, 3, stride=2, output_padding=1, bias=False, rng=rng), nn.Sigmoid()),
    )
    assert repr(model) == (
        "Sequential(\n"
        "  0: Conv2d(1, 2, 3, stride=2, padding=(1, 0))\n"
        "  up: Sequential(\n"
        "    0: ConvTranspose2d(2, 1, 3, stride=2, output_padding=1, bias=False)\n"
        "    1: Sigmoid()\n"
        "  )\n"
        ")"
    )


def lecture_autoencoder():
    rng = np.random.default_rng(0)
    double = dict(stride=2, padding=1, output_padding=1, rng=rng)
    return nn.Sequential(
        encoder=nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2, padding=1, rng=rng),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1, rng=rng),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dense(3136, 16, rng=rng),
            nn.ReLU(),
        ),
        latent=nn.Dense(16, 10, rng=rng),
        decoder=nn.Sequential(
            nn.Dense(10, 3136, rng=rng),
            nn.ReLU(),
            nn.Reshape((7, 7, 64)),
            nn.ConvTranspose2d(64, 64, 3, **double),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 3, **double),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 1, 3, padding=1, rng=rng),
            nn.Sigmoid(),
        ),
    )


def test_summary_prints_the_table_of_the_lecture():
    model = lecture_autoencoder()
    model.decoder.train(False)
    assert model.summary((28, 28, 1)) == (
        "Layer                        Output           Parameters\n"
        "---------------------------  ---------------  ----------\n"
        "Input                        (B, 28, 28, 1)\n"
        "encoder\n"
        "  Conv2d + ReLU              (B, 14, 14, 32)         320\n"
        "  Conv2d + ReLU              (B, 7, 7, 64)        18,496\n"
        "  Flatten                    (B, 3136)                 0\n"
        "  Dense + ReLU               (B, 16)              50,192\n"
        "latent: Dense                (B, 10)                 170\n"
        "decoder\n"
        "  Dense + ReLU               (B, 3136)            34,496\n"
        "  Reshape                    (B, 7, 7, 64)             0\n"
        "  ConvTranspose2d + ReLU     (B, 14, 14, 64)      36,928\n"
        "  ConvTranspose2d + ReLU     (B, 28, 28, 32)      18,464\n"
        "  ConvTranspose2d + Sigmoid  (B, 28, 28, 1)          289\n"
        "Total                                            159,355"
    )
    assert model.training and model.encoder[0].training and not model.decoder[0].training  # modes are put back


def test_summary_counts_shared_own_and_idle_parameters_once():
    class Odd(Branches):
        def __init__(self):
            super().__init__()
            self.idle = nn.Dense(100, 1, rng=np.random.default_rng(0))

    rows = [line.split() for line in Odd().summary((3,)).splitlines()]
    assert ["Dense", "(B,", "3)", "12"] in rows and ["Dense", "(B,", "3)", "shared"] in rows  # blocks.0, and again
    assert ["Odd", "(B,", "2),", "(B,", "2)", "9"] in rows  # scale and shifts, and two outputs
    assert ["idle", "(not", "used)", "101"] in rows
    assert rows[-1] == ["Total", str(sum(p.size for p in Odd().parameters()))]


def test_gradient_norms():
    model = nn.Sequential(nn.Dense(3, 2, rng=np.random.default_rng(0)), nn.Tanh())
    grads = tg.grad(F.mse(model(batch(0)), batch(1, d=2)), model.parameters())
    rows = [line.split() for line in model.gradient_norms(grads).splitlines()[2:]]
    weight, slope = (np.linalg.norm(a.data) for a in (model[0].weight, grads[0]))
    assert rows[0] == ["0.weight", "(3,", "2)", f"{weight:.3g}", f"{slope:.3g}", f"{slope / weight:.3g}"]
    assert rows[1] == ["0.bias", "(2,)", "0", f"{np.linalg.norm(grads[1].data):.3g}", "-"]
    with pytest.raises(ValueError, match="gradients of all 2 parameters"):
        model.gradient_norms(grads[:1])


def test_watch_sees_calls_from_inside_out():
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    x = tg.Tensor(batch(0))
    with nn.watch() as calls:
        y = model(x)
    assert [call.module for call in calls] == [model[0], model[1][0], model[1], model]
    assert calls[0].inputs == (x,) and calls[-1].output is y
    model(x)
    assert len(calls) == 4
