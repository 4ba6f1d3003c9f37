"""Measuring how long one waits: for the import, and for the first training step, with and without compiled kernels."""

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
"""  # the import of numba is part of the step: it comes with the first kernel


def measure(*, versus: bool, tries: int = 5, log: Log = print) -> dict[str, float]:
    """Seconds by what they are spent on, each in a fresh process; imports are the median of `tries` in turn."""
    names = ("tinygen", "torch") if versus else ("tinygen",)
    for name in names:
        seconds(IMPORT.format(name))  # brings the files into memory
    log("imports")
    imports = [[seconds(IMPORT.format(name)) for name in names] for _ in range(tries)]
    found = {f"import {name}": float(median) for name, median in zip(names, np.median(imports, axis=0))}
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("empty", "filled"):
            log(f"first step of conv_ae, compiler's cache {cache}")
            found[f"first step, {cache} cache"] = seconds(FIRST_STEP, {"NUMBA_CACHE_DIR": folder})
    return found


def seconds(code: str, environment: Mapping[str, str] = {}) -> float:
    """What a fresh Python prints for `code`."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        env={**os.environ, **environment, "PYTHONPATH": path},
    )
    if run.returncode:
        raise BenchError(f"a process failed, and says why above: {code.strip()}")
    return float(run.stdout)
