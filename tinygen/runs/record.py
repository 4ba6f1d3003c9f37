"""The record of a run, `config.json`: its arguments, and everything else that determines the bits of its results."""

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
LIMIT = 2**20  # bytes: bounds the memory for reading a record
RESUME, OVERWRITE = "resume=True (--resume in a shell)", "overwrite=True (--overwrite in a shell)"  # in messages
ELSEWHERE = "choose another folder with out=... (--out in a shell)"
OVERRIDES = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT", "NUMBA_DISABLE_JIT", "OPENBLAS_CORETYPE")


class RunError(ValueError):
    """A run can't start, or can't continue, in this folder; nothing was written."""


def new_record(script: str, config: Mapping, data: Mapping[str, str], model: Mapping[str, Mapping]) -> dict[str, Any]:
    """The record of a new run; TypeError or ValueError if its arguments are not JSON."""
    record = {"script": script, "config": dict(config), "data": dict(data), "model": dict(model)}
    record |= {"versions": _versions(), "arithmetic": _arithmetic()}
    content = as_bytes(record)
    if len(content) > LIMIT:
        raise ValueError(
            f"open_run: expected a config of at most {LIMIT:,} bytes, got {len(content):,}: store names of files in it"
        )
    if not _is_record(record := json.loads(content)):
        raise TypeError(
            "open_run: expected data to map names to SHA-256 strings: write data={dataset.name: dataset.sha256()}"
        )
    return record


def as_bytes(record: Mapping[str, Any]) -> bytes:
    """The record as the bytes of `config.json`."""
    text = json.dumps(record, indent=2, default=_to_json, allow_nan=False, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")  # for file names that are not UTF-8; JSON has the same escapes


def read_config(folder: Path) -> dict[str, Any]:
    """The record in the folder of a run. Raises RunError if `config.json` is missing, damaged or something else."""
    try:
        with (folder / CONFIG).open("rb") as file:
            content = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise RunError(f"{folder}: expected the folder of a run, got a folder without {CONFIG}") from None
    if len(content) > LIMIT:
        raise RunError(f"{folder}: its {CONFIG} is not the record of a run: it has more than {LIMIT:,} bytes: {_AGAIN}")
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder}: its {CONFIG} is damaged ({error}): {_AGAIN}") from None
    if not _is_record(record):
        parts = ", ".join(sorted(PARTS))
        raise RunError(f"{folder}: its {CONFIG} is not the record of a run: expected {parts} in it: {_AGAIN}")
    return record


_AGAIN = "restore it from a copy, or choose another folder"


def _is_record(record: Any) -> bool:
    """Whether this has the structure of a record."""
    if not isinstance(record, dict) or not all(isinstance(record.get(part), dict) for part in PARTS):
        return False
    return isinstance(record.get("arithmetic", {}), dict) and all(isinstance(v, str) for v in record["data"].values())


def identity(record: Mapping[str, Any]) -> str:
    """A digest of script, arguments, model and data: two runs with the same identity can use each other's files."""
    content = [record.get("script"), record["config"], record["model"], sorted(record["data"].items())]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def other_arguments(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each argument that differs between two records, as text; data are compared by content: a folder may move."""
    if other := _differences(*({"script": record.get("script")} for record in (then, now))):
        return other  # with another script, all other differences follow
    found = _differences(*(record["config"] | record["model"] for record in (then, now)))
    if sorted(then["data"].values()) != sorted(now["data"].values()):
        was, now_is = (", ".join(f"{k} ({v[:12]})" for k, v in part["data"].items()) for part in (then, now))
        found.append(f"the data were {was or 'none'}, are {now_is or 'none'}")
    return found


def same_again(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What to write to continue the run `then` instead: "epochs=8 (--epochs=8 in a shell)"."""
    before, given = then["config"], now["config"]
    other = [name for name in sorted(before.keys() | given.keys()) if before.get(name) != given.get(name)]
    if not other or then.get("script") != now.get("script"):
        return "the script, the arguments and the data of that run"
    return ", ".join(_argument(name, before.get(name)) for name in other)


def _argument(name: str, value: Any) -> str:
    option = "--" + name.replace("_", "-")
    shell = {None: f"no {option}", False: f"no {option}", True: option}
    known = value is None or isinstance(value, bool)
    return f"{name}={value!r} ({shell[value] if known else f'{option}={value}'} in a shell)"


def other_arithmetic(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Each version, kind of kernels or property of the processor that differs; the last bits may then differ too."""
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
    """What determines the order and width of sums besides versions; the number of threads doesn't (docs/fast.md)."""
    from llvmlite.binding import get_host_cpu_name  # here, because reading a record doesn't need the compiler

    vectors = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    facts = {"kernels": os.environ.get("TINYGEN_KERNELS", "fast"), "cpu": get_host_cpu_name()}
    overrides = {name: os.environ[name] for name in OVERRIDES if name in os.environ}
    return facts | {"vectors": " ".join(vectors)} | overrides


def _to_json(value: Any) -> Any:
    """A value that `json` can't write, as one that it can."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"open_run: expected numbers, strings, lists and dicts in config, got {type(value).__name__}")
