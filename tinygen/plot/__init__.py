"""Pictures of a run: image grids, reconstructions, pairs of filters, latent maps, loss curves, GIFs.

Each function takes arrays and returns a `Picture`, which `save` writes. Images are (N, H, W, 1) or (N, H, W, 3) with
values in [0, 1]; each pixel becomes a square block, without interpolation. Texts are shown literally: "$x$" is not
typeset as a formula. This is the only package that imports matplotlib; it never imports pyplot, so it needs no display.

Reading order: canvas (what all pictures share), images, maps, curves, films; backend (the import of matplotlib).
"""

from tinygen.plot import backend  # first, because it imports matplotlib
from tinygen.plot.canvas import PALETTE, Picture, save
from tinygen.plot.curves import loss_curves
from tinygen.plot.films import save_gif, tiled
from tinygen.plot.images import image_grid, images_pair, reconstructions
from tinygen.plot.maps import latent_map

__all__ = [
    "PALETTE",
    "Picture",
    "image_grid",
    "images_pair",
    "latent_map",
    "loss_curves",
    "reconstructions",
    "save",
    "save_gif",
    "tiled",
]
