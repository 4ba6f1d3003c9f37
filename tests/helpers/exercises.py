"""What the pages say about the exercises: the tracks, the links from other pages, and the proof of the graders.

The tests of the pages and the tools that write them both read this file.
"""

import re
import textwrap
from collections.abc import Collection, Mapping
from functools import cache
from itertools import groupby
from pathlib import Path
from runpy import run_path
from typing import NamedTuple

from helpers.paths import ROOT
from tinygen.exercises import proof
from tinygen.exercises.exercise import Exercise
from tinygen.exercises.tracks import EXERCISES, TRACKS
from tinygen.io.examples import about

PAGE = ROOT / "docs" / "exercises.md"
COMMAND = "python tools/exercise_pages.py"
LINKS = re.compile(r"\n+\*\*Exercises\.\*\*[^\n]*(?:\n[^\n]+)*\n\Z")  # the last paragraph of a page

LESSONS = {  # lessons to which exercises belong, with their track
    "backprop/engine_in_40_lines": "backpropagation",
    "backprop/the_graph": "backpropagation",
    "backprop/your_own_op": "backpropagation",
    "backprop/two_moons": "training",
    "backprop/optimizers": "training",
    "layers/convolution": "layers",
    "layers/transposed_convolution": "layers",
    "layers/upsampling": "layers",
    "layers/strides_or_pooling": "layers",
    "layers/normalisation_and_dropout": "layers",
    "autoencoders/hands_on": "autoencoders",
    "autoencoders/linear_is_pca": "autoencoders",
    "autoencoders/regularised": "autoencoders",
    "variational/variational_inference": "VAEs",
    "variational/reparameterisation": "VAEs",
    "variational/estimators": "VAEs",
    "variational/vae": "VAEs",
    "adversarial/gan_ring": "GANs and diffusion",
    "diffusion/diffusion_2d": "GANs and diffusion",
}


def lesson_end(track: str) -> str:
    """The end of a lesson to which the exercises of a track belong."""
    return f"#\n# Exercises: `{track} <../../docs/exercises.md#{anchor(track)}>`__.\n"


def between(name: str, text: str, new: str) -> str:
    """A page with `new` between the comments `name` and `end of name`."""
    head, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition(f"<!-- end of {name} -->\n")
    assert begin and end, f"expected the comments <!-- {name} --> and <!-- end of {name} --> on the page"
    return f"{head}{begin}{new}{end}{tail}"


def tracks() -> str:
    """The tracks in order, as Markdown."""
    parts = []
    for track, exercises in TRACKS.items():
        rows = [f"| `{each.name}` | {each.title} | {_link(each)} |" for each in exercises]
        head = [f"### {_heading(track)}", "", "| exercise | what to write | page |", "|---|---|---|"]
        parts.append("\n".join([*head, *rows, *_lessons(track)]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def _lessons(track: str) -> list[str]:
    links = [
        f"[{about(ROOT / 'examples' / f'{each}.py')}](../examples/{each}.py)"
        for each in LESSONS
        if LESSONS[each] == track
    ]
    text = textwrap.fill(f"Lessons: {', '.join(links)}.", 120, break_on_hyphens=False, break_long_words=False)
    return ["", text] if links else []


def page(text: str) -> str:
    """The page of the exercises with the tracks of today."""
    return between("tracks", text, tracks())


def linked(name: str, text: str) -> str:
    """A page whose last paragraph links to the exercises that it derives; without one if there are none."""
    here = [each for each in EXERCISES.values() if each.page.partition("#")[0] == name]
    links = [
        ", ".join(f"`{each.name}`" for each in group) + f" in the track [{track}](exercises.md#{anchor(track)})"
        for track, group in groupby(here, key=lambda each: each.track)
    ]
    last = textwrap.fill(f"**Exercises.** {'; '.join(links)}.", 120, break_on_hyphens=False, break_long_words=False)
    return LINKS.sub("\n", text) + (f"\n{last}\n" if links else "")


def pages() -> list[Path]:
    """The pages that derive something; not that of the exercises."""
    return [path for path in sorted((ROOT / "docs").glob("*.md")) if path != PAGE]


# -- the proof ---------------------------------------------------------------------------------------------------------

HEAD = "| exercise | wrong answers tried | accepted | seconds |\n|---|---:|---:|---:|\n"
ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (\d+) \| ([\d.]+) \|$", re.MULTILINE)


class Proof(NamedTuple):
    """A row of the table: `seconds` is the longest time of a grade."""

    tried: int
    accepted: int
    seconds: float


@cache
def equal() -> Mapping[str, Collection[str]]:
    """The mutants that compute the same as the solution, by exercise: a list of the test that grades them."""
    return run_path(str(ROOT / "tests" / "exercises" / "test_proof.py"))["EQUAL"]


def wrong_answers(exercise: Exercise) -> list[proof.Attempt]:
    """All wrong answers; not those mutants that compute the same as the solution."""
    right = equal().get(exercise.name, ())
    mutants = [each for each in proof.mutants(exercise) if each.what not in right]
    return [*proof.wrong(exercise), *proof.corrupted(exercise), *mutants]


def rows(text: str) -> dict[str, Proof]:
    """The rows of the table on the page, by the name of the exercise."""
    return {name: Proof(int(tried), int(accepted), float(s)) for name, tried, accepted, s in ROW.findall(text)}


def with_rows(text: str, found: Mapping[str, Proof]) -> str:
    """The page with these rows, in the order of the exercises, and their sum."""
    shown = [(name, found[name]) for name in EXERCISES if name in found]
    lines = [f"| `{name}` | {row.tried} | {row.accepted} | {row.seconds:.1f} |\n" for name, row in shown]
    tried, accepted = (sum(row[i] for _, row in shown) for i in (0, 1))
    end = f"| all {len(shown)} | {tried} | {accepted} | {max((row.seconds for _, row in shown), default=0):.1f} |\n"
    return between("proof", text, f"\n{HEAD}{''.join(lines)}{end}\n")


# -- names of headings -------------------------------------------------------------------------------------------------


def _heading(track: str) -> str:
    return track[0].upper() + track[1:]


def anchor(track: str) -> str:
    return track.lower().replace(" ", "-")


def _link(exercise: Exercise) -> str:
    name = exercise.page.partition("#")[0]
    title = re.search(r"^# (.+)$", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.MULTILINE)
    return f"[{title[1] if title else name}]({exercise.page})"
