"""`python -m tinygen bench`: how fast does tinygen train, here and compared with PyTorch?"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from tinygen.bench import epoch as one_epoch
from tinygen.bench import kernels as convolutions
from tinygen.bench import report, sheet, training
from tinygen.bench import scaling as growth
from tinygen.bench import startup as starting
from tinygen.bench.machine import machine
from tinygen.bench.processes import BenchError
from tinygen.bench.rows import KINDS
from tinygen.bench.workloads import WORKLOADS, Name
from tinygen.io.files import write_json
from tinygen.io.output import say
from tinygen.runs.cli import NewFile, Refused, Whole, command


@command
def bench(
    names: Annotated[tuple[Name, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[MODEL ...]")] = (),
    *,
    vs: Annotated[Literal["torch"] | None, tyro.conf.arg(metavar="torch")] = None,
    compile: bool = False,
    threads: Annotated[int | None, Whole(1, 1024)] = None,
    pairs: Annotated[int | None, Whole(1, 10**9)] = None,
    json: Annotated[Path | None, NewFile()] = None,
    quick: bool = False,
    layers: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="[KIND ...]")] = None,
    scaling: bool = False,
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
        pairs: number of rounds, in each of which every library takes one turn: 30, or 20 with --layers and --scaling.
        json: file for the results as JSON.
        quick: two rounds on small batches, to try the command; the times mean little.
        layers: measure single layers and functions of these kinds instead, forward and backward: conv, transpose,
            float64, dense, norm, resize, pooling, activation, softmax, loss, reduce, broadcast, move, dropout,
            optimizer, recurrent, lesson (a training step of the network of each lesson); all of them if none is given.
        scaling: measure how the time of an autoencoder grows with batch, image size and channels instead.
        kernels: measure single convolutions instead: forward, input gradient, weight gradient.
        epoch: measure one epoch of the convolutional autoencoder on MNIST instead.
        startup: measure imports and the first training step instead, without and with compiled kernels on disk.
    """
    if vs == "torch" and find_spec("torch") is None:
        raise BenchError("--vs torch needs PyTorch, which isn't installed here: pip install torch, or leave out --vs")
    if scaling + kernels + epoch + startup + bool(names) + (layers is not None) > 1:
        several = "--layers, --scaling, --kernels, --epoch, --startup or names of models"
        raise Refused(f"expected one of {several}, got several: choose one")
    unknown = [kind for kind in layers or () if kind not in KINDS]
    if unknown:
        raise Refused(f"expected kinds of layers, got {' '.join(unknown)}: choose from {', '.join(KINDS)}")
    if compile and vs is None:
        raise Refused("--compile is a mode of PyTorch: add --vs torch")
    from tinygen.kernels.machine.threads import num_threads  # imports SciPy

    short = scaling or layers is not None
    pairs, threads = 2 if quick else pairs or (20 if short else 30), threads or num_threads()
    modes = ["nchw", "channels_last"] if vs else []
    about = machine(threads)
    print("\n".join(f"{key}: {value}" for key, value in about.items()) + "\n", flush=True)
    if layers is not None:
        result = bench_layers(layers, modes, threads=threads, pairs=pairs)
    elif scaling:
        result = bench_scaling(modes, threads=threads, pairs=pairs)
    elif kernels:
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


def bench_layers(kinds: tuple[str, ...], modes: list[str], *, threads: int, pairs: int) -> dict[str, Any]:
    rows = [sheet.row(each) for each in sheet.measure(kinds, modes, threads=threads, pairs=pairs, log=say)]
    print(f"\n{sheet.table(rows)}\n\n{sheet.legend(rows)}")
    if not modes:
        return {"rows": rows}
    print(f"\n{sheet.summary(rows)}\n\n{sheet.slower(rows)}")
    return {"rows": rows, "ratios": sheet.ratios(rows), "geometric mean": report.geometric_mean(rows)}


def bench_scaling(modes: list[str], *, threads: int, pairs: int) -> dict[str, Any]:
    timed = growth.measure(modes, threads=threads, pairs=pairs, log=say)
    rows = [growth.row(each) for each in timed]
    print(f"\n{growth.table(rows)}\n\n{growth.legend(rows)}")
    return {"rows": rows, "curves": growth.curves(rows) if modes else None}


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
