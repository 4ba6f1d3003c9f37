"""Frames of a film: figures or images as arrays of bytes, and these as small PNG files that share one palette."""

import io
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image  # comes with matplotlib

from tinygen.plot.canvas import Picture, as_bytes

Frames: TypeAlias = np.ndarray | Iterable[np.ndarray] | Iterable[Figure]

COLOURS = 256  # in the palette of a PNG file
EXACT = 2_000_000  # pixels: a film with fewer keeps all its colours
SAMPLE = 500_000  # pixels from which a palette is made


def as_frames(who: str, frames: Frames) -> tuple[np.ndarray, bool]:
    """The frames as uint8 (T, H, W, 1 or 3), and whether they were figures; ValueError if they can't be drawn.

    Each figure is drawn before the next is asked for, so a generator may change one figure and yield it again.
    """
    if isinstance(frames, np.ndarray):
        return as_bytes(who, frames), False
    given = list(frames) if isinstance(frames, Sequence) else frames
    if isinstance(given, list) and len(given) > 1 and isinstance(given[0], Figure) and len(set(map(id, given))) == 1:
        raise ValueError(
            f"{who}: expected different figures, got one figure {len(given)} times: "
            "yield it from a generator, after each change"
        )
    arrays, drawn = [], []
    for frame in given:
        drawn.append(isinstance(frame, Figure))
        arrays.append(_pixels(frame) if isinstance(frame, Figure) else np.asarray(frame))
    if len(set(drawn)) > 1:
        raise ValueError(f"{who}: expected figures or images, got both: draw the images with plot.image_grid")
    sizes = {array.shape for array in arrays}
    if len(sizes) != 1:
        raise ValueError(f"{who}: expected frames of one size, got {len(arrays)} frames of sizes {sorted(sizes)}")
    stacked = np.stack(arrays)
    return (stacked, True) if any(drawn) else (as_bytes(who, stacked), False)


def _pixels(figure: Figure) -> np.ndarray:
    """The pixels of a figure on white, (H, W, 3) uint8."""
    if isinstance(figure, Picture):
        return figure.pixels()
    file = io.BytesIO()
    with matplotlib.rc_context({"savefig.bbox": None}):  # "tight" gives each frame another size
        figure.savefig(file, format="png", dpi=figure.dpi)
    with Image.open(file) as image:
        paper = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB"))


# -- PNG files ---------------------------------------------------------------------------------------------------------


def as_png(frames: np.ndarray) -> list[bytes]:
    """Each frame (H, W, 1 or 3) uint8 as a PNG file.

    Grey frames and films with at most 256 colours are exact, and so are small films; others get the 256 colours that
    represent theirs best.
    """
    if (frames == frames[..., :1]).all():
        return [_png(Image.fromarray(frame)) for frame in frames[..., 0]]
    found = _distinct(frames)
    if len(found) > COLOURS and frames[..., 0].size <= EXACT:
        return [_png(Image.fromarray(frame)) for frame in frames]
    palette = found if len(found) <= COLOURS else _palette(frames)
    index = np.zeros(2**24, np.uint8)  # from each colour to its place in the palette
    index[_packed(found)] = _nearest(found, palette)
    files = []
    for frame in frames:
        image = Image.fromarray(index[_packed(frame)])
        image.putpalette(palette.tobytes())
        files.append(_png(image))
    return files


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _packed(colours: np.ndarray) -> np.ndarray:
    """RGB values (..., 3) as one integer each."""
    red, green, blue = np.moveaxis(colours, -1, 0).astype(np.int32)
    return red << 16 | green << 8 | blue


def _distinct(frames: np.ndarray) -> np.ndarray:
    """The colours that occur, (K, 3) uint8."""
    occurs = np.zeros(2**24, bool)  # faster than sorting all pixels
    for frame in frames:
        occurs[_packed(frame)] = True
    return (np.flatnonzero(occurs)[:, None] >> [16, 8, 0] & 255).astype(np.uint8)


def _palette(frames: np.ndarray) -> np.ndarray:
    """256 colours (256, 3) for the pixels of all frames, by median cut."""
    pixels = frames.reshape(-1, 3)[:: -(-frames[..., 0].size // SAMPLE)]
    image = Image.fromarray(pixels[None]).quantize(COLOURS, Image.Quantize.MEDIANCUT)
    return np.asarray(image.getpalette(), np.uint8).reshape(-1, 3)


def _nearest(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The index of the nearest colour in the palette (P, 3), for each of `colours` (K, 3)."""
    p = palette.astype(np.float32)
    half = (p**2).sum(axis=1) / 2
    blocks = np.array_split(colours.astype(np.float32), -(-len(colours) // 4096))
    return np.concatenate([np.argmin(half - block @ p.T, axis=1) for block in blocks]).astype(np.uint8)
