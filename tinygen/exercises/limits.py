"""Limits for a file that is being graded: memory, time, and what it may do to other files and processes.

They stop accidents, such as a loop that never ends. They are no security boundary: who wants to get around them can.
"""

import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PROCESSES = {  # audit events of Python; see the table in its documentation
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.kill",
    "os.killpg",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "signal.pthread_kill",
    "subprocess.Popen",
}
CHANGES = {
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "shutil.rmtree",
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
CACHES = {"__pycache__", "numba"}  # folders to which compilers write


def limit_memory(megabytes: int) -> None:
    """Let this process allocate that much more memory; only on POSIX, and not on macOS, which ignores the limit."""
    used = 0
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _limit("RLIMIT_AS", used + megabytes * 2**20)
    _limit("RLIMIT_CORE", 0)


def limit_time(seconds: float, file: str, late: Callable[[int], Any]) -> None:
    """After that time, call `late` with the line of `file` that runs then, and end this process.

    A long call of C lets no other thread run; then the system ends the process, where it can.
    """
    main, cpu, begin = threading.get_ident(), time.process_time(), time.monotonic()
    most = math.ceil(cpu + seconds + 1)
    _limit("RLIMIT_CPU", most, most + 2)  # SIGXCPU tells why it ended; with equal limits Linux sends SIGKILL

    def watch() -> None:
        while not is_over(seconds, time.process_time() - cpu, time.monotonic() - begin):
            time.sleep(min(seconds, 0.1))
        frame, line = sys._current_frames().get(main), 0
        while frame is not None and not line:
            line = frame.f_lineno if frame.f_code.co_filename == file else 0
            frame = frame.f_back
        late(line)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def is_over(seconds: float, cpu: float, elapsed: float) -> bool:
    """Whether the time is over: by the seconds of a processor, so that other programs take none; or it only waits."""
    waits = cpu < 0.02 * elapsed
    return cpu >= seconds or elapsed >= (seconds if waits else most_seconds(seconds))


def most_seconds(seconds: float) -> float:
    """After so many seconds by the clock, the time is over on the busiest machine."""
    return 6 * seconds


def _limit(name: str, most: int, hard: int | None = None) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with suppress(OSError, ValueError):  # another limit is lower already
        resource.setrlimit(getattr(resource, name), (most, most if hard is None else hard))


def stay_in(folder: Path) -> None:
    """From now on, refuse to start or end processes, to wait for the keyboard, and to change files elsewhere."""
    own, devices = os.path.realpath(folder), {os.devnull}
    tempfile.tempdir = own
    caches = os.environ.get("NUMBA_CACHE_DIR")

    def is_elsewhere(path: Any) -> bool:
        if isinstance(path, int) or path in devices:
            return False
        real = os.path.realpath(os.fsdecode(path))
        inside = any(real == each or real.startswith(each + os.sep) for each in (own, caches) if each)
        return not inside and CACHES.isdisjoint(Path(real).parts)

    def guard(event: str, args: tuple) -> None:
        if event in PROCESSES:
            raise PermissionError("a file that is being graded can't start or end processes")
        if event == "builtins.input":
            raise PermissionError("a file that is being graded can't wait for input(): write the value in the code")
        if event == "open":
            if isinstance(args[2], int) and args[2] & WRITES and is_elsewhere(args[0]):
                raise PermissionError(f"a file that is being graded can't write {os.fsdecode(args[0])}")
        elif event in CHANGES and is_elsewhere(args[0]):
            raise PermissionError(f"a file that is being graded can't change {os.fsdecode(args[0])}")

    sys.addaudithook(guard)
