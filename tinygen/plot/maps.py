"""Maps of a latent space: codes as points, coloured by what they are codes of."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection

from tinygen.plot.canvas import AS_IT_IS, FAINT, INK, PALETTE, TEXT, Picture, named_axes, plain


def latent_map(
    codes: np.ndarray, labels: np.ndarray, *, title: str = "", axis_labels: tuple[str, str] = ("z₁", "z₂")
) -> Picture:
    """Codes (N, 2) as points coloured by their labels (N,).

    Whole numbers and names are classes, ten at most, with a legend; floats are a quantity, with a colour bar. Longer
    codes are projected first, e.g. by `metrics.pca_2d`.
    """
    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2 or labels.shape != codes.shape[:1] or not labels.size:
        raise ValueError(
            f"latent_map: expects codes (N, 2) and labels (N,), got {codes.shape} and {labels.shape}; "
            "metrics.pca_2d projects longer codes"
        )
    if not (np.isfinite(codes).all() and (labels.dtype.kind != "f" or np.isfinite(labels).all())):
        raise ValueError("latent_map: the codes or the labels hold NaN or infinity")
    axes = named_axes(title, *axis_labels, height=820)
    axes.set_aspect("equal", adjustable="datalim")
    # One call in the order given: drawn class by class, the last would hide the others.
    points = axes.scatter(*codes.T, alpha=0.8, linewidths=0)
    points.set_sizes([min(40.0, max(4.0, 2e4 / len(codes)))])  # points²: the more points, the smaller
    (_colour_quantity if labels.dtype.kind == "f" else _colour_classes)(axes, points, labels)
    return axes.figure


def _colour_classes(axes: Axes, points: PathCollection, labels: np.ndarray) -> None:
    """One colour for each class, and a legend."""
    classes, kinds = np.unique(labels.astype(str) if labels.dtype.kind == "O" else labels, return_inverse=True)
    if len(classes) > len(PALETTE):
        raise ValueError(
            f"latent_map: an eye tells ten colours apart, got {len(classes)} labels; merge or select some, "
            "or pass a quantity as floats, for a colour bar"
        )
    points.set_facecolor(np.array(PALETTE)[kinds])
    handles = [axes.scatter([], [], c=colour, s=48, linewidths=0) for _, colour in zip(classes, PALETTE)]
    place = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False}
    legend = axes.legend(handles, ["?"] * len(handles), fontsize=TEXT, labelcolor=INK, **place)
    for text, label in zip(legend.get_texts(), classes):  # by hand: a legend leaves out what begins with "_"
        text.set(text=plain(label), **AS_IT_IS)


def _colour_quantity(axes: Axes, points: PathCollection, labels: np.ndarray) -> None:
    """Colours from dark to light, and a bar with their numbers."""
    points.set(array=labels, cmap="viridis")
    bar = axes.figure.colorbar(points, ax=axes, shrink=0.6, aspect=24)
    bar.outline.set_visible(False)
    bar.solids.set_alpha(1)
    bar.ax.tick_params(color="#b0b0b0", labelcolor=FAINT, labelsize=TEXT - 1)
