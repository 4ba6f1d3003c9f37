"""One object of each kind that notebooks show, small, and the checks of the HTML that it shows."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np

import tinygen as tg
from tinygen import data, distributions, models, nn, optim, plot
from tinygen.claims import Claim
from tinygen.runs import open_run


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    return generator().normal(size=shape)


def digits() -> data.Dataset:
    images, labels = np.zeros((20, 8, 8, 1), np.float32), np.arange(20) % 10
    names = tuple("0123456789")
    return data.Dataset("a <b>", images, labels, images[:4], labels[:4], names, "source & more", "CC BY 4.0")


def network() -> nn.Sequential:
    rng = generator()
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, rng=rng, activation="relu"), nn.BatchNorm(8), nn.Flatten(), nn.Dense(288, 10, rng=rng)
    )


def weight() -> tg.Parameter:
    return tg.Parameter(numbers(3, 40))


def wrong_report() -> Any:
    @tg.op
    def twice_the_slope_for_a_notebook(x):
        return np.sin(x.data), lambda g: 2 * g * tg.cos(x)

    try:
        return tg.check(twice_the_slope_for_a_notebook, numbers(3), raises=False)
    finally:
        del tg.OPS["twice_the_slope_for_a_notebook"]


def run(folder: Any) -> Any:
    opened = open_run(folder, {"lr": 1e-3, "name": "<script>"}, quiet=True)
    opened.log(1, loss=0.5)
    return opened


SHOWN: dict[str, Callable[[], Any]] = {
    "Tensor, a constant": lambda: tg.Tensor(numbers(4, 5)),
    "Tensor, computed": lambda: (tg.exp(weight()) * 2).sum(axis=0),
    "Tensor, one number": lambda: weight().sum(),
    "Tensor, large": lambda: tg.Tensor(np.zeros((400, 30, 30, 3), np.float32)),
    "Tensor, empty": lambda: tg.Tensor(np.zeros((0, 3))),
    "Tensor, not finite": lambda: tg.Tensor([np.nan, np.inf, -np.inf, 1.0]),
    "Parameter": weight,
    "Module": network,
    "Module, deep": lambda: nn.Sequential(*[nn.Dense(4, 4, rng=generator()) for _ in range(200)]),
    "layer": lambda: nn.Dense(3, 4, rng=generator()),
    "model": lambda: models.VAE.dense((8, 8, 1), [16], latent=2, rng=generator()),
    "Dataset": digits,
    "Batches": lambda: data.Batches([numbers(20, 3), np.arange(20)], 8, generator()),
    "SGD": lambda: optim.SGD([weight()], 0.1, momentum=0.9),
    "Adam": lambda: optim.Adam(network().parameters()),
    "RMSprop": lambda: optim.RMSprop([weight()]),
    "EMA": lambda: optim.EMA([weight()]),
    "cosine": lambda: optim.cosine(1e-3, total=1000, warmup=100),
    "step_decay": lambda: optim.step_decay(0.1, every=30),
    "warmup": lambda: optim.warmup(lambda step: 1 / (1 + step), steps=10),
    "NoiseSchedule": lambda: models.cosine_schedule(100),
    "Normal": lambda: distributions.Normal(numbers(5), log_var=numbers(5)),
    "Normal, extreme": lambda: distributions.Normal(np.array([1e30, 0.0]), log_var=np.array([1500.0, -1500.0])),
    "Bernoulli": lambda: distributions.Bernoulli(numbers(2, 30)),
    "Gamma": lambda: distributions.Gamma(np.array([0.5, 2.0]), log_rate=numbers(2)),
    "Report, passed": lambda: tg.check(tg.sin, numbers(3), float32=False),
    "Report, failed": wrong_report,
    "Claim": lambda: Claim("B6", "the loss <is> the variance", 0.5, "at least 0.7", "", False),
    "graph, as a drawing": lambda: tg.graph.svg((tg.exp(weight()) * 2).sum()),
    "graph, as a page": lambda: tg.graph.html((tg.exp(weight()) * 2).sum()),
    "Film": lambda: plot.film(np.zeros((3, 8, 8, 1)), fps=5),
}
SCRIPTED = {
    "Film",
    "graph, as a page",
    "graph, as a drawing",
}  # these have buttons, so they bring a script and a style of their own

VOID = {"br", "hr", "img", "input", "meta", "link", "path", "polyline", "line", "rect", "circle", "source"}


class Checker(HTMLParser):
    """Collects what is wrong with a piece of HTML: tags that don't match, addresses, images without a description."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith(("data:", "#")):
                self.problems.append(f"<{tag} {name}={value!r}> loads something")
        if tag == "img" and not values.get("alt"):
            self.problems.append("an image without alt")
        if tag == "svg" and not (values.get("aria-label") or values.get("aria-labelledby") or "aria-hidden" in values):
            self.problems.append("an SVG without a label")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")


def faults(html: str) -> tuple[list[str], set[str]]:
    """What is wrong with a piece of HTML, and the tags in it."""
    checker = Checker()
    checker.feed(html)
    checker.close()
    left = [f"<{tag}> stays open" for tag in checker.open]
    urls = re.findall(r"url\((?!['\"]?(?:data:|#))[^)]*\)|@import", html)
    return [*checker.problems, *left, *urls], checker.tags
