"""The options of `python -m tinygen bench` and `python -m tinygen warm`, and what each leads to."""

import json as json_format
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import tyro

from tinygen.bench import epoch as one_epoch
from tinygen.bench import kernels as convolutions
from tinygen.bench import report, training, workloads
from tinygen.bench import startup as waiting
from tinygen.bench.machine import machine
from tinygen.bench.processes import BenchError
from tinygen.bench.workloads import WORKLOADS
from tinygen.io.output import say
from tinygen.runs.cli import Count, NewFile, Refused, Whole, command

Threads = Annotated[int | None, Whole(1, 1024)]


@command
def bench(
    names: Annotated[tuple[Literal[tuple(WORKLOADS)], ...], tyro.conf.Positional] = (),
    *,
    vs: Literal["torch"] | None = None,
    compile: bool = False,
    threads: Threads = None,
    pairs: Count = 30,
    json: Annotated[Path | None, NewFile()] = None,
    quick: bool = False,
    kernels: bool = False,
    epoch: bool = False,
    startup: bool = False,
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
        kernels: instead, single convolutions: forward, input gradient, weight gradient.
        epoch: instead, one epoch of the convolutional autoencoder on MNIST.
        startup: instead, the imports, and the first training step without and with compiled kernels on disk.
    """
    if vs == "torch" and find_spec("torch") is None:
        raise BenchError("--vs torch needs PyTorch, which isn't installed here: pip install torch, or leave --vs away")
    if kernels + epoch + startup + bool(names) > 1:
        raise Refused("--kernels, --epoch, --startup and the names of workloads are different measurements: give one")
    if compile and vs is None:
        raise Refused("--compile is a mode of PyTorch: add --vs torch")
    from tinygen.kernels.machine.threads import num_threads  # which brings SciPy

    versus, pairs, threads = vs == "torch", 2 if quick else pairs, threads or num_threads()
    modes = ["nchw", "channels_last"] * versus
    about = machine(threads)
    print("\n".join(f"{key}: {value}" for key, value in about.items()) + "\n", flush=True)
    if kernels:
        result = bench_kernels(modes, threads=threads, pairs=pairs)
    elif epoch:
        result = bench_epoch(modes, threads=threads, limit=4000 if quick else 60_000)
    elif startup:
        result = bench_startup(versus=versus, tries=1 if quick else 5)
    else:
        chosen = dict.fromkeys(names or WORKLOADS)
        result = bench_training(chosen, modes, compile=compile, threads=threads, pairs=pairs, quick=quick)
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_text(json_format.dumps({"machine": about, **result}, indent=2) + "\n", encoding="utf-8")


def bench_training(names, modes: list[str], *, compile: bool, threads: int, pairs: int, quick: bool) -> dict:
    rows = []
    for name in names:
        workload = WORKLOADS[name]
        its_modes = modes if workload.images else ["eager"] * bool(modes)  # vectors have no layout to choose
        measured = training.measure(
            name,
            its_modes + ["compiled"] * (compile and bool(modes)),
            threads=threads,
            pairs=pairs,
            batch_size=workload.batch_size // 16 if quick else None,
            say=say,
        )
        rows.append(report.row(measured))
    print(f"\n{report.table(rows)}\n\n{report.legend(rows)}")
    if modes:
        print(f"\n{report.modes_table(rows)}")
    return {"rows": rows, "geometric mean": report.geometric_mean(rows)}


def bench_kernels(modes: list[str], *, threads: int, pairs: int) -> dict:
    timed, sgemm = convolutions.measure(modes, threads=threads, pairs=pairs, say=say)
    rows = [convolutions.row(one) for one in timed]
    print(f"\n{convolutions.table(rows)}\n\n{convolutions.legend(sgemm, bool(modes))}")
    return {"rows": rows, "sgemm_gflops_per_second": sgemm / 1e9}


def bench_epoch(modes: list[str], *, threads: int, limit: int) -> dict:
    rows = one_epoch.measure(modes, threads=threads, limit=limit, say=say)
    ratio = one_epoch.ratio(rows)
    print(f"\n{one_epoch.table(rows)}")
    if ratio is not None:
        print(f"\nratio of tinygen's time to that of PyTorch's better layout: {ratio:.3f}")
    return {"rows": rows, "ratio": ratio}


def bench_startup(*, versus: bool, tries: int) -> dict:
    seconds = waiting.measure(versus=versus, tries=tries, say=say)
    print("\n" + "\n".join(f"{name}: {value:.2f} s" for name, value in seconds.items()))
    return {"seconds": seconds}


@command
def warm() -> None:
    """Compile all kernels, or load them, so that no training waits for it: one step of each workload."""
    start = perf_counter()
    for name in WORKLOADS:
        begin = perf_counter()
        workloads.build(name, workloads.arrays(name))()
        say(f"{name}: {perf_counter() - begin:.1f} s")
    say(f"all kernels are compiled and on disk; it took {perf_counter() - start:.1f} s")
