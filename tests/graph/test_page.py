"""The page: one file, all steps as text, and in Chromium its buttons, keys and slider walk in order."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.browser import needs_chromium, run_in_browser
from helpers.graphs import named, programs
from hypothesis import given

import tinygen as tg
from tinygen import graph

HOSTILE = """</script><script>parent.hacked = 1</script><img src=x onerror="parent.hacked = 1">'"`${1}<!--"""


class Reader(HTMLParser):
    """The text of each step, and every attribute that could load something."""

    def __init__(self, page):
        super().__init__()
        self.steps, self.loads, self.open = [], [], False
        self.feed(str(page))

    def handle_starttag(self, tag, attributes):
        self.handle_data(" ")
        given = dict(attributes)
        self.loads += [given[name] for name in ("src", "href", "xlink:href", "data", "action") if name in given]
        self.loads += [f"on: {name}" for name in given if name.startswith("on")]
        if given.get("class") == "step":
            self.steps.append("")
            self.open = True

    def handle_endtag(self, tag):
        self.open = self.open and tag != "section"

    def handle_data(self, data):
        if self.open:
            self.steps[-1] += data


def diamond():
    """A value that is used twice, once by way of a sine."""
    a = tg.Parameter(np.array(2.0))
    b = a * 3.0
    c = tg.sin(b)
    return b * c, {"a": a, "b": b, "c": c}


def test_a_step_says_what_arrives_and_what_is_sent():
    y, names = diamond()
    steps = [" ".join(text.split()) for text in Reader(graph.html(y, names=names)).steps]
    b, c = 6.0, np.sin(6.0)
    assert [step.split(" ")[1] for step in steps] == ["mul", "c", "b", "a"]
    assert f"to b = mul (step 3), part 1 of 2 {c:.4g} to c = sin (step 2) {b:.4g}" in steps[0]
    slope = b * np.cos(6.0)
    assert f"to b = mul (step 3), part 2 of 2: now its gradient is complete {slope:.4g}" in steps[1]
    assert "This value was used 2 times, so 2 parts are added." in steps[2]
    assert f"from mul (step 1) {c:.4g} from c = sin (step 2) {slope:.4g} the sum {c + slope:.4g}" in steps[2]
    assert "A variable: the gradient that is complete here is a result." in steps[3]
    assert f"the only use of this value. {3 * (c + slope):.4g}" in steps[3]


@given(programs())
def test_the_gradient_of_each_step_is_that_of_grad(program):
    tensors = program.tensors()
    names, y = named(tensors), tensors[-1]
    found = {}
    for section in str(graph.html(y, names=names, gy=np.ones(2))).split("<section class=")[2:]:
        arrives = section.partition("The gradient that arrives</h3>")[2].partition("<h3>")[0]
        label = re.search(r"\d+\. <code>(t\d+)", section)[1]
        assert label not in found
        found[label] = re.findall("<td>(.*?)</td>", arrives)[-2:]  # behind the parts, if there are any, is the sum
    for entries, gradient in zip(found.values(), tg.grad(y, [names[label] for label in found], np.ones(2))):
        assert entries == [f"{entry + 0.0:.4g}" for entry in gradient.numpy()]


def test_a_page_loads_nothing_and_runs_only_its_own_script():
    y, names = diamond()
    text = str(graph.html(y, names={**names, HOSTILE: y}))
    assert Reader(text).loads == []
    assert set(re.findall(r"https?://[^'\"\s]*", text)) == {"http://www.w3.org/2000/svg"}
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text


def test_shapes_only_and_large_graphs():
    w = tg.Parameter(np.ones((30, 30)))
    y = w
    for _ in range(1_000):
        y = y * w
    text = str(graph.html(y, values=False, limit=20))
    assert "981 earlier nodes are not shown" in text and "(30, 30)" in text and "Its value" not in text
    assert "an earlier node, not shown" in text
    assert '(30, 30): <code class="alone">min 1, mean 1, max 1</code>' in str(graph.html(y.sum(), limit=3))


def test_a_page_can_be_saved_and_shown_in_a_notebook(tmp_path):
    page = graph.html(diamond()[0])
    assert page.save(tmp_path / "new" / "a.html").read_text("utf-8") == str(page)
    frame = page._repr_html_()
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1]) == str(page) and 'sandbox="allow-scripts"' in frame
    assert re.fullmatch(r"Page\(4 steps, \d+ kB\)", repr(page))
    with pytest.raises(ValueError, match=r"graph.html: expected a path that ends in .html, got 'a.pdf': rename it"):
        page.save(tmp_path / "a.pdf")


# -- in Chromium -------------------------------------------------------------------------------------------------------

WALK = """
await sleep(300);
const page = document.querySelector("iframe").contentDocument, at = id => page.getElementById(id);
const shown = () => [...page.querySelectorAll(".step")].filter(s => s.offsetHeight).map(s => Number(s.dataset.step));
const marked = kind => [...page.querySelectorAll(kind)].map(n => n.dataset.step ?? n.dataset.child);
const state = () => [shown(), marked(".node.now"), marked(".edge.sent"), marked(".node.later")].map(x => x.join(" "));
const key = name => page.dispatchEvent(new page.defaultView.KeyboardEvent("keydown", { key: name }));
const seen = { start: state(), walk: [], back: [], jumps: [], played: [] };
while (!at("next").disabled) { at("next").click(); seen.walk.push(state()); }
while (!at("back").disabled) { at("back").click(); seen.back.push(shown()[0]); }
for (const name of ["ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home"]) { key(name); seen.jumps.push(shown()[0]); }
at("slider").value = 3; at("slider").dispatchEvent(new Event("input")); seen.jumps.push(shown()[0]);
page.querySelector(".node[data-step='2']").dispatchEvent(new Event("click")); seen.jumps.push(shown()[0]);
at("play").click(); seen.jumps.push(at("play").textContent);
for (let i = 0; i < 2; i++) { await sleep(1850); seen.played.push(shown()[0]); }
seen.jumps.push(at("play").textContent);
const texts = [...page.querySelectorAll(".node")].map(node => [node.querySelector("rect").width.baseVal.value,
  Math.max(...[...node.querySelectorAll("text")].map(t => t.getComputedTextLength()))]);
seen.fits = texts.every(([box, text]) => text <= box - 4);
seen.overflow = page.documentElement.scrollWidth > page.defaultView.innerWidth;
seen.hacked = window.hacked ?? null;
return seen;
"""


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_buttons_keys_slider_and_boxes_walk_in_order(tmp_path, width):
    y, names = diamond()
    frame = graph.html(y, names={**names, HOSTILE: y})._repr_html_().replace('sandbox="allow-scripts" ', "")
    outer = tmp_path / "outer.html"
    outer.write_text(f'<!doctype html><body style="margin: 0">{frame.replace("100%", f"{width}px")}', encoding="utf-8")
    seen = run_in_browser(outer, WALK)
    assert seen["start"] == ["1", "1", "1 1", "4 3 2"]
    assert seen["walk"] == [["2", "2", "2", "4 3"], ["3", "3", "3", "4"], ["4", "4", "", ""]]
    assert seen["back"] == [3, 2, 1]
    assert seen["jumps"] == [2, 3, 2, 4, 1, 3, 2, "pause", "play"]
    assert seen["played"] == [3, 4]
    assert seen["fits"] and not seen["overflow"] and seen["hacked"] is None
