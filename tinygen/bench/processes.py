"""The processes that take turns: tinygen, then PyTorch in each of its modes, then tinygen again, and so on.

So both meet the same moods of the machine, and a ratio within one round is worth more than one of two medians.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple, Self

from tinygen.bench.machine import busy_seconds
from tinygen.runs.cli import Failed

Log = Callable[[str], None]  # prints a line about the progress


class BenchError(Failed):
    """A measurement that can't be made, or would mean nothing."""


class Runner(NamedTuple):
    """One column of a measurement: a library, and PyTorch's mode."""

    library: str
    mode: str = ""

    def __str__(self) -> str:
        return f"{self.library} {self.mode}".strip()


TINYGEN = Runner("tinygen")


class Worker:
    """The process of one runner; `ask` sends it a command and waits for the answer."""

    def __init__(self, runner: Runner, task: str, *, threads: int, **setting):
        self.runner = runner
        names = ("TINYGEN_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tinygen.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for this process, which then ends the worker
            env={**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": path},
        )
        try:
            self.ask(json.dumps({"task": task, "threads": threads, **runner._asdict(), **setting}))
        except BaseException:
            self.process.kill()
            self.close()
            raise

    def ask(self, line: str) -> dict:
        """Raises BenchError if the worker has no answer, or an error for one."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            text = self.process.stdout.readline()
        except OSError:
            text = ""
        answer = json.loads(text) if text else {"error": "its process ended without an answer"}
        if "error" in answer:
            raise BenchError(f"{self.runner}: {answer['error']}")
        return answer

    def close(self) -> None:
        try:
            self.process.stdin.close()  # the end of its input is the end of its work
        except OSError:
            pass  # it has gone already
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Workers(dict[Runner, Worker]):
    """The workers of one measurement by runner; leaving the `with` ends their processes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_) -> None:
        for worker in self.values():
            if error:
                worker.process.kill()  # it may be in the middle of a long command
            worker.close()

    def ask(self, line: str) -> dict[Runner, dict]:
        """Ask each in turn, the others asleep."""
        return {runner: worker.ask(line) for runner, worker in self.items()}

    def strangers(self) -> Callable[[], float]:
        """A clock that starts now: by how many processors, on average, other programs have been busy since.

        PyTorch's threads wait for each other in a loop: one that has lost its processor for a while stops them all.
        """

        def used() -> tuple[float, float]:
            ours = process_time() + sum(answer["seconds"] for answer in self.ask("clock").values())
            all_programs = busy_seconds()
            return perf_counter(), 0.0 if all_programs is None else all_programs - ours

        start, before = used()

        def since() -> float:
            now, after = used()
            return max(0.0, after - before) / (now - start)

        return since
