"""Pictures show the values of the arrays: read back from the pixels where possible, otherwise from the axes."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from tinygen.plot import (
    image_grid,
    image_rows,
    images_pair,
    loss_curves,
    reconstructions,
    save,
    save_gif,
    tiled,
)

SEEDS = st.integers(0, 2**32 - 1)
drawing = settings(max_examples=min(20, settings().max_examples // 2), deadline=None)  # a picture takes some 0.1 s


def images_of(seed, *shape):
    """Images whose pixels are multiples of 1/255 and darker than the paper."""
    return np.random.default_rng(seed).integers(0, 200, shape) / 255


def runs(mask):
    """The (start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def cut_out(pixels, shape):
    """The images of a grid, cut out along white lines; each must consist of square blocks of one colour."""
    ink = (pixels < 255).any(axis=2)
    columns = runs(ink.any(axis=0))
    found = []
    for top, bottom in runs(ink.any(axis=1)):
        for left, right in columns:
            piece = pixels[top:bottom, left:right]
            if (piece == 255).all():
                continue
            scale = len(piece) // shape[0]
            assert piece.shape[:2] == (scale * shape[0], scale * shape[1])
            small = piece[::scale, ::scale]
            assert np.array_equal(piece, small.repeat(scale, axis=0).repeat(scale, axis=1))
            found.append(small / 255)
    return np.array(found)


# -- grids of images ---------------------------------------------------------------------------------------------------


@drawing
@given(SEEDS, st.integers(1, 12), st.integers(2, 30), st.integers(2, 30), st.sampled_from([1, 3]), st.integers(1, 13))
def test_a_grid_shows_every_pixel_of_every_image_as_a_block(seed, n, h, w, channels, columns):
    images = images_of(seed, n, h, w, channels)
    shown = cut_out(image_grid(images, columns=columns).pixels(), (h, w))
    np.testing.assert_allclose(shown, np.broadcast_to(images, (n, h, w, 3)), atol=1e-12)


@drawing
@given(st.integers(1, 50), st.none() | st.integers(1, 60))
def test_a_grid_has_the_given_columns_or_is_about_square(n, columns):
    pixels = image_grid(np.zeros((n, 3, 3, 1)), columns=columns).pixels()
    across, down = (len(runs((pixels < 255).any(axis=(axis, 2)))) for axis in (0, 1))
    assert across == min(n, columns or across) and (down - 1) * across < n <= down * across
    if columns is None:
        assert 0 <= across - down <= 1


@drawing
@given(SEEDS, st.integers(1, 6), st.integers(1, 3))
def test_reconstructions_are_below_their_originals(seed, n, methods):
    rows = images_of(seed, methods + 1, n, 8, 8, 1)
    rows[:, :, :, 0] = 0  # a black edge on each side distinguishes images from labels
    picture = reconstructions(rows[0], {f"method {i}": row for i, row in enumerate(rows[1:])})
    assert [text.get_text() for text in picture.axes[0].texts if text.get_text()] == [
        "original",
        *(f"method {i}" for i in range(methods)),
    ]
    pixels = picture.pixels()
    image_width = runs((pixels < 255).any(axis=(0, 2)))[-n:]
    shown = cut_out(pixels[:, image_width[0][0] :], (8, 8))
    np.testing.assert_allclose(shown[..., :1], rows.reshape(-1, 8, 8, 1), atol=1e-12)


def test_a_plain_reconstruction_and_titles_are_labelled():
    texts = lambda picture: [text.get_text() for text in picture.axes[0].texts]
    images = np.zeros((2, 4, 4, 1))
    assert texts(reconstructions(images, images, title="Digits")) == ["Digits", "original", "reconstruction"]
    assert texts(image_rows({"t = 9": images, "t = 0": images}, title="x")) == ["x", "t = 9", "t = 0"]
    assert texts(image_grid(images, titles=["a", 3], title="Two")) == ["Two", "a", "3"]


def test_titles_of_columns_and_rows_are_beside_the_grid():
    images = images_of(0, 6, 4, 4, 1)
    picture = image_grid(images, columns=3, titles=["a", "b", "c"], row_titles=["above", "below"], title="Two")
    axes = picture.axes[0]
    assert [text.get_text() for text in axes.texts] == ["Two", "a", "b", "c", "above", "below"]
    places = [image.get_extent() for image in axes.images]
    for text, (left, right, _, top) in zip(axes.texts[1:4], places):
        x, y = text.get_position()
        assert x == (left + right) / 2 and y < top
    for text, (left, _, bottom, top) in zip(axes.texts[4:], places[::3]):
        x, y = text.get_position()
        assert x < left and y == (top + bottom) / 2


@drawing
@given(SEEDS, st.floats(1e-6, 1e6))
def test_a_pair_is_drawn_on_one_scale_symmetric_about_zero(seed, size):
    left, right = size * np.random.default_rng(seed).standard_normal((2, 3, 4, 4, 1))
    picture = images_pair(left, right, titles=("one", "two"))
    limit = max(abs(left).max(), abs(right).max())
    scales = {image.get_clim() for image in picture.axes[0].images}
    assert scales == {(-limit, limit)} and len(picture.axes[0].images) == 3 + 3 + 1  # and the bar


def test_a_pair_is_red_above_zero_and_blue_below():
    image = np.repeat([[[-1.0], [0.0], [1.0]]], 3, axis=0)[None]  # three columns
    pixels = images_pair(image, image, titles=("", "")).pixels().astype(int)
    row = pixels[60]
    at = runs((row < 255).any(axis=1))[0]
    blue, white, red = (row[at[0] + round((at[1] - at[0]) * part)] for part in (1 / 6, 1 / 2, 5 / 6))
    assert blue[2] > blue[0] + 50 and red[0] > red[2] + 50 and white.min() > 240
    images_pair(np.zeros((1, 2, 2, 1)), np.zeros((1, 2, 2, 1)), titles=("", "")).pixels()  # nothing to scale by


GOOD = np.zeros((2, 4, 4, 1))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD[0], r"expected images \(N, H, W, 1\) or \(N, H, W, 3\), got \(4, 4, 1\)"),
        (GOOD[..., 0], r"got \(2, 4, 4\): images\[..., None\] adds the last axis"),
        (np.zeros((2, 4, 4, 2)), r"got \(2, 4, 4, 2\)"),
        (GOOD[:0], r"got \(0, 4, 4, 1\)"),
        (GOOD + np.nan, "expected finite images, got NaN or infinity"),
        (GOOD + 200, r"expected pixels in \[0, 1\], got \[200, 200\]: divide by 255"),
        (GOOD - 0.01, r"got \[-0.01, -0.01\]: .*np.clip"),
    ],
)
def test_images_that_cannot_be_drawn_are_refused(images, message, tmp_path):
    for draw in (image_grid, lambda x: reconstructions(GOOD, x), lambda x: save_gif(x, tmp_path / "x.gif")):
        with pytest.raises(ValueError, match=message):
            draw(images)
    assert not list(tmp_path.iterdir())


def test_images_and_titles_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="expected 2 titles for 2 images, got 1"):
        image_grid(GOOD, titles=["a"])
    with pytest.raises(ValueError, match="expected 1 titles for 1 rows, got 2"):
        image_grid(GOOD, columns=2, row_titles=["a", "b"])
    with pytest.raises(ValueError, match="expected columns to be a whole number of at least 1, got 0"):
        image_grid(GOOD, columns=0)
    with pytest.raises(ValueError, match=r"expected \(2, 4, 4, 1\) for 'reconstruction', got \(1, 4, 4, 1\)"):
        reconstructions(GOOD, GOOD[:1])
    with pytest.raises(ValueError, match=r"expected two arrays of one shape, got \(2, 4, 4, 1\) and \(1, 4, 4, 1\)"):
        images_pair(GOOD, GOOD[:1], titles=("", ""))
    image_grid(GOOD + 1 + 1e-7)  # rounding errors are allowed


def test_tiled_images_have_white_borders():
    images = images_of(0, 6, 2, 3, 3)
    frame = tiled(images, columns=3)
    assert frame.shape == (2 * 4, 3 * 5, 3)
    for i, image in enumerate(images):
        top, left = 4 * (i // 3), 5 * (i % 3)
        tile = frame[top : top + 4, left : left + 5].copy()
        assert np.array_equal(tile[1:-1, 1:-1], image)
        tile[1:-1, 1:-1] = 1
        assert (tile == 1).all()
    with pytest.raises(ValueError, match="expected a multiple of 4 images for 4 columns, got 6"):
        tiled(images, columns=4)


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_saved_picture_is_what_a_notebook_shows(tmp_path):
    picture = image_grid(images_of(0, 4, 8, 8, 3))
    path = save(picture, tmp_path / "new" / "grid.png")
    assert np.array_equal(np.asarray(Image.open(path).convert("RGB")), picture.pixels())
    assert picture._repr_png_() == path.read_bytes()
    with pytest.raises(ValueError, match=r"expected a path that ends in .png or .svg, got 'grid.jpg'"):
        save(picture, tmp_path / "grid.jpg")


@drawing
@given(SEEDS, st.integers(1, 6), st.integers(1, 300), st.sampled_from([2, 10, 25, 50]))
def test_a_gif_holds_the_frames_block_by_block_in_their_time(tmp_path_factory, seed, count, width, fps):
    frames = images_of(seed, count, 4, width, 1)
    frames[:, 0, 0, 0] = np.arange(count) / 255  # no two alike: a GIF would merge them
    path = save_gif(frames, tmp_path_factory.mktemp("gif") / "a.gif", fps=fps)
    scale = max(1, 256 // max(4, width))
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0 and gif.size == (scale * width, scale * 4)
        shown = [np.asarray(frame.convert("L"))[::scale, ::scale] for frame in ImageSequence.Iterator(gif)]
        assert count == 1 or gif.info["duration"] == 1000 // fps
    np.testing.assert_allclose(np.array(shown) / 255, frames[..., 0], atol=1e-12)


def test_a_gif_of_pictures(tmp_path):
    pictures = [loss_curves({"loss": [3, 2, 1][:n]}) for n in (1, 2, 3)]
    with Image.open(save_gif(pictures, tmp_path / "new" / "loss.gif", fps=4)) as gif:
        assert gif.n_frames == 3 and gif.size == pictures[0].pixels().shape[1::-1]


def test_gifs_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a path that ends in \.gif, got 'a\.png'"):
        save_gif(GOOD, tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"expected fps to be a number of at least 0\.01 and at most 50, got 60"):
        save_gif(GOOD, tmp_path / "a.gif", fps=60)
    with pytest.raises(ValueError, match="expected frames of one size, got 2 frames"):
        save_gif([image_grid(GOOD), image_grid(GOOD[:1])], tmp_path / "a.gif")
    with pytest.raises(ValueError, match="frames of one size, got 0 frames"):
        save_gif([], tmp_path / "a.gif")


def test_no_pyplot_no_backend_no_changed_settings():
    script = """
import sys
import matplotlib
import numpy as np
before = matplotlib.rcParams.copy()
from tinygen import plot
images = np.zeros((2, 4, 4, 1))
for picture in (plot.image_grid(images), plot.images_pair(images, images, titles=("a", "b")),
                plot.latent_map(np.eye(2), np.arange(2)), plot.loss_curves({"a": [1, 2]})):
    picture.pixels()
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_a_narrow_picture_of_curves_has_letters_of_the_same_size():
    wide, narrow = (loss_curves({"a": [3.0, 2.0, 1.0]}, width=width) for width in (960, 640))
    assert wide.pixels().shape == (600, 960, 3) and narrow.pixels().shape == (400, 640, 3)
    assert {text.get_size() for text in wide.axes[0].texts} == {text.get_size() for text in narrow.axes[0].texts}
