"""Every compiled kernel has a reference, a row in the table that chooses, and is only loaded when it is needed."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import ROOT

from tinygen import kernels
from tinygen.kernels import reference

KERNELS = Path(kernels.__file__).parent


def module_of(home: str):
    return import_module(f"tinygen.kernels.{'conv.choice' if home == 'conv' else home}")


def functions_of(module) -> set[str]:
    """The public functions that a file defines."""
    functions = inspect.getmembers(module, inspect.isfunction)
    found = {name for name, function in functions if function.__module__ == module.__name__}
    return {name for name in found if not name.startswith("_")} - {"filled"}


# -- compiled kernels and their references -----------------------------------------------------------------------------


def test_every_compiled_kernel_has_a_reference_with_the_same_parameters():
    for name, row in kernels.COMPILED.items():
        assert hasattr(reference, name), f"the compiled kernel {name} has no reference in reference.py"
        names = [list(inspect.signature(getattr(m, name)).parameters) for m in (module_of(row.home), reference)]
        assert names[0] == names[1], f"{name} has other parameters than its reference"


def test_every_public_function_of_a_compiled_file_is_in_the_table():
    plumbing = {
        "__init__",
        "entrywise",
        "norm_back",
        "norm_loops",
        "reference",
        "reference_cells",
        "reference_conv",
        "reference_copy",
        "reference_elementwise",
        "reference_optim",
        "reference_sums",
        "short_rows",
    }
    homes = {path.stem for path in KERNELS.glob("*.py")} - plumbing | {"conv"}
    assert homes == {row.home for row in kernels.COMPILED.values()}
    found = {(home, name) for home in homes for name in functions_of(module_of(home))}
    assert found == {(row.home, name) for name, row in kernels.COMPILED.items()}


# -- which of the two serves -------------------------------------------------------------------------------------------


def test_the_size_decides(monkeypatch):
    calls = []
    monkeypatch.setattr(kernels, "_fast", lambda name: lambda *arguments: calls.append(name) or NotImplemented)
    kernels.compiled.cache_clear()
    least = kernels.COMPILED["sigmoid"].least
    serve = kernels._by_numbers(reference.sigmoid, kernels.compiled("sigmoid"), least)
    for size, dtype, expected in ((least - 1, "f4", 0), (least, "f4", 1), (least, "f8", 0)):
        calls.clear()
        x = np.linspace(-3, 3, size, dtype=dtype)
        np.testing.assert_array_equal(serve(x), reference.sigmoid(x), strict=True)
        assert len(calls) == expected
    kernels.compiled.cache_clear()


@pytest.mark.parametrize("name", ["matmul", "conv2d", "adam", "concat"])
def test_products_and_lists_have_sizes_of_their_own(name):
    x = np.ones((2, 3, 3, 4))
    arguments = {
        "matmul": (np.ones((4, 8)), np.ones((8, 6))),
        "conv2d": (x, np.ones((1, 1, 4, 5)), (1, 1), (0, 0), (1, 1)),
        "adam": ([x, x],),
        "concat": ([x, x], 0),
    }[name]
    size = {"matmul": 4 * 8 * 6, "conv2d": 72 * 5, "adam": 144, "concat": 144}[name]
    for least, expected in ((size, "large"), (size + 1, "plain")):
        serve = kernels.COMPILED[name].count(lambda *_: "plain", lambda *_: "large", least)
        assert serve(*arguments) == expected


@pytest.mark.parametrize("array", [np.float32(2), np.ones((), np.float32), np.ones((3, 4))[::2, ::-1], np.ones((0, 2))])
def test_small_arrays_of_any_kind_are_added(array):
    np.testing.assert_array_equal(kernels.add(array, array), array + array, strict=True)


# -- in a fresh process ------------------------------------------------------------------------------------------------

SMALL_SCRIPT = """
import sys
import numpy as np
import tinygen as tg
from tinygen import nn, optim

rng = np.random.default_rng(0)
x, t = (rng.normal(size=(32, n)).astype(np.float32) for n in (2, 1))
network = nn.Sequential(nn.Dense(2, 16, rng=rng), nn.Tanh(), nn.Dense(16, 1, rng=rng))
params = network.parameters()
adam = optim.Adam(params, lr=0.01)
for _ in range(3):
    loss = tg.mean((network(tg.Tensor(x)) - t) ** 2)
    adam.step(tg.grad(loss, params))
assert np.isfinite(loss.item())
"""

LARGE_SCRIPT = """
import warnings
import numpy as np
from tinygen import kernels

x = np.linspace(-3, 3, 1 << 17, dtype=np.float32)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    results = [getattr(kernels, name)(x) for name in ("exp", "sigmoid", "silu", "exp")]
assert all((y == getattr(kernels.reference, name)(x)).all() for name, y in zip(("exp", "sigmoid", "silu"), results))
print(*[line.message for line in said], sep="\\n")
"""

WITHOUT_NUMBA = "import sys; sys.modules['numba'] = None\n"


def run(script: str, **settings: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment.pop("TINYGEN_KERNELS", None)
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment | settings, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_small_script_never_loads_numba():
    run(SMALL_SCRIPT + "assert not {'numba', 'llvmlite', 'scipy'} & sys.modules.keys()")


def test_a_large_array_loads_numba():
    run(SMALL_SCRIPT + "tg.silu(tg.Tensor(np.ones(1 << 17, np.float32))); assert 'numba' in sys.modules")


def test_without_numba_the_plain_kernels_serve_and_one_line_says_so():
    said = run(WITHOUT_NUMBA + LARGE_SCRIPT).splitlines()
    assert said == [
        "numba is not installed: the plain NumPy kernels serve, which are slower. Install it: pip install numba"
    ]
    run(WITHOUT_NUMBA + SMALL_SCRIPT)


def test_the_plain_kernels_can_be_selected():
    assert run(LARGE_SCRIPT + "import sys; assert 'numba' not in sys.modules", TINYGEN_KERNELS="reference") == "\n"
