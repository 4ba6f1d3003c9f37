"""The commands `bench` and `warm`, as a user starts them."""

import json
import os
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from helpers.processes import tinygen

from tinygen.bench import epoch, layers, workloads
from tinygen.data.mnist import mnist_is_present


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """`python -m tinygen` with these arguments."""
    call, environment = [sys.executable, "-m", "tinygen", *arguments], {**os.environ, **environment}
    return subprocess.run(call, capture_output=True, text=True, timeout=300, env=environment)


def test_it_works_without_pytorch(tmp_path):
    """With a module torch that can't be imported, in the workers too."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    file = tmp_path / "figures" / "bench.json"
    run = command("bench", "mlp_ddpm_2d", "--quick", "--json", str(file), PYTHONPATH=path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "ratio" not in run.stdout and "mlp_ddpm_2d" in run.stdout
    found = json.loads(file.read_text(encoding="utf-8"))
    assert [row["workload"] for row in found["rows"]] == ["mlp_ddpm_2d"]
    assert all(row["ms"]["tinygen"]["median"] > 0 and row["ratio"] is None for row in found["rows"])
    assert found["geometric mean"] is None and found["machine"]["numpy"] == np.__version__


def test_the_sheet_works_without_pytorch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    file = tmp_path / "sheet.json"
    run = command("bench", "--layers", "dropout", "--quick", "--json", str(file), PYTHONPATH=path)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert {row["kind"] for row in found} == {"dropout"}
    assert all(row["ms"]["tinygen"]["median"] > 0 and row["ratio"] is None for row in found)


def test_the_ratio_needs_pytorch(monkeypatch, capsys):
    monkeypatch.setattr(import_module("tinygen.commands.bench"), "find_spec", lambda name: None)
    assert tinygen("bench", "--vs", "torch") == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(
        "bench: --vs torch needs PyTorch, which isn't installed here: pip install torch"
    )


def test_an_unknown_name_is_refused_with_the_known_names(capsys):
    assert tinygen("bench", "conv_ea") != 0
    err = capsys.readouterr().err
    assert "conv_ea" in err and all(name in err for name in workloads.WORKLOADS)


ONE = "expected one of --layers, --scaling, --kernels, --epoch, --startup or names of models, got several: choose one"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ("--kernels", "--epoch"),
            ONE,
        ),
        (
            ("--layers", "norm", "--epoch"),
            ONE,
        ),
        (("--layers", "nrom"), "expected kinds of layers, got nrom: choose from conv, transpose, float64, dense, norm"),
        (
            ("conv_ae", "--startup"),
            ONE,
        ),
        (("--pairs", "0"), "bench: expected --pairs to be a whole number of at least 1, got 0"),
        (("--threads", "-1"), "bench: expected --threads to be a whole number of at least 1, got -1"),
        (("--vs", "tensorflow"), "bench: expected --vs to be torch, got tensorflow: "),
        (("--compile",), "--compile is a mode of PyTorch: add --vs torch"),
    ],
)
def test_bad_options_are_refused_in_one_line(capsys, arguments, message):
    assert tinygen("bench", *arguments) == 2
    out, err = capsys.readouterr()
    assert message in err and len(err.splitlines()) == 1 and out == ""


def test_warm_takes_a_step_of_each_workload(capsys):
    assert tinygen("warm") == 0
    out = capsys.readouterr().out
    assert [line.split(":")[0] for line in out.splitlines()[:-1]] == list(workloads.WORKLOADS)
    assert "all kernels are compiled and on disk; it took" in out


@pytest.mark.usefixtures("not_quick")
def test_single_convolutions_are_listed_in_every_direction(tmp_path):
    file = tmp_path / "kernels.json"
    run = command("bench", "--kernels", "--quick", "--json", str(file))
    assert run.returncode == 0, run.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert [(row["layer"], row["direction"]) for row in rows] == [
        (str(layer), direction) for layer in layers.LAYERS for direction in layers.DIRECTIONS
    ]
    assert all(row["ms"]["tinygen"]["median"] > 0 and row["ratio"] is None for row in rows)


@pytest.mark.usefixtures("not_quick")
def test_an_epoch_trains_on_every_image():
    if not mnist_is_present():
        pytest.skip("MNIST isn't on this machine")
    (row,) = epoch.measure([], threads=1, limit=128 * 23 + 1, log=lambda _: None)
    assert row["batches"] == 24 and row["seconds"] > 0 and 20 < row["loss"] < 150
    assert epoch.ratio([row]) is None and epoch.ratio([row, {"seconds": 9e9}, {"seconds": 1e9}]) < 1e-6
    assert epoch.table([row]).splitlines()[-1].startswith("tinygen ")
