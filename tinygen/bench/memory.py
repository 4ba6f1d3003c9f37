"""The peak memory of a process since its library was imported.

Linux records the peak of the resident size of each process, and the record can be reset. On other systems, the peak of
`getrusage` can't be reset and includes the imports, so it hides what needs less than they did. Windows has neither.
"""

import sys
from pathlib import Path

MEGABYTE = 1e6


class Meter:
    """Create it before the work; `peak()` is the peak since then, minus the size at the start, in megabytes."""

    def __init__(self):
        try:
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the current size
        except OSError:
            pass  # not on Linux, or not allowed: the peak includes the imports
        self.before = _size("VmRSS") or _peak()

    def peak(self) -> float | None:
        """The peak in megabytes; None if the system doesn't report it."""
        peak = _peak()
        return None if peak is None or self.before is None else (peak - self.before) / MEGABYTE


def _peak() -> float | None:
    """The largest size of this process so far, in bytes."""
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
    """An entry of /proc/self/status in bytes: "VmRSS" is the current size, "VmHWM" the peak."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return 1024 * float(found[0]) if found else None
