"""The stage of errors: calls that a function must refuse, because its docstring promises an error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinygen.exercises.exercise import Arguments, Finding
from tinygen.exercises.outcome import NoAnswer, outcome
from tinygen.exercises.show import shown, shown_call


@dataclass(frozen=True, eq=False)
class Refuses:
    """Calls for which the function must raise `error`; `makes` has for each what is wrong with it, as a sentence.

    It tells no common wrong answer from another: most people who make another mistake forget the error too.
    """

    makes: Mapping[str, Callable[[], Arguments]]
    error: type[Exception] = ValueError
    name: str = "errors"

    def run(self, answer: Callable, solution: Callable) -> Finding | None:
        for trouble, make in self.makes.items():
            says = self.says(trouble)
            try:
                found = shown(outcome(answer, make()))
            except NoAnswer as error:
                if isinstance(error.__cause__, self.error):
                    continue
                found = type(error.__cause__).__name__ if error.__cause__ else "nothing"
                says = f"{says} {error}"
            return Finding(says, shown_call(answer, make()), self.error.__name__, found)
        return None

    def says(self, trouble: str) -> str:
        """What a learner reads whose function doesn't raise the error."""
        return f"{trouble} Raise {self.error.__name__}, as the docstring says."

    def behaviour(self, f: Callable) -> list[Any]:
        return []
