"""Both libraries of the benchmark do the same work: equal losses, weights and convolutions, and an equal U-Net."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tinygen as tg
from tinygen.bench import layers, training, workloads
from tinygen.bench.processes import TINYGEN, Runner
from tinygen.models import UNet

torch = pytest.importorskip("torch", minversion="2", reason="PyTorch isn't installed: nothing to compare with")
torch.set_num_threads(1)  # more threads are slower on arrays this small

from tinygen.bench import torch_layers, torch_networks, torch_workloads  # noqa: E402  only if torch is installed

# A BatchNorm after these biases cancels them, so their gradients are rounding errors; its running mean includes them.
ROUNDING = [("dcgan", key) for key in ("generator.3.bias", "discriminator.2.bias", "discriminator.3.running_mean")]


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_both_libraries_have_the_same_losses(name):
    """Three steps each: the third has seen two updates of every weight."""
    arrays = workloads.arrays(name, batch_size=8)
    losses = {TINYGEN: workloads.build(name, arrays)}
    losses |= {Runner("torch", mode): torch_workloads.build(name, arrays, mode) for mode in ("nchw", "channels_last")}
    losses = {runner: [step() for _ in range(3)] for runner, step in losses.items()}
    training.check_losses(name, losses)
    assert len(set(losses[TINYGEN])) == 3  # it does train


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_both_libraries_end_with_the_same_weights(name):
    """Differences that the losses don't show, such as a layer that one library doesn't train."""
    arrays = workloads.arrays(name, batch_size=8)
    ours = workloads.new_network(name, arrays)
    theirs = torch_workloads.new_network(name, arrays, "channels_last")
    batch = workloads.part(arrays, "batch")
    tensors = {key: torch_workloads.images_first(torch.from_numpy(a), torch.channels_last) for key, a in batch.items()}
    workloads.WORKLOADS[name].trainer(ours, batch)()
    torch_workloads.COUNTERPARTS[name][1](theirs, tensors, lambda f: f)()
    before, after = workloads.part(arrays, "weight"), ours.to_torch()
    for key, array in theirs.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            moved, expected = after[key] - before[key], array.numpy() - before[key]
            close = np.isclose(moved, expected, rtol=0.05, atol=1e-6)
            # Adam's first step is ±lr: a gradient near 0 may choose either
            assert (name, key) in ROUNDING or close.mean() > 0.99, key
            assert np.abs(moved).max() > 0, key


def test_an_epoch_takes_its_batches_one_by_one():
    arrays = workloads.arrays("conv_ae", batch_size=1)
    ours = workloads.build_autoencoder(arrays)
    steps = {TINYGEN: ours} | {
        Runner("torch", mode): torch_workloads.build_autoencoder(arrays, mode) for mode in ("nchw", "channels_last")
    }
    batches = np.random.default_rng(0).random((3, 4, 28, 28, 1), dtype=np.float32)
    training.check_losses("epoch", {runner: [step(x) for x in batches] for runner, step in steps.items()})


@pytest.mark.parametrize("direction", layers.DIRECTIONS)
@pytest.mark.parametrize("layer", layers.LAYERS, ids=str)
def test_a_convolution_is_the_same_in_both_libraries(layer, direction):
    layer = layer._replace(n=2)
    call, norm = layers.build(layer, direction)
    ours = call().data
    for mode in ("nchw", "channels_last"):
        call, their_norm = torch_layers.build(layer, direction, mode)
        theirs = call().permute(2, 3, 1, 0) if direction == "weight gradient" else call().permute(0, 2, 3, 1)
        scale = np.abs(ours).max()
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=2e-5 * scale)
        assert their_norm == pytest.approx(norm, rel=1e-5)


def test_the_unet_in_float64():
    """Output and every gradient, to rounding."""
    rng = np.random.default_rng(0)
    ours = UNet(rng=rng, channels=16, dtype=np.float64)
    for p in ours.parameters():
        p.data = 0.3 * rng.normal(size=p.shape)
    torch.set_default_dtype(torch.float64)
    try:
        theirs = torch_networks.UNet(last=False, c=16)
        theirs.load_state_dict({key: torch.from_numpy(array) for key, array in ours.to_torch().items()})
        x, t, g = rng.normal(size=(2, 8, 12, 1)), np.array([0, 977]), rng.normal(size=(2, 8, 12, 1))
        there = theirs(torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(t))
        expected = torch.autograd.grad(there, list(theirs.parameters()), torch.from_numpy(g).permute(0, 3, 1, 2))
    finally:
        torch.set_default_dtype(torch.float32)
    here = ours(x, t)
    np.testing.assert_allclose(here.data, there.detach().permute(0, 2, 3, 1).numpy(), rtol=1e-9, atol=1e-11)
    grads = dict(zip([name for name, _ in ours.named_parameters()], tg.grad(here, ours.parameters(), g)))
    for (name, _), h in zip(theirs.named_parameters(), expected, strict=True):
        axes = {4: (2, 3, 1, 0), 2: (1, 0)}.get(h.ndim, (0,))
        np.testing.assert_allclose(grads[name].data, h.permute(axes).numpy(), rtol=1e-8, atol=1e-10, err_msg=name)


@pytest.mark.usefixtures("not_quick")
def test_the_command_prints_the_ratio(tmp_path):
    file = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tinygen", "bench", "mlp_ddpm_2d", "--vs", "torch", "--quick", "--json", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    (row,) = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert set(row["ms"]) == {"tinygen", "torch eager"} and row["best"] == "torch eager"
    assert row["rounds"] == 2 and row["ratio"]["median"] > 0
    assert "geometric" in run.stdout and torch.__version__.split("+")[0] in run.stdout  # "mean" may be on the next line
