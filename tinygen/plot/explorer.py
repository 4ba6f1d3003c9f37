"""A plane of codes to explore: the decoder of a model with two latents runs in the page.

Its weights are in the page as float32, and a few lines of JavaScript multiply them. Without JavaScript the page shows
the same plane, and the decoded images of a grid of codes.
"""

from base64 import b64encode
from collections.abc import Callable
from html import escape
from json import dumps
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tinygen.errors import arguments
from tinygen.io import files
from tinygen.plot import html
from tinygen.plot.canvas import PALETTE, as_bytes, plain
from tinygen.plot.films import checked_path, tiled
from tinygen.plot.frames import as_png

SIDE = 15  # images along each side of the grid that is shown without JavaScript
POINTS = 1000  # codes that are drawn, at most
ACTIVATIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {  # in Python, and in JavaScript
    "linear": (lambda x: x, "x"),
    "relu": (lambda x: np.maximum(x, 0), "Math.max(x, 0)"),
    "tanh": (np.tanh, "Math.tanh(x)"),
    "sigmoid": (lambda x: 0.5 + 0.5 * np.tanh(x / 2), "1 / (1 + Math.exp(-x))"),
    "silu": (lambda x: x * (0.5 + 0.5 * np.tanh(x / 2)), "x / (1 + Math.exp(-x))"),
}


class Decodes(Protocol):
    """A model with two latents, such as `VAE.dense(shape, widths, 2, rng=rng)`."""

    decoder: Any

    def decode(self, z: np.ndarray, /) -> np.ndarray:
        """The images (N, H, W, 1 or 3) in [0, 1] for codes (N, 2)."""
        ...


class Layer(NamedTuple):
    """y = f(x W + b); `activation` names f."""

    weight: np.ndarray  # (in, out) float32
    bias: np.ndarray  # (out,) float32
    activation: str


def explorer(
    model: Decodes, codes: np.ndarray, labels: np.ndarray, *, extent: float = 2.5, title: str = ""
) -> "Explorer":
    """A plane of codes, and beside it the decoded image of the code under the pointer; two sliders move it too.

    A notebook shows it, and `save` writes one HTML file that loads nothing.

    `model` has a `decoder` of `nn.Dense` layers from 2 numbers, and `decode`, which applies it: a `VAE.dense` or
    an `Autoencoder.dense` with `latent=2`. `codes` (N, 2) are drawn as points, coloured by their `labels` (N,), of at
    most ten classes; the first thousand are enough. The plane shows codes from -`extent` to `extent`. Raises ValueError
    for layers that the page can't evaluate, and for arrays of other shapes.

    >>> import numpy as np
    >>> from tinygen import models, plot
    >>> vae = models.VAE.dense((8, 8, 1), (16,), 2, rng=np.random.default_rng(0))
    >>> codes, labels = np.zeros((4, 2)), np.array([0, 0, 1, 1])
    >>> plot.explorer(vae, codes, labels)
    Explorer(4 codes, images 8 x 8, 1,136 weights)
    """
    extent = arguments.real("explorer", "extent", extent, above=0)
    codes, labels = np.asarray(codes), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2 or labels.shape != codes.shape[:1] or not np.isfinite(codes).all():
        raise ValueError(
            f"explorer: expected finite codes (N, 2) and labels (N,), got {codes.shape} and {labels.shape}"
        )
    if len(classes := np.unique(labels)) > len(PALETTE):
        raise ValueError(f"explorer: expected at most ten classes, got {len(classes)}: merge or select some")
    layers = _layers(model.decoder)
    across = np.linspace(-extent, extent, SIDE, dtype=np.float32)
    grid = np.stack(np.meshgrid(across, -across), axis=-1).reshape(-1, 2)  # z₂ grows upwards
    images = as_bytes("explorer", model.decode(grid))
    for output in ("sigmoid", "linear"):  # a model may return logits or pixels
        if np.abs(255 * evaluate(layers, output, grid) - images.reshape(len(grid), -1)).max() < 1:
            return Explorer(layers, output, images, codes[:POINTS], labels[:POINTS], extent, plain(title))
    raise ValueError("explorer: expected model.decode to apply model.decoder, and a sigmoid or nothing, got otherwise")


def _layers(decoder: Any) -> list[Layer]:
    """The dense layers of a decoder from two numbers; ValueError for other layers."""
    found: list[Layer] = []
    for layer in decoder:
        kind, activation = type(layer).__name__, getattr(layer, "activation", None) or "linear"
        if kind == "Dense" and activation in ACTIVATIONS:
            weight = np.asarray(layer.weight.data, np.float32)
            bias = np.zeros(weight.shape[1]) if layer.bias is None else layer.bias.data
            found.append(Layer(weight, np.asarray(bias, np.float32), activation))
        elif found and kind.lower() in ACTIVATIONS and found[-1].activation == "linear":  # a layer of its own
            found[-1] = found[-1]._replace(activation=kind.lower())
        elif kind not in ("Reshape", "Flatten"):
            names = ", ".join(ACTIVATIONS)
            raise ValueError(f"explorer: expected Dense layers with an activation of {names}, got {layer!r}")
    if not found or len(found[0].weight) != 2:
        sizes = f"{len(found[0].weight)} numbers" if found else "no Dense layer"
        raise ValueError(f"explorer: expected a decoder from 2 numbers, got {sizes}: train a model with latent=2")
    return found


def evaluate(layers: list[Layer], output: str, x: np.ndarray) -> np.ndarray:
    """What the page computes: the layers, then the activation `output`, for codes (N, 2)."""
    for layer in layers:
        x = ACTIVATIONS[layer.activation][0](x @ layer.weight + layer.bias)
    return ACTIVATIONS[output][0](x)


class Explorer:
    """A plane of codes with the decoder that runs in the page; `explorer` makes one."""

    def __init__(
        self,
        layers: list[Layer],
        output: str,
        images: np.ndarray,
        codes: np.ndarray,
        labels: np.ndarray,
        extent: float,
        title: str,
    ):
        self.layers, self.output, self.images = layers, output, images  # images: (SIDE², H, W, C) uint8
        self.codes, self.labels, self.extent, self.title = codes, labels, extent, title

    def __repr__(self) -> str:
        _, h, w, _ = self.images.shape
        weights = sum(layer.weight.size + layer.bias.size for layer in self.layers)
        return f"Explorer({len(self.codes)} codes, images {w} x {h}, {weights:,} weights)"

    def save(self, path: str | Path) -> Path:
        """Write one HTML file that loads nothing, and return the path.

        Raises ValueError for another suffix, OSError if the file can't be written.
        """
        path = checked_path("Explorer.save", path, ".html")
        files.replace(path, html.document(self.fragment(), title=self.title or "Explorer").encode())
        return path

    def fragment(self, alt: str = "") -> html.Fragment:
        """The plane as a part of a page; `alt` describes it to readers who can't see it, by default by the title."""
        _, h, w, c = self.images.shape
        layers = [
            dict(activation=layer.activation, weight=_base64(layer.weight), bias=_base64(layer.bias))
            for layer in self.layers
        ]
        data = dumps(dict(layers=layers, output=self.output, extent=self.extent, channels=c, start=self._start()))
        still = f"data:image/png;base64,{b64encode(self._repr_png_()).decode()}"
        name = escape(alt or self.title or "A plane of codes")
        sliders = "\n".join(
            f'<label><span>z{sub}</span><input type="range" min="{-self.extent:g}" max="{self.extent:g}" '
            f'step="{self.extent / 100:g}" aria-label="z{sub}"><span class="explorer-value"></span></label>'
            for sub in "₁₂"
        )
        heading = f'<figcaption class="explorer-title">{escape(self.title)}</figcaption>' if self.title else ""
        content = f"""<figure class="explorer">
{heading}
<div class="explorer-parts">
<svg class="explorer-plane" viewBox="-1.08 -1.08 2.16 2.16" role="img" aria-label="{name}">{self._plane()}</svg>
<div class="explorer-view">
<img src="{still}" alt="Decoded images of a grid of codes" width="{SIDE * (w + 2)}" height="{SIDE * (h + 2)}">
<canvas width="{w}" height="{h}" role="img" aria-label="Decoded image" hidden></canvas>
<div class="explorer-sliders" hidden>
{sliders}
</div>
</div>
</div>
<script type="application/json">{data}</script>
</figure>"""
        return html.Fragment(content, STYLE, SCRIPT)

    def _repr_html_(self) -> str:
        return html.inline(self.fragment(), title=self.title or "Explorer", width=800, height="calc(50% + 110px)")

    def _repr_png_(self) -> bytes:
        (still,) = as_png(np.rint(255 * tiled(self.images / 255, columns=SIDE)).astype(np.uint8)[None])
        return still

    def _start(self) -> list[float]:
        """The median code of the first class."""
        if not len(self.codes):
            return [0.0, 0.0]
        middle = np.median(self.codes[self.labels == np.unique(self.labels)[0]], axis=0)
        return np.clip(middle, -self.extent, self.extent).round(3).tolist()

    def _plane(self) -> str:
        """The plane in SVG, from -1 to 1: the circles of N(0, I), the codes by class, and the name of each class."""
        parts = [f'<circle r="{r / self.extent:.4g}"/>' for r in range(1, int(self.extent) + 1)]
        parts = [f'<g class="explorer-lines"><path d="M-1 0H1M0-1V1"/>{"".join(parts)}</g>']
        names = []
        for kind, colour in zip(np.unique(self.labels), PALETTE):
            codes = self.codes[self.labels == kind] / self.extent * [1, -1]
            inside = codes[(np.abs(codes) <= 1).all(axis=1)]
            dots = "".join(f"M{x:.3f} {y:.3f}h0" for x, y in inside)
            parts.append(f'<path class="explorer-dots" stroke="{colour}" d="{dots}"/>')
            x, y = np.median(codes, axis=0)
            names.append(f'<text x="{x:.3f}" y="{y:.3f}">{escape(plain(kind))}</text>')
        axes = '<text x="1.03" y="0">z₁</text><text x="0" y="-1.03">z₂</text>'
        parts += [f'<g class="explorer-names">{"".join(names)}</g>', f'<g class="explorer-axes">{axes}</g>']
        return "".join(parts) + '<circle class="explorer-point" r=".035"/>'


def _base64(array: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


STYLE = """
.explorer { margin: 0; max-width: 50rem; }
.explorer-title { font-weight: 600; margin: 0 0 .4rem; }
.explorer-parts { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem; }
.explorer-plane { display: block; flex: 3 1 17rem; min-width: 0; aspect-ratio: 1; border-radius: .5rem;
  background: #ffffff; }
.explorer-lines { fill: none; stroke: #d5d8de; stroke-width: .005; }
.explorer-dots { fill: none; stroke-width: .026; stroke-linecap: round; opacity: .75; }
.explorer-names text { font: 700 .1px system-ui, sans-serif; text-anchor: middle; dominant-baseline: central;
  fill: #222222; stroke: #ffffff; stroke-width: .03; paint-order: stroke; }
.explorer-axes text { font: .06px system-ui, sans-serif; text-anchor: middle; dominant-baseline: central;
  fill: #5f6368; }
.explorer-point { display: none; fill: none; stroke: #000000; stroke-width: .014; paint-order: stroke; }
.explorer-live .explorer-plane { cursor: crosshair; touch-action: none; }
.explorer-live .explorer-point { display: inline; }
.explorer-view { flex: 2 1 13rem; min-width: 0; }
.explorer-view img, .explorer-view canvas { display: block; width: 100%; height: auto; image-rendering: pixelated;
  border-radius: .5rem; background: #ffffff; }
.explorer-view [hidden] { display: none; }
.explorer-sliders { margin-top: .6rem; color: var(--faint); font-variant-numeric: tabular-nums; }
.explorer-sliders label { display: flex; align-items: center; gap: .6rem; }
.explorer-sliders input { flex: 1; min-width: 0; height: 1.75rem; margin: 0; accent-color: var(--accent); }
.explorer-sliders input:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.explorer-value { flex: none; width: 3em; text-align: right; }
"""

SCRIPT = """
for (const figure of document.querySelectorAll("figure.explorer:not([data-ready])")) {
  figure.dataset.ready = "";
  const data = JSON.parse(figure.querySelector("script").textContent);
  const [plane, point, still, canvas, panel] = ["svg", ".explorer-point", "img", "canvas", ".explorer-sliders"]
    .map(name => figure.querySelector(name));
  const sliders = [...panel.querySelectorAll("input")], values = [...panel.querySelectorAll(".explorer-value")];
  const apply = { ACTIVATIONS };
  const floats = text => {
    const view = new DataView(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
    return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
  };
  const layers = data.layers.map(({ weight, bias, activation }) =>
    ({ weight: floats(weight), bias: floats(bias), f: apply[activation] }));

  figure.decode = z => layers.reduce((x, { weight, bias, f }) => {
    const y = Float64Array.from(bias), n = y.length;
    x.forEach((value, i) => { for (let j = 0; j < n; j++) y[j] += value * weight[i * n + j]; });
    return y.map(value => f(value));
  }, z).map(value => apply[data.output](value));

  function show(z) {
    z = z.map(value => Math.min(Math.max(value, -data.extent), data.extent));
    const pixels = figure.decode(z), image = new ImageData(canvas.width, canvas.height), c = data.channels;
    for (let i = 0; i < canvas.width * canvas.height; i++)
      for (let k = 0; k < 4; k++) image.data[4 * i + k] = k < 3 ? Math.round(255 * pixels[c * i + k % c]) : 255;
    canvas.getContext("2d").putImageData(image, 0, 0);
    const texts = z.map(value => value.toFixed(2).replace("-", "\\u2212"));
    canvas.setAttribute("aria-label", `Decoded image of z₁ = ${texts[0]}, z₂ = ${texts[1]}`);
    z.forEach((value, i) => { sliders[i].value = value; values[i].textContent = texts[i]; });
    point.setAttribute("cx", z[0] / data.extent);
    point.setAttribute("cy", -z[1] / data.extent);
  }
  function follow(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(plane.getScreenCTM().inverse());
    show([data.extent * at.x, -data.extent * at.y]);
  }
  plane.onpointermove = plane.onpointerdown = follow;
  for (const slider of sliders) slider.oninput = () => show(sliders.map(each => each.valueAsNumber));
  figure.classList.add("explorer-live");
  [still.hidden, canvas.hidden, panel.hidden] = [true, false, false];
  show(data.start);
}
""".replace("ACTIVATIONS", ", ".join(f"{name}: x => {code}" for name, (_, code) in ACTIVATIONS.items()))
