"""The commands of `python -m tinygen`, as a user starts them."""

import json
import os
import re
import subprocess
import sys

import pytest


def tinygen(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tinygen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env={**os.environ, **environment})


def test_check_lists_the_ops_that_it_is_given(tmp_path):
    run = tinygen("check", "relu", "conv2d", "--json", str(tmp_path / "check.json"))
    assert run.returncode == 0, run.stdout + run.stderr
    rows = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert [(row["op"], row["argument"]) for row in rows] == [("relu", "x"), ("conv2d", "x"), ("conv2d", "w")]
    assert all(row["ok"] for row in rows) and "2 ops, 3 arguments: all right" in run.stdout
    unknown = tinygen("check", "relu", "rellu")
    assert unknown.returncode == 2 and "got 'rellu'" in unknown.stderr and "Traceback" not in unknown.stderr


@pytest.mark.usefixtures("not_quick")
def test_check_lists_every_op_and_passes(tmp_path):
    from tinygen import OPS

    run = tinygen("check", "--json", str(tmp_path / "check.json"))
    assert run.returncode == 0, run.stdout + run.stderr
    rows = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert {row["op"] for row in rows} >= set(OPS)  # and a few functions that only compose them
    for name in OPS:
        assert name in run.stdout


def test_data_lists_the_sets_and_shows_one():
    listed, shown = tinygen("data"), tinygen("data", "digits")
    assert listed.returncode == shown.returncode == 0
    assert "digits" in listed.stdout and "mnist" in listed.stdout
    assert "CC BY 4.0" in shown.stdout and "1437 training + 360 test images" in shown.stdout


def test_data_refuses_a_name_that_it_does_not_know_in_one_line():
    run = tinygen("data", "no-such-set")
    assert run.returncode == 1
    assert "digits, mnist" in run.stderr and "Traceback" not in run.stderr


def test_summary_prints_the_table_of_the_lecture():
    run = tinygen("summary", "Autoencoder.conv")
    assert run.returncode == 0, run.stderr
    rows = [line.split("  ") for line in run.stdout.splitlines()]
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
    assert "159,355" in run.stdout


@pytest.mark.parametrize("model", ["Autoencoder.dense", "Autoencoder.linear", "VAE.dense"])
def test_summary_knows_the_other_models(model):
    assert tinygen("summary", model).returncode == 0


def test_summary_refuses_an_image_size_in_one_line():
    run = tinygen("summary", "Autoencoder.conv", "--image-size", "30")
    assert run.returncode == 2
    assert "30" in run.stderr and "Traceback" not in run.stderr


def test_evaluate_trains_the_classifier_once_and_prints_its_accuracy(capsys):
    """In this process, where classifiers are kept apart from the user's."""
    from tinygen.commands import evaluate

    evaluate("digits")
    capsys.readouterr()
    evaluate("digits")
    found, accuracy = capsys.readouterr().out.splitlines()  # no progress of a training any more
    assert "1437 training + 360 test images" in found
    assert float(re.search(r"([\d.]+)% of the test images", accuracy).group(1)) > 92


def test_evaluate_refuses_pictures_without_classes_in_one_line(tmp_path):
    from PIL import Image

    for i in range(12):
        Image.new("L", (9, 9), 20 * i).save(tmp_path / f"{i}.png")
    run = tinygen("evaluate", str(tmp_path))
    assert run.returncode == 2
    assert "expected data with at least two classes" in run.stderr and "Traceback" not in run.stderr
