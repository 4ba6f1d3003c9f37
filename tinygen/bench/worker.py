"""A process that trains one side of a workload, a few steps at a time, when it is told to; in between it sleeps.

It reads one command per line from stdin and answers each with one line of JSON. While it waits it is blocked in that
read and takes no processor time from the side whose turn it is. Started by `turns.py`, with the number of threads
already in its environment, for most libraries look there only once.
"""

import json
import os
import sys
from time import perf_counter

import numpy as np

from tinygen.bench import memory


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what else is printed here must not come between the answers

    def answer(**figures) -> None:
        answers.write(json.dumps(figures) + "\n")
        answers.flush()

    try:
        side = Side(**json.loads(sys.stdin.readline()))
        answer(ready=True)
        for line in sys.stdin:
            command, *numbers = line.split()
            answer(**getattr(side, command)(*map(int, numbers)))
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}".partition("\n")[0])
        raise


class Side:
    """One workload on one library; each method is a command and returns its answer."""

    def __init__(self, library: str, workload: str, mode: str, arrays: str, threads: int):
        self.library, self.workload, self.mode = library, workload, mode
        if library == "torch":
            import torch

            torch.set_num_threads(threads)
            import torch._dynamo  # which its optimizers import when the first is made

            if mode == "compiled":
                import torch._inductor.compile_fx
        else:
            from tinygen.kernels import jit, threads  # noqa: F401  numba and SciPy's BLAS, for the first kernel
        self.meter = memory.Meter()
        with np.load(arrays, allow_pickle=False) as file:
            self.arrays = dict(file)
        if library == "torch":
            from tinygen.bench import torch_workloads

            self.step = torch_workloads.build(workload, self.arrays, mode)
        else:
            from tinygen.bench import workloads

            self.step = workloads.build(workload, self.arrays)

    def train(self, steps: int) -> dict:
        """Milliseconds per step over `steps` steps, and the loss of each."""
        start = perf_counter()
        losses = [self.step() for _ in range(steps)]
        return {"ms": 1e3 * (perf_counter() - start) / steps, "losses": losses}

    def peak(self) -> dict:
        """Megabytes at the peak so far, less those after import; null where the system doesn't say."""
        return {"megabytes": self.meter.peak()}

    def flops(self) -> dict:
        """Of one step; and what this machine's BLAS does in a second."""
        from tinygen.bench import workloads

        return {"flops": workloads.flops(self.workload, self.arrays), "sgemm": sgemm()}

    def stop(self) -> dict:
        sys.exit()


def sgemm(size: int = 2048, tries: int = 5) -> float:
    """Flops per second of NumPy's own product of two float32 matrices, on as many threads as it takes; the best try."""
    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    seconds = []
    for _ in range(tries):
        start = perf_counter()
        a @ a
        seconds.append(perf_counter() - start)
    return 2 * size**3 / min(seconds)


if __name__ == "__main__":
    main()
