"""Measure single convolutions: forward, input gradient and weight gradient, tinygen and PyTorch in turn."""

import math
from time import perf_counter
from typing import NamedTuple

import numpy as np

from tinygen.bench.layers import DIRECTIONS, LAYERS
from tinygen.bench.processes import TINYGEN, BenchError, Log, Runner, Worker, Workers
from tinygen.bench.report import compared, in_brackets
from tinygen.io.table import columns

TURN = 5.0  # ms of a turn, at least
FEWEST = 5  # rounds
TOLERANCE = 1e-3  # relative difference between the norms of the results


class Timed(NamedTuple):
    """Milliseconds per call of one convolution in one direction, in each round, by runner."""

    layer: str
    direction: str
    flops: float  # floating-point operations of a call
    ms: dict[Runner, np.ndarray]


def measure(modes: list[str], *, threads: int, pairs: int, log: Log = print) -> tuple[list[Timed], float]:
    """Time all layers in all directions; also returns the operations per second of NumPy's matrix product."""
    found = []
    with Workers() as workers:
        for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
            workers[runner] = Worker(runner, "layers", threads=threads)
        for i, layer in enumerate(LAYERS):
            log(f"{i + 1} of {len(LAYERS)}: {layer}")
            for j, direction in enumerate(DIRECTIONS):
                ms = turns(workers, f"{layer}, {direction}", f"select {i} {j}", pairs)
                found.append(Timed(str(layer), direction, layer.flops, ms))
        return found, workers[TINYGEN].call("sgemm")["sgemm"]


def turns(
    workers: Workers, what: str, select: str, pairs: int, *, seconds: float = math.inf
) -> dict[Runner, np.ndarray]:
    """Milliseconds per call in each round, by runner, of what the command `select` prepares.

    There are `pairs` rounds, or at least five if they take longer than `seconds`.
    """
    check_norms(what, workers.call(select))
    slowest = max(reply["ms"] for reply in workers.call("run 3").values())
    times = max(1, round(TURN / slowest))
    rounds, start = [], perf_counter()
    while len(rounds) < pairs and (len(rounds) < FEWEST or perf_counter() - start < seconds):
        rounds.append(workers.call(f"run {times}"))
    return {runner: np.array([replies[runner]["ms"] for replies in rounds]) for runner in workers}


def check_norms(what: str, replies: dict[Runner, dict]) -> None:
    """Raise BenchError unless the results of all runners have the same norm, or the same list of norms."""
    ours = np.atleast_1d(replies[TINYGEN]["norm"])
    for runner, reply in replies.items():
        theirs = np.atleast_1d(reply["norm"])
        if len(ours) != len(theirs):
            raise BenchError(f"{what}: expected {len(ours)} results, as of tinygen, got {len(theirs)} by {runner}")
        for mine, other in zip(ours, theirs):
            if not abs(mine - other) <= TOLERANCE * abs(mine):
                raise BenchError(
                    f"{what}: expected results of one norm, got {mine:.6g} by tinygen and {other:.6g} by {runner}"
                )


def row(timed: Timed) -> dict:
    """One line of the table as numbers."""
    found = {"layer": timed.layer, "direction": timed.direction, **compared(timed.ms)}
    speed = {runner: timed.flops / ms["median"] / 1e6 for runner, ms in found["ms"].items()}
    return {
        **found,
        "gflops_per_second": speed["tinygen"],
        "best_gflops_per_second": speed.get(found["best"]),
    }


def table(rows: list[dict]) -> str:
    """One line per layer and direction; the legend explains the columns."""
    versus = rows[0]["ratio"] is not None
    lines = [["layer", "direction", "ms", "GFLOP/s", *(["torch ms", "GFLOP/s", "mode", "ratio"] if versus else [])]]
    for row in rows:
        name = row["layer"] if row["direction"] == DIRECTIONS[0] else ""
        line = [name, row["direction"], f"{row['ms']['tinygen']['median']:.2f}", f"{row['gflops_per_second']:.0f}"]
        if versus:
            best = row["best"]
            line += [f"{row['ms'][best]['median']:.2f}", f"{row['best_gflops_per_second']:.0f}", best.split()[-1]]
            line.append(in_brackets(row["ratio"], 2))
        lines.append(line)
    return columns(lines, numbers=len(lines[0]) - 2, ruled=True)


def legend(sgemm: float, *, versus: bool) -> str:
    text = (
        "ms: median time of a call, without bias. /2: stride 2. N: number of images.\n"
        "GFLOP/s: counted for the plain convolution, even if a kernel needs fewer operations; NumPy's product of two\n"
        f"large matrices reaches {sgemm / 1e9:.0f} here."
    )
    if versus:
        text += "\nratio: time of tinygen divided by that of PyTorch in its faster layout; below 1, tinygen is faster."
    return text
