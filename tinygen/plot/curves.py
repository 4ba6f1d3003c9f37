"""Curves such as losses, labelled at their ends."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from tinygen.errors import arguments
from tinygen.plot.canvas import FAINT, PALETTE, TEXT, Picture, named_axes, write

Curve = Sequence[float] | np.ndarray


def loss_curves(
    curves: Mapping[str, Curve],
    *,
    x: Curve | Mapping[str, Curve] | None = None,
    reference: Mapping[str, float] | None = None,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    title: str = "",
    log: bool = False,
    max_points: int | None = None,
    width: int = 960,
) -> Picture:
    """Curves with their names and last values at the right, and dotted horizontal lines for baselines.

    Args:
        curves: from names to values (N,).
        x: the x coordinates of all curves, or a dict with those of each; by default 1, 2, ...
        reference: from names to the values of baselines.
        xlabel: name of the x axis.
        ylabel: name and unit of the y axis.
        title: a text above the curves.
        log: whether the y axis is logarithmic.
        max_points: largest number of points of a curve; one with more becomes the means of that many segments, each at
            its last x.
        width: width in pixels; the font size does not depend on it, so narrow pictures stay readable side by side.

    Returns a `Picture`. Raises ValueError for curves that can't be drawn.

    >>> from tinygen import plot
    >>> plot.loss_curves({"train": [3.0, 2.0, 1.5]}, ylabel="nats per image")
    <Picture ...>
    """
    if not curves:
        raise ValueError("loss_curves: expected at least one curve, got none")
    width = arguments.whole("loss_curves", "width", width, least=200)
    lines = {name: _line(name, values, x, log) for name, values in curves.items()}
    if max_points is not None:
        count = arguments.whole("loss_curves", "max_points", max_points, least=1)
        lines = {name: _segments(*line, count) for name, line in lines.items()}
    levels = {
        name: arguments.real("loss_curves", f"reference {name!r}", y, above=0.0 if log else None)
        for name, y in (reference or {}).items()
    }
    picture, axes = named_axes(title, xlabel, ylabel, width=width, height=round(width / 1.6))
    ends: list[tuple[str, float, Any]] = []  # (name, y, colour)
    for i, (name, (steps, values)) in enumerate(lines.items()):
        colour = PALETTE[i % len(PALETTE)]
        thickness, marker = (1.2 if values.size > 200 else 2), ("o" if values.size <= 20 else "")
        axes.plot(steps, values, color=colour, lw=thickness, marker=marker, ms=4)
        last = values[np.isfinite(values)][-1]
        ends.append((name, last, tuple(0.65 * c for c in to_rgb(colour))))  # darker, for contrast
    for name, value in levels.items():
        axes.axhline(value, color=FAINT, lw=1.2, ls=(0, (1, 2)))
        ends.append((name, value, FAINT))
    _number_axes(axes, log)
    heights = (axes.transScale + axes.transLimits).transform([(1, y) for _, y, _ in ends])[
        :, 1
    ]  # from 0 at the bottom to 1 at the top
    for (name, y, colour), height in zip(ends, _spread(heights, gap=0.06)):
        place = {"transform": axes.transAxes, "va": "center"}
        write(axes, 1.015, height, f"{name}  {y:.4g}", size=TEXT, color=colour, **place)
    return picture


def _line(name: str, values: Curve, x: Curve | Mapping[str, Curve] | None, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """The x and y of one curve; ValueError if they can't be drawn."""
    values = np.asarray(values, float)
    if isinstance(x, Mapping) and name not in x:
        raise ValueError(f"loss_curves: expected x for {name!r}, got x for {', '.join(map(repr, x)) or 'none'}")
    steps = np.arange(1, values.size + 1) if x is None else np.asarray(x[name] if isinstance(x, Mapping) else x, float)
    if values.ndim != 1 or steps.shape != values.shape:
        raise ValueError(f"loss_curves: expected x and values (N,) for {name!r}, got {steps.shape} and {values.shape}")
    if not np.isfinite(values).any() or (log and (values <= 0).any()):
        raise ValueError(f"loss_curves: expected {'positive' if log else 'finite'} values for {name!r}, got {values}")
    if not np.isfinite(steps).all():
        raise ValueError(f"loss_curves: expected finite x for {name!r}, got {steps}")
    return steps, values


def _segments(steps: np.ndarray, values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The last x and the mean y of `count` segments of nearly equal lengths; a shorter curve as it is."""
    if len(values) <= count:
        return steps, values
    ends = [part[-1] for part in np.array_split(steps, count)]
    return np.array(ends), np.array([part.mean() for part in np.array_split(values, count)])


def _number_axes(axes: Axes, log: bool) -> None:
    """Ticks at round numbers, written plainly, and at integers along x."""
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    ticks = MaxNLocator(7, steps=[1, 2, 5, 10])
    axes.set_yscale("log" if log else "linear")
    low, high = axes.get_ylim()  # also makes the limits final
    if log:
        if high > 6 * low:  # below that, linear ticks are better
            ticks = LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(ticks)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """The heights moved as little as possible (least squares), in the same order, so that they are `gap` apart.

    After subtracting i·gap from the i-th height, they only need to be non-decreasing: isotonic regression, by pooling
    adjacent violators.
    """
    order = np.argsort(heights, kind="stable")
    pools: list[tuple[float, int]] = []  # (sum, count)
    for i, height in enumerate(heights[order]):
        total, count = height - i * gap, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            total, count = total + pools[-1][0], count + pools.pop()[1]
        pools.append((total, count))
    spread = np.empty(len(heights))
    spread[order] = np.repeat([t / n for t, n in pools], [n for _, n in pools]) + gap * np.arange(len(heights))
    return spread
