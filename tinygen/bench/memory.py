"""How much memory a process has come to need since its library was imported and awake.

Linux keeps a high-water mark of each process's resident size, which can be set back. Elsewhere `getrusage` has one
that can't be: it is the peak of the imports too, so that what fits below their peak isn't seen. Windows has neither.
"""

import sys
from pathlib import Path

MEGABYTE = 1e6


class Meter:
    """Made before the work; `peak()` is by how many megabytes the process has exceeded its size of then."""

    def __init__(self):
        try:
            Path("/proc/self/clear_refs").write_text("5")  # sets the mark back to the size of now
        except OSError:
            pass  # no Linux, or one that forbids it: then the mark is that of the imports
        self.before = _size("VmRSS") or _mark()

    def peak(self) -> float | None:
        """None where the system doesn't say."""
        mark = _mark()
        return None if mark is None or self.before is None else (mark - self.before) / MEGABYTE


def _mark() -> float | None:
    """The largest size that this process has had, in bytes."""
    on_linux = _size("VmHWM")
    if on_linux is not None:
        return on_linux
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _size(name: str) -> float | None:
    """A line of /proc/self/status in bytes: "VmRSS" is the size of now, "VmHWM" the largest."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024 * float(found[0]) if found else None
