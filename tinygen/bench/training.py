"""Measuring the workloads: one full training step, tinygen and PyTorch in turn."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygen.bench import workloads
from tinygen.bench.processes import TINYGEN, BenchError, Log, Runner, Worker, Workers

FIRST = 3  # steps whose losses must agree
TOLERANCE = 1e-4  # relative
TURN = 100.0  # ms that a turn takes at least, in as many steps as it needs: waking up should not count
QUIET = 0.1  # processors that other programs may take without a word about it


class Measured(NamedTuple):
    """What came out for one workload: milliseconds per step in each round, and peak megabytes, by runner."""

    workload: str
    ms: dict[Runner, np.ndarray]
    megabytes: dict[Runner, float | None]
    flops: float  # of a step
    sgemm: float  # flops per second of a large matrix product
    disturbance: float  # processors that other programs kept busy meanwhile


def measure(
    workload: str, modes: Sequence[str], *, threads: int, pairs: int, batch_size: int | None = None, log: Log = print
) -> Measured:
    """Let tinygen, and PyTorch in `modes`, train `workload` in turn, `pairs` times each, after a warm-up."""
    with tempfile.TemporaryDirectory() as folder, Workers() as workers:
        arrays = Path(folder, "arrays.npz")
        np.savez(arrays, **workloads.arrays(workload, batch_size=batch_size))
        setting = dict(task="training", threads=threads, workload=workload, arrays=str(arrays))
        log(f"{workload}: warming up")
        with Workers({TINYGEN: Worker(TINYGEN, **setting)}) as before:
            before.ask("train 1")  # compiles what isn't on disk yet: the memory for that belongs to no training
        losses = {}
        for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
            try:
                workers[runner] = Worker(runner, **setting)
                losses[runner] = workers[runner].ask(f"train {FIRST}")["losses"]
            except BenchError as error:
                if runner.mode != "compiled":
                    raise
                log(f"{workload}: torch.compile is left out, for it doesn't work here: {error}")
                if runner in workers:
                    workers.pop(runner).close()
        check_losses(workload, losses)
        slowest = max(answer["ms"] for answer in workers.ask("train 3").values())
        steps = max(1, round(TURN / slowest))
        rounds, strangers = [], workers.strangers()
        for i in range(pairs):
            rounds.append({runner: answer["ms"] for runner, answer in workers.ask(f"train {steps}").items()})
            if i in (0, pairs // 2):
                times = ", ".join(f"{runner} {ms:.3g} ms" for runner, ms in rounds[-1].items())
                log(f"{workload}: round {i + 1} of {pairs}: {times}")
        disturbance = strangers()
        if disturbance > QUIET:
            log(f"{workload}: other programs kept {disturbance:.0%} of a processor busy: these times may mean little")
        megabytes = {runner: answer["megabytes"] for runner, answer in workers.ask("peak").items()}
        work = workers[TINYGEN].ask("flops")
    ms = {runner: np.array([times[runner] for times in rounds]) for runner in workers}
    return Measured(workload, ms, megabytes, work["flops"], work["sgemm"], disturbance)


def check_losses(workload: str, losses: dict[Runner, list[float]]) -> None:
    """Raise BenchError unless all runners had the same finite losses: else they did different work, or none."""
    ours = losses[TINYGEN]
    for runner, theirs in losses.items():
        for step, (a, b) in enumerate(zip(ours, theirs), 1):
            if not math.isfinite(b):
                raise BenchError(f"{workload}: the loss of step {step} is {b} by {runner}: that is no training")
            if not abs(a - b) <= TOLERANCE * abs(b):
                raise BenchError(
                    f"{workload}: the loss of step {step} is {a:.7g} by tinygen but {b:.7g} by {runner}; they should "
                    f"agree to {TOLERANCE:g}: the two sides don't do the same work, and their times don't compare"
                )
