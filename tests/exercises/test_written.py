"""The calls that a finding shows run as they are, and compute what it shows."""

import numpy as np
import pytest

from tinygen import nn
from tinygen.exercises.grading import grade
from tinygen.exercises.proof import answer
from tinygen.exercises.show import shown
from tinygen.exercises.source import edited
from tinygen.exercises.stages import Made
from tinygen.exercises.tracks import EXERCISES
from tinygen.exercises.verdict import verdict
from tinygen.grad import grad
from tinygen.tensor import Parameter, Tensor

NAMES = {"np": np, "Tensor": Tensor, "Parameter": Parameter, "grad": grad, "BatchNorm": nn.BatchNorm}
PARTS = {"θ of each step": "θ", "m": "m", "v": "v", "y": "y"}  # of a result, and what they are after the call
PARTS |= {name: name for name in ("layer.running_mean", "layer.running_var")}


@pytest.mark.parametrize("name", ["momentum", "adam", "batch_norm"])
def test_the_call_of_a_finding_computes_what_it_shows(name):
    exercise, compared = EXERCISES[name], 0
    for wrong in exercise.wrong:
        function = answer(exercise, edited(exercise, wrong.edits))
        result = grade(exercise, function)
        if result.finding is None or result.stage not in ("a tiny example", "values on random inputs"):
            continue
        names = NAMES | {exercise.function: function}
        exec(result.finding.call, names)
        for part, now in PARTS.items():
            if f"{part}: " in result.finding.computed:
                text = shown(eval(now, names))
                assert (f"{text}]" if now == "θ" else f"{part}: {text}") in result.finding.computed, result.finding
                compared += 1
    assert compared >= 6


@pytest.mark.parametrize(
    "name", ["momentum", "adam", "batch_norm", "dropout", "rsample", "bug_log_var", "bug_vae_scale", "bug_batch_norm"]
)
def test_every_stage_of_these_exercises_shows_the_function_of_the_learner(name):
    assert all(stage.written for stage in EXERCISES[name].stages if isinstance(stage, Made))


def test_a_verdict_keeps_the_lines_of_a_call():
    exercise = EXERCISES["momentum"]
    lines = verdict(grade(exercise, answer(exercise, edited(exercise, exercise.wrong[0].edits)))).splitlines()
    i = lines.index("call      θ = np.array([1], float)")
    assert lines[i + 2 : i + 4] == [
        "          for t, g in enumerate(np.array([[2], [2]], float), 1):",
        "              θ = momentum_step(θ, g, v, 0.5 / t, 0.5, False)",
    ]
