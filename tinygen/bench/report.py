"""The results of a benchmark as tables and as JSON."""

import math

import numpy as np

from tinygen.bench.processes import TINYGEN, Runner
from tinygen.bench.training import Measured
from tinygen.io.table import columns


def compared(ms: dict[Runner, np.ndarray]) -> dict:
    """Times by runner; the mode of PyTorch with the smallest median; and the ratio to that mode, round by round.

    Without PyTorch, mode and ratio are None.
    """
    best = min((runner for runner in ms if runner != TINYGEN), key=lambda r: np.median(ms[r]), default=None)
    return {
        "ms": {str(runner): quartiles(values) for runner, values in ms.items()},
        "best": None if best is None else str(best),
        "ratio": None if best is None else quartiles(ms[TINYGEN] / ms[best]),
    }


def row(m: Measured) -> dict:
    """The result for one workload as numbers."""
    return {
        "workload": m.workload,
        "rounds": len(m.ms[TINYGEN]),
        **compared(m.ms),
        "megabytes": {str(runner): size for runner, size in m.megabytes.items()},
        "disturbance": m.disturbance,
        "gflops_per_second": m.flops / np.median(m.ms[TINYGEN]) / 1e6,
        "sgemm_gflops_per_second": m.sgemm / 1e9,
    }


def quartiles(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": middle, "lower quartile": low, "upper quartile": high}


def geometric_mean(rows: list[dict]) -> float | None:
    found = [row["ratio"]["median"] for row in rows if row["ratio"]]
    return math.exp(sum(map(math.log, found)) / len(found)) if found else None


def table(rows: list[dict]) -> str:
    """One line per workload; the legend explains the columns."""
    versus = any(row["ratio"] for row in rows)
    more = ["torch ms", "ratio", "MB", "torch MB"] if versus else ["MB"]
    lines = [["training step", "tinygen ms", *more, "GFLOP/s"]]
    for row in rows:
        speed = f"{row['gflops_per_second']:.0f} of {row['sgemm_gflops_per_second']:.0f}"
        mine, *others = row["megabytes"].values()
        theirs = min((size for size in others if size is not None), default=None)
        line = [row["workload"], in_brackets(row["ms"]["tinygen"], 3)]
        line += [in_brackets(row["ms"][row["best"]], 3), in_brackets(row["ratio"], 2)] if versus else []
        lines.append([*line, whole(mine), *([whole(theirs)] if versus else []), speed])
    if versus:
        lines.append(["geometric mean", "", "", f"{geometric_mean(rows):.3f}", "", "", ""])
    return columns(lines, numbers=len(lines[0]) - 1, ruled=True)


def modes_table(rows: list[dict]) -> str:
    """The time of PyTorch in each of its modes."""
    modes = list(dict.fromkeys(mode for row in rows for mode in row["ms"] if mode != "tinygen"))
    lines = [["ms per step", *modes]]
    lines += [[row["workload"], *(in_brackets(row["ms"].get(mode), 3) for mode in modes)] for row in rows]
    return columns(lines, numbers=len(modes), ruled=True)


def in_brackets(figure: dict[str, float] | None, digits: int) -> str:
    """ "108 [105, 112]": the median and its quartiles."""
    if figure is None:
        return "-"
    show = (lambda x: f"{x:#.{digits}g}".rstrip(".")) if digits == 3 else (lambda x: f"{x:.{digits}f}")
    return f"{show(figure['median'])} [{show(figure['lower quartile'])}, {show(figure['upper quartile'])}]"


def whole(megabytes: float | None) -> str:
    return "-" if megabytes is None else f"{megabytes:.0f}"


LEGEND = """\
ms: time of a training step, median [quartiles] over {rounds} rounds.
MB: peak memory of the training, without that of the imports.
GFLOP/s: of tinygen in matrix products and convolutions, of what NumPy's product of two large matrices reaches."""
VERSUS = """
torch: PyTorch, ms in its fastest mode, MB in the mode that needs the least memory.
ratio: time of tinygen divided by that of PyTorch in the same round, median [quartiles]; below 1, tinygen is faster."""


def legend(rows: list[dict]) -> str:
    return LEGEND.format(rounds=rows[0]["rounds"]) + (VERSUS if any(row["ratio"] for row in rows) else "")
