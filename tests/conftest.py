"""Settings of the whole suite: profiles (TINYGEN_PROFILE = quick, full, long), the coverage table, and `--op NAME`."""

import os
import signal
from functools import partial
from inspect import signature
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from helpers.profiles import grows
from hypothesis import HealthCheck, Phase, settings

from tinygen.testing import CASES
from tinygen.testing.coverage import PROFILES, Coverage

# Each worker keeps one processor busy, so more threads would only get in the way. Tests of threads set their own.
os.environ["COLUMNS"] = "80"  # of tables and help, also where a developer has a wide terminal
for library in ("TINYGEN", "OPENBLAS", "OMP"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

PROFILE = os.environ.get("TINYGEN_PROFILE", "quick")
if PROFILE not in PROFILES:
    raise pytest.UsageError(f"TINYGEN_PROFILE: expected one of {', '.join(PROFILES)}, got {PROFILE!r}")

COVERAGE = Coverage()
BATTERY = Path(__file__).with_name("testing") / "test_properties.py"

for name, examples in zip(PROFILES, (8, 100, 1000)):
    settings.register_profile(
        name,
        max_examples=examples,  # of a test without its own number; the battery uses the minima of the coverage table
        deadline=None,  # a kernel compiles on its first call
        derandomize=name != "long",
        print_blob=True,
        phases=[phase for phase in Phase if phase is not Phase.explain],  # it traces every line: slow
        database=None if name != "long" else settings.default.database,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
settings.load_profile(PROFILE)


@pytest.fixture(scope="session")
def profile() -> str:
    return PROFILE


@pytest.fixture
def not_quick(profile):
    if profile == "quick":
        pytest.skip("left to the full profile: TINYGEN_PROFILE=full")


@pytest.fixture(scope="session")
def coverage() -> Coverage:
    return COVERAGE


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, even if a shell started the suite in the background and ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def classifiers(tmp_path_factory):
    """Classifiers are kept in a folder of this session: the user's cache is left alone."""
    from tinygen.evaluate import classifier

    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("classifiers")
        patch.setattr(classifier, "classifiers_folder", lambda: folder)
        yield


@pytest.fixture(scope="session")
def compiled():
    """Compile every kernel for both dtypes: numba can't compile while a test has replaced np.empty.

    Workers start from opposite ends of the list, so that each finds on disk what the other has compiled.
    """
    from tinygen import kernels
    from tinygen.bench import workloads
    from tinygen.kernels import reference
    from tinygen.ops.support.taps import Taps

    def call(name, *arguments):
        return kernels.compiled(name)(*arguments)

    def convolution(dtype, stride, c, o):
        x, w, form = np.ones((1, 3, 3, c), dtype), np.ones((3, 3, c, o), dtype), ((stride,) * 2, (1, 1), (1, 1))
        g = call("conv2d", x, w, *form)
        call("conv2d_weight", x, g, (3, 3), *form)
        call("conv_transpose2d", g, w, (3, 3), *form)

    def norm(dtype):
        x, channel = np.ones((1, 3, 3, 1), dtype), np.ones(1, dtype)
        for name, arrays in (("group_norm", (x,)), ("group_norm_vjp", (x, x))):
            call(name, *arrays, channel, channel, None, 1, 1.0, None, 0.0)

    def others(dtype):
        call("matmul", np.ones((64, 64), dtype), np.ones((64, 64), dtype))
        call("resample", np.ones((1, 3, 3, 1), dtype), [Taps.of(np.ones((1, 3))).rows] * 2)

    def elementwise(name):
        x, parameters = np.ones(1, np.float32), signature(getattr(reference, name)).parameters
        call(name, *[0.0 if parameter.annotation is float else x for parameter in parameters.values()])

    jobs = [partial(job, dtype) for dtype in (np.float32, np.float64) for job in (norm, others)]
    ways = product((np.float32, np.float64), (1, 2), (1, 16), (1, 16))  # by Winograd or direct
    jobs += [partial(convolution, *way) for way in ways]
    jobs += [partial(elementwise, name) for name, row in kernels.COMPILED.items() if row.home == "elementwise"]
    jobs += [workloads.build(name, workloads.arrays(name, batch_size=16)) for name in workloads.WORKLOADS]
    backwards = os.environ.get("PYTEST_XDIST_WORKER", "gw0")[-1] in "13579"
    for job in jobs[::-1] if backwards else jobs:
        job()


@pytest.fixture(scope="session", autouse=True)
def compiled_first(request):
    """Compile before the first test if any test needs it; otherwise every worker compiles the same kernels again."""
    if any("compiled" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("compiled")


def pytest_addoption(parser):
    parser.addoption("--op", help="run the properties of this op only, and check its rows of the coverage table")
    parser.addoption("--deeper", action="store_true", help="skip the tests that are the same in every profile")


def pytest_configure(config):
    config.addinivalue_line("markers", "properties: the battery for each op, whose examples the coverage table counts")


def pytest_collection_modifyitems(config, items):
    name, deeper = config.getoption("--op"), config.getoption("--deeper")

    def selected(item) -> bool:
        op = getattr(item, "callspec", None) and item.callspec.params.get("op")
        return (name is None or op in (None, name)) and (not deeper or grows(item))

    config.hook.pytest_deselected(items=[item for item in items if not selected(item)])
    items[:] = [item for item in items if selected(item)]


# -- the coverage table: every worker counts, the main process adds up and compares ------------------------------------


def pytest_sessionfinish(session):
    config = session.config
    if hasattr(config, "workeroutput"):  # a worker of pytest-xdist: pytest_testnodedown receives this
        config.workeroutput["coverage"] = COVERAGE.pack()
        return
    config.uncovered = COVERAGE.missing(_cases(config), PROFILE) if _complete(session) else []
    if config.uncovered:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    COVERAGE.merge(getattr(node, "workeroutput", {}).get("coverage", [[], []]))


def pytest_terminal_summary(terminalreporter, config):
    uncovered = getattr(config, "uncovered", [])
    if uncovered:
        terminalreporter.section("coverage table: too few examples", red=True)
        for line in uncovered:
            terminalreporter.line(line, red=True)


def _cases(config) -> list:
    """The cases whose rows are compared: all, or that of `--op`."""
    name = config.getoption("--op")
    return list(CASES.values()) if name is None else [CASES[name]] if name in CASES else []


def _complete(session) -> bool:
    """Whether every property test was meant to run: not one file, not -k, not --collect-only."""
    config = session.config
    if config.option.collectonly or session.shouldstop or session.shouldfail:
        return False
    narrowed = config.option.keyword or config.option.markexpr not in ("", "properties") or config.option.deselect
    again = config.getoption("lf", False) or config.getoption("stepwise", False)
    return _all_properties(config) and not narrowed and not again


def _all_properties(config) -> bool:
    """Whether the file that fills the coverage table is among the requested ones."""
    asked = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    whole = all("::" not in argument for argument in config.args)
    return whole and any(BATTERY == path or path in BATTERY.parents for path in asked)
