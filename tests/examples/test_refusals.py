"""Every option of every example and command: a bad value is refused with one line, and no file changes."""

import sys
from inspect import signature
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from helpers.examples import EXAMPLES, example

from tinygen.commands import COMMANDS, GROUPS
from tinygen.runs.cli import Number, Whole, start
from tinygen.runs.run import open_run

PROGRAMS = COMMANDS | {
    f"{group} {name}": each for group, (commands, _) in GROUPS.items() for name, each in commands.items()
}
BAD_VALUES = {  # by the type of the option; those that an option allows are left out
    int: ["0", "-1", str(-(10**30)), str(10**12), str(10**30), "1.5", "nan", "x", ""],
    float: ["0", "-1", "-0.001", "nan", "inf", "-inf", "1e30", "-1e-300", "x", ""],
}


def options(program) -> dict:
    """The numeric options of a program: name to (type, check)."""
    found = {}
    for name, hint in get_type_hints(program, include_extras=True).items():
        for check in getattr(hint, "__metadata__", ()):
            if isinstance(check, Whole | Number):
                found[name] = (float if isinstance(check, Number) else int, check)
    return found


def is_allowed(kind, check, text: str) -> bool:
    """Whether an option with this type and check accepts this text."""
    try:
        check("test", "option", kind(text))
    except ValueError:
        return False
    return True


def bad_options(program) -> list[tuple[str, str]]:
    """Pairs of an option and a bad value."""
    return [
        (name, value)
        for name, (kind, check) in options(program).items()
        for value in BAD_VALUES[kind]
        if not is_allowed(kind, check, value)
    ]


def is_refusal(program, option: str, value: str, lines: list[str]) -> bool:
    """Whether this is one line about the option."""
    name = f"--{option.replace('_', '-')}"
    about = f"{name}=" if value == "" else f"{name} to be"
    return len(lines) == 1 and about in lines[0]


def contents(folder: Path) -> dict:
    """All files except the lock, which exists as long as this process holds the refused run."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".tinygen.lock"}


@pytest.fixture
def finished(tmp_path) -> Path:
    """The folder of a finished run, with a file of the user in it."""
    run = open_run(tmp_path / "run", {"lr": 1.0})
    run.loop(losses=[1.0]).save()
    run.finish({"test": 1.0})
    run.path("model.npz").write_bytes(b"weights")
    run.path("checkpoint (copy).npz").write_bytes(b"mine")
    return tmp_path / "run"


def exit_of(monkeypatch, capsys, program, name, *arguments) -> tuple[int, list[str]]:
    """The exit code of `python NAME arguments`, and its lines on stderr."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        start(program)
    return stop.value.code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_an_example_refuses_bad_values_before_it_changes_a_file(monkeypatch, capsys, finished, name):
    program, before = example(name).main, contents(finished)
    data = ["--data", "digits"] * ("data" in signature(program).parameters)
    for option, value in bad_options(program):
        given = [*data, "--out", finished, "--overwrite", f"--{option.replace('_', '-')}={value}"]
        code, lines = exit_of(monkeypatch, capsys, program, f"{name}.py", *given)
        assert code == 2 and lines, (option, value)
        assert is_refusal(program, option, value, lines), lines
        assert contents(finished) == before, (option, value)


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_an_example_refuses_bad_data_and_bad_folders(monkeypatch, capsys, finished, tmp_path, name):
    module, before = example(name), contents(finished)
    (file := tmp_path / "file").write_bytes(b"mine")
    (empty := tmp_path / "empty").mkdir()
    wrong = [["--out", file, "--overwrite"], ["--out", file / "below"], ["--out", finished]]
    if "data" in signature(module.main).parameters:
        wrong += [["--out", finished, "--overwrite", "--data", data] for data in ("", "nope", file, empty)]
        wrong = [["--data", "digits", *given] for given in wrong]
    for given in wrong:
        code, lines = exit_of(monkeypatch, capsys, module.main, f"{name}.py", *given)
        assert code in (1, 2) and len(lines) == 1, (given, lines)
        assert contents(finished) == before and file.read_bytes() == b"mine", given


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_an_example_never_writes_among_the_pictures_that_it_learns_from(monkeypatch, capsys, tmp_path, name):
    program, pictures = example(name).main, tmp_path / "pictures"
    if "data" not in signature(program).parameters:
        pytest.skip("it has data of its own")
    pictures.mkdir()
    (tmp_path / "link").symlink_to(pictures)
    monkeypatch.chdir(pictures)
    pairs = [(pictures, pictures), (pictures, pictures / "run"), (tmp_path / "link", pictures), (".", "runs/vae")]
    for data, out in pairs:
        code, lines = exit_of(monkeypatch, capsys, program, f"{name}.py", "--data", data, "--out", out)
        expected = f"{name}.py: expected --out to be outside the folder of pictures {data}, got {out}: choose another"
        assert code == 2 and len(lines) == 1 and lines[0].startswith(expected), lines
    assert list(pictures.iterdir()) == []


def test_a_run_may_be_beside_the_pictures_or_above_them(monkeypatch, capsys, tmp_path):
    (tmp_path / "pictures").mkdir()
    for out in (tmp_path, tmp_path / "run", tmp_path / "pictures_run"):
        given = ["--data", tmp_path / "pictures", "--out", out]
        code, lines = exit_of(monkeypatch, capsys, example("vae").main, "vae.py", *given)
        assert code == 1 and "expected pictures" in lines[0], lines  # the next check: there are none


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_every_number_of_an_example_has_a_range(name):
    program = example(name).main
    numbers = {
        option
        for option, hint in get_type_hints(program).items()
        if option != "return" and {int, float} & {hint, *get_args(hint)}
    }
    assert numbers and numbers == options(program).keys()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_command_refuses_bad_values(monkeypatch, capsys, name):
    program = PROGRAMS[name]
    first = {"summary": ["VAE.dense"], "sample": ["nowhere"], "evaluate": ["digits"]}.get(name, [])
    first = {"exercise check": ["mul"], "exercise grade": ["nowhere", "--csv", "table.csv"]}.get(name, first)
    for option, value in bad_options(program):
        code, lines = exit_of(monkeypatch, capsys, program, name, *first, f"--{option.replace('_', '-')}={value}")
        assert code == 2 and is_refusal(program, option, value, lines), (option, value, lines)
    every = {option for option, hint in get_type_hints(program).items() if {int, float} & {hint, *get_args(hint)}}
    assert every == options(program).keys()


def test_running_out_of_memory_in_the_constructor_deletes_no_run(monkeypatch, capsys, finished):
    def greedy(*_, **__):
        raise MemoryError("Unable to allocate 29 PiB")

    module, before = example("vae"), contents(finished)
    monkeypatch.setattr(module, "network", greedy)
    given = ["--data", "digits", "--out", finished, "--overwrite"]
    code, lines = exit_of(monkeypatch, capsys, module.main, "vae.py", *given)
    assert (code, lines) == (1, ["vae.py: out of memory: Unable to allocate 29 PiB"]) and contents(finished) == before


@pytest.mark.parametrize(
    "name, given, message",
    [
        ("diffusion_digits", ["--channels", "10"], "channels to be a multiple of 16"),
        ("dcgan", ["--batch-size", "64", "--limit", "20"], "leaves no batch of 64 from 20 rows"),
        ("conv_autoencoder", ["--latent", "65"], "between 1 and the 64 pixels"),
        ("linear_autoencoder_is_pca", ["--latent", "64"], "below the rank of the data, got 64"),
        ("vae", ["--resume"], "got both"),
    ],
)
def test_options_that_do_not_fit_each_other_or_the_data(monkeypatch, capsys, finished, name, given, message):
    before = contents(finished)
    given = ["--data", "digits", "--out", finished, "--overwrite", *given]
    code, lines = exit_of(monkeypatch, capsys, example(name).main, f"{name}.py", *given)
    assert code == 2 and len(lines) == 1 and message in lines[0], lines
    assert contents(finished) == before
