"""The machine of a measurement: processor, versions, and the load by other programs."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine(threads: int) -> dict[str, str]:
    """Processor, threads, and the versions of Python and the packages that compute."""
    found = {"processor": processor(), "threads": str(threads), "system": f"{platform.system()} {platform.machine()}"}
    found["python"] = platform.python_version()
    for package in ("numpy", "numba", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def processor() -> str:
    """The name of the processor, as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    pairs = (line.partition(":") for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    numbers = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    return fields.get("model name", platform.processor() or "unknown") + (f" ({', '.join(numbers)})" if numbers else "")


def busy_seconds() -> float | None:
    """Processor seconds of all programs since the start of the system; None if the system doesn't report them."""
    try:
        fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)  # without idle and iowait
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
