"""The computation graph as a page that walks backwards, step by step; it needs no other file and no network."""

import base64
import hashlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from numpy import ndarray

from tinygen.graph import numbers
from tinygen.graph.drawing import draw, quoted
from tinygen.graph.nodes import Names
from tinygen.graph.steps import Share, Step, Values, Walk
from tinygen.io import files
from tinygen.tensor import Operand, Tensor

IN_FULL = 16, 12  # rows and columns of an array that is shown in full
STYLE = "box-sizing: border-box; width: 100%; height: 620px; border: 1px solid #8c959f; border-radius: 8px"


@dataclass(frozen=True)
class Page:
    """An HTML page: `str(page)` is its text, `save` writes it, and notebooks show it in a frame."""

    content: str

    def __str__(self) -> str:
        return self.content

    def __repr__(self) -> str:
        steps = self.content.count('<section class="step"')
        return f"Page({steps} {'step' if steps == 1 else 'steps'}, {len(self.content.encode()) / 1000:.0f} kB)"

    def _repr_html_(self) -> str:
        return (
            f'<iframe sandbox="allow-scripts" title="Computation graph" srcdoc="{quoted(self.content)}" '
            f'style="{STYLE}"></iframe>'
        )

    def save(self, path: str | Path) -> Path:
        """Write the page to `path`, which ends in .html; returns the path. Raises ValueError for another ending."""
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"graph.html: expected a path that ends in .html, got {path.name!r}: rename it")
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, self.content.encode())
        return path


def html(
    y: Tensor,
    *,
    values: Values = True,
    names: Names | None = None,
    gy: Operand | None = None,
    limit: int = 100,
) -> Page:
    """The computation graph as a page that walks backwards from `y`, with buttons, a slider and the arrow keys.

    Each step shows the gradient that arrives at a node, the sum if it arrives in parts, and what the derivative rules
    send on. Without JavaScript the page shows the whole picture and all steps. The arguments and errors are those of
    `svg`; `values=False` shows shapes only. The graph is kept.

    >>> w = tg.Parameter([1.0, 2.0])
    >>> page = tg.graph.html((w * w).sum(), names={"w": w})
    >>> page  # in a notebook: the page itself
    Page(3 steps, ... kB)
    """
    walk = Walk(y, names, values, gy, limit)
    style, script = (Path(__file__).with_name(f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"  # no other script runs
    name = quoted(walk.graph.label(walk.graph.root))
    return Page(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Backpropagation from {name}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Backpropagation from <code>{name}</code><span class="more">, step by step</span></h1>
<p>{_introduction(walk)}</p>
<div class="controls">
<button id="back" type="button">back</button>
<button id="play" type="button">play</button>
<button id="next" type="button">next</button>
<input id="slider" type="range" min="1" max="{len(walk.steps)}" value="1" aria-label="step">
<output id="output" for="slider"></output>
</div>
</header>
<main class="picture" tabindex="0" aria-label="the graph">
{draw(walk)}
</main>
<section class="steps" tabindex="0" aria-label="the steps" aria-live="polite">
{"".join(map("".join, (_section(step, walk) for step in walk.steps)))}</section>
<script>{script}</script>
</body>
</html>
"""
    )


def _introduction(walk: Walk) -> str:
    text = "Values were computed from top to bottom. Gradients go from bottom to top, youngest node first. "
    if not walk.has_values:
        text += "This page has shapes only; values=True adds values and gradients. "
    if walk.left:
        text += f"{walk.left:,} earlier nodes are not shown."
    return text


# -- one step ----------------------------------------------------------------------------------------------------------


def _section(step: Step, walk: Walk) -> Iterator[str]:
    label, op = quoted(walk.graph.label(step.node)), step.node.op
    yield f'<section class="step" data-step="{step.number}">\n'
    yield f"<h2>{step.number}. <code>{label}</code> <small>{step.node.shape}</small></h2>\n"
    what = "A variable: the gradient that is complete here is a result." if op is None else _first_sentence(op.__doc__)
    yield f'<p class="faint">{what}</p>\n' if what else ""
    yield from _arrived(step, walk)
    yield from _sent(step, walk)
    if code := "" if op is None else _source(op):
        opened = " open" if code.count("\n") <= 10 else ""
        yield f"<details{opened}><summary>The op in the source</summary><pre>{code}</pre></details>\n"
    if walk.has_values:
        yield "<h3>Its value</h3>\n"
        kept = "It was not kept, because no derivative rule needs it; <code>tg.trace</code> records it."
        yield f"<p>{kept}</p>\n" if step.value is None else _array(step.value, "value")
    yield "</section>\n"


def _arrived(step: Step, walk: Walk) -> Iterator[str]:
    """Which gradient arrives, in how many parts."""
    yield "<h3>The gradient that arrives</h3>\n"
    if step.number == 1:
        yield "<p>The walk starts here, with the derivative of this value with respect to itself.</p>\n"
    elif len(step.arrived) == 1:
        yield f"<p>From {_link(step.arrived[0].child, walk)}, the only use of this value.</p>\n"
    else:
        yield f"<p>This value was used {len(step.arrived)} times, so {len(step.arrived)} parts are added.</p>\n<ul>\n"
        for share in step.arrived:
            yield f"<li>from {_link(share.child, walk)}{_array(share.array, 'gradient')}</li>\n"
        yield f'<li class="sum">the sum{_array(step.gradient, "gradient")}</li>\n</ul>\n'
        return
    yield _array(step.gradient, "gradient")


def _sent(step: Step, walk: Walk) -> Iterator[str]:
    """What the derivative rules make of it."""
    if not step.sent:
        return
    yield "<h3>What the derivative rule sends on</h3>\n<ul>\n"
    for share in step.sent:
        yield f"<li>to {_link(share.parent, walk)}{_progress(share, walk)}{_array(share.array, 'gradient')}</li>\n"
    yield "</ul>\n"


def _progress(share: Share, walk: Walk) -> str:
    """Which part of its sum a share is."""
    if share.parent not in walk.step_of:
        return ""
    parts = walk.step_of[share.parent].arrived
    if len(parts) == 1:
        return ""
    place = next(i for i, part in enumerate(parts, 1) if part is share)
    return f", part {place} of {len(parts)}" + (": now its gradient is complete" if place == len(parts) else "")


def _link(node, walk: Walk) -> str:
    if node not in walk.step_of:
        return "an earlier node, not shown"
    return f"<code>{quoted(walk.graph.label(node))}</code> (step {walk.step_of[node].number})"


def _array(array: ndarray | None, kind: str) -> str:
    """An array as a table, a single number or a summary; nothing without values."""
    if array is None:
        return ""
    table = numbers.table(array, *IN_FULL)
    if array.ndim == 0 and table is not None:
        return f'<p class="{kind}"><code class="alone">{numbers.number(array.item())}</code></p>\n'
    if table is None:
        entries = ", ".join(f"{name} {text}" for name, text in numbers.summary(array))
        return f'<p class="{kind}">{array.shape}: <code class="alone">{entries}</code></p>\n'
    rows = "".join(f"<tr>{''.join(f'<td>{numbers.number(x)}</td>' for x in row)}</tr>" for row in table)
    focus = ' tabindex="0"' if table.shape[1] > 4 else ""  # it may be wider than the screen: keys must scroll it
    return f'<div class="array {kind}"{focus}><table>{rows}</table></div>\n'


def _first_sentence(text: str | None) -> str:
    paragraph = " ".join((text or "").strip().partition("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return re.sub("`(.+?)`", r"<code>\1</code>", quoted(sentence + stop.strip()))


def _source(op) -> str:
    """The definition of an op, if it can be found: value and derivative rules."""
    try:
        return quoted(textwrap.dedent(inspect.getsource(op.__wrapped__)))
    except (OSError, TypeError):
        return ""
