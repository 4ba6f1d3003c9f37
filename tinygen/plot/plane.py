"""Maps of the plane: a probability as colours, with the points of two classes on it."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from tinygen.errors import arguments
from tinygen.plot.canvas import FAINT, INK, LITERAL, PALETTE, TEXT, Picture, plain, write

SIZE = (688, 616)  # of the picture, in pixels
BOX = (88, 64, 460, 460)  # of the map, in pixels: from the left and from the bottom, width, height
GRID = 81  # points along each side, at which the probability is computed
LEVELS = np.linspace(0, 1, 11)
DARK = [tuple(0.6 * c for c in to_rgb(colour)) for colour in PALETTE[:2]]  # of the points, on light ground
MARKERS = "o^"  # for those who can't tell the colours apart
Limits = tuple[float, float, float, float]


def plane_map(
    probability: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    labels: np.ndarray,
    *,
    names: tuple[str, str] = ("class 0", "class 1"),
    limits: Limits | None = None,
    title: str = "",
    axis_labels: tuple[str, str] = ("x₁", "x₂"),
) -> Picture:
    """The probability of the second class over the plane, from blue (0) through white to orange (1), and its line 1/2.

    Args:
        probability: function from points (M, 2) to the probabilities (M,) of the second class; it is called once with
            the points of a grid, in the dtype of `points`.
        points: points to draw, (N, 2).
        labels: their classes (N,): 0 for the first class, drawn as dots, or 1 for the second, drawn as triangles.
        names: names of the two classes, for the legend.
        limits: x and y that must be visible, (left, right, bottom, top); by default those of the points. The map is a
            square around them.
        title: title of the picture.
        axis_labels: names of the axes.

    Raises ValueError for other shapes, and for probabilities outside [0, 1].
    """
    points, labels = np.asarray(points), np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != points.shape[:1] or not len(points):
        raise ValueError(f"plane_map: expected points (N, 2) and labels (N,), got {points.shape} and {labels.shape}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"plane_map: expected labels 0 and 1, got {np.unique(labels)}: draw more with latent_map")
    low, high = _square(points, limits)
    x, y = np.linspace(low, high, GRID, dtype=points.dtype if points.dtype.kind == "f" else np.float64).T
    grid = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    values = np.asarray(probability(grid))
    if values.shape != grid.shape[:1]:
        raise ValueError(f"plane_map: expected {len(grid)} probabilities for {grid.shape} points, got {values.shape}")
    arguments.finite("plane_map", "the probabilities", values)
    arguments.between("plane_map", "the probabilities", values, 0, 1, hint="apply a sigmoid")
    values = values.reshape(GRID, GRID)

    picture = Picture(*SIZE)
    axes = picture.add_axes(_place(*BOX), xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    filled = axes.contourf(x, y, values, levels=LEVELS, cmap=COLOURS)
    if values.min() < 0.5 < values.max():
        axes.contour(x, y, values, levels=[0.5], colors=INK, linewidths=1.2)
    for kind, marker in enumerate(MARKERS):
        axes.plot(*points[labels == kind].T, marker, ms=3.2, color=DARK[kind], mew=0, label=plain(names[kind]))
    _write(axes, title, axis_labels)
    bar = picture.colorbar(filled, cax=picture.add_axes(_place(568, BOX[1], 16, BOX[3])), ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.outline.set_visible(False)
    bar.ax.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 2)
    bar.set_label(f"probability of {plain(names[1])}", size=TEXT - 1, color=INK, **LITERAL)
    return picture


def _colours() -> LinearSegmentedColormap:
    blue, orange = (np.array(to_rgb(colour)) for colour in PALETTE[:2])
    return LinearSegmentedColormap.from_list("plane", [0.3 + 0.7 * blue, np.ones(3), 0.3 + 0.7 * orange])


COLOURS = _colours()


def _square(points: np.ndarray, limits: Limits | None) -> np.ndarray:
    """The lower left and the upper right corner (2, 2) of a square that contains the limits, with a margin if None."""
    if limits is None:
        corners = np.stack([points.min(axis=0), points.max(axis=0)]).astype(np.float64)
    else:
        corners = np.array(limits, np.float64).reshape(2, 2).T
    if not (np.isfinite(corners).all() and (corners[0] <= corners[1]).all()):
        raise ValueError(f"plane_map: expected finite points and limits in order, got {corners.T.ravel()}")
    half = (corners[1] - corners[0]).max() / 2 * (1.1 if limits is None else 1) or 1.0
    return corners.mean(axis=0) + half * np.array([[-1.0], [1.0]])


def _place(left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
    """A box in pixels as fractions of the picture."""
    return left / SIZE[0], bottom / SIZE[1], width / SIZE[0], height / SIZE[1]


def _write(axes: Axes, title: str, axis_labels: tuple[str, str]) -> None:
    axes.spines[:].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 2)
    axes.set_xlabel(plain(axis_labels[0]), size=TEXT, color=INK, **LITERAL)
    axes.set_ylabel(plain(axis_labels[1]), size=TEXT, color=INK, labelpad=0, **LITERAL)
    top = 1 + 58 / BOX[3]
    write(axes, 0, top, title, size=TEXT + 1, color=INK, transform=axes.transAxes, va="bottom")
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "frameon": False, "ncols": 2, "handletextpad": 0.1}
    legend = axes.legend(fontsize=TEXT - 1, labelcolor=INK, markerscale=2, columnspacing=1.2, **place)
    for text in legend.get_texts():
        text.set(**LITERAL)
