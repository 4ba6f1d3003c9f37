"""The errors of a run that can't be continued or loaded say what is wrong, and what to do, in one line."""

import sys

import numpy as np
import pytest

from tinygen import models
from tinygen.io.checkpoint import CheckpointError
from tinygen.runs import RunError, cli, open_run
from tinygen.runs.record import OVERWRITE

SIZES = {"VAE.dense": dict(shape=(4, 4, 1), widths=(5,), latent=2)}


def trained(folder, **config):
    """A run with a checkpoint and a model, and its generator."""
    run = open_run(folder, config, model=SIZES)
    run.loop(rng=np.random.default_rng(0)).save()
    models.build(SIZES, np.random.default_rng(0)).save(run.path("model.npz"))
    return run


def continued(folder, **config):
    return open_run(folder, config, model=SIZES, resume=True, quiet=True).loop(rng=np.random.default_rng(0))


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "it is truncated, or not a tinygen checkpoint"


def flip(path):
    content = bytearray(path.read_bytes())
    content[content.index(b"NUMPY")] ^= 1
    path.write_bytes(content)
    return "it is damaged, or not a tinygen checkpoint (Bad CRC-32 for file "


@pytest.mark.parametrize("damage", [truncate, flip])
def test_a_damaged_file_has_a_way_out(tmp_path, damage):
    trained(tmp_path)
    says = damage(tmp_path / "checkpoint.npz")
    with pytest.raises(CheckpointError) as caught:
        continued(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'checkpoint.npz'}: {says}")
    assert str(caught.value).endswith(f": restore it from a copy, or start over with {OVERWRITE}")
    says = damage(tmp_path / "model.npz")
    with pytest.raises(CheckpointError) as caught:
        models.load_run(tmp_path)
    assert says in str(caught.value) and str(caught.value).endswith("from a copy, or train the model again")
    assert "BadZipFile" not in str(caught.value)


def test_the_model_of_another_run_is_named_in_one_line(tmp_path):
    trained(tmp_path)
    models.Autoencoder.linear((200,), 5, rng=np.random.default_rng(0)).save(tmp_path / "model.npz")
    with pytest.raises(CheckpointError, match=r"nothing was changed: missing encoder.1.weight .*; missing ") as caught:
        models.load_run(tmp_path)
    text = str(caught.value)
    assert ":;" not in text and "  " not in text and "\n" not in text and text.endswith("or train the model again")


def test_a_damaged_record_has_a_way_out(tmp_path):
    trained(tmp_path)
    for damage in ("{", "[]", " " * 2**21):
        (tmp_path / "config.json").write_text(damage)
        with pytest.raises(RunError, match=r"config.json is .*: restore it from a copy, or choose another folder$"):
            continued(tmp_path)


@pytest.mark.parametrize(
    "then, now, hint",
    [
        (dict(epochs=8), dict(epochs=10), "epochs=8 (--epochs=8 in a shell)"),
        (dict(limit=None), dict(limit=5), "limit=None (no --limit in a shell)"),
        (dict(without_dense=True), dict(without_dense=False), "without_dense=True (--without-dense in a shell)"),
        (dict(tied=False), dict(tied=True), "tied=False (no --tied in a shell)"),
        (dict(a=1, lr=0.1), dict(a=2, lr=0.2), "a=1 (--a=1 in a shell), lr=0.1 (--lr=0.1 in a shell)"),
    ],
)
def test_other_arguments_come_with_those_of_the_run(tmp_path, then, now, hint):
    trained(tmp_path, **then)
    with pytest.raises(RunError) as caught:
        continued(tmp_path, **now)
    assert str(caught.value).endswith(f": continue with {hint}, or start over with {OVERWRITE}")
    continued(tmp_path, **then)


def test_other_data_have_no_argument_to_write(tmp_path):
    trained(tmp_path)
    with pytest.raises(RunError, match="continue with the script, the arguments and the data of that run, or start"):
        open_run(tmp_path, {}, data={"digits": "ab" * 32}, model=SIZES, resume=True)


@pytest.mark.parametrize(
    "again, says",
    [
        (dict(epochs=8), "an unfinished run: continue with --resume, start over with --overwrite, or choose another"),
        (dict(epochs=9, resume=True), "epochs was 8, is 9: continue with --epochs=8, or start over with --overwrite"),
    ],
)
def test_a_command_line_names_options_only(tmp_path, monkeypatch, capsys, again, says):
    trained(tmp_path, epochs=8)

    def main() -> None:
        config = {name: value for name, value in again.items() if name != "resume"}
        open_run(tmp_path, config, model=SIZES, resume="resume" in again)

    monkeypatch.setattr(sys, "argv", ["ex.py"])
    with pytest.raises(SystemExit) as stop:
        cli.start(cli.command(main))
    error = capsys.readouterr().err
    assert stop.value.code == 1 and says in error and "in a shell" not in error and "True" not in error
