"""Processes that take turns: tinygen, then PyTorch in each of its modes, then tinygen again, and so on.

So noise of the machine affects all of them alike, and the ratio within a round is more precise than a ratio of medians.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import IO, Any, NamedTuple, Self, cast

from tinygen.bench.machine import busy_seconds
from tinygen.runs.cli import Failed

Log = Callable[[str], None]  # prints a line about the progress


class BenchError(Failed):
    """A measurement is impossible, or would be meaningless."""


class Runner(NamedTuple):
    """A library, and for PyTorch its mode."""

    library: str
    mode: str = ""

    def __str__(self) -> str:
        return f"{self.library} {self.mode}".strip()


TINYGEN = Runner("tinygen")


class Worker:
    """The process of one runner; `call` sends it a command and waits for the reply."""

    def __init__(self, runner: Runner, task: str, *, threads: int, **setting: Any):
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
            start_new_session=True,  # Ctrl-C reaches only this process, which then ends the worker
            env={**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": path},
        )
        self._commands = cast(IO[str], self.process.stdin)  # not None: both are pipes
        self._replies = cast(IO[str], self.process.stdout)
        try:
            self.call(json.dumps({"task": task, "threads": threads, **runner._asdict(), **setting}))
        except BaseException:
            self.process.kill()
            self.close()
            raise

    def call(self, command: str) -> dict[str, Any]:
        """The reply to a command. Raises BenchError if it is an error, or if the process has ended."""
        try:
            self._commands.write(command + "\n")
            self._commands.flush()
            text = self._replies.readline()
        except OSError:
            text = ""
        reply = json.loads(text) if text else {"error": "its process ended without a reply"}
        if "error" in reply:
            raise BenchError(f"{self.runner}: {reply['error']}")
        return reply

    def close(self) -> None:
        try:
            self._commands.close()  # the worker exits at the end of its input
        except OSError:
            pass  # it has ended already
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._replies.close()


class Workers(dict[Runner, Worker]):
    """The workers of a measurement by runner; their processes end with the `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_) -> None:
        for worker in self.values():
            if error:
                worker.process.kill()  # it may be in the middle of a long command
            worker.close()

    def call(self, command: str) -> dict[Runner, dict[str, Any]]:
        """Send a command to each worker in turn, while the others sleep; the replies by runner."""
        return {runner: worker.call(command) for runner, worker in self.items()}

    def other_load(self) -> Callable[[], float]:
        """A function that returns how many processors other programs have used since now, on average.

        They disturb the measurement: threads of PyTorch wait for each other, so one interrupted thread delays them all.
        """

        def used() -> tuple[float, float]:
            ours = process_time() + sum(reply["seconds"] for reply in self.call("clock").values())
            all_programs = busy_seconds()
            return perf_counter(), 0.0 if all_programs is None else all_programs - ours

        start, before = used()

        def since() -> float:
            now, after = used()
            return max(0.0, after - before) / (now - start)

        return since
