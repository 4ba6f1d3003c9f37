"""Films: the player shows the frame of its slider, is one file, and does what the keys say; GIFs hold all frames."""

import io
import json
import re
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.browser import needs_chromium, run_in_browser
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from tinygen import plot
from tinygen.plot.frames import as_png

SEEDS = st.integers(0, 2**32 - 1)
drawing = settings(max_examples=min(20, settings().max_examples // 2), deadline=None)
GREY = np.arange(5)[:, None, None, None] * np.full((5, 3, 4, 1), 10 / 255)


def decoded(file):
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def data_of(text):
    """The frames in a player, decoded, and its other data."""
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1])
    sources = [*data.pop("frames"), re.search(r'<img class="[^"]*" src="([^"]*)"', text)[1]]
    return [decoded(b64decode(source.removeprefix("data:image/png;base64,"))) for source in sources], data


# -- frames ------------------------------------------------------------------------------------------------------------


@drawing
@given(SEEDS, st.integers(1, 4), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
def test_a_film_holds_every_pixel_of_every_frame(seed, count, height, width, channels):
    frames = np.random.default_rng(seed).integers(0, 256, (count, height, width, channels)) / 255
    film = plot.film(frames, fps=8)
    shown, data = data_of(film.fragment().html)
    np.testing.assert_allclose(np.array(shown) / 255, np.broadcast_to(frames, (*frames.shape[:3], 3)), atol=1e-12)
    assert len(film) == count and data == {"fps": 8, "alt": "film", "captions": []}
    assert np.array_equal(decoded(film._repr_png_()), shown[-1])  # the still of viewers that run no script


def test_few_colours_are_exact_and_many_are_near_ones_in_large_films():
    rng = np.random.default_rng(0)
    few = rng.integers(0, 256, (256, 3), dtype=np.uint8)[rng.integers(0, 256, (3, 900, 900))]
    assert np.array_equal([decoded(file) for file in as_png(few)], few)
    x = np.linspace(0, 255, 900)
    smooth = np.stack(np.broadcast_arrays(x, x[:, None], 128), axis=-1).astype(np.uint8)
    smooth[:300] = 255  # the paper
    (one, _, _) = shown = [decoded(file).astype(int) for file in as_png(np.stack([smooth] * 3))]
    assert np.abs(shown - smooth.astype(int)).mean() < 4 and (one[:300] == 255).all()


def test_an_hour_glass_of_sixty_frames_is_below_a_megabyte():
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    turns = np.linspace(0, np.pi, 60)[:, None, None]
    waves = 0.5 + 0.5 * np.sin(12 * (x * np.cos(turns) + y * np.sin(turns)))
    waves = np.round(waves.reshape(60, 60, 5, 60, 5).mean((2, 4)), 2)  # as 60 x 60 blocks
    film = plot.film(waves.repeat(5, axis=1).repeat(5, axis=2)[..., None])
    assert film.frames.shape == (60, 300, 300, 1) and len(film.fragment().html) < 1e6


def test_figures_are_drawn_one_by_one_so_that_one_may_change():
    figure = Figure((2, 1), dpi=50)
    (line,) = figure.add_subplot().plot([0, 1], [0, 0])

    def frames():
        for height in (0.0, 0.5, 1.0):
            line.set_ydata([0, height])
            yield figure

    film = plot.film(frames())
    assert film.frames.shape == (3, 50, 100, 3) and len(np.unique(film.frames, axis=0)) == 3
    with pytest.raises(ValueError, match="expected different figures, got one figure 3 times: yield it from a gen"):
        plot.film([figure] * 3)
    pictures, again = ([plot.loss_curves({"loss": [3, 2, 1][:n]}) for n in (1, 2)] for _ in range(2))
    assert np.array_equal(plot.film(pictures).frames, [picture.pixels() for picture in again])


def test_films_that_cannot_be_shown_are_refused(tmp_path):
    for frames, message in [
        ([], "film: expected frames of one size, got 0 frames"),
        ([GREY[0], GREY[1, :2]], r"frames of one size, got 2 frames of sizes \[\(2, 4, 1\), \(3, 4, 1\)\]"),
        ([GREY[0], Figure()], "expected figures or images, got both"),
        (GREY + 1, r"film: expected pixels in \[0, 1\], got"),
        (GREY[..., 0], r"film: expected images \(N, H, W, 1\) or \(N, H, W, 3\), got \(5, 3, 4\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            plot.film(frames)
    with pytest.raises(ValueError, match="film: expected 5 captions for 5 frames, got 2"):
        plot.film(GREY, captions=["a", "b"])
    with pytest.raises(TypeError, match="film: expected captions to be a list of texts, got one text"):
        plot.film(GREY, captions="abcde")
    with pytest.raises(ValueError, match=r"expected fps to be a number of at least 0\.01 and at most 50, got 0"):
        plot.film(GREY, fps=0)
    with pytest.raises(ValueError, match=r"Film\.save: expected a path that ends in \.html, got 'a.gif'"):
        plot.film(GREY).save(tmp_path / "new" / "a.gif")
    assert not list(tmp_path.iterdir())


# -- the file ----------------------------------------------------------------------------------------------------------

HOSTILE = ["</script><script>alert(1)</script>", "<!--", "<img src=x onerror=alert(1)>", "\"'&amp;", "\x00\udc80\u2028"]


class Parsed(HTMLParser):
    """The elements and the texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_a_film_is_one_file_whose_texts_are_escaped(tmp_path):
    film = plot.film(GREY, captions=HOSTILE, title=HOSTILE[2])
    text = film.save(tmp_path / "new" / "film.html").read_text(encoding="utf-8")
    page, plain = (
        Parsed(text),
        Parsed(plot.film(GREY, captions=["a"] * 5, title="a").save(tmp_path / "b.html").read_text()),
    )
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]  # no text became an element
    assert page.texts.count(HOSTILE[2]) == 2  # the title of the page and of the film
    _, data = data_of(text)
    assert data["captions"] == [*HOSTILE[:-1], "\\x00\\x80\\u2028"]
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text
    sources = [value for _, given in page.elements for name, value in given.items() if name in ("src", "href")]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    (inside,) = (given for tag, given in Parsed(film._repr_html_()).elements if tag == "iframe")
    assert [tag for tag, _ in Parsed(inside["srcdoc"]).elements] == [tag for tag, _ in page.elements]


def test_without_a_script_the_last_frame_is_shown_and_no_control(tmp_path):
    text = plot.film(GREY, captions=list("abcde")).save(tmp_path / "film.html").read_text()
    page = Parsed(text)
    (bar,) = (given for _, given in page.elements if given.get("class") == "film-bar")
    (image,) = (given for tag, given in page.elements if tag == "img")
    assert "hidden" in bar and image["alt"] == "film" and (image["width"], image["height"]) == ("360", "270")
    assert (data_of(text)[0][-1] == 40).all() and text.count("<span>e</span>") == 1


STATE = """
const one = name => document.querySelector(name);
const [image, button, slider] = ["img", ".film-bar button", "input"].map(one);
const state = async () => {
  if (!image.complete) await new Promise(done => image.onload = done);
  const canvas = Object.assign(document.createElement("canvas"), { width: 4, height: 3 });
  canvas.getContext("2d").drawImage(image, 0, 0, 4, 3);
  const grey = canvas.getContext("2d").getImageData(1, 1, 1, 1).data[0];
  const texts = [".film-count", ".film-caption span:last-child"].map(name => one(name).textContent);
  return [grey / 10, slider.valueAsNumber, ...texts, button.getAttribute("aria-label")];
};
const press = (key, at = document.body) => at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
"""


@needs_chromium
def test_the_player_plays_pauses_and_shows_the_frame_of_its_slider(tmp_path):
    page = plot.film(GREY, fps=10, captions=list("abcde")).save(tmp_path / "film.html")
    script = (
        STATE
        + """
    const found = [];
    const add = async () => found.push(await state());
    const seen = new Set();
    for (let i = 0; i < 30; i++) { await sleep(100); seen.add((await state())[0]); }
    button.click();
    slider.value = 2; slider.dispatchEvent(new Event("input")); await add();
    press("ArrowRight"); await add();
    press("End"); press("ArrowRight"); await add();
    press("Home"); press("ArrowLeft"); await add();
    await sleep(500); await add();
    press(" "); await sleep(20); await add();
    press("x"); press(" ", button); await sleep(20); await add();
    image.click(); await add();
    return [[...seen].sort(), found, slider.ariaValueText ?? slider.getAttribute("aria-valuetext"), image.alt,
            document.documentElement.scrollWidth <= innerWidth];
    """
    )
    seen, found, text, alt, fits = run_in_browser(page, script, width=390)
    assert seen == [0, 1, 2, 3, 4] and fits
    assert [label for *_, label in found] == [*["play"] * 5, "pause", "pause", "play"]
    assert [(grey + 1, f"{place} / 5", "abcde"[place - 1]) for grey, place, *_ in found] == [
        (place, count, caption) for _, place, count, caption, _ in found
    ]
    assert [place for _, place, *_ in found[:5]] == [2, 3, 5, 1, 1]
    assert text == f"{found[-1][1]} of 5, {found[-1][3]}" and alt == f"film, frame {found[-1][1]} of 5: {found[-1][3]}"


@needs_chromium
def test_with_reduced_motion_the_player_waits_at_the_last_frame(tmp_path):
    page = plot.film(GREY, fps=10, captions=list("abcde")).save(tmp_path / "film.html")
    script = (
        STATE
        + """
    await sleep(1000);
    const first = await state();
    button.click(); await sleep(250);
    return [first, (await state())[4]];
    """
    )
    first, then = run_in_browser(page, script, flags=("--force-prefers-reduced-motion",))
    assert first == [4, 5, "5 / 5", "e", "play"] and then == "pause"
