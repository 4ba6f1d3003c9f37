"""A Jacobian by differences beside the one by rules: what a failed gradient check looks like."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tinygen.plot.canvas import FAINT, INK, LITERAL, TEXT, Picture, plain

_SAME = 1e-6  # entries are equal if they differ by less of the largest entry: differences are better than that
_FAULT = "#d1401f"


def jacobians(
    numerical: np.ndarray,
    analytic: np.ndarray,
    *,
    columns: Mapping[str, int] | None = None,
    kinked: np.ndarray | None = None,
    output: str = "y",
    title: str = "",
) -> Picture:
    """Two Jacobians (R, C) and their difference, with a frame around the entries that differ.

    Blue is below 0, white 0, orange above; the first two have one scale, the difference its own. `columns` maps the
    names of the arguments to their numbers of columns, from left to right. A cross marks the entries that are true in
    `kinked` (R, C): the function has a kink there, so there is no derivative. Grey entries are not finite. `output`
    names the rows. Raises ValueError for arrays of different shapes or without entries.
    """
    numerical, analytic = np.asarray(numerical, float), np.asarray(analytic, float)
    columns = dict(columns or {"x": numerical.shape[-1]})
    if numerical.ndim != 2 or numerical.shape != analytic.shape or not numerical.size:
        raise ValueError(
            f"jacobians: expected two Jacobians (R, C) of one shape, got {numerical.shape} and {analytic.shape}"
        )
    if sum(columns.values()) != numerical.shape[1]:
        raise ValueError(f"jacobians: expected columns that add up to {numerical.shape[1]}, got {columns}")
    with np.errstate(invalid="ignore"):
        difference = analytic - numerical
    scale = max(_largest(numerical), _largest(analytic)) or 1.0
    wrong = ~(np.abs(difference) <= _SAME * scale)  # NaN too
    kinked = np.zeros(numerical.shape, bool) if kinked is None else np.asarray(kinked, bool)
    wrong &= ~kinked
    height = int(np.clip(420 * numerical.shape[0] / numerical.shape[1], 150, 560)) + 250
    picture = Picture(1280, height)
    picture.set_layout_engine("constrained", w_pad=0.06, h_pad=0.08)
    picture.suptitle(plain(title), size=TEXT + 2, color=INK, ha="left", x=0.015, **LITERAL)
    panels = {"numerical: differences": numerical, "analytic: the rules": analytic, "analytic − numerical": difference}
    axes = picture.subplots(1, 3, squeeze=False)[0]
    for i, (panel, (name, values)) in enumerate(zip(axes, panels.items())):
        limit = scale if i < 2 else _largest(difference[~kinked]) or scale
        limit = scale if i == 2 and not wrong.any() else limit  # differences of rounding stay white
        _matrix(picture, panel, name, np.where(kinked, np.inf, values), limit)
        _mark(panel, columns, wrong, kinked)
        if i == 0:
            panel.set_ylabel(f"entry of {plain(output)}", size=TEXT - 1, color=INK, **LITERAL)
    return picture


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))


def _matrix(picture: Picture, axes: Axes, name: str, values: np.ndarray, limit: float) -> None:
    axes.set_facecolor("#d0d0d0")  # seen where an entry is not finite
    axes.spines[:].set_color("#b0b0b0")
    shown = axes.imshow(np.ma.masked_invalid(values), cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_title(name, size=TEXT, color=INK, loc="left")
    axes.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 2)
    axes.set_yticks(_ticks(values.shape[0]))
    bar = picture.colorbar(shown, ax=axes, location="bottom", aspect=30, pad=0.02, ticks=[-limit, 0, limit])
    bar.ax.set_xticklabels([f"−{limit:.2g}", "0", f"{limit:.2g}"])
    bar.ax.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 2)
    bar.outline.set_visible(False)
    if values.shape[0] * values.shape[1] <= 36:
        for (r, c), value in np.ndenumerate(values):
            if not np.isfinite(value):
                continue
            ink = "white" if abs(value) > 0.7 * limit else INK
            axes.text(c, r, _number(value, limit), size=TEXT - 2, color=ink, ha="center", va="center")


def _number(value: float, limit: float) -> str:
    if abs(value) < _SAME * limit:
        return "0"
    return f"{value:.2g}".replace("-", "−")


def _mark(axes: Axes, columns: Mapping[str, int], wrong: np.ndarray, kinked: np.ndarray) -> None:
    """Arguments by name with lines between them, a frame around what differs in each, crosses at kinks."""
    names, places, start = [], [], 0
    for name, count in columns.items():
        names.append(plain(name))
        places.append(start + (count - 1) / 2)
        if start:
            axes.axvline(start - 0.5, color=INK, linewidth=1)
        for top, left, bottom, right in _frames(wrong[:, start : start + count]):
            corner, size = (start + left - 0.5, top - 0.5), (right - left + 1, bottom - top + 1)
            frame = Rectangle(corner, *size, fill=False, edgecolor=_FAULT, linewidth=3, clip_on=False, zorder=3)
            axes.add_patch(frame)
        start += count
    axes.set_xticks(places, names, size=TEXT - 1, color=INK, **LITERAL)
    rows, across = np.nonzero(kinked)
    axes.scatter(across, rows, marker="x", s=60, color=_FAULT, linewidths=2)


def _frames(wrong: np.ndarray) -> list[tuple[int, int, int, int]]:
    """The rectangle around all wrong entries of a block; around each of them if they are few in a large rectangle."""
    at = np.argwhere(wrong)
    if not len(at):
        return []
    (top, left), (bottom, right) = at.min(axis=0).tolist(), at.max(axis=0).tolist()
    if 2 * len(at) > (bottom - top + 1) * (right - left + 1) or len(at) > 64:
        return [(top, left, bottom, right)]
    return [(r, c, r, c) for r, c in at.tolist()]


def _ticks(n: int) -> list[int]:
    return sorted({0, n - 1}) if n > 8 else [*range(n)]
