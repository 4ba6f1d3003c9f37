"""Measure the workloads: one training step each, tinygen and PyTorch in turn."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygen.bench import workloads
from tinygen.bench.processes import TINYGEN, BenchError, Log, Runner, Worker, Workers
from tinygen.bench.workloads import Name

FIRST = 3  # steps whose losses are compared
TOLERANCE = 1e-4  # relative
TURN = 100.0  # ms of a turn, at least: it takes several steps if they are short
QUIET = 0.1  # processors that other programs may use without a warning


class Measured(NamedTuple):
    """The result for one workload: milliseconds per step in each round, and peak megabytes, by runner."""

    workload: str
    ms: dict[Runner, np.ndarray]
    megabytes: dict[Runner, float | None]
    flops: float  # floating-point operations of a step
    sgemm: float  # floating-point operations per second of a large matrix product
    disturbance: float  # processors that other programs used meanwhile, on average


def measure(
    workload: Name, modes: Sequence[str], *, threads: int, pairs: int, batch_size: int | None = None, log: Log = print
) -> Measured:
    """Let tinygen, and PyTorch in each of `modes`, train `workload` in turn, in `pairs` rounds after a warm-up.

    `batch_size` replaces that of the workload. `log` prints a line about the progress. Raises BenchError if the losses
    of the libraries differ.
    """
    with tempfile.TemporaryDirectory() as folder, Workers() as workers:
        arrays = Path(folder, "arrays.npz")
        workloads.save_arrays(arrays, workloads.arrays(workload, batch_size=batch_size))

        def start(runner: Runner) -> Worker:
            return Worker(runner, "training", threads=threads, workload=workload, arrays=str(arrays))

        log(f"{workload}: warming up")
        with Workers({TINYGEN: start(TINYGEN)}) as compiling:
            compiling.call(
                "train 1"
            )  # compiles kernels that aren't on disk yet: that memory isn't part of the training
        losses = {}
        for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
            try:
                workers[runner] = start(runner)
                losses[runner] = workers[runner].call(f"train {FIRST}")["losses"]
            except BenchError as error:
                if runner.mode != "compiled":
                    raise
                log(f"{workload}: torch.compile is left out, because it fails here: {error}")
                if runner in workers:
                    workers.pop(runner).close()
        check_losses(workload, losses)
        slowest = max(reply["ms"] for reply in workers.call("train 3").values())
        steps = max(1, round(TURN / slowest))
        rounds, other_load = [], workers.other_load()
        for i in range(pairs):
            rounds.append({runner: reply["ms"] for runner, reply in workers.call(f"train {steps}").items()})
            if i in (0, pairs // 2):
                times = ", ".join(f"{runner} {ms:.3g} ms" for runner, ms in rounds[-1].items())
                log(f"{workload}: round {i + 1} of {pairs}: {times}")
        disturbance = other_load()
        if disturbance > QUIET:
            log(f"{workload}: other programs used {disturbance:.0%} of a processor meanwhile: the times may be wrong")
        megabytes = {runner: reply["megabytes"] for runner, reply in workers.call("peak").items()}
        work = workers[TINYGEN].call("flops")
    ms = {runner: np.array([times[runner] for times in rounds]) for runner in workers}
    return Measured(workload, ms, megabytes, work["flops"], work["sgemm"], disturbance)


def check_losses(workload: str, losses: dict[Runner, list[float]]) -> None:
    """Raise BenchError unless all runners had the same finite losses: otherwise they did different work."""
    ours = losses[TINYGEN]
    for runner, theirs in losses.items():
        for step, (a, b) in enumerate(zip(ours, theirs), 1):
            if not math.isfinite(b):
                raise BenchError(f"{workload}: expected finite losses, got {b} in step {step} by {runner}")
            if not abs(a - b) <= TOLERANCE * abs(b):
                raise BenchError(
                    f"{workload}: expected equal losses up to {TOLERANCE:g} in step {step}, got {a:.7g} by tinygen and "
                    f"{b:.7g} by {runner}: they don't do the same work, so their times can't be compared"
                )
