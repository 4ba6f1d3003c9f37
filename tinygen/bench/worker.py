"""A process that does one side's share of a measurement, a little at a time, when it is told to; in between it sleeps.

It reads one command per line from stdin and answers each with one line of JSON. While it waits it is blocked in that
read and takes no processor time from the side whose turn it is. Started by `processes.py`, with the number of threads
already in its environment, for most libraries look there only once.
"""

import json
import os
import sys
from itertools import islice
from time import perf_counter, process_time, sleep

import numpy as np

from tinygen.bench import memory


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what else is printed here must not come between the answers

    def answer(**figures) -> None:
        answers.write(json.dumps(figures) + "\n")
        answers.flush()

    try:
        setting = json.loads(sys.stdin.readline())
        side = SIDES[setting.pop("task")](**setting)
        answer(ready=True)
        for line in sys.stdin:
            command, *numbers = line.split()
            answer(**getattr(side, command)(*map(int, numbers)))
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}".partition("\n")[0])
        raise


PAUSE = 0.02  # seconds before a turn, in which the threads of the one before stop looking out for more work


class Side:
    """One library, with what every task needs; each public method is a command and returns its answer."""

    def __init__(self, library: str, mode: str, threads: int):
        self.library, self.mode = library, mode
        if library == "torch":
            import torch

            from tinygen.bench.torch_workloads import wake

            torch.set_num_threads(threads)
            if mode == "compiled":
                import torch._inductor.compile_fx
        else:
            from tinygen.bench.workloads import wake
        wake()
        self.meter = memory.Meter()

    def peak(self) -> dict:
        """Megabytes at the peak so far, less those after import; null where the system doesn't say."""
        return {"megabytes": self.meter.peak()}

    def clock(self) -> dict:
        """Processor seconds that this process has used."""
        return {"seconds": process_time()}


class Training(Side):
    """Steps of one workload."""

    def __init__(self, library: str, mode: str, threads: int, workload: str, arrays: str):
        super().__init__(library, mode, threads)
        self.workload = workload
        with np.load(arrays, allow_pickle=False) as file:
            self.arrays = dict(file)
        if library == "torch":
            from tinygen.bench.torch_workloads import build

            self.step = build(workload, self.arrays, mode)
        else:
            from tinygen.bench.workloads import build

            self.step = build(workload, self.arrays)

    def train(self, steps: int) -> dict:
        """Milliseconds per step over `steps` steps after one that is not timed, and the loss of each."""
        sleep(PAUSE)
        losses = [self.step()]
        start = perf_counter()
        losses += [self.step() for _ in range(steps)]
        return {"ms": 1e3 * (perf_counter() - start) / steps, "losses": losses}

    def flops(self) -> dict:
        """Of one step; and what this machine's BLAS does in a second."""
        from tinygen.bench import workloads

        return {"flops": workloads.flops(self.workload, self.arrays), "sgemm": sgemm()}


class Layers(Side):
    """Single convolutions in all directions: `select` one, then `run` it."""

    def select(self, layer: int, direction: int) -> dict:
        """Make ready; the answer says how large the result is, for both libraries have to agree in it."""
        from tinygen.bench import layers

        if self.library == "torch":
            from tinygen.bench.torch_layers import build

            self.call, norm = build(layers.LAYERS[layer], layers.DIRECTIONS[direction], self.mode)
        else:
            self.call, norm = layers.build(layers.LAYERS[layer], layers.DIRECTIONS[direction])
        return {"norm": norm}

    def run(self, times: int) -> dict:
        """Milliseconds per call, after one that is not timed."""
        sleep(PAUSE)
        self.call()
        start = perf_counter()
        for _ in range(times):
            self.call()
        return {"ms": 1e3 * (perf_counter() - start) / times}

    def sgemm(self) -> dict:
        return {"sgemm": sgemm()}


class Epoch(Side):
    """One epoch of the convolutional autoencoder on MNIST, some batches at a time."""

    def __init__(self, library: str, mode: str, threads: int, arrays: str, limit: int):
        from tinygen.data import Batches, load

        super().__init__(library, mode, threads)
        images = load("mnist", quiet=True).train_images[:limit]
        self.batches = Batches(images, 128, np.random.default_rng(0))  # the same order on both sides
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
        """Seconds for the next batches, drawing them included, and the loss of each; none at the end of the epoch."""
        start = perf_counter()
        losses = [self.step(batch) for batch in islice(self.left, batches)]
        return {"seconds": perf_counter() - start, "losses": losses}

    def length(self) -> dict:
        """Batches in the epoch."""
        return {"batches": len(self.batches)}


def sgemm(size: int = 2048, tries: int = 5) -> float:
    """Flops per second of NumPy's own product of two float32 matrices, on as many threads as it takes; the best try."""
    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    seconds = []
    for _ in range(tries):
        start = perf_counter()
        a @ a
        seconds.append(perf_counter() - start)
    return 2 * size**3 / min(seconds)


SIDES = {"training": Training, "layers": Layers, "epoch": Epoch}

if __name__ == "__main__":
    main()
