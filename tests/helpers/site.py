"""The built site: its pages, what they link to, and what they load."""

import os
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from helpers.paths import ROOT

SITE = Path(os.environ.get("TINYGEN_SITE", ROOT / "site")).resolve()
LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
    "use": "href",
    "image": "href",
}


class Page(NamedTuple):
    """A page of the site: the anchors on it, the addresses it links to, and those it loads."""

    anchors: set[str]
    links: list[str]
    loads: list[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page(set(), [], [])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.page.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.page.links.append(given["href"])
        if given.get(LOADED.get(tag, "")) and given.get("rel") not in ("canonical", "next", "prev", "index", "search"):
            self.page.loads.append(given[LOADED[tag]])
        self.page.loads.extend(part.split()[0] for part in given.get("srcset", "").split(",") if part.strip())


@cache
def pages() -> dict[Path, Page]:
    """Each page by its path; the films and graphs of lessons are pages of their own."""
    found = {}
    for path in sorted(SITE.rglob("*.html")):
        reader = _Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        found[path] = reader.page
    return found


@cache
def is_external(address: str) -> bool:
    return bool(urlsplit(address).scheme or urlsplit(address).netloc) and not address.startswith("data:")


def dead(page: Path, address: str) -> bool:
    """Whether an address within the site leads to no file, or to no anchor of a page."""
    if is_external(address) or address.startswith("data:"):
        return False
    rest, _, fragment = address.partition("#")
    path = rest.partition("?")[0]
    target = _file(page.parent, path) if path else page
    if target is None:
        return True
    anchor = unquote(fragment)
    return bool(anchor) and target in pages() and anchor not in pages()[target].anchors


@cache
def _file(folder: Path, path: str) -> Path | None:
    """The file at a relative address; None if there is none. The pages of a folder share most of their links."""
    target = (folder / unquote(path)).resolve()
    target = target / "index.html" if target.is_dir() else target
    return target if target.is_file() else None
