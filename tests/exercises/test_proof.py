"""The graders are right: they accept every right answer, and refuse every wrong one in the right words."""

import pytest

from tinygen.exercises import proof
from tinygen.exercises.grading import grade
from tinygen.exercises.tracks import EXERCISES

exercise_of_each = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
BEYOND = "zip ends with the shortest of its arguments"
WIDER = "it pads more at the end, and no window reaches there"
ANY_NEGATIVE = "for NumPy's reshape any negative size is the one to compute"
LAW = "minus a normal number has the law of a normal number"
WORDS, WHERE = "': of one-hot rows take .argmax(axis=1)'", "shape[1:] and shape == logits.shape"
EQUAL: dict[str, dict[str, str]] = {  # exercise: {mutant: why it computes the same as the solution}
    "scatter": {
        "line 5: 0 becomes 1": "the number is only there for its shape",
        "line 12: False becomes True": "one more copy",
    },
    "logsumexp": {"line 11: 0 becomes 1": "any finite shift serves where the largest entry is infinite"},
    "walk": {
        "line 7: gradients[node] if node in targets else gradients.pop(node) becomes "
        "gradients[node] if True else gradients.pop(node)": "it keeps gradients longer than necessary",
        "line 12: share.data.shape != parent.shape becomes share.data.shape == parent.shape": "no rule here is wrong",
    },
    "conv_transpose2d": {"line 5: 3 becomes 4": BEYOND},
    "conv2d_weight": {"line 4: 3 becomes 4": BEYOND},
    "slopes": {"line 8: 1 becomes 2": ANY_NEGATIVE},
    "squared_rates": {"line 4: 1 becomes 2": ANY_NEGATIVE},
    "rsample": {
        "line 9: self.mu + exp(0.5 * self.log_var) * ε becomes "
        "self.mu - exp(0.5 * self.log_var) * ε": "-ε has the law of ε"
    },
    "pca": {"line 15: components * np.sign(largest) becomes components / np.sign(largest)": "a sign is 1 or -1"},
    "ddim_step": {
        "line 17: t - 1 becomes t + 1": "it accepts times that the solution refuses",
        "line 18: 1 becomes 2": "it accepts an eta that the solution refuses",
        "line 28: x_s + sigma * rng.standard_normal(x_s.shape, dtype=x_s.dtype) becomes "
        "x_s - sigma * rng.standard_normal(x_s.shape, dtype=x_s.dtype)": "-z has the law of z",
    },
    "max_pool2d": {
        "line 6: 3 becomes 4": BEYOND,
        "line 6: _extent(g, k, s) - n becomes _extent(g, k, s) + n": WIDER,
        "line 6: _extent(g, k, s) - n - p becomes _extent(g, k, s) - n + p": WIDER,
        "line 7: 0 becomes 1": WIDER,
    },
    "upsample_nearest": {"line 6: 3 becomes 4": BEYOND},
    "sum_blocks": {"line 8: 3 becomes 4": BEYOND},
    "dropout": {"line 2: 0 becomes 1": "for p = 0 every draw is kept, and divided by 1"},
}
EQUAL |= {
    "bug_gradient_penalty": EQUAL["slopes"],
    "bug_ddim": EQUAL["ddim_step"],
    "bug_contractive": EQUAL["squared_rates"],
    "bug_nll_sign": {
        f"line 15: {before} becomes {after}": "only the words of an error are others"
        for before, after in [
            (f"{WORDS} if {WHERE} else ''", f"{WORDS} if True else ''"),
            (f"{WORDS} if {WHERE} else ''", f"{WORDS} if False else ''"),
            ("shape == logits.shape", "shape != logits.shape"),
            ("1", "2"),
        ]
    },
    "bug_log_var": {"line 9: self.mu + exp(0.5 * self.log_var) * ε becomes self.mu - exp(0.5 * self.log_var) * ε": LAW},
}


def result_of(exercise, attempt):
    """The grade, or None for an answer that can't even be loaded."""
    try:
        answer = attempt.make()
    except Exception:
        return None
    return grade(exercise, answer)


def passes(exercise, attempt):
    result = grade(exercise, attempt.make())
    assert result.ok, (attempt.what, result.finding)
    if result.seconds >= 5:  # the first one may have compiled a kernel
        assert grade(exercise, attempt.make()).seconds < 5


@exercise_of_each
@pytest.mark.usefixtures("not_quick")
def test_the_solution_passes(exercise):
    passes(exercise, next(proof.right(exercise)))


@exercise_of_each
def test_other_right_answers_pass(exercise):
    assert len(exercise.correct) == 2
    for attempt in [*proof.right(exercise)][1:]:
        passes(exercise, attempt)


@exercise_of_each
def test_listed_wrong_answers_fail_with_their_own_words(exercise):
    assert len(exercise.wrong) >= 4
    for attempt in proof.wrong(exercise):
        result = grade(exercise, attempt.make())
        assert not result.ok, attempt.what
        assert result.seconds < 5
        if attempt.says:
            assert result.finding.says == attempt.says


@exercise_of_each
def test_a_wrong_derivative_rule_fails_where_derivatives_are_graded(exercise, profile):
    attempts = [*proof.corrupted(exercise)]
    assert attempts or not proof.is_op(exercise)
    for attempt in attempts if profile != "quick" else attempts[::4]:
        result = grade(exercise, attempt.make())
        assert result.stage == "derivatives", (attempt.what, result.stage)
        assert result.finding.says


@exercise_of_each
def test_mutants_fail(exercise, profile):
    attempts = [*proof.mutants(exercise)]
    step = {"quick": 8, "full": 2}.get(profile, 1)  # tools/exercise_proof.py grades all of them
    accepted = set()
    for attempt in attempts[::step]:
        result = result_of(exercise, attempt)
        if result is not None and result.ok:
            accepted.add(attempt.what)
    assert accepted <= EQUAL.get(exercise.name, {}).keys()
