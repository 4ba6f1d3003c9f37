"""The table of a benchmark: what was measured, in words and as JSON."""

import math

import numpy as np

from tinygen.bench.turns import TINYGEN, Measured, Runner
from tinygen.columns import columns


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
    runners = list(dict.fromkeys(name for row in rows for name in row["ms"]))
    versus = len(runners) > 1
    head = ["ms per training step", *runners]
    head += ["ratio", "MB tinygen", "MB torch"] if versus else ["MB"]
    lines = [[*head, "GFLOP/s", "of sgemm"]]
    for row in rows:
        cells = [row["workload"], *(in_brackets(row["ms"].get(name), 3) for name in runners)]
        mine, *theirs = (row["megabytes"].get(name) for name in runners)
        if versus:
            cells += [in_brackets(row["ratio"], 2), whole(mine), whole(min((t for t in theirs if t), default=None))]
        else:
            cells.append(whole(mine))
        speed, peak = row["gflops_per_second"], row["sgemm_gflops_per_second"]
        lines.append([*cells, f"{speed:.3g}", f"{100 * speed / peak:.0f} %"])
    mean = geometric_mean(rows)
    if versus and mean is not None:
        blank = [""] * len(runners)
        lines.append([f"geometric mean of {len(rows)}", *blank, f"{mean:.3f}", "", "", "", ""])
    return columns(lines, numbers=len(lines[0]) - 1, ruled=True)


def in_brackets(figure: dict[str, float] | None, digits: int) -> str:
    """ "108 [105, 112]": the median and its quartiles."""
    if figure is None:
        return "-"
    show = (lambda x: f"{x:#.{digits}g}".rstrip(".")) if digits == 3 else (lambda x: f"{x:.{digits}f}")
    return f"{show(figure['median'])} [{show(figure['lower quartile'])}, {show(figure['upper quartile'])}]"


def whole(megabytes: float | None) -> str:
    return "-" if megabytes is None else f"{megabytes:.0f}"


LEGEND = """\
ms: median [lower quartile, upper quartile] over {rounds} rounds, in which all took turns.
MB: peak memory in training, less the size after import{of_torch}.
GFLOP/s: multiplications and additions of matrix products and convolutions in tinygen's step; "of sgemm": as a share of
what NumPy's own product of two large matrices reaches here."""
VERSUS = "\nratio: tinygen's time by that of PyTorch's best mode, round by round; below 1 tinygen is faster."


def legend(rows: list[dict]) -> str:
    versus = any(row["ratio"] for row in rows)
    text = LEGEND.format(rounds=rows[0]["rounds"], of_torch="; of PyTorch's modes the smallest" if versus else "")
    return text + (VERSUS if versus else "")
