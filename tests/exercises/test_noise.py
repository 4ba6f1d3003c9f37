"""What the graders of random functions say to answers that only look random enough."""

import textwrap

import pytest

from tinygen.exercises.grading import grade
from tinygen.exercises.source import edited, file_text, load
from tinygen.exercises.tracks import EXERCISES

RSAMPLE, PENALTY = EXERCISES["rsample"], EXERCISES["gradient_penalty"]
NOISE = "rng.standard_normal((*shape, *self.shape), dtype=self.dtype)"
SIZE = "(len(real), *[1] * (real.ndim - 1))"


def test_noise_is_not_inferred_from_a_function_that_has_none():
    body = "return self.mu + self.log_var * rng.standard_normal((*shape, *self.shape))"
    text = f"def rsample(self, rng, shape=()):\n{textwrap.indent(body, '    ')}\n"
    finding = grade(RSAMPLE, load(RSAMPLE, file_text(RSAMPLE, text))).finding
    assert finding is not None and finding.says.startswith("Where μ and log_var are 0, σ is 1")
    assert (finding.expected, finding.computed) == ("mean 0, deviation 1", "mean 0, deviation 0")


@pytest.mark.parametrize(
    "t",
    [
        f"rng.uniform(0, 0.97, {SIZE})",
        f"np.round(rng.random({SIZE}), 2)",
        f"np.resize((lambda t: np.concatenate([t, 1 - t]))(rng.random((len(real) + 1) // 2)), {SIZE})",
        f"((rng.random() + np.arange(len(real)) / len(real)) % 1).reshape{SIZE}",
    ],
)
def test_weights_that_are_not_uniform_or_not_independent_are_refused(t):
    text = edited(PENALTY, [(f"rng.random({SIZE})", t)])
    result = grade(PENALTY, load(PENALTY, file_text(PENALTY, text)))
    assert result.stage == "points between the pairs" and result.finding is not None
    assert "not drawn from [0, 1] uniformly, each for itself: " in result.finding.says


@pytest.mark.parametrize(
    "ε",
    [
        f"np.clip({NOISE}, -3, 3)",
        "(rng.standard_t(10, (*shape, *self.shape)) * 0.8**0.5).astype(self.dtype)",
        f"np.sort({NOISE}, axis=-1) if self.shape else {NOISE}",
    ],
)
def test_noise_that_is_not_normal_or_not_independent_is_refused(ε):
    result = grade(RSAMPLE, load(RSAMPLE, file_text(RSAMPLE, edited(RSAMPLE, [(NOISE, ε)]))))
    assert result.stage == "law of ε" and result.finding is not None
    assert "ε is not drawn from N(0, 1), each entry by itself: " in result.finding.says
