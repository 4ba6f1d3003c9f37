"""The power of the check: it rejects each kind of wrong rule for each argument of each op, and no right one."""

import functools
import itertools

import numpy as np
import pytest

from tinygen import OPS
from tinygen.gradcheck import check, checker
from tinygen.testing import CASES
from tinygen.testing.corruptions import CORRUPTIONS, applies, corrupt

PARTIAL = {
    "not summed back"
}  # applies only where an input can be repeated; the others apply to all arguments of all ops
ALIKE = {"scaled_sum"}  # its gradient is one number, repeated: the transpose is the same
RIGHT = {
    "quick": 100,
    "full": 2000,
    "long": 1_000_000,
}  # checks of right rules, in addition to the 20,000 of the full battery
PARTS = 4  # of these checks, so that workers share them


def small_examples(op: str):
    """Examples in which every input has 1 to 64 entries, so that the whole Jacobian is compared."""
    for seed in range(100):
        arrays, static = CASES[op].sample(np.random.default_rng([seed, 7]))
        if all(1 <= x.size <= 64 for x in arrays):
            yield seed, arrays, static


@functools.cache
def every_argument() -> list[tuple[str, int]]:
    arguments = []
    for op in sorted(OPS):
        inputs = min(len(arrays) for _, arrays, _ in itertools.islice(small_examples(op), 20))
        arguments += [(op, argument) for argument in range(inputs)]
    return arguments


@pytest.mark.parametrize("how", CORRUPTIONS)
def test_a_wrong_rule_is_rejected(how, profile, monkeypatch):
    if profile == "quick":  # blame takes four times as long; test_blame.py tests it for each op
        monkeypatch.setattr(checker, "blame", lambda *_: "")
    rejected, spared, step = [], [], 4 if profile == "quick" else 1  # every fourth argument in the quick profile
    for op, argument in every_argument()[list(CORRUPTIONS).index(how) % step :: step]:
        for seed, arrays, static in small_examples(op):
            if applies(how, OPS[op], argument, arrays, static, np.random.default_rng(seed)):
                wrong = functools.partial(corrupt(OPS[op], argument, how), **static)
                report = check(wrong, *arrays, order=CORRUPTIONS[how].order, seed=seed, raises=False)
                assert {row.argument for row in report.rows if not row.ok} == {argument}, f"{static}\n{report}"
                rejected.append(op)
                break
        else:
            if how == "transposed" and op in ALIKE:
                continue
            if how == "transposed" and all(arrays[argument].ndim < 2 for _, arrays, _ in small_examples(op)):
                continue  # a vector is its own transpose
            spared.append(f"{op}[{argument}]")
    print(f"{how}: rejected for {len(rejected)} arguments of {len(set(rejected))} ops; no such error in: {spared}")
    assert len(rejected) >= (15 if profile == "quick" else 30)
    assert how in PARTIAL or not spared


def test_corrupted_ops_are_not_left_behind():
    before = dict(OPS)
    corrupt(OPS["mul"], 1, "sign")
    assert before == OPS


@pytest.mark.parametrize("part", range(PARTS))
def test_a_right_rule_is_never_rejected(part, profile):
    ops = sorted(OPS)
    for i in range(part, RIGHT[profile], PARTS):
        op = ops[i // PARTS % len(ops)]
        arrays, static = CASES[op].sample(np.random.default_rng([i, 11]))
        report = check(functools.partial(OPS[op], **static), *arrays, seed=i, raises=False)
        assert report.ok, f"{CASES[op].describe(arrays, static)}\n{report}"
