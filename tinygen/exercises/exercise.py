"""An exercise: a function of the library without its body, three hints, and the stages that grade an answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Arguments(NamedTuple):
    """The arguments of one call: by position, and by name."""

    args: tuple
    settings: dict[str, Any]


def call(*args: Any, **settings: Any) -> Arguments:
    """The arguments as one writes them: `call(x, axis=0)`."""
    return Arguments(args, settings)


class Finding(NamedTuple):
    """What a stage found wrong, in the words of a teacher."""

    says: str  # one or two sentences: what is wrong, and why
    call: str = ""  # the call that shows it, as text
    expected: str = ""
    computed: str = ""


class Stage(Protocol):
    """One step of grading: `run` returns what it found wrong with an answer, or None.

    `behaviour` returns what a function computes in this stage, by which a common wrong answer is recognised.
    """

    @property
    def name(self) -> str: ...

    def run(self, answer: Callable, solution: Callable) -> Finding | None: ...

    def behaviour(self, f: Callable) -> list[Any]: ...


class Wrong(NamedTuple):
    """A common wrong answer: the shipped function after `edits`, and what the grader says to who gives it."""

    edits: tuple[tuple[str, str], ...]  # (old, new): replaced in the text of the function, where `old` occurs once
    says: str


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise; see `source` for how its file is made, and `grading` for how an answer is graded.

    Args:
        name: name on the command line, and of the file.
        track: name of its track; see `tracks`.
        title: what the learner writes, as a noun phrase.
        source: where the function is, such as "tinygen.ops.elementwise:mul"; a method, such as
            "tinygen.distributions.normal:Normal.rsample", becomes a function of `self`.
        question: what to write, beside the `...`; lines of at most 100 characters.
        page: the page that derives it, such as "gradients.md#products"; a heading's anchor may be left out.
        hints: three steps; each says more than the one before.
        stages: in the order of grading.
        wrong: common wrong answers; the grader recognises each by what it computes.
        correct: two other correct ways of writing the function, as text, with its name and its arguments.
        parts: private functions beside it that belong to the answer: the solution has them, the learner's file doesn't.
        bug: for "find the bug": the edits that make the defect. The file then starts with the defective function.
        story: for "find the bug": where the defect was found.
    """

    name: str
    track: str
    title: str
    source: str
    question: str
    page: str
    hints: tuple[str, str, str]
    stages: tuple[Stage, ...]
    wrong: tuple[Wrong, ...]
    correct: tuple[str, str]
    parts: tuple[str, ...] = ()
    bug: tuple[tuple[str, str], ...] = ()
    story: str = ""

    @property
    def function(self) -> str:
        """The name of the function that the learner writes."""
        return self.source.split(".")[-1].split(":")[-1]
