"""Pictures of unusual inputs: texts are literal, films have the right duration, bad arguments are refused."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from tinygen.plot import image_grid, images_pair, latent_map, loss_curves, reconstructions, save, save_gif, tiled

drawing = settings(max_examples=min(10, settings().max_examples // 4), deadline=None)  # a picture takes some 0.1 s
IMAGES = np.zeros((2, 4, 4, 1))

# -- texts -------------------------------------------------------------------------------------------------------------

ODD = ["_hidden", "$x$", "$\\frac{1}{2}$", "$", "a_b^c", "\\alpha", "%", "{", "", "_", "$\\nonsense{$", "50 $ or 60 $"]
texts = st.one_of(st.sampled_from(ODD), st.text("_$^{}\\%#&~ab1 ", max_size=12))


def pictures(text):
    """Every kind of picture, with this text wherever a text is possible."""
    yield image_grid(IMAGES, titles=[text, text], title=text)
    yield reconstructions(IMAGES, {text + ".": IMAGES}, title=text)
    yield images_pair(IMAGES, IMAGES, titles=(text, text), title=text)
    yield latent_map(np.eye(2), np.array([text, "other"]), title=text, axis_labels=(text, text))
    yield loss_curves({text: [1, 2]}, reference={text + ".": 1}, title=text, xlabel=text, ylabel=text)


def all_texts(picture):
    axes = picture.axes[0]
    found = [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
    return found + (axes.get_legend().get_texts() if axes.get_legend() else [])


@drawing
@given(texts)
def test_every_text_is_literal(text):
    for picture in pictures(text):
        picture.pixels()  # an invalid formula would raise here
        found = [shown for shown in all_texts(picture) if shown.get_text()]
        assert all(not shown.get_parse_math() and not shown.get_usetex() for shown in found)
        assert not text or any(shown.get_text().startswith(text) for shown in found)


@pytest.mark.parametrize("text", ODD)
def test_a_legend_names_every_class(text):
    legend = latent_map(np.eye(3)[:, :2], np.array(["b", text, "a"])).axes[0].get_legend()
    assert sorted(shown.get_text() for shown in legend.get_texts()) == sorted({"b", text, "a"})


def test_dollars_are_drawn_as_characters():
    """By the pixels: as a formula, `$x$` would be one italic letter."""
    ink = [(image_grid(IMAGES, title=title).pixels()[:60] < 128).any(axis=(0, 2)).sum() for title in ("$x$", "x")]
    assert ink[0] > 2 * ink[1]


def test_undecodable_and_control_characters_are_escaped():
    picture = image_grid(IMAGES, titles=["caf\udce9", "\x00"])
    picture.pixels()
    assert [shown.get_text() for shown in picture.axes[0].texts[1:]] == [r"caf\xe9", r"\x00"]


# -- quantities --------------------------------------------------------------------------------------------------------


@drawing
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.sampled_from([np.float32, np.float64]))
def test_floats_are_a_quantity_with_a_colour_bar(labels, dtype):
    labels = np.array(labels, dtype)
    picture = latent_map(np.random.default_rng(0).standard_normal((len(labels), 2)), labels)
    picture.pixels()
    axes, bar = picture.axes
    (points,) = axes.collections
    assert np.array_equal(points.get_array(), labels) and axes.get_legend() is None
    if labels.min() < labels.max():
        assert points.get_clim() == (labels.min(), labels.max()) == pytest.approx(bar.get_ylim())


# -- films -------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(2, 60), st.one_of(st.sampled_from([15, 24, 30, 7.5, 0.01, 50]), st.floats(0.2, 50)))
def test_the_duration_of_a_film_follows_its_rate(tmp_path_factory, count, fps):
    frames = np.zeros((count, 2, 2, 1))
    frames[:, 0, 0, 0] = np.arange(count) / 255
    with Image.open(save_gif(frames, tmp_path_factory.mktemp("gif") / "a.gif", fps=fps)) as gif:
        delays = [frame.info["duration"] for frame in ImageSequence.Iterator(gif)]
    assert len(delays) == count
    ends = np.cumsum(delays)
    assert np.abs(ends - 1000 * np.arange(1, count + 1) / fps).max() <= 5 + 1e-6  # half a hundredth
    assert max(delays) - min(delays) <= 10 and min(delays) >= 20


@pytest.mark.parametrize("fps", [0.001, 0, -1, 51, np.nan, np.inf, 1e-300])
def test_a_rate_that_a_gif_can_not_have_is_refused(fps, tmp_path):
    with pytest.raises(
        ValueError, match=r"save_gif: expected fps to be a number of at least 0\.01 and at most 50, got"
    ):
        save_gif(IMAGES, tmp_path / "a.gif", fps=fps)
    assert not list(tmp_path.iterdir())


def test_a_still_may_be_longer_than_one_frame_but_not_than_a_gif_allows(tmp_path):
    with Image.open(save_gif(np.zeros((30, 2, 2, 1)), tmp_path / "a.gif", fps=np.float64(15))) as gif:
        assert gif.n_frames == 1
    with pytest.raises(ValueError, match="expected equal frames for at most 655 seconds"):
        save_gif(np.concatenate([np.zeros((9, 2, 2, 1)), np.ones((1, 2, 2, 1))]), tmp_path / "b.gif", fps=0.01)
    assert not (tmp_path / "b.gif").exists()


def test_frames_may_be_a_list_of_images(tmp_path):
    path = save_gif([np.zeros((2, 2, 1)), np.ones((2, 2, 1))], tmp_path / "a.gif")
    with Image.open(path) as gif:
        assert gif.n_frames == 2


# -- what can't be drawn -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: loss_curves({}), "expected at least one curve, got none"),
        (lambda: loss_curves({"a": []}), "expected finite values for 'a'"),
        (lambda: loss_curves({"a": [np.nan, np.inf]}), "expected finite values for 'a'"),
        (lambda: loss_curves({"a": [[1, 2]]}), r"expected x and values \(N,\) for 'a'"),
        (lambda: loss_curves({"a": [1, 2]}, x=[1, np.nan]), "expected finite x for 'a'"),
        (lambda: loss_curves({"a": [1]}, x={"b": [1]}), "expected x for 'a', got x for 'b'"),
        (
            lambda: loss_curves({"a": [1]}, reference={"PCA": np.nan}),
            "expected reference 'PCA' to be a number, got nan",
        ),
        (lambda: loss_curves({"a": [1]}, reference={"PCA": -1}, log=True), "reference 'PCA' to be a number above 0"),
        (lambda: loss_curves({"a": [1]}, width=0), "expected width to be a whole number of at least 200, got 0"),
        (lambda: latent_map(np.zeros((0, 2)), np.zeros(0)), r"got \(0, 2\) and \(0,\)"),
        (lambda: latent_map(np.zeros((2, 2)), np.array([0.5, np.nan])), "got NaN or infinity"),
        (lambda: latent_map(np.zeros((11, 2)), np.arange(11)), "or pass a quantity as floats, for a colour bar"),
        (lambda: tiled(IMAGES, columns=0), "tiled: expected columns to be a whole number of at least 1, got 0"),
        (lambda: tiled(IMAGES[0], columns=1), r"tiled: expected images \(N, H, W, 1\)"),
        (lambda: images_pair(IMAGES + np.nan, IMAGES, titles=("", "")), "got NaN or infinity"),
        (lambda: image_grid(np.zeros((200, 300, 300, 1)), columns=200), "at most 20000 x 20000 pixels"),
    ],
)
def test_what_can_not_be_drawn_is_refused(draw, message):
    with pytest.raises((ValueError, TypeError), match=message):
        draw()


def test_labels_of_any_kind_are_classes():
    for labels in ([True, False], [None, "a"], [b"a", b"b"], ["x", 1], [np.int64(3), 4]):
        latent_map(np.eye(2), np.array(labels, dtype=object if None in labels else None)).pixels()


def test_a_picture_that_can_not_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = save(image_grid(IMAGES), tmp_path / "a.png")
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        save(image_grid(IMAGES + 1), path)
    with pytest.raises(OSError, match="No space left"):
        save_gif(IMAGES, tmp_path / "a.gif")
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("backend", ["TkAgg", "QtAgg", "nonsense", ""])
def test_no_display_is_needed_whatever_the_backend(backend, tmp_path):
    script = "import numpy as np; from tinygen import plot; plot.save(plot.image_grid(np.zeros((1, 2, 2, 1))), 'a.png')"
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | {"MPLBACKEND": backend}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)
    assert (tmp_path / "a.png").exists()
