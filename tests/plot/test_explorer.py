"""The plane to explore: the page computes what the decoder in Python computes, and shows it where the point is."""

import numpy as np
import pytest
from helpers.browser import needs_chromium, run_in_browser
from hypothesis import given
from hypothesis import strategies as st

from tinygen import nn, plot
from tinygen.models import VAE, Autoencoder
from tinygen.plot.explorer import evaluate

CODES = np.random.default_rng(1).standard_normal((60, 2))
LABELS = np.arange(60) % 3


def trained_a_little(model, seed=0):
    """The model with weights as large as those after a training, so that the images differ."""
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = 3 * p.data + 0.3 * rng.standard_normal(p.shape, dtype=np.float32)
    return model


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, "relu", "tanh", "sigmoid", "silu"]), st.integers(1, 3))
def test_the_layers_of_the_page_are_those_of_the_model(seed, activation, depth):
    rng = np.random.default_rng(seed)
    model = trained_a_little(VAE.dense((3, 4, 1), (5,) * depth, 2, activation=activation, rng=rng), seed)
    made = plot.explorer(model, CODES, LABELS)
    z = rng.standard_normal((7, 2)).astype(np.float32)
    np.testing.assert_allclose(evaluate(made.layers, made.output, z).reshape(7, 3, 4, 1), model.decode(z), atol=1e-5)
    assert len(made.layers) == depth + 1 and made.output == "sigmoid"


SCRIPT = """
const figure = document.querySelector("figure.explorer"), canvas = figure.querySelector("canvas");
const sliders = [...figure.querySelectorAll("input")], plane = figure.querySelector("svg");
const shown = () => [...canvas.getContext("2d").getImageData(0, 0, 4, 3).data];
const values = () => sliders.map(slider => slider.valueAsNumber);
const decoded = CODES.map(z => [...figure.decode(z)]);
const start = values();
[sliders[0].value, sliders[1].value] = [1, -0.5];
sliders[1].dispatchEvent(new Event("input"));
const first = [values(), shown(), canvas.getAttribute("aria-label")];
const box = plane.getBoundingClientRect();
const at = { clientX: box.left + box.width * (0.5 + 0.5 / 1.08 * 0.5), clientY: box.top + box.height * 0.5 };
plane.dispatchEvent(new PointerEvent("pointermove", at));
const second = [values(), shown()];
return [decoded, start, first, second, figure.querySelector("img").hidden,
        document.documentElement.scrollWidth <= innerWidth];
"""


@needs_chromium
def test_the_page_decodes_like_the_model_and_shows_what_the_point_says(tmp_path):
    model = trained_a_little(VAE.dense((3, 4, 3), (6, 5), 2, rng=np.random.default_rng(0)))
    page = plot.explorer(model, CODES, LABELS, extent=2, title="A <plane>").save(tmp_path / "plane.html")
    z = np.random.default_rng(2).uniform(-3, 3, (20, 2)).astype(np.float32)
    script = SCRIPT.replace("CODES", str(z.tolist()))
    decoded, start, first, second, hidden, fits = run_in_browser(page, script, width=390)
    np.testing.assert_allclose(decoded, model.decode(z).reshape(20, -1), atol=1e-5)
    np.testing.assert_allclose(start, np.median(CODES[LABELS == 0], axis=0), atol=0.02)
    assert hidden and fits and first[2] == "Decoded image of z₁ = 1.00, z₂ = −0.50"
    for (at, pixels, *_), expected in ((first, [1, -0.5]), (second, [1, 0])):
        np.testing.assert_allclose(at, expected, atol=0.03)  # pixels of the screen
        image = np.array(pixels).reshape(3, 4, 4)
        assert (image[..., 3] == 255).all()
        (should,) = model.decode(np.array([at], np.float32))
        np.testing.assert_allclose(image[..., :3], 255 * should, atol=1.5 if expected == [1, -0.5] else 6)


def test_without_a_script_the_page_shows_the_plane_and_a_grid_of_images():
    model = trained_a_little(Autoencoder.dense((4, 4, 1), (8,), 2, rng=np.random.default_rng(0)))
    made = plot.explorer(model, CODES, np.array(["<a>", "b", "c"])[LABELS])
    text, style, script = made.fragment("codes of <a>")
    assert "http" not in text + style + script and "&lt;a&gt;" in text and "<a>" not in text
    assert (
        text.count("<text") == 3 + 2 and " hidden></canvas>" in text and '<div class="explorer-sliders" hidden>' in text
    )
    inside = (np.abs(CODES) <= made.extent).all(axis=1).sum()
    assert text.partition("</svg>")[0].count("h0") == inside
    grid = model.decode(np.array([[-2.5, 2.5]], np.float32))  # in the upper left corner
    np.testing.assert_allclose(made.images[0], 255 * grid[0], atol=0.6)


def test_models_that_the_page_cannot_evaluate_are_refused():
    rng = np.random.default_rng(0)
    model = lambda **options: VAE.dense((3, 4, 1), (5,), **{"latent": 2, **options}, rng=rng)
    with pytest.raises(
        ValueError, match=r"expected a decoder from 2 numbers, got 3 numbers: train a model with latent=2"
    ):
        plot.explorer(model(latent=3), CODES, LABELS)
    with pytest.raises(ValueError, match=r"explorer: expected Dense layers with an activation of linear, .*got Dense"):
        plot.explorer(model(activation="gelu"), CODES, LABELS)
    conv = Autoencoder.conv((4, 4, 1), latent=2, rng=rng)
    with pytest.raises(ValueError, match=r"explorer: expected Dense layers .*got ConvTranspose2d"):
        plot.explorer(conv, CODES, LABELS)
    other = model()
    other.decode = lambda z: np.full((len(z), 3, 4, 1), 0.123)
    with pytest.raises(ValueError, match=r"expected model\.decode to apply model\.decoder"):
        plot.explorer(other, CODES, LABELS)
    empty = model()
    empty.decoder = nn.Sequential()
    with pytest.raises(ValueError, match=r"got no Dense layer"):
        plot.explorer(empty, CODES, LABELS)
    for codes, labels in ((CODES[:, :1], LABELS), (CODES, LABELS[1:]), (CODES + np.nan, LABELS)):
        with pytest.raises(ValueError, match=r"explorer: expected finite codes \(N, 2\) and labels \(N,\)"):
            plot.explorer(model(), codes, labels)
    with pytest.raises(ValueError, match="expected at most ten classes, got 60"):
        plot.explorer(model(), CODES, np.arange(60))
