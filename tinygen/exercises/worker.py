"""The process that grades files of learners: `python -m tinygen.exercises.worker` reads one request per line.

It grades the solution first, so that kernels are compiled before the time of a learner begins. On Linux each file is
graded in a process of its own, which inherits them; elsewhere this process grades one file and ends. Replies are lines
of JSON: ready, printed, stage, then grade, unreadable, late, or memory; and ended, where there was a process to end.
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.grading import behaviours, grade
from tinygen.exercises.limits import limit_memory, limit_time, most_seconds, stay_in
from tinygen.exercises.source import shipped
from tinygen.exercises.submission import Unreadable, function_of
from tinygen.exercises.tracks import EXERCISES

FORKS = sys.platform == "linux"  # on macOS, libraries that NumPy uses don't survive a fork
GRACE = 2.0  # seconds after which a process is killed that should have ended by itself
MOST_PRINTED = 4000  # characters


class Replies:
    """Lines of JSON to the process that asked; threads take turns."""

    def __init__(self, stream: TextIO):
        self.stream, self.lock = stream, threading.Lock()

    def send(self, kind: str, value: Any = None) -> None:
        with self.lock:
            self.stream.write(json.dumps([kind, value]) + "\n")
            self.stream.flush()


class Printed:
    """The standard output of a learner's file: what it prints first is sent, the rest is dropped."""

    encoding = "utf-8"

    def __init__(self, replies: Replies):
        self.replies, self.left = replies, MOST_PRINTED

    def write(self, text: str) -> int:
        if self.left > 0:
            self.replies.send("printed", text[: self.left])
            self.left -= len(text)
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


@cache
def warm(exercise: Exercise) -> None:
    """Compile and compute everything that grading an answer needs."""
    grade(exercise, shipped(exercise))
    behaviours(exercise)


def attempt(request: dict[str, Any], replies: Replies) -> None:
    """Grade one file, and send what came of it; this process is of no other use afterwards."""
    exercise, file, folder = EXERCISES[request["exercise"]], Path(request["file"]).resolve(), Path(request["folder"])
    sys.stdout = sys.stderr = Printed(replies)  # type: ignore[assignment]
    sys.path.append(str(file.parent))  # for files beside it
    os.chdir(folder)
    limit_time(request["seconds"], f"{file.stem}.py", lambda line: replies.send("late", line))
    limit_memory(request["megabytes"])
    stay_in(folder)
    try:
        function = function_of(exercise, file)
        result = grade(exercise, function, lambda stage: replies.send("stage", stage))
        replies.send("grade", [result.passed, result.finding, result.seconds])
    except Unreadable as error:
        replies.send("unreadable", str(error))
    except MemoryError:
        replies.send("memory")
    except BaseException as error:  # SystemExit in the function, for example
        replies.send("unreadable", f"It raises {type(error).__name__}, which ends a program: leave it out")


def attempt_in_child(request: dict[str, Any], replies: Replies) -> None:
    """Grade one file in a new process, which is killed if it doesn't end in time."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.setsid()  # so that signals to its group reach no one else
            attempt(request, replies)
        os._exit(0)
    end = time.monotonic() + most_seconds(request["seconds"]) + GRACE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.005)
    else:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    with suppress(OSError):
        os.killpg(child, signal.SIGKILL)  # what it started
    replies.send("ended", os.waitstatus_to_exitcode(status))


def main() -> None:
    """Take over the standard streams, so that no file can print between the replies or read the requests."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    replies = Replies(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    sys.stdin = open(os.devnull, encoding="utf-8")
    for line in requests:
        request = json.loads(line)
        warm(EXERCISES[request["exercise"]])
        replies.send("ready")
        (attempt_in_child if FORKS else attempt)(request, replies)
        if not FORKS:
            os._exit(0)  # without waiting for threads


if __name__ == "__main__":
    main()
