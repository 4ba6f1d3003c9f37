"""Measuring single convolutions: forward, input gradient and weight gradient, tinygen and PyTorch in turn."""

from typing import NamedTuple

import numpy as np

from tinygen.bench.layers import DIRECTIONS, LAYERS
from tinygen.bench.processes import TINYGEN, BenchError, Log, Runner, Worker, Workers
from tinygen.bench.report import in_brackets, quartiles
from tinygen.io.table import columns

TURN = 5.0  # ms that a turn takes at least
TOLERANCE = 1e-3  # relative, of the norm: that both answer the same question


class Timed(NamedTuple):
    """Milliseconds per call in each round, by runner."""

    layer: str
    direction: str
    flops: float
    ms: dict[Runner, np.ndarray]


def measure(modes: list[str], *, threads: int, pairs: int, log: Log = print) -> tuple[list[Timed], float]:
    """Time every layer in every direction; also the flops per second of NumPy's own matrix product."""
    found = []
    with Workers() as workers:
        for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
            workers[runner] = Worker(runner, "layers", threads=threads)
        for i, layer in enumerate(LAYERS):
            log(f"{i + 1} of {len(LAYERS)}: {layer}")
            for j, direction in enumerate(DIRECTIONS):
                check_norms(f"{layer}, {direction}", workers.ask(f"select {i} {j}"))
                slowest = max(answer["ms"] for answer in workers.ask("run 3").values())
                times = max(1, round(TURN / slowest))
                rounds = [workers.ask(f"run {times}") for _ in range(pairs)]
                ms = {runner: np.array([answers[runner]["ms"] for answers in rounds]) for runner in workers}
                found.append(Timed(str(layer), direction, layer.flops, ms))
        return found, workers[TINYGEN].ask("sgemm")["sgemm"]


def check_norms(what: str, answers: dict[Runner, dict]) -> None:
    """Raise BenchError unless all runners got results of the same size."""
    ours = answers[TINYGEN]["norm"]
    for runner, answer in answers.items():
        if not abs(ours - answer["norm"]) <= TOLERANCE * abs(ours):
            raise BenchError(f"{what}: the result's norm is {ours:.6g} by tinygen but {answer['norm']:.6g} by {runner}")


def row(timed: Timed) -> dict:
    """One line of the table as plain numbers."""
    best = min((runner for runner in timed.ms if runner != TINYGEN), key=lambda r: np.median(timed.ms[r]), default=None)
    return {
        "layer": timed.layer,
        "direction": timed.direction,
        "ms": {str(runner): quartiles(values) for runner, values in timed.ms.items()},
        "gflops_per_second": timed.flops / np.median(timed.ms[TINYGEN]) / 1e6,
        "best": None if best is None else str(best),
        "best_gflops_per_second": None if best is None else timed.flops / np.median(timed.ms[best]) / 1e6,
        "ratio": None if best is None else quartiles(timed.ms[TINYGEN] / timed.ms[best]),
    }


def table(rows: list[dict]) -> str:
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
        "ms: median of a call, without its bias; /2: stride 2; N: images.\n"
        "GFLOP/s: of the convolution as it is defined, however few multiplications a kernel gets away with; NumPy's\n"
        f"product of two large matrices reaches {sgemm / 1e9:.0f} here."
    )
    return text + ("\nratio: tinygen's time by that of PyTorch's better layout; below 1 tinygen is faster." * versus)
