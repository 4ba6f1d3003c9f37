"""`python -m tinygen verify`: run lessons and check their claims."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from tinygen.io.files import replace, write_json
from tinygen.io.output import open_page, say
from tinygen.runs.cli import NewFile, Refused, before_work, command


@command
def verify(
    lessons: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[CHAPTER|LESSON ...]")] = (),
    *,
    reuse: bool = False,
    json: Annotated[Path | None, NewFile()] = None,
    html: Annotated[Path | None, NewFile(".html")] = None,
    quiet: bool = False,
    open: bool = False,
) -> None:
    """Run lessons and check their claims, about 15 seconds per lesson; the exit code is 1 if a claim is not met.

    Args:
        lessons: names of chapters or lessons; all lessons if none is given.
        reuse: take the results of lessons that have not changed since their last run.
        json: file for the results as JSON.
        html: file for the results as a page with the figures.
        quiet: print only the last line.
        open: show the page of `--html` in the browser at the end.
    """
    from tinygen import lessons as book

    if open and html is None:
        raise Refused("verify: expected a page for --open, got none: add --html PAGE.html")
    with before_work():
        chosen = book.find(lessons)
    results = []
    for number, lesson in enumerate(chosen, 1):
        if not quiet and sys.stderr.isatty():
            print(f"running {lesson.name} ({number} of {len(chosen)}) ...", end="\r", file=sys.stderr, flush=True)
        results.append(book.result(lesson, reuse=reuse))
        if not quiet:
            say(book.text(results[-1]))
    say(book.verdict(results))
    if json is not None:
        rows = [result._asdict() | {"claims": [claim._asdict() for claim in result.claims]} for result in results]
        write_json(json, rows)
    if html is not None:
        replace(html, book.page(results, book.RESULTS).encode())
        say(f"wrote {html}")
        if open and not open_page(html):
            say("there is no browser with a window here: open the page by hand")
    sys.exit(0 if all(result.ok for result in results) else 1)
