"""Maps of a latent space: codes as points, coloured by labels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from tinygen.plot.canvas import FAINT, INK, LITERAL, PALETTE, TEXT, Picture, named_axes, plain


def latent_map(
    codes: np.ndarray, labels: np.ndarray, *, title: str = "", axis_labels: tuple[str, str] = ("z₁", "z₂")
) -> Picture:
    """Codes (N, 2) as points coloured by their labels (N,).

    Args:
        codes: the points; longer codes have to be projected first, e.g. by `models.pca_2d`.
        labels: integers or strings are classes, at most ten, with a legend; floats are a quantity, with a colour bar.
        title: a text above the map.
        axis_labels: names of the two axes.

    Returns a `Picture`. Raises ValueError for other shapes, NaN or infinity.

    >>> from tinygen import plot
    >>> plot.latent_map(np.eye(2), np.array([0, 1]), title="Two points")
    <Picture ...>
    """
    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2 or labels.shape != codes.shape[:1] or not labels.size:
        raise ValueError(
            f"latent_map: expected codes (N, 2) and labels (N,), got {codes.shape} and {labels.shape}: "
            "project longer codes by models.pca_2d"
        )
    if not (np.isfinite(codes).all() and (labels.dtype.kind != "f" or np.isfinite(labels).all())):
        raise ValueError("latent_map: expected finite codes and labels, got NaN or infinity")
    picture, axes = named_axes(title, *axis_labels, height=820)
    axes.set_aspect("equal", adjustable="datalim")
    # One call, in the given order: drawn class by class, the last class would hide the others.
    points = axes.scatter(*codes.T, alpha=0.8, linewidths=0)
    points.set_sizes([min(40.0, max(4.0, 2e4 / len(codes)))])  # in points²; many points are small
    (_colour_quantity if labels.dtype.kind == "f" else _colour_classes)(picture, axes, points, labels)
    return picture


def _colour_classes(picture: Picture, axes: Axes, points: PathCollection, labels: np.ndarray) -> None:
    """One colour for each class, and a legend."""
    classes, kinds = np.unique(labels.astype(str) if labels.dtype.kind == "O" else labels, return_inverse=True)
    if len(classes) > len(PALETTE):
        raise ValueError(
            f"latent_map: expected at most ten classes, got {len(classes)}: merge or select some, "
            "or pass a quantity as floats, for a colour bar"
        )
    points.set_facecolor([PALETTE[kind] for kind in kinds.ravel()])
    handles = [axes.scatter([], [], c=colour, s=48, linewidths=0) for _, colour in zip(classes, PALETTE)]
    place = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False, "handletextpad": 0.2}
    legend = axes.legend(handles, ["?"] * len(handles), fontsize=TEXT, labelcolor=INK, **place)
    for text, label in zip(legend.get_texts(), classes):  # a legend made from labels skips those that begin with "_"
        text.set(text=plain(label), **LITERAL)


def _colour_quantity(picture: Picture, axes: Axes, points: PathCollection, labels: np.ndarray) -> None:
    """Colours from dark to light, and a colour bar."""
    points.set(array=labels, cmap="viridis")
    bar = picture.colorbar(points, ax=axes, shrink=0.6, aspect=24)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_alpha(1)
    bar.ax.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 1)
