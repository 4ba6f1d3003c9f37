"""The gallery of the lessons: sphinx-gallery runs each one, and what it claims and draws is kept as `verify` keeps it.

So a lesson that the site has run is not run again by `python -m tinygen verify --reuse` or by the tests, and the other
way round the site runs only what has changed.
"""

import re
import shutil
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
from sphinx.application import Sphinx
from sphinx_gallery.sorting import ExplicitOrder

from tinygen import lessons
from tinygen.kernels.machine.numba_internals import say_once

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
RESULTS = ROOT / lessons.RESULTS
SHOWN = (".png", ".svg", ".html")

# The reading order within a chapter: that of the list of all lessons.
ORDER = re.findall(r"\]\(\w+/(\w+)\.py\)", (ROOT / "examples" / "README.md").read_text(encoding="utf-8"))


def setup(app: Sphinx) -> dict[str, Any]:
    say_once("compiling", "compiling kernels where lessons need them ...")  # here, not among the output of a lesson
    app.connect("builder-inited", forget_stale, priority=100)  # before sphinx-gallery decides what to run
    app.connect("build-finished", copy_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def settings() -> dict[str, Any]:
    """For `sphinx_gallery_conf`."""
    matplotlib.use("agg")
    chapters = [f"../examples/{chapter}" for chapter in lessons.CHAPTERS]
    return {
        "examples_dirs": ["../examples"],  # its header is a .txt, which sphinx-gallery prefers to README.md; not .rst
        "gallery_dirs": ["lessons"],
        "filename_pattern": rf"examples/({'|'.join(lessons.CHAPTERS)})/",
        "ignore_pattern": rf"^(_.*|{'|'.join(path.stem for path in (ROOT / 'examples').glob('*.py'))})\.py$",
        "subsection_order": ExplicitOrder([*chapters, "*"]),
        "within_subsection_order": "_ext.lessons.in_reading_order",
        "nested_sections": True,
        "image_scrapers": ("_ext.lessons.figures",),
        "reset_modules": ("matplotlib", "_ext.lessons.recorded"),
        "reset_modules_order": "both",
        "capture_repr": ("_repr_html_",),
        "matplotlib_animations": False,
        "backreferences_dir": "reference/uses",
        "doc_module": ("tinygen",),
        "prefer_full_module": set(),
        "min_reported_time": 0,
        "download_all_examples": False,
        "show_signature": False,
        "remove_config_comments": True,
        "plot_gallery": True,
        "only_warn_on_example_error": False,
        "write_computation_times": False,
    }


def in_reading_order(filename: str) -> tuple[int, str]:
    name = Path(filename).stem
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def forget_stale(app: Sphinx) -> None:
    """Let sphinx-gallery run the lessons whose results are not those of today's lesson and package."""
    for lesson in lessons.find(folder=ROOT / "examples"):
        made = DOCS / "lessons" / lesson.name
        result = lessons.current(lesson, RESULTS)
        if result is None or not result.ok:
            made.with_suffix(".py.md5").unlink(missing_ok=True)


# -- recording ---------------------------------------------------------------------------------------------------------

_open = ExitStack()
_taken: set[Path] = set()


def recorded(conf: dict[str, Any], fname: str, when: str) -> None:
    """Before a lesson, begin to record its claims and figures; after it, keep them."""
    _open.close()
    _taken.clear()
    if when == "before":
        (lesson,) = (
            lesson for lesson in lessons.find(folder=ROOT / "examples") if lesson.path.name == Path(fname).name
        )
        _open.enter_context(lessons.kept(lesson, RESULTS))


def figures(block: tuple, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """What `plot.show` has written since the last block, for the lesson's page: pictures, and films as frames."""
    path = Path(block_vars["src_file"])
    folder = RESULTS / path.parent.name / path.stem
    new = sorted((p for p in folder.glob("*.*") if p not in _taken and p.suffix in SHOWN), key=written)
    _taken.update(new)
    return "\n".join(shown(path, figure, block_vars) for figure in new)


def written(path: Path) -> int:
    return path.stat().st_mtime_ns


def shown(lesson: Path, figure: Path, block_vars: dict[str, Any]) -> str:
    """The reStructuredText for one figure."""
    title = f"{figure.stem.replace('_', ' ')}"
    if figure.suffix != ".html":
        target = Path(next(block_vars["image_path_iterator"])).with_suffix(figure.suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(figure, target)
        name = "/" + str(target.relative_to(DOCS))
        return f".. image:: {name}\n   :alt: {title}\n   :class: figure\n"
    source = f"../../_static/lessons/{lesson.parent.name}/{lesson.stem}/{figure.name}"
    frame = f'<iframe class="figure" src="{source}" title="{escape(title)}" loading="lazy"></iframe>'
    return f".. raw:: html\n\n   {frame}\n"


def copy_pages(app: Sphinx, error: Exception | None) -> None:
    """Copy films and other pages that lessons wrote into the site."""
    for page in RESULTS.glob("*/*/*.html"):
        target = Path(app.outdir) / "_static" / "lessons" / page.relative_to(RESULTS)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, target)
