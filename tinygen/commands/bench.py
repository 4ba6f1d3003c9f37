"""`python -m tinygen bench`: how fast does tinygen train, here and compared with PyTorch?"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from tinygen.bench import epoch as one_epoch
from tinygen.bench import kernels as convolutions
from tinygen.bench import report, training
from tinygen.bench import startup as starting
from tinygen.bench.machine import machine
from tinygen.bench.processes import BenchError
from tinygen.bench.workloads import WORKLOADS, Name
from tinygen.io.files import write_json
from tinygen.io.output import say
from tinygen.runs.cli import Count, NewFile, Refused, Whole, command


@command
def bench(
    names: Annotated[tuple[Name, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[MODEL ...]")] = (),
    *,
    vs: Annotated[Literal["torch"] | None, tyro.conf.arg(metavar="torch")] = None,
    compile: bool = False,
    threads: Annotated[int | None, Whole(1, 1024)] = None,
    pairs: Count = 30,
    json: Annotated[Path | None, NewFile()] = None,
    quick: bool = False,
    kernels: bool = False,
    epoch: bool = False,
    startup: bool = False,
) -> None:
    """Time one training step of five models, optionally in turn with PyTorch; takes minutes on an idle machine.

    Args:
        names: conv_ae, vae_mlp, dcgan, unet_ddpm, mlp_ddpm_2d; all five if none is given.
        vs: measure PyTorch too, in turn, and print the ratio of the times.
        compile: measure PyTorch with torch.compile too.
        threads: number of threads of each library; by default the number of cores.
        pairs: number of rounds; in each round every library takes one turn.
        json: file for the results as JSON.
        quick: two rounds on small batches, to try the command; the times mean little.
        kernels: measure single convolutions instead: forward, input gradient, weight gradient.
        epoch: measure one epoch of the convolutional autoencoder on MNIST instead.
        startup: measure imports and the first training step instead, without and with compiled kernels on disk.
    """
    if vs == "torch" and find_spec("torch") is None:
        raise BenchError("--vs torch needs PyTorch, which isn't installed here: pip install torch, or leave out --vs")
    if kernels + epoch + startup + bool(names) > 1:
        raise Refused("expected one of --kernels, --epoch, --startup or names of models, got several: choose one")
    if compile and vs is None:
        raise Refused("--compile is a mode of PyTorch: add --vs torch")
    from tinygen.kernels.machine.threads import num_threads  # imports SciPy

    pairs, threads = 2 if quick else pairs, threads or num_threads()
    modes = ["nchw", "channels_last"] if vs else []
    about = machine(threads)
    print("\n".join(f"{key}: {value}" for key, value in about.items()) + "\n", flush=True)
    if kernels:
        result = bench_kernels(modes, threads=threads, pairs=pairs)
    elif epoch:
        result = bench_epoch(modes, threads=threads, limit=4000 if quick else 60_000)
    elif startup:
        result = bench_startup(versus=bool(vs), tries=1 if quick else 5)
    else:
        chosen = list(dict.fromkeys(names or WORKLOADS))
        result = bench_training(chosen, modes, compile=compile, threads=threads, pairs=pairs, quick=quick)
    if json is not None:
        write_json(json, {"machine": about, **result})


def bench_training(
    names: list[Name], modes: list[str], *, compile: bool, threads: int, pairs: int, quick: bool
) -> dict[str, Any]:
    rows = []
    for name in names:
        workload = WORKLOADS[name]
        its_modes = modes if workload.images else ["eager"] * bool(modes)  # vectors have only one layout
        measured = training.measure(
            name,
            its_modes + ["compiled"] * (compile and bool(modes)),
            threads=threads,
            pairs=pairs,
            batch_size=workload.batch_size // 16 if quick else None,
            log=say,
        )
        rows.append(report.row(measured))
    print(f"\n{report.table(rows)}\n\n{report.legend(rows)}")
    if modes:
        print(f"\n{report.modes_table(rows)}")
    return {"rows": rows, "geometric mean": report.geometric_mean(rows)}


def bench_kernels(modes: list[str], *, threads: int, pairs: int) -> dict[str, Any]:
    timed, sgemm = convolutions.measure(modes, threads=threads, pairs=pairs, log=say)
    rows = [convolutions.row(each) for each in timed]
    print(f"\n{convolutions.table(rows)}\n\n{convolutions.legend(sgemm, versus=bool(modes))}")
    return {"rows": rows, "sgemm_gflops_per_second": sgemm / 1e9}


def bench_epoch(modes: list[str], *, threads: int, limit: int) -> dict[str, Any]:
    rows = one_epoch.measure(modes, threads=threads, limit=limit, log=say)
    ratio = one_epoch.ratio(rows)
    print(f"\n{one_epoch.table(rows)}")
    if ratio is not None:
        print(f"\nratio of tinygen's time to PyTorch's in its faster layout: {ratio:.3f}; below 1, tinygen is faster")
    return {"rows": rows, "ratio": ratio}


def bench_startup(*, versus: bool, tries: int) -> dict[str, Any]:
    seconds = starting.measure(versus=versus, tries=tries, log=say)
    print("\n" + "\n".join(f"{name}: {value:.2f} s" for name, value in seconds.items()))
    return {"seconds": seconds}
