"""The commands of `python -m tinygen`, as a user starts them."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.processes import tinygen as in_this_process

from tinygen import __version__
from tinygen.commands import COMMANDS
from tinygen.commands.summary import NOTES
from tinygen.models import VAE
from tinygen.models.registry import BUILDERS
from tinygen.runs import open_run


def tinygen(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tinygen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env={**os.environ, **environment})


@pytest.fixture
def call(capsys):
    """The exit code, the output and the errors of `tinygen WORDS`, in this process."""
    return lambda *words: (in_this_process(*words), *capsys.readouterr())


def test_check_lists_the_ops_that_it_is_given(tmp_path, call):
    run = tinygen("check", "relu", "conv2d", "--json", str(tmp_path / "check.json"))
    assert run.returncode == 0, run.stdout + run.stderr
    rows = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert [(row["op"], row["argument"]) for row in rows] == [("relu", "x"), ("conv2d", "x"), ("conv2d", "w")]
    assert all(row["ok"] for row in rows) and "2 ops, 3 arguments: all right" in run.stdout
    code, _, err = call("check", "relu", "rellu")
    assert code == 2 and "got 'rellu'" in err and "Traceback" not in err


@pytest.mark.usefixtures("not_quick")
def test_check_lists_every_op_and_passes(tmp_path):
    from tinygen import OPS

    run = tinygen("check", "--json", str(tmp_path / "check.json"))
    assert run.returncode == 0, run.stdout + run.stderr
    rows = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert {row["op"] for row in rows} >= set(OPS)  # and a few functions that only compose them
    for name in OPS:
        assert name in run.stdout


def test_data_lists_the_sets_and_shows_one(call):
    (code, listed, _), (same, shown, _) = call("data"), call("data", "digits")
    assert code == same == 0
    assert "digits" in listed and "mnist" in listed
    assert "CC BY 4.0" in shown and "1437 training + 360 test images" in shown


def test_data_refuses_a_name_that_it_does_not_know_in_one_line(call):
    code, _, err = call("data", "no-such-set")
    assert code == 1
    assert "digits, mnist" in err and err.count("\n") == 1


def test_summary_prints_the_table_of_the_lecture(call):
    code, out, err = call("summary", "Autoencoder.conv")
    assert code == 0, err
    rows = [line.split("  ") for line in out.splitlines()]
    shapes = [cell.strip() for row in rows for cell in row if cell.strip().startswith("(B")]
    assert shapes == [
        "(B, 28, 28, 1)",
        "(B, 14, 14, 32)",
        "(B, 7, 7, 64)",
        "(B, 3136)",
        "(B, 16)",
        "(B, 10)",
        "(B, 3136)",
        "(B, 7, 7, 64)",
        "(B, 14, 14, 64)",
        "(B, 28, 28, 32)",
        "(B, 28, 28, 1)",
    ]
    assert "159,355" in out


def test_summary_refuses_an_image_size_in_one_line(call):
    code, _, err = call("summary", "Autoencoder.conv", "--image-size", "30")
    assert code == 2
    assert "30" in err and err.count("\n") == 1


def test_evaluate_trains_the_classifier_once_and_prints_its_accuracy(capsys):
    """In this process, where classifiers are kept apart from the user's."""
    from tinygen.commands import evaluate

    evaluate("digits")
    capsys.readouterr()
    evaluate("digits")
    found, accuracy = capsys.readouterr().out.splitlines()  # no progress of a training any more
    assert "1437 training + 360 test images" in found
    assert float(re.search(r"([\d.]+)% of the test images", accuracy).group(1)) > 92


def test_evaluate_refuses_pictures_without_classes_in_one_line(call, tmp_path):
    from PIL import Image

    for i in range(12):
        Image.new("L", (9, 9), 20 * i).save(tmp_path / f"{i}.png")
    code, _, err = call("evaluate", str(tmp_path))
    assert code == 2
    found, refused = err.splitlines()
    assert "12 pictures" in found and "expected data with at least two classes" in refused


# -- mistyped words, the version, the models ---------------------------------------------------------------------------


def test_without_a_command_all_are_listed(call):
    code, out, err = call()
    assert code == 2 and err == "tinygen: expected a command, got none: choose one from this list\n"
    assert (0, out, "") == call("--help")
    assert out.startswith("usage: tinygen COMMAND") and all(f"\n{name} " in out for name in COMMANDS)


@pytest.mark.parametrize("columns", ["40", "80"])
def test_lists_of_commands_models_and_data_fit_the_terminal(monkeypatch, call, columns):
    monkeypatch.setenv("COLUMNS", columns)
    for words in (["--help"], ["data"], ["summary", "GAN.conv"], ["check", "--help"], ["check", "sin", "--quiet"]):
        code, out, _ = call(*words)
        lines = [line for line in out.splitlines() if not line.startswith("usage: ")]
        assert code == 0 and max(map(len, lines)) <= int(columns), words


def test_the_version_is_shown(call):
    assert call("--version") == (0, f"tinygen {__version__}\n", "")


@pytest.mark.parametrize(
    "words, message",
    [
        (["chek"], "tinygen: unknown command chek (did you mean check?): choose one of verify, "),
        (["check", "--sed", "1"], "check: unknown option --sed (did you mean --seed?): tinygen check --help lists"),
        (["check", "rellu"], "check: expected names of ops, got 'rellu': choose from "),
        (["bench", "vae_mpl"], "bench: expected names to be one of conv_ae, vae_mlp, dcgan, unet_ddpm, mlp_ddpm_2d"),
        (["summary"], "summary: expected the name of a model, got none: choose one of Autoencoder.conv, "),
        (
            ["summary", "vae"],
            "summary: expected the name of a model, got 'vae' (did you mean VAE.conv or VAE.dense?): choose",
        ),
        (["sample"], "sample: expected RUN (folder of a run that keeps a model, such as "),
        (["data", "digits", "more"], "data: expected no further argument, got more: tinygen data --help explains"),
    ],
)
def test_mistyped_words_are_refused_in_one_line_with_a_suggestion(call, words, message):
    code, out, err = call(*words)
    assert code == 2 and err.startswith(message) and err.count("\n") == 1 and out == ""


@pytest.mark.parametrize("model", BUILDERS)
def test_summary_explains_every_model(call, model):
    code, out, _ = call("summary", model, "--image-size", "8", "--latent", "2")
    total = re.findall(r"^Total +([\d,]+)$", out, re.MULTILINE)
    assert code == 0 and len(total) == 1 + model.startswith("GAN") and "B: number of examples in a batch." in out
    assert "not used" not in out and set(NOTES) == set(BUILDERS)


@pytest.fixture
def tour(tmp_path, monkeypatch):
    """The working folder with a run in runs/tour whose model is kept in runs/tour/vae."""
    monkeypatch.chdir(tmp_path)
    open_run("runs/tour", {}).finish({})
    sizes = dict(shape=(4, 4, 1), widths=(5,), latent=2)
    run = open_run("runs/tour/vae", {}, model={"VAE.dense": sizes})
    VAE.dense(**sizes, rng=np.random.default_rng(0)).save(run.path("model.npz"))
    run.finish({})


@pytest.mark.usefixtures("tour")
def test_sample_writes_a_picture_and_the_values(call, tmp_path):
    code, out, err = call("sample", "runs/tour/vae", "-n", "3")
    assert (code, out, err) == (0, "3 samples: runs/tour/vae/drawn.png and drawn.npy (8 bits per pixel)\n", "")
    assert np.load(tmp_path / "runs/tour/vae/drawn.npy").shape == (3, 4, 4, 1)
    assert (tmp_path / "runs/tour/vae/drawn.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("tour")
@pytest.mark.parametrize(
    "folder, message",
    [
        ("runs/tour", "got runs/tour, which has none: choose one of runs/tour/vae"),
        ("runs/tour/gan", "got runs/tour/gan, which doesn't exist: choose one of runs/tour/vae"),
        ("nowhere", "got nowhere, which doesn't exist: choose one of runs/tour/vae"),
    ],
)
def test_sample_names_the_runs_that_keep_a_model(call, folder, message):
    code, out, err = call("sample", folder)
    assert (code, out) == (2, "") and err == f"sample: expected the folder of a run with a model, {message}\n"
