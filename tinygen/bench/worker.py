"""A process that measures one library: it executes one command at a time, and sleeps in between.

It reads one command per line from stdin and replies with one line of JSON. While it waits for a command it uses no
processor time. `processes.py` starts it, with the number of threads in its environment, because most libraries read
that only once.
"""

import json
import os
import sys
from itertools import islice
from time import perf_counter, process_time, sleep
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygen.bench import memory

if TYPE_CHECKING:  # a worker for PyTorch doesn't import the workloads of tinygen
    from tinygen.bench.workloads import Name


def main() -> None:
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # other output goes to stderr, not between the replies

    def reply(**figures: Any) -> None:
        replies.write(json.dumps(figures) + "\n")
        replies.flush()

    try:
        setting = json.loads(sys.stdin.readline())
        task = TASKS[setting.pop("task")](**setting)
        reply(ready=True)
        for line in sys.stdin:
            command, *numbers = line.split()
            reply(**getattr(task, command)(*map(int, numbers)))
    except Exception as error:
        reply(error=f"{type(error).__name__}: {error}".partition("\n")[0])
        raise


PAUSE = 0.02  # seconds before a turn, until the threads of the previous worker stop spinning


class Task:
    """One library; each public method is a command and returns its reply."""

    def __init__(self, library: str, mode: str, threads: int):
        self.library, self.mode = library, mode
        if library == "torch":
            import torch

            from tinygen.bench.torch_workloads import warm_up

            torch.set_num_threads(threads)
            if mode == "compiled":
                import torch._inductor.compile_fx
        else:
            from tinygen.bench.workloads import warm_up
        warm_up()
        self.meter = memory.Meter()

    def peak(self) -> dict:
        """Peak memory since the import, in megabytes; null if the system doesn't report it."""
        return {"megabytes": self.meter.peak()}

    def clock(self) -> dict:
        """Processor seconds of this process."""
        return {"seconds": process_time()}


class Training(Task):
    """Training steps of one workload."""

    def __init__(self, library: str, mode: str, threads: int, workload: "Name", arrays: str):
        super().__init__(library, mode, threads)
        self.workload: Name = workload
        with np.load(arrays, allow_pickle=False) as file:
            self.arrays = dict(file)
        if library == "torch":
            from tinygen.bench.torch_workloads import build

            self.step = build(workload, self.arrays, mode)
        else:
            from tinygen.bench.workloads import build

            self.step = build(workload, self.arrays)

    def train(self, steps: int) -> dict:
        """Milliseconds per step over `steps` steps after an untimed one, and the loss of each."""
        sleep(PAUSE)
        losses = [self.step()]
        start = perf_counter()
        losses += [self.step() for _ in range(steps)]
        return {"ms": 1e3 * (perf_counter() - start) / steps, "losses": losses}

    def flops(self) -> dict:
        """Floating-point operations of one step, and per second in a large matrix product by BLAS."""
        from tinygen.bench import workloads

        return {"flops": workloads.flops(self.workload, self.arrays), "sgemm": sgemm()}


class Layers(Task):
    """Single convolutions in all directions: `select` one, then `run` it."""

    def select(self, layer: int, direction: int) -> dict:
        """Prepare a convolution; the reply is the norm of its result, which has to be the same for both libraries."""
        from tinygen.bench import layers

        if self.library == "torch":
            from tinygen.bench.torch_layers import build

            self.call, norm = build(layers.LAYERS[layer], layers.DIRECTIONS[direction], self.mode)
        else:
            self.call, norm = layers.build(layers.LAYERS[layer], layers.DIRECTIONS[direction])
        return {"norm": norm}

    def run(self, times: int) -> dict:
        """Milliseconds per call, after an untimed one."""
        sleep(PAUSE)
        self.call()
        start = perf_counter()
        for _ in range(times):
            self.call()
        return {"ms": 1e3 * (perf_counter() - start) / times}

    def sgemm(self) -> dict:
        return {"sgemm": sgemm()}


class Sheet(Layers):
    """Layers forward and backward: `select` a row of the sheet, then `run` it."""

    def select(self, row: int) -> dict:
        """Prepare a row; the reply is the norms of output and gradients, which have to be the same for both."""
        from tinygen.bench import rows

        self.call = lambda: None  # frees the arrays of the row before
        if self.library == "torch":
            from tinygen.bench.torch_words import build

            self.call, norms = build(rows.ROWS[row], self.mode)
        else:
            from tinygen.bench.words import build

            self.call, norms = build(rows.ROWS[row])
        return {"norm": norms}


class Scaling(Layers):
    """Training steps of an autoencoder of any size: `select` one, then `run` it."""

    def select(self, batch: int, side: int, width: int) -> dict:
        """Prepare a size; the reply is the first losses, which have to be the same for both libraries."""
        from tinygen.bench import scaling

        self.call = lambda: None
        lesson = scaling.lesson(batch, side, width)
        if self.library == "torch":
            from tinygen.bench.torch_words import training

            self.call = training(lesson, self.mode)
        else:
            from tinygen.bench.words import training

            self.call = training(lesson)
        return {"norm": [loss for _ in range(2) for loss in self.call()]}


class Epoch(Task):
    """One epoch of the convolutional autoencoder on MNIST, some batches at a time."""

    def __init__(self, library: str, mode: str, threads: int, arrays: str, limit: int):
        from tinygen.data import Batches, load

        super().__init__(library, mode, threads)
        images = load("mnist", quiet=True).train_images[:limit]
        self.batches = Batches(images, 128, np.random.default_rng(0))  # the same order for both libraries
        self.left = iter(self.batches)
        with np.load(arrays, allow_pickle=False) as file:
            weights = dict(file)
        if library == "torch":
            from tinygen.bench.torch_workloads import build_autoencoder

            self.step = build_autoencoder(weights, mode)
        else:
            from tinygen.bench.workloads import build_autoencoder

            self.step = build_autoencoder(weights)

    def train(self, batches: int) -> dict:
        """Seconds for the next batches, including their selection, and the loss of each; none after the epoch."""
        start = perf_counter()
        losses = [self.step(batch) for batch in islice(self.left, batches)]  # pyright: ignore[reportArgumentType]  # arrays
        return {"seconds": perf_counter() - start, "losses": losses}

    def length(self) -> dict:
        """Batches in the epoch."""
        return {"batches": len(self.batches)}


def sgemm(size: int = 2048, tries: int = 5) -> float:
    """Floating-point operations per second of NumPy's product of two float32 matrices; the best of several tries."""
    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    seconds = []
    for _ in range(tries):
        start = perf_counter()
        np.matmul(a, a)
        seconds.append(perf_counter() - start)
    return 2 * size**3 / min(seconds)


TASKS = {"training": Training, "layers": Layers, "sheet": Sheet, "scaling": Scaling, "epoch": Epoch}

if __name__ == "__main__":
    main()
