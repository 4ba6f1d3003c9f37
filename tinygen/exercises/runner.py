"""Grade the file of a learner in another process, with limits for time and memory; whatever it does, there is a result.

with Runner() as runner:
    result = runner.run(exercise, Path("exercises/mul.py"))
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import IO, Any, Self, cast

from tinygen.exercises.exercise import Exercise, Finding
from tinygen.exercises.grading import Grade
from tinygen.exercises.limits import most_seconds
from tinygen.exercises.verdict import ungraded, verdict

SECONDS, MEGABYTES = 10.0, 1024  # limits for one file
READING = "reading the file"  # the stage of a file that defines no function
TIME_IS_OVER = {-getattr(signal, "SIGXCPU", 24)}  # exit codes
_PACKAGE = Path(__file__).parents[2]
_WARM = 300.0  # seconds for compiling all kernels of an exercise


@dataclass(frozen=True)
class Result:
    """What came of one file: its grade; or why there is none, and the stage in which that happened."""

    exercise: Exercise
    grade: Grade | None
    trouble: str = ""
    begun: int = -1  # the stage that was running; -1 while the file was read
    printed: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.grade is not None and self.grade.ok

    @property
    def passed(self) -> int:
        """The number of stages that passed."""
        return self.grade.passed if self.grade is not None else max(0, self.begun)

    @property
    def stage(self) -> str:
        """The name of the stage that failed, or "" if none did."""
        if self.grade is not None:
            return self.grade.stage
        return READING if self.begun < 0 else self.exercise.stages[self.begun].name

    @property
    def says(self) -> str:
        """What is wrong, or "" if nothing is."""
        return self.trouble if self.grade is None else self.grade.finding.says if self.grade.finding else ""

    def text(self, options: str = "") -> str:
        """The verdict for a terminal; `options` are added to the commands that it names."""
        if self.grade is not None:
            return verdict(self.grade, options)
        return ungraded(self.exercise, self.begun, self.trouble, options)


class Runner:
    """Starts the process that grades, and starts it again whenever a file has ended it."""

    command = (sys.executable, "-P", "-m", "tinygen.exercises.worker")  # -P: without modules of the current folder

    def __init__(self, *, seconds: float = SECONDS, megabytes: int = MEGABYTES):
        self.seconds, self.megabytes = seconds, megabytes
        self._process: subprocess.Popen | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, exercise: Exercise, file: Path, ready: Callable[[], object] = lambda: None) -> Result:
        """Grade a file; `ready` is called when the process has been prepared, and the time of the file begins."""
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            request = {
                "exercise": exercise.name,
                "file": str(file.resolve()),
                "folder": folder,
                "seconds": self.seconds,
                "megabytes": self.megabytes,
            }
            return self._collect(exercise, json.dumps(request), ready)

    def _collect(self, exercise: Exercise, request: str, ready: Callable[[], object]) -> Result:
        self._ask(request)
        found: dict[str, Any] = {}
        printed, begin, wait = "", monotonic(), _WARM
        while True:
            reply = self._reply(wait)
            if reply is None:
                break
            kind, value = reply
            if kind == "ready":
                ready()
                begin, wait = monotonic(), most_seconds(self.seconds) + 10.0  # the process ends the file earlier
            elif kind == "printed":
                printed += value
            else:
                found[kind] = value
            if kind == "ended":
                break
        if reply is None or "ended" not in found:
            code = self._end()
            found.setdefault("ended", code)
        seconds = monotonic() - begin
        rest = dict(begun=found.get("stage", -1), printed=printed, seconds=seconds)
        if "grade" in found:
            passed, finding, seconds = found["grade"]
            grade = Grade(exercise, passed, None if finding is None else Finding(*finding), seconds)
            return Result(exercise, grade, **rest | {"seconds": seconds})
        return Result(exercise, None, self._trouble(found, seconds), **rest)

    def _trouble(self, found: dict[str, Any], seconds: float) -> str:
        if "unreadable" in found:
            return found["unreadable"]
        if "memory" in found:
            return f"It needs more than {self.megabytes:,} MB of memory: does a list or an array grow without end?"
        code = found["ended"]
        if "late" in found or code in TIME_IS_OVER or seconds >= most_seconds(self.seconds):
            line = f", in line {found['late']}" if found.get("late") else ""
            return f"It is still running after {self.seconds:g} s{line}: is there a loop that never ends?"
        how = "" if code is None else f" by {signal.Signals(-code).name}" if code < 0 else f" with exit code {code}"
        return f"It ended its process{how} before it was graded"

    def _ask(self, request: str) -> None:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._start()
        pipe = cast(IO[str], cast(subprocess.Popen, self._process).stdin)
        with suppress(OSError):  # it has ended: there will be no reply
            pipe.write(request + "\n")
            pipe.flush()

    def _start(self) -> None:
        """Start the process: with one thread, and with kernels that need no compiling, because the arrays are small."""
        names = ("TINYGEN_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        path = os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")]))
        self._process = process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C reaches only this process, which then ends the worker
            env={"TINYGEN_KERNELS": "reference", **os.environ, **dict.fromkeys(names, "1"), "PYTHONPATH": path},
        )
        self._lines = lines = queue.Queue()

        def read() -> None:
            with suppress(ValueError, OSError):
                for line in cast(IO[str], process.stdout):
                    lines.put(line)
            lines.put("")  # the end

        threading.Thread(target=read, daemon=True).start()

    def _reply(self, seconds: float) -> tuple[str, Any] | None:
        """The next reply; None if the process has ended, or says nothing for that long."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        try:
            kind, value = json.loads(line)
        except ValueError:  # the end; or half a line, of a process that was killed
            return None
        return kind, value

    def _end(self) -> int | None:
        """End the process, and return its exit code if it had ended by itself."""
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
        code = process.poll()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                cast(IO[str], pipe).close()
        return code
