"""The record of a run, `config.json`: its arguments, and everything else that decides the bits of its result."""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tinygen import __version__

CONFIG = "config.json"
PARTS = ("config", "data", "model", "versions")
LIMIT = 2**20  # bytes: bounds what reading a record may cost
OVERRIDES = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT", "NUMBA_DISABLE_JIT", "OPENBLAS_CORETYPE")


class RunError(ValueError):
    """This run can't begin, or can't continue, in this folder; nothing was written."""


def new_record(script: str, config: Mapping, data: Mapping[str, str], model: Mapping[str, Mapping]) -> dict[str, Any]:
    """The record of a run that begins now; TypeError or ValueError if its arguments are not JSON."""
    record = {"script": script, "config": dict(config), "data": dict(data), "model": dict(model)}
    record |= {"versions": _versions(), "arithmetic": _arithmetic()}
    content = as_bytes(record)
    if len(content) > LIMIT:
        raise ValueError(
            f"open_run: expected a config of less than {LIMIT:,} bytes, got {len(content):,}: name files in it"
        )
    if not _of_a_run(record := json.loads(content)):
        raise TypeError("open_run: expected data to give a SHA-256 for each name, as a string")
    return record


def as_bytes(record: Mapping[str, Any]) -> bytes:
    """The record as it is written to `config.json`."""
    text = json.dumps(record, indent=2, default=_plain, allow_nan=False, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # of a file name that is no UTF-8; JSON knows that escape too


def read_config(folder: Path) -> dict[str, Any]:
    """What `config.json` in the folder of a run says. Raises RunError if it isn't there or isn't one."""
    try:
        with (folder / CONFIG).open("rb") as file:
            content = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise RunError(f"{folder}: expected the folder of a run, got one without {CONFIG}") from None
    if len(content) > LIMIT:
        raise RunError(f"{folder}: its {CONFIG} is not that of a run: it has more than {LIMIT} bytes")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder}: its {CONFIG} is damaged ({error})") from None
    if not _of_a_run(record):
        raise RunError(f"{folder}: its {CONFIG} is not that of a run: it should have {', '.join(sorted(PARTS))}")
    return record


def _of_a_run(record: Any) -> bool:
    """Whether this has the parts of a record, as far as they are read here."""
    if not isinstance(record, dict) or not all(isinstance(record.get(part), dict) for part in PARTS):
        return False
    return isinstance(record.get("arithmetic", {}), dict) and all(isinstance(v, str) for v in record["data"].values())


def identity(record: Mapping[str, Any]) -> str:
    """A digest of what was asked for: files of two runs with the same identity can replace each other."""
    asked = [record.get("script"), record["config"], record["model"], sorted(record["data"].items())]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def other_arguments(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each argument that differs between two records, in words; data count by content, since a folder may move."""
    if other := _differences(*({"script": record.get("script")} for record in (then, now))):
        return other  # of which everything else follows
    found = _differences(*(record["config"] | record["model"] for record in (then, now)))
    if sorted(then["data"].values()) != sorted(now["data"].values()):
        was, now_is = (", ".join(f"{k} ({v[:12]})" for k, v in part["data"].items()) for part in (then, now))
        found.append(f"the data were {was or 'none'}, are {now_is or 'none'}")
    return found


def other_arithmetic(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each version, kind of kernels or property of the processor that differs: the last bits may then differ too."""
    return _differences(*(r["versions"] | r.get("arithmetic", {}) for r in (then, now)))


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} was {json.dumps(then.get(name))}, is {json.dumps(now.get(name))}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]


def _versions() -> dict[str, str]:
    packages = {package: version(package) for package in ("numpy", "scipy", "numba", "llvmlite")}
    return {"python": platform.python_version(), "machine": platform.machine(), "tinygen": __version__} | packages


def _arithmetic() -> dict[str, str]:
    """What decides the order and width of sums besides versions; the number of threads doesn't (docs/fast.md)."""
    from llvmlite.binding import get_host_cpu_name  # here, because reading a record needs no compiler

    vectors = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    facts = {"kernels": os.environ.get("TINYGEN_KERNELS", "fast"), "cpu": get_host_cpu_name()}
    overrides = {name: os.environ[name] for name in OVERRIDES if name in os.environ}
    return facts | {"vectors": " ".join(vectors)} | overrides


def _plain(value: Any) -> Any:
    """What `json` can't write, as something it can."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"open_run: config must hold numbers, strings, lists and dicts, got {type(value).__name__}")
