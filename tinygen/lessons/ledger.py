"""The claims of lessons as text for a terminal, and as a page with the figures."""

import shutil
import textwrap
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tinygen.claims import Claim
from tinygen.lessons.results import Result

PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}
LECTURES = {
    "A": "layers",
    "B": "autoencoders",
    "C": "variational inference",
    "D": "GANs",
    "E": "diffusion",
    "F": "applications",
    "S": "slides",
}


def lecture(claim: Claim) -> str:
    """The topics of the lectures that a claim is about, such as "layers, applications"; empty for a new idea."""
    topics = (LECTURES.get(name[0], "") for name in claim.ids.split())
    return ", ".join(dict.fromkeys(filter(None, topics)))


def text(result: Result) -> str:
    """The name and the duration of a lesson, and below it one claim after the other, each with its verdict."""
    width = min(120, shutil.get_terminal_size().columns)
    lines = [f"{result.lesson}{f'{result.seconds:.1f} s':>{max(1, width - len(result.lesson))}}"]
    for claim in result.claims:
        tolerance = f", {claim.tolerance}" if claim.tolerance else ""
        topic = f" ({lecture(claim)})" if lecture(claim) else ""
        numbers = f"{claim.shown}, expected {claim.reference}{tolerance}"
        sentence = f"  {claim.verdict:7}  {claim.ids}{topic}: {claim.sentence}: {numbers}"
        lines += textwrap.wrap(sentence, max(40, width), subsequent_indent=" " * 11)
    if result.error:
        lines += ["  FAILED", textwrap.indent(result.error, "    ")]
    elif not result.claims:
        lines.append("  FAILED: the lesson makes no claim")
    return "\n".join(lines)


def verdict(results: Sequence[Result]) -> str:
    """One line: how many claims are met, how many lessons failed, and how long it took."""
    claims = [claim for result in results for claim in result.claims]
    failed = [result.lesson for result in results if result.error or not result.claims]
    lost = f"; {len(failed)} of {len(results)} lessons failed: {', '.join(failed)}" if failed else ""
    seconds = sum(result.seconds for result in results)
    met = sum(claim.ok for claim in claims)
    return (
        f"{met} of {len(claims)} claims met in {len(results)} lesson{'s' * (len(results) != 1)}, {seconds:.0f} s{lost}"
    )


# -- HTML --------------------------------------------------------------------------------------------------------------


def page(results: Sequence[Result], folder: str | Path) -> str:
    """The claims as one self-contained HTML page.

    Args:
        results: of the lessons, in the order of the page.
        folder: where the figures of the results are: in `folder/<chapter>/<lesson>/`.
    """
    body = "\n".join(_lesson(result, Path(folder) / result.lesson) for result in results)
    return _PAGE.format(style=_STYLE, verdict=escape(verdict(results)), body=body)


def _lesson(result: Result, folder: Path) -> str:
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("verdict", "id", "lecture", "claim", "value", "reference", "tolerance")
    )
    parts = [f"<section>\n<h2>{escape(result.lesson)} <small>{result.seconds:.1f} s</small></h2>"]
    if result.claims:
        rows = "\n".join(map(_row, result.claims))
        parts.append(
            f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
        )
    if result.error:
        parts.append(f'<p class="bad">The lesson failed.</p><pre>{escape(result.error)}</pre>')
    elif not result.claims:
        parts.append('<p class="bad">The lesson makes no claim.</p>')
    for name in result.figures:
        title = escape(f"{result.lesson}: {Path(name).stem}")
        kind = PICTURES.get(Path(name).suffix)
        if kind:
            data = b64encode((folder / name).read_bytes()).decode()
            parts.append(f'<img src="data:{kind};base64,{data}" alt="{title}" loading="lazy">')
        else:
            source = escape((folder / name).read_text(encoding="utf-8"))
            parts.append(f'<iframe srcdoc="{source}" title="{title}" loading="lazy"></iframe>')
    return "\n".join([*parts, "</section>"])


def _row(claim: Claim) -> str:
    kind = "ok" if claim.ok else "bad"
    cells = (claim.ids, lecture(claim), claim.sentence, claim.shown, claim.reference, claim.tolerance)
    return f'<tr><td class="{kind}">{claim.verdict}</td>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The claims of the lessons</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>The claims of the lessons</h1>
<p>{verdict}. Written by <code>python -m tinygen verify --html FILE</code>.</p>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --ink: #222222; --faint: #6b6b6b; --line: #dddddd;
  --ok: #1b6e3c; --bad: #a4262c; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --ink: #e6e6e6; --faint: #a0a4ab; --line: #34383f; --ok: #6fce93; --bad: #ff9a9a; }
}
body { margin: 0; background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h2 { margin: 3rem 0 0.5rem; font-size: 1.25rem; }
h2 small { color: var(--faint); font-weight: normal; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 1rem 0.3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--faint); font-weight: normal; }
.ok { color: var(--ok); white-space: nowrap; }
.bad { color: var(--bad); font-weight: bold; white-space: nowrap; }
img { max-width: 100%; height: auto; margin-top: 1rem; background: #ffffff; }
iframe { width: 100%; height: 34rem; margin-top: 1rem; border: 1px solid var(--line); }
pre { overflow-x: auto; }
"""
