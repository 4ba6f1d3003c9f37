"""Measure a whole epoch: the convolutional autoencoder on the 60,000 training digits of MNIST.

Network and optimizer are those of `examples/mnist/conv_autoencoder.py`, with batches of 128 images. Both libraries use
the same batches in the same order and take turns of some batches each, so that noise of the machine affects both alike.
"""

import tempfile
from pathlib import Path

import numpy as np

from tinygen.bench import workloads
from tinygen.bench.processes import TINYGEN, Log, Runner, Worker, Workers
from tinygen.bench.training import FIRST, check_losses
from tinygen.data import load
from tinygen.io.table import columns

TURN = 20  # batches in a turn


def measure(modes: list[str], *, threads: int, limit: int = 60_000, log: Log = print) -> list[dict]:
    """Seconds and mean loss of an epoch of `limit` images, for tinygen and for PyTorch in each of `modes`."""
    load("mnist")  # downloads it if necessary, with a progress bar; the workers then find the files
    with tempfile.TemporaryDirectory() as folder, Workers() as workers:
        arrays = Path(folder, "arrays.npz")
        workloads.save_arrays(arrays, workloads.arrays("conv_ae", batch_size=1))

        def start(runner: Runner) -> Worker:
            return Worker(runner, "epoch", threads=threads, arrays=str(arrays), limit=limit)

        with Workers({TINYGEN: start(TINYGEN)}) as compiling:
            compiling.call("train 1")  # compiles kernels that aren't on disk yet
        for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
            workers[runner] = start(runner)
        total = workers[TINYGEN].call("length")["batches"]
        losses: dict[Runner, list[float]] = {runner: [] for runner in workers}
        seconds = dict.fromkeys(workers, 0.0)
        for turn in range(1 + -(-(total - FIRST) // TURN)):
            for runner, reply in workers.call(f"train {TURN if turn else FIRST}").items():
                losses[runner] += reply["losses"]
                seconds[runner] += reply["seconds"]
            if turn == 0:
                check_losses("epoch", losses)
            elif turn % 8 == 0:
                times = ", ".join(f"{runner} {spent:.1f} s" for runner, spent in seconds.items())
                log(f"{len(losses[TINYGEN])} of {total} batches: {times}")
    return [
        {
            "runner": str(runner),
            "seconds": seconds[runner],
            "loss": float(np.mean(losses[runner])),
            "batches": len(losses[runner]),
        }
        for runner in workers
    ]


def table(rows: list[dict]) -> str:
    """One line per library and mode."""
    lines = [["one epoch", "seconds", "mean loss"]]
    lines += [[row["runner"], f"{row['seconds']:.1f}", f"{row['loss']:.2f}"] for row in rows]
    return columns(lines, numbers=2, ruled=True)


def ratio(rows: list[dict]) -> float | None:
    """The time of tinygen divided by that of PyTorch in its fastest mode; None without PyTorch."""
    ours, *theirs = (row["seconds"] for row in rows)
    return ours / min(theirs) if theirs else None
