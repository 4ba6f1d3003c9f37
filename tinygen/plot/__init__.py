"""Pictures of a run: image grids, reconstructions, signed filters, latent maps, loss curves, GIFs.

The only part that imports matplotlib, and never pyplot: no global state, no display. Arrays in, a `Picture` out, which
`save` writes. Images are (N, H, W, 1) or (N, H, W, 3) in [0, 1]; each of their pixels becomes a square block of the
picture, nothing is blurred. Texts are shown as they are: a $ begins no formula.
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
