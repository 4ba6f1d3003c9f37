"""Time per op in a long chain of small ops, forward and backward, in turn with PyTorch: `python tools/op_overhead.py`.

Run it on an idle machine. PyTorch uses one thread, its fastest setting for arrays this small.
"""

from time import perf_counter

import numpy as np

import tinygen as tg

OPS = 2000  # alternating multiplications and additions of 4 numbers
PAIRS = 60  # rounds, in which both libraries take one turn


def tinygen_chain() -> tuple[float, float]:
    """Seconds for the forward pass alone, and with the backward pass."""
    x, c = tg.Parameter(np.ones(4, np.float32)), tg.Tensor(np.full(4, 1.0001, np.float32))
    start, y = perf_counter(), x
    for _ in range(OPS // 2):
        y = y * c + c
    middle = perf_counter()
    tg.grad(y.sum(), x)
    return middle - start, perf_counter() - start


def torch_chain(torch) -> tuple[float, float]:
    """The same in PyTorch."""
    x, c = torch.ones(4, requires_grad=True), torch.full((4,), 1.0001)
    start, y = perf_counter(), x
    for _ in range(OPS // 2):
        y = y * c + c
    middle = perf_counter()
    torch.autograd.grad(y.sum(), x)
    return middle - start, perf_counter() - start


def main() -> None:
    try:
        import torch
    except ImportError:
        torch = None
    else:
        torch.set_num_threads(1)
    ours, theirs = [], []
    for _ in range(PAIRS):  # in turn, so that noise of the machine affects both
        ours.append(tinygen_chain())
        if torch is not None:
            theirs.append(torch_chain(torch))
    print(f"microseconds per op, chain of {OPS}, median of {PAIRS}      forward  forward + backward")
    for name, seconds in (("tinygen", ours), (f"torch {torch and torch.__version__}", theirs)):
        if seconds:
            forward, both = 1e6 / OPS * np.median(seconds, axis=0)
            print(f"{name:55}  {forward:7.2f}  {both:18.2f}")
    if theirs:
        ratios = np.array(ours)[:, 1] / np.array(theirs)[:, 1]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        print(
            f"ratio, forward and backward: {middle:.2f} (quartiles {low:.2f} to {high:.2f}); below 1, tinygen is faster"
        )


if __name__ == "__main__":
    main()
