"""The house: who may import whom, what stays outside, and how long a file may grow. Read from the source, not run."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from helpers.paths import ROOT

PACKAGE = sorted((ROOT / "tinygen").rglob("*.py"))
PROJECT = sorted(p for part in ("tinygen", "examples", "tests", "tools") for p in (ROOT / part).rglob("*.py"))

# From the ground up. A module may import from the floors below its own, and from what stands to its left on its own.
FLOORS = [
    "errors io",
    "kernels",
    "tensor op grad",
    "ops",
    "functional derivatives graph gradcheck",
    "data plot runs",  # these know no engine: arrays, files and pictures only
    "testing",
    "nn optim distributions",
    "evaluate models",
    "bench commands __main__",
]
HEIGHT = {room: (floor, place) for floor, rooms in enumerate(FLOORS) for place, room in enumerate(rooms.split())}
WITHOUT_ENGINE = {*FLOORS[0].split(), *FLOORS[1].split(), *FLOORS[5].split()}


def name_of(path: Path) -> str:
    """tinygen/nn/layers.py is tinygen.nn.layers, tinygen/nn/__init__.py is tinygen.nn."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE}


def room_of(module: str) -> str:
    """The room below tinygen that a module stands in: `nn` for tinygen.nn.layers; "" for tinygen itself."""
    return module.partition(".")[2].partition(".")[0]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def at(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


@cache
def imports_of(path: Path) -> list[tuple[int, str, str]]:
    """Each import of a file, those inside functions too, as (line, module, name); not those for type checkers alone."""
    package = name_of(path).split(".") if path.name == "__init__.py" else name_of(path).split(".")[:-1]
    found, todo = [], [tree_of(path)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:  # `from tinygen.nn import init` imports a module, not a name
                inner = f"{module}.{alias.name}"
                found.append((node.lineno, inner, "") if inner in MODULES else (node.lineno, module, alias.name))
        todo += ast.iter_child_nodes(node)
    return found


def calls(path: Path) -> list[tuple[ast.Call, str]]:
    """Every call of a file, with the last part of the name that is called: `load` for np.load(...)."""
    found = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    return [(n, n.func.attr if isinstance(n.func, ast.Attribute) else getattr(n.func, "id", "")) for n in found]


# -- who may import whom -----------------------------------------------------------------------------------------------


def test_every_module_has_a_floor():
    rooms = {room_of(name) for name in MODULES} - {""}
    assert rooms <= HEIGHT.keys(), "say in FLOORS on which floor it stands"


def wrong_way(room: str, other: str, name: str) -> str:
    """Why `room` may not import `other`; empty if it may."""
    if not other:  # the roof, which shows what is below: of it only the version may be read from below
        return (
            "" if name == "__version__" or room in FLOORS[-1].split() else f"{name} is taken from the top of the house"
        )
    if room in WITHOUT_ENGINE and other not in WITHOUT_ENGINE:
        return f"{room} needs no engine, and no {other}"
    down = HEIGHT[other][0] < HEIGHT[room][0] or (HEIGHT[other][0] == HEIGHT[room][0] and HEIGHT[other] <= HEIGHT[room])
    return "" if down else f"{room} imports {other}, which stands above it"


def test_imports_point_down():
    found = [
        f"{at(path, line)}: {why}"
        for path in PACKAGE
        for line, module, name in imports_of(path)
        if room_of(name_of(path)) and module.split(".")[0] == "tinygen"
        and (why := wrong_way(room_of(name_of(path)), room_of(module), name))
    ]  # fmt: skip
    assert found == []


def test_the_rule_itself():
    assert wrong_way("ops", "nn", "Module") == "ops imports nn, which stands above it"
    assert wrong_way("tensor", "grad", "grad") == "tensor imports grad, which stands above it"
    assert wrong_way("plot", "tensor", "Tensor") == "plot needs no engine, and no tensor"
    assert wrong_way("nn", "", "grad") == "grad is taken from the top of the house"
    assert wrong_way("nn", "ops", "conv2d") == wrong_way("runs", "", "__version__") == wrong_way("nn", "nn", "") == ""


def test_no_module_imports_itself_in_a_circle():
    below = {name: {m for _, m, _ in imports_of(path)} & MODULES.keys() for name, path in MODULES.items()}
    below["tinygen"] = set()  # its __version__ is read from below; what it shows is not
    while below:
        ground = {name for name, others in below.items() if not others & (below.keys() - {name})}
        assert ground, f"a circle among {sorted(below)}"
        below = {name: others for name, others in below.items() if name not in ground}


def test_only_plot_imports_matplotlib_and_only_tests_import_test_tools():
    rooms = {"matplotlib": "plot", "torch": "bench", "hypothesis": "testing", "pytest": "testing"}
    found = [
        at(path, line)
        for path in PACKAGE
        for line, module, _ in imports_of(path)
        if room_of(name_of(path)) != rooms.get(module.split(".")[0], room_of(name_of(path)))
    ]
    assert found == []


def loaded_by(code: str) -> set[str]:
    """The packages that are in memory after `code`, in a fresh process."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return {name.split(".")[0] for name in run.stdout.split() if not name.startswith("_")}


def test_importing_tinygen_loads_numpy_and_nothing_else():
    """Not matplotlib, torch, SciPy, numba, nor the tools of tests and downloads: each is loaded where it is needed."""
    numpy = loaded_by("import numpy, numpy.random")
    assert loaded_by("import tinygen") - numpy - set(sys.stdlib_module_names) == {"tinygen"}


def test_importing_any_room_but_plot_loads_no_plots_and_no_test_tools():
    rooms = [m for m in MODULES if m.count(".") == 1 and room_of(m) not in {"plot", "bench", "commands"}]
    loaded = loaded_by("\n".join(f"import {module}" for module in rooms))
    assert not loaded & {"matplotlib", "torch", "hypothesis", "pytest", "pooch", "tqdm", "tyro"}


# -- what is not done here ---------------------------------------------------------------------------------------------

UNSAFE_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "imp", "runpy", "builtins"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}  # by their bare names: model.eval() is another matter


def test_no_code_comes_out_of_data():
    """No pickle, no evaluated text, no import by a computed name: a file that is opened can't run."""
    found = []
    for path in [p for p in PROJECT if "tests" not in p.parts]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.split(".")[0] for alias in node.names} | {getattr(node, "module", None)}
                found += [at(path, node.lineno)] * bool(names & UNSAFE_MODULES)
        for node, name in calls(path):
            full = ast.unparse(node.func)
            found += [at(path, node.lineno)] * (full in UNSAFE_CALLS or name == "import_module")
            if full.split(".")[-1] in ("load", "read_array") and full.startswith(("np.", "numpy.")):
                safe = any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in node.keywords)
                found += [f"{at(path, node.lineno)}: say allow_pickle=False"] * (not safe)
    assert found == []


def test_kernels_are_exact_about_nan_and_inf():
    """`fastmath` is a named set without nnan, ninf and afn; no loop is `parallel`, so no sum is split by luck."""
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
    """No draw from NumPy's or Python's global state; no generator hidden in a module, where it would outlive a call."""
    found = []
    for path in PROJECT:
        looks = path.name == "test_walk.py"  # it looks whether the global states have moved
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


def test_a_mistake_of_the_user_is_never_an_assert():
    """Asserts vanish under `python -O`: errors are exceptions."""
    found = [at(path, n.lineno) for path in PACKAGE for n in ast.walk(tree_of(path)) if isinstance(n, ast.Assert)]
    assert found == []


# -- how it reads ------------------------------------------------------------------------------------------------------


def test_every_file_opens_with_a_sentence():
    found = []
    for path in PROJECT:
        first = (ast.get_docstring(tree_of(path)) or "").partition("\n\n")[0]
        if not re.search(r"[.!?:][`)]?(\s|$)", first):
            found.append(f"{path.relative_to(ROOT)}: {first!r}")
    assert found == []


@pytest.mark.parametrize("part, limit", [("tinygen", 350), ("examples", 350), ("tests", 420), ("tools", 350)])
def test_files_stay_short_enough_to_read(part, limit):
    """Split by idea where one grows over the limit."""
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
