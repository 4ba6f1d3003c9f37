"""What a figure was measured on, and whether something else was running there."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine(threads: int) -> dict[str, str]:
    """Processor, threads, and the versions of what computes."""
    found = {"processor": processor(), "threads": str(threads), "system": f"{platform.system()} {platform.machine()}"}
    found["python"] = platform.python_version()
    for package in ("numpy", "numba", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def processor() -> str:
    """The processor's name as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    fields = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    numbers = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    return fields.get("model name", platform.processor() or "unknown") + (f" ({', '.join(numbers)})" if numbers else "")


def busy_seconds() -> float | None:
    """Processor seconds that all programs together have used since the start of the system; None where it won't say."""
    try:
        fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)  # without idle and iowait
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
