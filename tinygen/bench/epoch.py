"""Measuring a whole epoch: the lecture's convolutional autoencoder on the 60,000 digits of MNIST.

The network and the optimizer of `examples/conv_autoencoder.py`, with batches of 128 images; both sides draw their
batches by the same code, in the same order. They take turns of some batches each, so that both meet the same moods of
the machine.
"""

import tempfile
from pathlib import Path

import numpy as np

from tinygen.bench import workloads
from tinygen.bench.processes import TINYGEN, Log, Runner, Worker, Workers
from tinygen.bench.training import FIRST, check_losses
from tinygen.data import load
from tinygen.io.table import columns

TURN = 20  # batches


def measure(modes: list[str], *, threads: int, limit: int = 60_000, log: Log = print) -> list[dict]:
    """Seconds and mean loss of the epoch for tinygen and for PyTorch in each mode."""
    load("mnist")  # so that a download, or what is wrong with it, is seen; the workers find it where it was put
    with tempfile.TemporaryDirectory() as folder, Workers() as workers:
        arrays = Path(folder, "arrays.npz")
        np.savez(arrays, **workloads.arrays("conv_ae", batch_size=1))
        setting = dict(task="epoch", threads=threads, arrays=str(arrays), limit=limit)
        with Workers({TINYGEN: Worker(TINYGEN, **setting)}) as before:
            before.ask("train 1")  # compiles what isn't on disk yet
        for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
            workers[runner] = Worker(runner, **setting)
        total = workers[TINYGEN].ask("length")["batches"]
        losses, seconds = {runner: [] for runner in workers}, dict.fromkeys(workers, 0.0)
        for turn in range(1 + -(-(total - FIRST) // TURN)):
            for runner, answer in workers.ask(f"train {TURN if turn else FIRST}").items():
                losses[runner] += answer["losses"]
                seconds[runner] += answer["seconds"]
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
    lines = [["one epoch", "seconds", "mean loss"]]
    lines += [[row["runner"], f"{row['seconds']:.1f}", f"{row['loss']:.2f}"] for row in rows]
    return columns(lines, numbers=2, ruled=True)


def ratio(rows: list[dict]) -> float | None:
    """tinygen's seconds by those of PyTorch's best mode."""
    ours, *theirs = (row["seconds"] for row in rows)
    return ours / min(theirs) if theirs else None
