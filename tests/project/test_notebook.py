"""What objects show in a notebook: sound HTML that loads nothing, stays small, and changes nothing."""

import io
import shutil
import subprocess

import numpy as np
import pytest
from helpers.shown import SCRIPTED, SHOWN, faults, network, run, weight
from PIL import Image

import tinygen as tg
from tinygen import kernels, optim
from tinygen.io import html

LIMIT = 150_000  # characters: a notebook stores them with each output


@pytest.mark.parametrize("name", SHOWN)
def test_what_an_object_shows(name, monkeypatch):
    thing = SHOWN[name]()
    before = repr(thing)
    monkeypatch.setattr(kernels, "compiled", lambda name: pytest.fail(f"compiles {name}"))
    with tg.trace() as calls:
        shown = thing._repr_html_()
    problems, tags = faults(shown)
    assert problems == []
    assert len(shown) < LIMIT
    assert name in SCRIPTED or not tags & {"script", "style", "link", "iframe", "object"}
    assert calls == [] or name.startswith("Report"), "a report computes its picture with f; nothing else computes"
    assert repr(thing) == before
    assert name in SCRIPTED or thing._repr_html_() == shown, "nothing is drawn at random, and nothing changes"


def test_a_text_is_escaped():
    shown = SHOWN["Dataset"]()._repr_html_()
    assert "a &lt;b&gt;" in shown and "source &amp; more" in shown and "<b>" not in shown
    assert html.text("a\x1b[31m") == "a\\x1b[31m"


def test_showing_draws_no_random_numbers():
    model, batches = SHOWN["model"](), SHOWN["Batches"]()
    states = [g.bit_generator.state for g in model.generators().values()], batches.state_dict()
    model._repr_html_(), batches._repr_html_()
    assert states == ([g.bit_generator.state for g in model.generators().values()], batches.state_dict())


def test_the_table_of_a_network_counts_its_parameters():
    shown, model = network()._repr_html_(), network()
    assert f"{sum(p.size for p in model.parameters()):,} parameters" in shown
    assert "Conv2d(1, 8, 3, activation=&#x27;relu&#x27;)" in shown


def test_a_tensor_shows_its_gradient_and_a_dropped_graph():
    w = weight()
    y = (w * w).sum()
    y.backward()
    assert "graph dropped" in y._repr_html_()
    assert "largest entry" in w._repr_html_()


def test_a_run_shows_its_arguments_and_its_log(tmp_path):
    opened = run(tmp_path / "run")
    shown = opened._repr_html_()
    assert faults(shown)[0] == []
    assert "&lt;script&gt;" in shown and "loss" in shown and "no checkpoint yet" in shown
    opened.finish({"loss": 0.5})
    assert "finished" in repr(opened)


def test_a_failed_report_shows_its_picture_and_a_passed_one_does_not():
    assert "data:image/png" in SHOWN["Report, failed"]()._repr_html_()
    assert "<img" not in SHOWN["Report, passed"]()._repr_html_()


def test_a_report_whose_function_has_changed_is_shown_without_its_picture():
    allowed = [True]

    def f(x):
        if not allowed[0]:
            raise RuntimeError("gone")
        return tg.abs(x)

    report = tg.check(f, np.array([0.0, 1.0]), raises=False)
    allowed[0] = False
    assert "can&#x27;t be drawn: gone" in report._repr_html_()


def test_a_schedule_is_still_a_function_of_the_step():
    schedule = optim.warmup(optim.cosine(1.0, total=10), steps=2)
    assert [schedule(0), schedule(10)] == [0.5, 0.0]
    assert repr(schedule) == "warmup(cosine(1, total=10), steps=2)"


def test_png_is_a_picture():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(html.png(pixels)))), pixels)
    grey = np.asarray(Image.open(io.BytesIO(html.png(pixels[..., :1]))))
    assert np.array_equal(grey, pixels[..., 0])


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_page(width, tmp_path, not_quick):
    """In a browser, at the width of a phone and of a desk."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium here")
    blocks = "".join(f'<div class="one" id="{name}">{make()._repr_html_()}</div>' for name, make in SHOWN.items())
    script = (
        "<script>addEventListener('load', () => { document.title = [...document.querySelectorAll('.one')]"
        ".filter(e => e.scrollWidth > e.clientWidth).map(e => e.id).join(';') || 'fits' })</script>"
    )
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><meta name=viewport content='width={width}'>{blocks}{script}")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},2000", "--dump-dom"]
    dom = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<title>fits</title>" in dom
