"""Measure the sheet: forward and backward pass of one layer or function at a time, tinygen and PyTorch in turn."""

from itertools import groupby
from textwrap import fill
from typing import NamedTuple

import numpy as np

from tinygen.bench import rows
from tinygen.bench.kernels import turns
from tinygen.bench.processes import TINYGEN, Log, Runner, Worker, Workers
from tinygen.bench.report import compared, geometric_mean, in_brackets
from tinygen.bench.rows import Row
from tinygen.io.table import columns

SECONDS = 2.0  # for a row; no more rounds begin after that


class Timed(NamedTuple):
    """Milliseconds per forward and backward pass of one row, in each round, by runner."""

    row: Row
    ms: dict[Runner, np.ndarray]


def measure(kinds: tuple[str, ...], modes: list[str], *, threads: int, pairs: int, log: Log = print) -> list[Timed]:
    """Time all rows of the given kinds; of all kinds, if none is given."""
    found, numbers = [], rows.chosen(kinds)
    with Workers() as workers:
        for runner in [TINYGEN, *(Runner("torch", mode) for mode in modes)]:
            workers[runner] = Worker(runner, "sheet", threads=threads)
        for count, i in enumerate(numbers):
            row = rows.ROWS[i]
            taking_part = Workers(dict(list(workers.items())[: None if row.layouts else 2]))
            ms = turns(taking_part, str(row), f"select {i}", pairs, seconds=SECONDS)
            found.append(Timed(row, ms))
            medians = ", ".join(f"{runner} {np.median(values):.3g} ms" for runner, values in ms.items())
            log(f"{count + 1} of {len(numbers)}: {row}: {medians}")
    return found


def row(timed: Timed) -> dict:
    """One line of the table as numbers."""
    return {"kind": timed.row.kind, "row": timed.row.text, "input": timed.row.sizes, **compared(timed.ms)}


def table(rows: list[dict]) -> str:
    """One line per row; the legend explains the columns."""
    versus = rows[0]["ratio"] is not None
    lines = [["forward and backward", "input", "ms", *(["torch ms", "ratio"] if versus else [])]]
    for each in rows:
        line = [each["row"], each["input"], f"{each['ms']['tinygen']['median']:#.3g}".rstrip(".")]
        if versus:
            line.append(f"{each['ms'][each['best']]['median']:#.3g}".rstrip("."))
            line.append(in_brackets(each["ratio"], 2))
        lines.append(line)
    return columns(lines, numbers=len(lines[0]) - 2, ruled=True)


def ratios(rows: list[dict]) -> dict[str, list[float]]:
    """The ratios of each kind, in ascending order."""
    kinds = groupby(rows, key=lambda each: each["kind"])
    return {kind: sorted(round(each["ratio"]["median"], 3) for each in group) for kind, group in kinds}


def summary(rows: list[dict]) -> str:
    """One line per kind: the number of rows, the geometric mean of their ratios, and the slowest row."""
    lines = [["kind", "slowest", "rows", "mean ratio", "worst"]]
    for kind, each in [*((kind, list(group)) for kind, group in groupby(rows, key=lambda r: r["kind"])), ("all", rows)]:
        worst = max(each, key=lambda row: row["ratio"]["median"])
        name = f"{worst['row']} {worst['input']}"
        lines.append([kind, name, str(len(each)), f"{geometric_mean(each):.2f}", f"{worst['ratio']['median']:.2f}"])
    return columns(lines, numbers=3, ruled=True)


def slower(rows: list[dict]) -> str:
    """The rows that take longer than PyTorch, the slowest first."""
    found = sorted((r for r in rows if r["ratio"]["median"] > 1), key=lambda r: -r["ratio"]["median"])
    lines = [f"  {in_brackets(each['ratio'], 2)}  {each['kind']}: {each['row']} {each['input']}" for each in found]
    return "\n".join([f"rows above 1: {len(found)} of {len(rows)}", *lines])


def legend(rows: list[dict]) -> str:
    """What the columns are."""
    lines = [
        "ms: median time of a forward and backward pass, with the gradients of inputs and weights; of a step, "
        "for optimizers and lessons."
    ]
    if rows[0]["ratio"] is not None:
        lines += [
            "torch: PyTorch in its faster layout, with fused optimizers.",
            "ratio: time of tinygen divided by that of PyTorch in the same round, median [quartiles].",
        ]
    return "\n".join(fill(line, 80) for line in lines)
