"""Measure start-up times: the import, and the first training step with and without compiled kernels on disk."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tinygen.bench.processes import BenchError, Log

IMPORT = "from time import perf_counter as now; start = now(); import {}; print(now() - start)"
FIRST_STEP = """
from time import perf_counter as now
from tinygen.bench import workloads
step = workloads.build("conv_ae", workloads.arrays("conv_ae"))
start = now()
step()
print(now() - start)
"""  # includes the import of numba, which comes with the first kernel


def measure(*, versus: bool, tries: int = 5, log: Log = print) -> dict[str, float]:
    """Seconds by name, each measured in a fresh process; imports are medians of `tries` measurements in turn."""
    names = ("tinygen", "torch") if versus else ("tinygen",)
    for name in names:
        seconds(IMPORT.format(name))  # loads the files into the memory of the system
    log("imports")
    imports = [[seconds(IMPORT.format(name)) for name in names] for _ in range(tries)]
    found = {f"import {name}": float(median) for name, median in zip(names, np.median(imports, axis=0))}
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("empty", "filled"):
            log(f"first step of conv_ae, {cache} compiler cache")
            found[f"first step, {cache} cache"] = seconds(FIRST_STEP, {"NUMBA_CACHE_DIR": folder})
    return found


def seconds(code: str, environment: Mapping[str, str] = {}) -> float:
    """The number that `code` prints in a fresh Python process."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that Ctrl-C reaches only this process
        env={**os.environ, **environment, "PYTHONPATH": path},
    )
    if run.returncode:
        raise BenchError(f"a process failed, with the error above: {code.strip()}")
    return float(run.stdout)
