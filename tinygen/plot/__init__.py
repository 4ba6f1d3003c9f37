"""Pictures of a run and of how things work: image grids, latent maps, loss curves, matrices, windows, diagrams, films.

Each function takes arrays and returns a `Picture`, which `save` writes. Images are (N, H, W, 1) or (N, H, W, 3) with
values in [0, 1]; each pixel becomes a square block, without interpolation. Texts are shown literally: "$x$" is not
typeset as a formula. This is the only package that imports matplotlib; it never imports pyplot, so it needs no display.

Reading order: canvas (what all pictures share), images, maps, plane, curves, jacobians; panels, scoreboard, latents,
matrices, windows, diagrams; html, frames, player, films, placing, explorer; show; backend (the import of matplotlib).
"""

import sys

from tinygen.errors import hints
from tinygen.plot import backend  # first, because it imports matplotlib
from tinygen.plot.canvas import PALETTE, Picture, save
from tinygen.plot.curves import loss_curves
from tinygen.plot.diagrams import diagram
from tinygen.plot.explorer import Explorer, explorer
from tinygen.plot.films import Film, film, save_gif, tiled
from tinygen.plot.images import image_grid, image_rows, images_pair, reconstructions
from tinygen.plot.jacobians import jacobians
from tinygen.plot.latents import unit_bars
from tinygen.plot.maps import latent_map
from tinygen.plot.matrices import matrices
from tinygen.plot.panels import panels
from tinygen.plot.placing import placed_kernels
from tinygen.plot.plane import plane_map
from tinygen.plot.scoreboard import scoreboard
from tinygen.plot.show import saving, show
from tinygen.plot.windows import windows

__all__ = [
    "PALETTE",
    "Explorer",
    "Film",
    "Picture",
    "diagram",
    "explorer",
    "film",
    "image_grid",
    "image_rows",
    "images_pair",
    "jacobians",
    "latent_map",
    "loss_curves",
    "matrices",
    "panels",
    "placed_kernels",
    "plane_map",
    "reconstructions",
    "save",
    "save_gif",
    "saving",
    "scoreboard",
    "show",
    "tiled",
    "unit_bars",
    "windows",
]


def __getattr__(name: str):
    """Called only for a name that this module does not have."""
    raise hints.missing(sys.modules[__name__], name)
