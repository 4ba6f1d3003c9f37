"""A scoreboard: several models, each measured in several ways, with the best one of each measure in colour."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygen.errors import arguments
from tinygen.plot.canvas import INK, LITERAL, PALETTE, TEXT, Picture, text_width
from tinygen.plot.panels import panels

GREY = "#8a8a8a"
ENDS = ("high", "low")


def scoreboard(
    scores: Mapping[str, Any], measures: Mapping[str, str], *, title: str = "", columns: int = 2, width: int = 720
) -> Picture:
    """One panel for each measure, one line for each model: a point for each run, and their mean as a bar and a number.

    Args:
        scores: name of a model -> its values, one for each measure (P,), or those of several runs (R, P).
        measures: name of a measure, with its unit -> "high" or "low", the better end.
        title: a text above the panels.
        columns: number of panels side by side.
        width: that of the picture, in pixels.

    Returns a `Picture`. The model with the best mean is in colour. Raises ValueError for no models or measures, for
    values of another shape or that are not finite, and for another end.

    >>> from tinygen import plot
    >>> plot.scoreboard({"plain": [0.9, 14.2], "denoising": [1.0, 15.4]}, {"squared error": "low", "PSNR, dB": "high"})
    <Picture ...>
    """
    if not scores or not measures:
        raise ValueError(
            'scoreboard: expected a model and a measure, got none: write {"plain": [0.9]}, {"error": "low"}'
        )
    ends = [arguments.choice("scoreboard", f"measures[{name!r}]", end, ENDS) for name, end in measures.items()]
    values = {name: _runs(name, runs, len(measures)) for name, runs in scores.items()}  # (R, P) each
    better = {"high": "more is better →", "low": "← less is better"}
    columns = min(arguments.whole("scoreboard", "columns", columns, least=1), len(measures))
    room = width // columns - max(map(text_width, scores)) - 50  # pixels for the name of a measure
    names = [_wrapped(name, room) for name in measures]
    tall = 90 + 36 * len(scores) + 28 * max(name.count("\n") + 1 for name in names)  # pixels
    picture, axes = panels(
        *names,
        xlabel=[better[end] for end in ends],
        title=title,
        columns=columns,
        width=width,
        height=math.ceil(len(measures) / columns) * tall + 50 * bool(title),
    )
    for number, (ax, end) in enumerate(zip(axes, ends)):
        _draw(ax, {name: runs[:, number] for name, runs in values.items()}, end)
    return picture


def _runs(name: str, runs: Any, count: int) -> np.ndarray:
    """The values of a model as (R, P)."""
    values = np.atleast_2d(np.asarray(runs, dtype=np.float64))
    if values.ndim != 2 or values.shape[1] != count or not len(values):
        raise ValueError(
            f"scoreboard: expected ({count},) or (runs, {count}) for {name!r}, one value for each measure, "
            f"got {np.shape(runs)}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"scoreboard: expected finite values for {name!r}, got NaN or infinity: leave the model out")
    return values


def _wrapped(text: str, room: int) -> str:
    """A text in lines that are at most `room` pixels wide, where its words allow it."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if not lines[-1] or text_width(longer) <= room else [*lines, word]
    return "\n".join(lines)


def _draw(ax: Any, values: Mapping[str, np.ndarray], end: str) -> None:
    means = np.array([runs.mean() for runs in values.values()])
    best = int(means.argmax() if end == "high" else means.argmin())
    for line, (runs, mean) in enumerate(zip(values.values(), means)):
        color = PALETTE[1] if line == best else GREY
        ax.plot(runs, np.full(len(runs), line), "o", color=color, ms=4, alpha=0.7)
        ax.plot([mean, mean], [line - 0.32, line + 0.32], color=color, lw=3)
        text = dict(size=TEXT - 2, color=INK, weight="bold" if line == best else "normal", ha="right", va="center")
        ax.text(1.0, line, f"{mean:#.3g}".rstrip("."), transform=ax.get_yaxis_transform(), **text, **LITERAL)
    ax.set_yticks(range(len(values)), labels=list(values), **LITERAL)
    ax.set(ylim=(len(values) - 0.5, -0.5))
    low, high = ax.get_xlim()
    ax.set_xlim(low, high + 0.4 * (high - low))  # room for the numbers
    ax.grid(axis="y", color="#e8e8e8")
    ax.set_axisbelow(True)
