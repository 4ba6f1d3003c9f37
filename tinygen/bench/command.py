"""The options of `python -m tinygen bench`, and what each leads to."""

import json as json_format
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tinygen.bench import report, turns
from tinygen.bench.machine import machine
from tinygen.bench.workloads import WORKLOADS


def bench(
    names: Annotated[tuple[Literal[tuple(WORKLOADS)], ...], tyro.conf.Positional] = (),
    *,
    vs: Literal["torch"] | None = None,
    compile: bool = False,
    threads: int | None = None,
    pairs: int = 30,
    json: Path | None = None,
    quick: bool = False,
) -> None:
    """Time one full training step of each workload, in turn with PyTorch's if asked; takes minutes.

    Args:
        names: which of the workloads; all by default.
        vs: "torch" measures PyTorch too, in turn, and prints the ratio.
        compile: PyTorch also by torch.compile.
        threads: for both sides; by default one for each core.
        pairs: how many turns each side takes.
        json: a file for the same figures as JSON.
        quick: two turns on small batches: to see that it works, for the times mean little.
    """
    from tinygen.kernels.threads import num_threads  # which brings SciPy: not for `--help`

    if vs == "torch" and find_spec("torch") is None:
        sys.exit("bench: --vs torch needs PyTorch, which isn't installed here: pip install torch, or leave --vs away")
    threads = threads or num_threads()
    about = machine(threads)
    print("\n".join(f"{key}: {value}" for key, value in about.items()), flush=True)
    rows = []
    for name in dict.fromkeys(names or WORKLOADS):
        modes = []
        if vs == "torch":
            modes = ["nchw", "channels_last"] if WORKLOADS[name].images else ["eager"]
            modes += ["compiled"] if compile else []
        small = WORKLOADS[name].batch_size // 16 if quick else None
        try:
            measured = turns.measure(
                name, modes, threads=threads, pairs=2 if quick else pairs, batch_size=small, say=say
            )
        except turns.BenchError as error:
            sys.exit(f"bench: {error}")
        rows.append(report.row(measured))
    print(f"\n{report.table(rows)}\n\n{report.legend(rows)}")
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        result = {"machine": about, "rows": rows, "geometric mean": report.geometric_mean(rows)}
        json.write_text(json_format.dumps(result, indent=2) + "\n", encoding="utf-8")


def say(text: str) -> None:
    print(text, flush=True)
