"""The architecture: which part may import which, what is never done, and how long a file may be.

These tests parse the source and run none of it, except where they look at what an import loads.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.architecture import (
    COMMAND,
    HEIGHT,
    MODULES,
    ONLY_IN,
    PACKAGE,
    PAGE,
    PICTURE,
    PROJECT,
    imports_of,
    page,
    part_of,
    part_of_path,
    picture,
    tree_of,
    wrong_way,
)
from helpers.paths import ROOT


def at(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def calls(path: Path) -> list[tuple[ast.Call, str]]:
    """Every call in a file, with the last part of the called name: `load` for np.load(...)."""
    found = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    return [(n, n.func.attr if isinstance(n.func, ast.Attribute) else getattr(n.func, "id", "")) for n in found]


# -- imports -----------------------------------------------------------------------------------------------------------


def test_every_part_has_a_floor():
    parts = {part_of(name) for name in MODULES} - {""}
    assert parts == HEIGHT.keys(), "edit FLOORS in tests/helpers/architecture.py"


def test_every_folder_is_a_package():
    """A folder without `__init__.py` is left out of the wheel."""
    assert [str(path) for path in PACKAGE if not path.with_name("__init__.py").exists()] == []


def test_imports_point_down():
    found = []
    for path in PACKAGE:
        part = part_of_path(path)
        for line, module, name in imports_of(path):
            if part and module.split(".")[0] == "tinygen" and (why := wrong_way(part, part_of(module), name)):
                found.append(f"{at(path, line)}: {why}")
    assert found == []


def test_the_rule_itself():
    assert wrong_way("ops", "nn", "Module") == "ops imports nn, which is above it"
    assert wrong_way("tensor", "grad", "grad") == "tensor imports grad, which is above it"
    assert wrong_way("plot", "tensor", "Tensor") == "plot works without the engine, but imports tensor"
    assert "import it from the file that defines it" in wrong_way("nn", "", "grad")
    assert wrong_way("nn", "ops", "conv2d") == wrong_way("runs", "", "__version__") == wrong_way("nn", "nn", "") == ""


def test_imports_for_type_checkers_count(tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.architecture.ROOT", tmp_path)
    path = tmp_path / "tinygen" / "tensor.py"
    path.parent.mkdir()
    path.write_text("if TYPE_CHECKING:\n    from tinygen.nn import Module\n")
    assert imports_of(path) == [(2, "tinygen.nn", "Module")]


def test_no_modules_import_each_other_in_a_circle():
    below = {name: {m for _, m, _ in imports_of(path)} & MODULES.keys() for name, path in MODULES.items()}
    below["tinygen"] = set()  # the lower parts read its __version__; what it imports comes after
    while below:
        ground = {name for name, others in below.items() if not others & (below.keys() - {name})}
        assert ground, f"a circle among {sorted(below)}"
        below = {name: others for name, others in below.items() if name not in ground}


def test_matplotlib_torch_and_test_tools_are_imported_in_one_part_each():
    found = []
    for path in PACKAGE:
        part = part_of_path(path)
        found += [at(path, n) for n, module, _ in imports_of(path) if ONLY_IN.get(module.split(".")[0], part) != part]
    assert found == []


@pytest.mark.parametrize(("path", "made"), [(PAGE, page), (PICTURE, picture)], ids=["page", "picture"])
def test_the_page_is_up_to_date(path, made):
    assert path.read_text(encoding="utf-8") == made(), f"{path.relative_to(ROOT)} is out of date: run `{COMMAND}`"


def loaded_by(code: str) -> set[str]:
    """The top-level packages that are loaded after `code` ran in a new process."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return {name.split(".")[0] for name in run.stdout.split() if not name.startswith("_")}


def test_importing_tinygen_loads_numpy_and_nothing_else():
    """Not matplotlib, torch, SciPy or numba, and no tools for tests or downloads: each is imported on first use."""
    numpy = loaded_by("import numpy, numpy.random")
    assert loaded_by("import tinygen") - numpy - set(sys.stdlib_module_names) == {"tinygen"}


def test_importing_any_part_but_plot_loads_no_plots_and_no_test_tools():
    parts = [m for m in MODULES if m.count(".") == 1 and part_of(m) not in {"plot", "bench", "commands"}]
    loaded = loaded_by("\n".join(f"import {module}" for module in parts))
    assert not loaded & {"matplotlib", "torch", "hypothesis", "pytest", "pooch", "tqdm", "tyro"}


# -- what is never done ------------------------------------------------------------------------------------------------

UNSAFE_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "imp", "runpy", "builtins"}
RUNS_SCRIPTS = {  # of lessons and of exercises, which are code
    ROOT / "tinygen" / "lessons" / "runner.py",
    ROOT / "tinygen" / "exercises" / "source.py",
}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}  # by their bare names: model.eval() is another matter


def test_no_code_comes_out_of_data():
    """No pickle, no evaluated text, no import by a computed name: reading a file never runs it."""
    found = []
    for path in [p for p in PROJECT if "tests" not in p.parts and p not in RUNS_SCRIPTS]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.split(".")[0] for alias in node.names} | {getattr(node, "module", None)}
                found += [at(path, node.lineno)] * bool(names & UNSAFE_MODULES)
        for node, name in calls(path):
            full = ast.unparse(node.func)
            found += [at(path, node.lineno)] * (full in UNSAFE_CALLS or name == "import_module")
            if full.split(".")[-1] in ("load", "read_array") and full.startswith(("np.", "numpy.")):
                safe = any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in node.keywords)
                found += [f"{at(path, node.lineno)}: pass allow_pickle=False"] * (not safe)
    assert found == []


def test_kernels_are_exact_about_nan_and_inf():
    """`fastmath` is a set without nnan, ninf and afn; no loop is `parallel`, so the order of a sum is fixed."""
    found = []
    for path in PACKAGE:
        named = {ast.unparse(n.targets[0]): n.value for n in tree_of(path).body if isinstance(n, ast.Assign)}
        for node, _ in calls(path):
            for keyword in node.keywords:
                if keyword.arg == "fastmath":
                    value = named.get(ast.unparse(keyword.value), keyword.value)
                    allowed = {"contract", "nsz", "reassoc", "arcp"}
                    safe = isinstance(value, ast.Set) and set(ast.literal_eval(value)) <= allowed
                    found += [at(path, node.lineno)] * (not safe)
                found += [at(path, node.lineno)] * (keyword.arg == "parallel")
        found += [
            at(path, n.lineno) for n in ast.walk(tree_of(path)) if getattr(n, "id", getattr(n, "attr", "")) == "prange"
        ]
    assert found == []


RANDOM_NAMES = {"Generator", "default_rng", "SeedSequence", "BitGenerator", "PCG64", "MT19937", "Philox", "SFC64"}


def test_randomness_comes_from_a_generator_that_is_passed():
    """Nothing is drawn from the global state of NumPy or Python, and no module keeps a generator between calls."""
    found = []
    for path in PROJECT:
        looks = path.name == "test_walk.py"  # it tests that the global states don't change
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                found += [at(path, node.lineno)] * (node.attr not in RANDOM_NAMES and not looks)
            if isinstance(node, ast.Import) and not looks:
                found += [at(path, node.lineno)] * ("random" in [alias.name for alias in node.names])
        if path in PACKAGE:
            kept = [
                n
                for n in tree_of(path).body
                if isinstance(n, ast.Assign)
                and any(getattr(part, "attr", "") == "default_rng" for part in ast.walk(n.value))
            ]
            found += [at(path, node.lineno) for node in kept]
    assert found == []


def test_errors_are_exceptions_and_never_asserts():
    """`python -O` removes asserts."""
    found = [at(path, n.lineno) for path in PACKAGE for n in ast.walk(tree_of(path)) if isinstance(n, ast.Assert)]
    assert found == []


# -- readability -------------------------------------------------------------------------------------------------------


def test_every_file_opens_with_a_sentence():
    found = []
    for path in PROJECT:
        title, _, below = (ast.get_docstring(tree_of(path)) or "").partition("\n\n")
        first = below.partition("\n\n")[0] if re.search(r"\n=+$", title) else title  # a lesson has a title above it
        if not re.search(r"[.!?:][`)]?(\s|$)", first):
            found.append(f"{path.relative_to(ROOT)}: {first!r}")
    assert found == []


@pytest.mark.parametrize("part, limit", [("tinygen", 350), ("examples", 350), ("tests", 350), ("tools", 350)])
def test_files_stay_short_enough_to_read(part, limit):
    """Split a file that grows over the limit by idea."""
    sizes = {
        str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines())
        for p in PROJECT
        if p.is_relative_to(ROOT / part)
    }
    assert {path: size for path, size in sizes.items() if size > limit} == {}


def test_no_path_of_one_machine():
    kinds = {".py", ".md", ".cfg", ".toml", ".yml", ".yaml", ".txt", ".json", ".html", ""}
    place = re.compile(r"(?<![\w.~)}<-])/(home|root|Users|work|mnt|workspace|private|tmp)/\w|[A-Z]:\\\\?Users")
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT)
    names = listed.stdout.split("\n") if listed.returncode == 0 else [str(p) for p in PROJECT]
    paths = [ROOT / name for name in names if name and Path(name).suffix in kinds and (ROOT / name).is_file()]
    assert len(paths) >= len(PACKAGE) // 2
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if place.search(line)
    ]
    assert found == []
