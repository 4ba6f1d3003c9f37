"""A run writes its configuration, its log and its files into its folder, and refuses bad arguments before that."""

import math
import os
import re

import numpy as np
import pytest
from helpers.strict_json import NAMES, strict
from hypothesis import given
from hypothesis import strategies as st

import tinygen
from tinygen.runs.record import ELSEWHERE
from tinygen.runs.run import RunError, open_run

# -- what is written ---------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ANY_TEXT = st.text('aé\\"\udc80\udce9', max_size=9)  # also Python's text for a file name that is not UTF-8


@given(st.dictionaries(st.text(), JSON) | st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_the_configuration_can_be_read_back(tmp_path_factory, config):
    run = open_run(tmp_path_factory.mktemp("run") / "a" / "b", config, data={"digits": "ab12"})
    record = strict(run.path("config.json").read_text(encoding="utf-8"))
    assert record["config"] == config and record["data"] == {"digits": "ab12"}
    assert record["versions"].keys() == {"python", "machine", "tinygen", "numpy", "scipy", "numba", "llvmlite"}
    assert record["arithmetic"].keys() >= {"kernels", "cpu", "vectors"} and record["script"] == "test_run.py"
    assert record["versions"]["numpy"] == np.__version__ and record["versions"]["tinygen"] == tinygen.__version__


def test_a_configuration_may_contain_paths_and_numpy_scalars(tmp_path):
    run = open_run(tmp_path, {"lr": np.float32(0.5), "steps": np.int64(3), "out": tmp_path})
    assert strict(run.path("config.json").read_text())["config"] == {"lr": 0.5, "steps": 3, "out": str(tmp_path)}


@given(st.lists(st.dictionaries(NAMES, st.integers() | st.floats(), max_size=3), max_size=5))
def test_each_line_of_the_log_is_json_for_any_loss(tmp_path_factory, steps):
    run = open_run(tmp_path_factory.mktemp("run"), {})
    for step, figures in enumerate(steps):
        run.log(step, **figures)
    lines = [strict(line) for line in run.path("log.jsonl").read_text().splitlines()]
    assert [line.pop("step") for line in lines] == list(range(len(steps)))
    for line, figures in zip(lines, steps, strict=True):
        words = {math.inf: "inf", -math.inf: "-inf"}
        assert line == {name: words.get(value, value) if value == value else "nan" for name, value in figures.items()}


def test_a_new_run_starts_a_new_log_and_keeps_other_files(tmp_path):
    open_run(tmp_path, {}).log(0, loss=1)
    (tmp_path / "loss.png").write_bytes(b"picture")
    open_run(tmp_path, {}, overwrite=True).log(7, loss=np.float64(0.5))
    assert (tmp_path / "log.jsonl").read_bytes() == b'{"step": 7, "loss": 0.5}\n'
    assert (tmp_path / "loss.png").read_bytes() == b"picture"


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_bad_arguments_are_refused_before_anything_is_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(NotADirectoryError, match=re.escape(f"expected a folder, got a file, {file}: {ELSEWHERE}")):
        open_run(file, {})
    assert file.read_text() == "mine"
    with pytest.raises(TypeError, match="expected numbers, strings, lists and dicts in config, got ndarray"):
        open_run(tmp_path / "new", {"data": np.zeros(3)})
    with pytest.raises(ValueError):
        open_run(tmp_path / "new", {"lr": math.nan})
    with pytest.raises(ValueError, match="expected a config of at most 1,048,576 bytes, got 2,"):
        open_run(tmp_path / "new", {"text": "a" * 2_000_000})
    with pytest.raises(TypeError, match="expected data to map names to SHA-256 strings"):
        open_run(tmp_path / "new", {}, data={"digits": 3})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png"])
def test_files_of_a_run_are_inside_its_folder(tmp_path, name):
    run = open_run(tmp_path / "run", {})
    assert run.path("a/x.png") == tmp_path / "run" / "a" / "x.png"
    with pytest.raises(ValueError, match=r"Run\.path: expected a name inside"):
        run.path(name)


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
@pytest.mark.parametrize("name", ["checkpoint.npz", "log.jsonl", "figures.json", "config.json"])
def test_a_link_to_itself_is_an_error_in_one_line(tmp_path, name):
    def start(**how):
        run = open_run(tmp_path, {}, quiet=True, **how)
        run.loop(losses=[1.0]).save()
        run.finish({"a": 1.0})

    start()
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(name)
    for how in ({}, {"resume": True}, {"overwrite": True}):
        try:
            start(**how)
        except (OSError, RunError) as error:  # which the command line prints in one line
            assert str(tmp_path) in str(error)
