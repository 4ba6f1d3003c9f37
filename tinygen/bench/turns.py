"""Workers that take turns: tinygen, then PyTorch in each of its modes, then tinygen again, and so on.

So both meet the same moods of the machine, and a ratio within one round is worth more than two medians.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygen.bench import workloads

FIRST = 3  # steps whose losses must agree
TOLERANCE = 1e-4  # relative
TURN = 100.0  # ms that a turn takes at least: waking up must not count


class BenchError(RuntimeError):
    """A measurement that can't be made or would mean nothing."""


class Runner(NamedTuple):
    """One column of the measurement: a library and its mode."""

    library: str
    mode: str

    def __str__(self) -> str:
        return self.library if self.library == "tinygen" else f"{self.library} {self.mode}"


TINYGEN = Runner("tinygen", "")


class Worker:
    """The process of one runner, and what it answers."""

    def __init__(self, runner: Runner, workload: str, arrays: Path, threads: int):
        self.runner = runner
        count = str(threads)
        names = ("TINYGEN_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tinygen.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **dict.fromkeys(names, count), "PYTHONPATH": path},
        )
        setting = dict(library=runner.library, workload=workload, mode=runner.mode)
        self.ask(json.dumps(setting | dict(arrays=str(arrays), threads=threads)))

    def ask(self, line: str) -> dict:
        """Send one line and wait for the answer to it; raises BenchError if there is none, or it is an error."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            text = self.process.stdout.readline()
        except OSError:
            text = ""
        answer = json.loads(text) if text else {"error": "the worker ended without an answer"}
        if "error" in answer:
            raise BenchError(f"{self.runner}: {answer['error']}")
        return answer

    def close(self) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Measured(NamedTuple):
    """What came out for one workload: milliseconds per step of each round, and peak megabytes, by runner."""

    workload: str
    ms: dict[Runner, np.ndarray]
    megabytes: dict[Runner, float | None]
    flops: float
    sgemm: float


def measure(workload: str, modes: list[str], *, threads: int, pairs: int, batch_size: int | None, say) -> Measured:
    """Let tinygen and PyTorch in `modes` train `workload` in turn, `pairs` times each, after a warm-up."""
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder, "arrays.npz")
        np.savez(arrays, **workloads.arrays(workload, batch_size=batch_size))
        workers: dict[Runner, Worker] = {}
        try:
            losses = {}
            for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
                say(f"{workload}: {runner}: starting")
                try:
                    workers[runner] = Worker(runner, workload, arrays, threads)
                    losses[runner] = workers[runner].ask(f"train {FIRST}")["losses"]
                except BenchError as error:
                    if runner.mode != "compiled":
                        raise
                    say(f"{workload}: left out, torch.compile doesn't work here: {error}")
                    losses.pop(runner, None)
                    if runner in workers:
                        workers.pop(runner).close()
            check_losses(workload, losses)
            slowest = max(worker.ask("train 3")["ms"] for worker in workers.values())
            steps = max(1, round(TURN / slowest))
            ms = {runner: [] for runner in workers}
            for i in range(pairs):
                for runner, worker in workers.items():
                    ms[runner].append(worker.ask(f"train {steps}")["ms"])
                if i in (0, pairs // 2):
                    say(f"{workload}: round {i + 1} of {pairs}: " + in_words({r: t[-1] for r, t in ms.items()}))
            megabytes = {runner: worker.ask("peak")["megabytes"] for runner, worker in workers.items()}
            work = workers[TINYGEN].ask("flops")
        finally:
            for worker in workers.values():
                worker.close()
    return Measured(workload, {r: np.array(t) for r, t in ms.items()}, megabytes, work["flops"], work["sgemm"])


def in_words(ms: dict[Runner, float]) -> str:
    return ", ".join(f"{runner} {value:.3g} ms" for runner, value in ms.items())


def check_losses(workload: str, losses: dict[Runner, list[float]]) -> None:
    """Raise BenchError unless all runners had the same losses in their first steps: else they did different work."""
    ours = losses[TINYGEN]
    for runner, theirs in losses.items():
        for step, (a, b) in enumerate(zip(ours, theirs), 1):
            if not abs(a - b) <= TOLERANCE * abs(b):
                raise BenchError(
                    f"{workload}: the loss of step {step} is {a:.7g} by tinygen but {b:.7g} by {runner}; they should "
                    f"agree to {TOLERANCE:g}: the two sides don't do the same work, and their times don't compare"
                )
