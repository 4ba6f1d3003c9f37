"""The results of the benchmark as pictures, for the documentation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygen import plot


def draw_ratios(ratios: Mapping[str, Sequence[float]]) -> plot.Picture:
    """One line for each kind of layers: a dot for each row, and a stroke at their geometric mean.

    Args:
        ratios: for each kind, the times of its rows divided by PyTorch's, as in the JSON of `bench --layers`.
    """
    figure, (axes,) = plot.panels("", xlabel="time, divided by PyTorch's", height=140 + 24 * len(ratios))
    for line, values in enumerate(ratios.values()):
        axes.plot(values, [line] * len(values), "o", color=plot.PALETTE[0], alpha=0.5, mew=0)
        axes.plot(np.exp(np.mean(np.log(values))), line, "|", color=plot.PALETTE[1], ms=18, mew=3)
    axes.axvline(1, color="#6b6b6b", ls=":")
    axes.set(xscale="log", yticks=range(len(ratios)), yticklabels=list(ratios), ylim=(len(ratios) - 0.5, -0.5))
    _plain(axes, [0.1, 0.2, 0.5, 1, 2, 5])
    return figure


def draw_curves(curves: Mapping[str, Sequence[tuple[int, float, float]]]) -> plot.Picture:
    """One panel for each size that varies: the time per image of both libraries, with logarithmic axes.

    Args:
        curves: for each size, its values with the milliseconds of tinygen and of PyTorch, as in the JSON of
            `bench --scaling`.
    """
    names = {"batch": "images in a batch", "side": "pixels along a side", "width": "channels"}
    labels = [names.get(axis, axis) for axis in curves]
    ylabel = ["ms per image", *[""] * (len(curves) - 1)]
    figure, panels = plot.panels(*curves, xlabel=labels, ylabel=ylabel, height=320)
    for axes, points in zip(panels, curves.values()):
        sizes, ours, theirs = zip(*points)
        for values, style, colour in ((theirs, "o--", plot.PALETTE[1]), (ours, "o-", plot.PALETTE[0])):
            axes.loglog(sizes, values, style, color=colour, ms=4, clip_on=False)
        _plain(axes, sizes[:: -(-len(sizes) // 3)])
        if max(theirs) < 10 * min(ours):  # no decade to mark
            axes.set_yticks([tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10) if min(ours) < tick < max(theirs)])
    size, mine, others = next(iter(curves.values()))[-1]
    for name, value, colour in (("PyTorch", others, plot.PALETTE[1]), ("tinygen", mine, plot.PALETTE[0])):
        place = {"xytext": (0, 8), "textcoords": "offset points", "ha": "right", "fontsize": 9}
        panels[0].annotate(name, (size, value), color=colour, **place)
    return figure


def _plain(axes: Any, ticks: Sequence[float]) -> None:
    """Mark these numbers on the horizontal axis, and write all numbers without powers of ten."""
    axes.minorticks_off()
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    for side in (axes.xaxis, axes.yaxis) if axes.get_yscale() == "log" else (axes.xaxis,):
        side.set_major_formatter("{x:g}")
