"""The table of a benchmark: what was measured, in words and as JSON."""

import math

import numpy as np

from tinygen.bench.processes import TINYGEN, Runner
from tinygen.bench.training import Measured
from tinygen.io.table import columns


def best_mode(m: Measured) -> Runner | None:
    """PyTorch's mode with the smallest median; None if it didn't run."""
    rivals = [runner for runner in m.ms if runner != TINYGEN]
    return min(rivals, key=lambda runner: np.median(m.ms[runner]), default=None)


def ratios(m: Measured) -> np.ndarray | None:
    """tinygen's time over that of PyTorch's best mode, for each round."""
    best = best_mode(m)
    return None if best is None else m.ms[TINYGEN] / m.ms[best]


def row(m: Measured) -> dict:
    """One workload as plain numbers."""
    best, ratio = best_mode(m), ratios(m)
    return {
        "workload": m.workload,
        "rounds": len(m.ms[TINYGEN]),
        "ms": {str(runner): quartiles(values) for runner, values in m.ms.items()},
        "best": None if best is None else str(best),
        "ratio": None if ratio is None else quartiles(ratio),
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
    """One line per workload; the columns are explained below it."""
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
    """PyTorch's time in each of its modes."""
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
ms: median [quartiles] of a training step over {rounds} rounds in which all take turns.
MB: memory at the peak, less the size after import and the step of a network of two weights.
GFLOP/s: of tinygen's matrix products and convolutions, and what NumPy's product of two large matrices reaches."""
VERSUS = """
torch: PyTorch in the mode with the smallest median, for MB in the mode that needs the least.
ratio: tinygen's time by PyTorch's, round by round; below 1 tinygen is faster."""


def legend(rows: list[dict]) -> str:
    return LEGEND.format(rounds=rows[0]["rounds"]) + (VERSUS if any(row["ratio"] for row in rows) else "")
