"""Interactive pictures as HTML: a fragment for a page with several, a file of its own, an element of a notebook."""

from html import escape
from typing import NamedTuple


class Fragment(NamedTuple):
    """The HTML of an interactive picture; a page needs each style and each script once, however often it is used."""

    html: str
    style: str
    script: str


def document(fragment: Fragment, *, title: str, embedded: bool = False) -> str:
    """A whole HTML file with one fragment, which loads nothing from elsewhere."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{THEME}{PAGE}{fragment.style}</style>
</head>
<body class="{"embedded" if embedded else "alone"}">
<main>
{fragment.html}
</main>
<script>{fragment.script}{FOLLOW if embedded else ""}</script>
</body>
</html>
"""


def inline(fragment: Fragment, *, title: str, width: int, height: str) -> str:
    """A document as an element of another page, such as a notebook: neither sees the styles of the other.

    `width` is the largest width in CSS pixels, and `height` a CSS length, in which 100% is the width; where scripts may
    look outside, the element gets the height of its content.
    """
    box = f"position: relative; height: 0; padding-bottom: {height}"
    whole = "position: absolute; inset: 0; width: 100%; height: 100%; border: 0"
    source = escape(document(fragment, title=title, embedded=True))
    return (
        f'<div style="max-width: {width}px"><div style="{box}">'
        f'<iframe title="{escape(title)}" style="{whole}" srcdoc="{source}"></iframe></div></div>'
    )


THEME = """
:root { color-scheme: light; --ground: #ffffff; --ink: #222222; --faint: #5f6368; --line: #dddddd;
  --accent: #3b55b5; --on-accent: #ffffff; --paper: #f5f6f8; }
@media (prefers-color-scheme: dark) {
  :root:not([data-theme="light"]) { color-scheme: dark; --ground: #16181c; --ink: #e6e6e6; --faint: #a0a4ab;
    --line: #34383f; --accent: #a9bdf2; --on-accent: #16181c; --paper: #1f2228; }
}
:root[data-theme="dark"] { color-scheme: dark; --ground: #16181c; --ink: #e6e6e6; --faint: #a0a4ab;
  --line: #34383f; --accent: #a9bdf2; --on-accent: #16181c; --paper: #1f2228; }
"""

PAGE = """
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
.alone main { padding: 1rem; }
.alone figure { margin: 0 auto; }
.embedded main { padding: 3px; }
"""

FOLLOW = """
try {
  const frame = window.frameElement, outside = window.parent.document;
  const follow = () => {  // dark or light like the surface below this frame, which may have a switch of its own
    let element = frame, colour;
    do colour = (window.parent.getComputedStyle(element).backgroundColor.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    while (colour[3] === 0 && (element = element.parentElement));
    const [r, g, b, alpha = 1] = colour;
    if (!alpha) return;
    document.documentElement.dataset.theme = 0.3 * r + 0.6 * g + 0.1 * b < 128 ? "dark" : "light";
    document.body.style.background = `rgb(${r} ${g} ${b})`;
  };
  for (const element of [outside.documentElement, outside.body])
    new MutationObserver(follow).observe(element, { attributes: true });
  follow();
  new ResizeObserver(() => {
    Object.assign(frame.parentElement.style, { paddingBottom: 0, height: `${document.body.offsetHeight}px` });
  }).observe(document.body);
} catch { }  // a notebook may forbid to look outside
"""
