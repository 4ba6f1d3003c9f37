"""A run that exists is overwritten only on request, and continued only with its own arguments, data and program."""

import json
import math
import re

import numpy as np
import pytest
from helpers.strict_json import NAMES, strict
from hypothesis import given
from hypothesis import strategies as st

from tinygen.io.checkpoint import CheckpointError
from tinygen.runs import lock
from tinygen.runs.record import ELSEWHERE, OVERWRITE, RESUME
from tinygen.runs.run import RunError, open_run, read_config

DATA = {"digits": "ab12" * 16}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != lock.NAME}


def begun(folder, **config):
    """An unfinished run with a checkpoint."""
    run = open_run(folder, config, data=DATA, model={"VAE.dense": {"latent": 3}})
    run.log(1, loss=2.0)
    run.loop(rng=np.random.default_rng(0)).save()
    return run


def early(folder, **config):
    """A run without a checkpoint."""
    open_run(folder, config, data=DATA).log(1, loss=2.0)


def done(folder, **config):
    """A finished run with its model."""
    run = begun(folder, **config)
    run.path("model.npz").write_bytes((folder / "checkpoint.npz").read_bytes())
    run.finish({"test": np.float32(0.5), "count": 3, "worst": math.inf, "none": math.nan})


# -- overwriting a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [early, begun, done])
def test_a_run_is_overwritten_only_with_the_option(tmp_path, state):
    state(tmp_path, lr=0.1)
    before = contents(tmp_path)
    how = f"start over with {OVERWRITE}, or {ELSEWHERE}"
    how = f"contains a finished run: {how}" if state is done else f"an unfinished run: continue with {RESUME}, {how}"
    with pytest.raises(RunError, match=re.escape(how)):
        open_run(tmp_path, {"lr": 0.2})
    with pytest.raises(ValueError, match="expected resume or overwrite, got both"):
        open_run(tmp_path, {"lr": 0.1}, data=DATA, resume=True, overwrite=True)
    with pytest.raises(TypeError, match="expected numbers, strings"):
        open_run(tmp_path, {"lr": np.zeros(2)}, overwrite=True)
    assert contents(tmp_path) == before
    open_run(tmp_path, {"lr": 0.2}, overwrite=True)
    assert contents(tmp_path).keys() == {"config.json", "log.jsonl"} and not (tmp_path / "log.jsonl").read_bytes()


def test_only_files_that_the_run_wrote_are_deleted(tmp_path):
    """Copies of the user stay, even one with the name of a later checkpoint."""
    run = begun(tmp_path)
    run.loop(rng=np.random.default_rng(0)).save()
    names = ["checkpoint_best.npz", "checkpoint (copy).npz", "checkpoint_02.npz", "checkpoint_3.npz", "model_best.npz"]
    for name in [*names, "index.html", "notes/checkpoint.npz"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((tmp_path / "checkpoint_2.npz").read_bytes())
    run = open_run(tmp_path, {}, overwrite=True)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} - {lock.NAME}
    assert left == {*names, "index.html", "notes/checkpoint.npz", "config.json", "log.jsonl"}
    run.loop(), run.loop()
    with pytest.raises(RunError, match=r"checkpoint_3.npz was not written by this run, which needs that name"):
        run.loop()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["config.json", "log.jsonl", "figures.json", "model.npz", "checkpoint.npz"])
def test_files_that_are_not_of_a_run_are_left_alone(tmp_path, name, overwrite):
    (tmp_path / name).write_text("{}")
    with pytest.raises(
        RunError, match=f"contains {name} but no config.json|its config.json is not the record of a run"
    ):
        open_run(tmp_path, {}, overwrite=overwrite)
    assert contents(tmp_path) == {name: b"{}"}


# -- continuing a run --------------------------------------------------------------------------------------------------


def test_only_a_run_can_be_continued(tmp_path):
    with pytest.raises(RunError, match="contains no run to continue: start without resume=True"):
        open_run(tmp_path / "new", {}, resume=True)
    assert not (tmp_path / "new").exists()
    run = begun(tmp_path)
    for damage, says in (
        ("{", "its config.json is damaged"),
        ("[]", "not the record of a run: expected config, data, model, versions in it"),
        ('{"config": {}, "data": {}, "model": 3, "versions": {}}', "not the record of a run"),
        ('{"config": {}, "data": {"a": 3}, "model": {}, "versions": {}}', "not the record of a run"),
        ('{"config": {}, "data": {}, "model": {}, "versions": {}, "arithmetic": 3}', "not the record of a run"),
        ("[" * 100_000, "its config.json is damaged"),
        (" " * 2**21, "it has more than 1,048,576 bytes"),
    ):
        run.path("config.json").write_text(damage)
        with pytest.raises(RunError, match=says):
            open_run(tmp_path, {}, resume=True)
        with pytest.raises(RunError, match=says):
            open_run(tmp_path, {}, overwrite=True)
    run.path("config.json").unlink()
    done(tmp_path / "done")
    (tmp_path / "done" / "checkpoint.npz").unlink()
    with pytest.raises(RunError, match="a finished run without a checkpoint: start over with overwrite=True"):
        open_run(tmp_path / "done", {}, data=DATA, model={"VAE.dense": {"latent": 3}}, resume=True)
    with pytest.raises(RunError, match="expected the folder of a run"):
        read_config(tmp_path)


def test_a_run_without_a_checkpoint_starts_from_the_beginning(tmp_path, capsys):
    early(tmp_path)
    run = open_run(tmp_path, {}, data=DATA, resume=True)
    assert "this run has no checkpoint yet: it starts from the beginning" in capsys.readouterr().out
    assert run.path("log.jsonl").read_bytes() == b"" and str(run.loop()) == "no step"


def test_log_lines_after_the_checkpoint_are_dropped(tmp_path, capsys):
    run = begun(tmp_path)
    run.log(2, loss=1.0)
    run = open_run(tmp_path, {}, data=DATA, model={"VAE.dense": {"latent": 3}}, resume=True)
    assert len(run.path("log.jsonl").read_bytes().splitlines()) == 2  # none is dropped before the checkpoint is loaded
    run.loop(rng=np.random.default_rng(1))
    assert run.path("log.jsonl").read_bytes() == b'{"step": 1, "loss": 2.0}\n'
    assert "continuing from checkpoint.npz, after no step" in capsys.readouterr().out


def test_a_resumed_finished_run_prints_that_it_is_finished(tmp_path, capsys):
    begun(tmp_path, lr=0.1).finish({})
    same = dict(data=DATA, model={"VAE.dense": {"latent": 3}}, resume=True)
    open_run(tmp_path, {"lr": 0.1}, **same)
    assert "this run is finished: no training" in capsys.readouterr().out
    open_run(tmp_path, {"lr": 0.1}, **same, quiet=True).loop(rng=np.random.default_rng(0))
    assert capsys.readouterr().out == ""


def test_figures_are_json_too(tmp_path):
    done(tmp_path)
    figures = strict((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures == {"test": 0.5, "count": 3, "worst": "inf", "none": "nan"}


# -- other arguments, data and programs --------------------------------------------------------------------------------


@given(
    st.dictionaries(NAMES, st.integers(0, 3) | st.tuples(st.booleans()), max_size=4),
    st.dictionaries(NAMES, st.integers(0, 3) | st.tuples(st.booleans()), max_size=4),
)
def test_other_arguments_are_refused_and_named(tmp_path_factory, then, now):
    folder = tmp_path_factory.mktemp("run")
    begun(folder, **then)
    before, model = contents(folder), {"VAE.dense": {"latent": 3}}
    differing = {name for name in then.keys() | now.keys() if then.get(name, "none") != now.get(name, "none")}
    if not differing:
        run = open_run(folder, now, data=DATA, model=model, resume=True)
        assert contents(folder) == before and run.folder == folder
        return
    with pytest.raises(RunError, match="contains a run with other arguments or data") as error:
        open_run(folder, now, data=DATA, model=model, resume=True)
    named = set(re.findall(r"(\w+) was", str(error.value)))
    assert named == differing and contents(folder) == before


def test_other_data_or_another_model_are_refused_and_named(tmp_path):
    begun(tmp_path)
    before, model = contents(tmp_path), {"VAE.dense": {"latent": 3}}
    with pytest.raises(RunError, match=r"the data were digits \(ab12ab12ab12\), are mnist \(cd34\)"):
        open_run(tmp_path, {}, data={"mnist": "cd34"}, model=model, resume=True)
    with pytest.raises(RunError, match=r'VAE.dense was \{"latent": 3\}, is \{"latent": 4\}'):
        open_run(tmp_path, {}, data=DATA, model={"VAE.dense": {"latent": 4}}, resume=True)
    assert contents(tmp_path) == before
    open_run(tmp_path, {}, data={"moved/digits": DATA["digits"]}, model=model, resume=True)  # the content counts


def opener(script):
    """`open_run` as a script of this name calls it."""
    names = {"__file__": f"examples/{script}", "open_run": open_run}
    exec("def begin(*args, **options):\n    return open_run(*args, **options)", names)
    return names["begin"]


def test_a_run_belongs_to_its_script(tmp_path):
    opener("vae.py")(tmp_path, {"lr": 0.1}).loop().save()
    before = contents(tmp_path)
    with pytest.raises(RunError, match=r'can\'t be continued: script was "vae.py", is "dcgan.py": continue with'):
        opener("dcgan.py")(tmp_path, {"width": 8}, resume=True)
    assert contents(tmp_path) == before
    assert opener("vae.py")(tmp_path, {"lr": 0.1}, resume=True).loop().path.exists()


@pytest.mark.parametrize("other", [dict(lr=0.2), dict(script="b.py"), dict(data={"digits": "cd"}), dict(swapped=True)])
def test_a_checkpoint_belongs_to_one_loop_of_one_run(tmp_path, other):
    """A run with several loops, for example one per seed: none loads the checkpoint of another loop or run."""

    def begin(folder, lr=0.1, script="a.py", data=DATA, swapped=False, resume=False):
        run = opener(script)(folder, {"lr": lr}, data=data, resume=resume)
        for _ in range(2):
            run.loop(rng=np.random.default_rng(0)).save()
        if swapped:
            for name in ("checkpoint.npz", "checkpoint_2.npz"):
                run.path(name).replace(run.path(f"{name}.old"))
            run.path("checkpoint.npz.old").replace(run.path("checkpoint_2.npz"))
            run.path("checkpoint_2.npz.old").replace(run.path("checkpoint.npz"))

    begin(tmp_path / "a")
    begin(tmp_path / "b", **other)
    for name in ("checkpoint.npz", "checkpoint_2.npz"):
        good = (tmp_path / "a" / name).read_bytes()
        (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
        with pytest.raises(CheckpointError, match=f"{name} belongs to another run or another loop"):
            begin(tmp_path / "a", resume=True)
        (tmp_path / "a" / name).write_bytes(good)
    begin(tmp_path / "a", resume=True)


def test_a_changed_program_is_an_error_in_one_line(tmp_path):
    open_run(tmp_path, {}).loop(a=[1.0], rng=np.random.default_rng(0)).save()
    for state in (dict(a=[1.0]), dict(b=[1.0], rng=np.random.default_rng(0)), dict(rng=np.random.default_rng(0))):
        with pytest.raises(RunError, match=r"checkpoint.npz doesn't fit the state of this loop: run.loop: ") as error:
            open_run(tmp_path, {}, resume=True).loop(**state)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("part, name", [("versions", "numpy"), ("versions", "llvmlite"), ("arithmetic", "cpu")])
def test_other_versions_and_processors_are_named(tmp_path, capsys, part, name):
    run = begun(tmp_path)
    record = read_config(tmp_path)
    run.path("config.json").write_text(json.dumps(record | {part: record[part] | {name: "1.0"}}))
    open_run(tmp_path, {}, data=DATA, model=record["model"], resume=True)
    assert f'results may differ in the last bits, because {name} was "1.0", is ' in capsys.readouterr().out


def test_other_kernels_are_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TINYGEN_KERNELS", "fast")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    begun(tmp_path)
    same = dict(data=DATA, model={"VAE.dense": {"latent": 3}}, resume=True)
    open_run(tmp_path, {}, **same)
    assert "bits" not in capsys.readouterr().out
    monkeypatch.setenv("TINYGEN_KERNELS", "reference")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    open_run(tmp_path, {}, **same)
    words = 'because OPENBLAS_CORETYPE was null, is "Haswell"; kernels was "fast", is "reference"'
    assert words in capsys.readouterr().out
