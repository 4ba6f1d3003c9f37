"""`python -m tinygen warm`: compile the kernels ahead of the first training."""

from time import perf_counter

from tinygen.bench import workloads
from tinygen.bench.workloads import WORKLOADS
from tinygen.io.output import say
from tinygen.runs.cli import command


@command
def warm() -> None:
    """Compile all kernels and keep them on disk, by one training step of each benchmark model; takes up to a minute."""
    start = perf_counter()
    for name in WORKLOADS:
        begin = perf_counter()
        workloads.build(name, workloads.arrays(name))()
        say(f"{name}: {perf_counter() - begin:.1f} s")
    say(f"all kernels are compiled and on disk; it took {perf_counter() - start:.1f} s")
