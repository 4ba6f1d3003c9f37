"""What a run tells while it goes, and what it leaves behind."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen
from tinygen.run import Result, figures_table, open_run

# ---- the run's folder ----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True).filter(lambda name: name not in ("self", "step"))


def strict(text):
    """Parse JSON as every other reader would: without Python's NaN and Infinity."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


@given(st.dictionaries(st.text(), JSON))
def test_the_configuration_can_be_read_back(tmp_path_factory, config):
    run = open_run(tmp_path_factory.mktemp("run") / "a" / "b", config, data={"digits": "ab12"})
    record = strict(run.path("config.json").read_text(encoding="utf-8"))
    assert record["config"] == config and record["data"] == {"digits": "ab12"}
    assert record["versions"].keys() == {"python", "machine", "tinygen", "numpy", "scipy", "numba"}
    assert record["versions"]["numpy"] == np.__version__ and record["versions"]["tinygen"] == tinygen.__version__


def test_paths_and_numpy_scalars_may_stand_in_a_configuration(tmp_path):
    run = open_run(tmp_path, {"lr": np.float32(0.5), "steps": np.int64(3), "out": tmp_path})
    assert strict(run.path("config.json").read_text())["config"] == {"lr": 0.5, "steps": 3, "out": str(tmp_path)}


@given(st.lists(st.dictionaries(NAMES, st.integers() | st.floats(), max_size=3), max_size=5))
def test_the_log_is_json_line_by_line_whatever_the_loss_does(tmp_path_factory, steps):
    run = open_run(tmp_path_factory.mktemp("run"), {})
    for step, figures in enumerate(steps):
        run.log(step, **figures)
    lines = [strict(line) for line in run.path("log.jsonl").read_text().splitlines()]
    assert [line.pop("step") for line in lines] == list(range(len(steps)))
    for line, figures in zip(lines, steps, strict=True):
        words = {math.inf: "inf", -math.inf: "-inf"}
        assert line == {name: words.get(value, value) if value == value else "nan" for name, value in figures.items()}


def test_a_new_run_starts_a_new_log_and_leaves_other_files(tmp_path):
    open_run(tmp_path, {}).log(0, loss=1)
    (tmp_path / "loss.png").write_bytes(b"picture")
    open_run(tmp_path, {}).log(7, loss=np.float64(0.5))
    assert (tmp_path / "log.jsonl").read_bytes() == b'{"step": 7, "loss": 0.5}\n'
    assert (tmp_path / "loss.png").read_bytes() == b"picture"


def test_what_cannot_be_a_run_is_refused_before_anything_is_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(NotADirectoryError, match=re.escape(f"{file} is a file; a run needs a folder")):
        open_run(file, {})
    assert file.read_text() == "mine"
    with pytest.raises(TypeError, match="config must hold numbers, strings, lists and dicts, got ndarray"):
        open_run(tmp_path / "new", {"data": np.zeros(3)})
    with pytest.raises(ValueError):
        open_run(tmp_path / "new", {"lr": math.nan})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png"])
def test_a_file_of_the_run_lies_in_its_folder(tmp_path, name):
    run = open_run(tmp_path / "run", {})
    assert run.path("a/x.png") == tmp_path / "run" / "a" / "x.png"
    with pytest.raises(ValueError, match="leads out of the run's folder"):
        run.path(name)


# ---- the closing table ---------------------------------------------------------------------------------------------

CELLS = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(CELLS, CELLS | st.floats() | st.integers(), CELLS, CELLS), max_size=6))
def test_the_table_is_aligned_and_loses_nothing(rows):
    text = figures_table([Result(*row) for row in rows], quiet=True)
    head, rule, *lines = text.splitlines()
    assert head.split() == ["figure", "value", "reference", "verdict"] and len(lines) == len(rows)
    starts = [match.start() for match in re.finditer("-+", rule)]
    for (figure, value, reference, verdict), line in zip(rows, lines, strict=True):
        cells = [line[a:b].rstrip() for a, b in zip(starts, [*starts[1:], None])]
        assert cells[0] == figure and cells[2:] == [reference, verdict]
        if isinstance(value, float) and math.isfinite(value):
            assert float(cells[1]) == pytest.approx(value, rel=1e-5)
        else:
            assert cells[1] == str(value)


def test_the_table_is_printed_unless_quiet(capsys):
    text = figures_table([Result("test error", 13.1043, "26.714 (PCA)", "below"), ("parameters", 159355)])
    assert capsys.readouterr().out == text + "\n"
    assert text.splitlines()[2:] == ["test error  13.1043  26.714 (PCA)  below", "parameters  159355"]
    figures_table([], quiet=True)
    assert capsys.readouterr().out == ""
