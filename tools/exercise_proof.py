"""Prove the graders, and write the table to docs/exercises.md: `python tools/exercise_proof.py [NAME ...]`.

Each wrong answer of `tinygen/exercises/proof.py` is graded. Names of exercises renew their rows only.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.exercises import PAGE, Proof, rows, with_rows, wrong_answers

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.grading import grade
from tinygen.exercises.source import shipped
from tinygen.exercises.tracks import EXERCISES


def prove(exercise: Exercise) -> Proof:
    """Grade all wrong answers, and print those that are accepted."""
    grade(exercise, shipped(exercise))  # compiles kernels, which is no part of the time
    longest, accepted = grade(exercise, shipped(exercise)).seconds, 0
    attempts = wrong_answers(exercise)
    for attempt in attempts:
        try:
            answer = attempt.make()
        except Exception:  # a mutant that can't even be loaded
            continue
        result = grade(exercise, answer)
        longest = max(longest, result.seconds)
        if result.ok:
            accepted += 1
            print(f"{exercise.name} accepts: {attempt.what}", flush=True)
    return Proof(len(attempts), accepted, longest)


def main(*names: str) -> int:
    """Renew the rows of these exercises, or of all; return the exit code."""
    for name in names or EXERCISES:
        proof = prove(EXERCISES[name])
        print(f"{name}: {proof.tried} wrong answers, {proof.accepted} accepted, {proof.seconds:.1f} s", flush=True)
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_rows(text, rows(text) | {name: proof}), encoding="utf-8")
    return 1 if any(row.accepted for row in rows(PAGE.read_text(encoding="utf-8")).values()) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
