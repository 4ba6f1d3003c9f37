"""Random programs compared with an oracle: reuse, detach, no_grad, writes, new data, dropped graphs."""

import os

import numpy as np
from helpers.program import NAMES, Program
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

PROGRAMS = {"quick": 40, "full": 200, "long": 500}[os.environ.get("TINYGEN_PROFILE", "quick")]
name, retain, seeds = st.sampled_from(NAMES), st.sampled_from([True, True, False]), st.integers(0, 2**32 - 1)


class Programs(RuleBasedStateMachine):
    """Hypothesis chooses the steps, and shrinks a failing program to a short one."""

    program: Program | None = None

    @initialize(seed=seeds, names=st.lists(name, min_size=3))
    def start(self, seed, names):
        self.program = Program(seed)
        self.compute(names)

    @rule(names=st.lists(name, min_size=1, max_size=5))
    def compute(self, names):
        for name in names:
            self.program.compute(name)

    @rule(name=name)
    def compute_unrecorded(self, name):
        self.program.compute_unrecorded(name)

    @rule()
    def detach(self):
        self.program.detach()

    @rule()
    def write(self):
        self.program.write()

    @rule(i=st.integers(0, 1))
    def update(self, i):
        self.program.update(i)

    @rule(retain=retain)
    def gradient(self, retain):
        self.program.gradient(retain)

    @rule(retain=retain)
    def backward(self, retain):
        self.program.backward(retain)

    @invariant()
    def check(self):
        if self.program is not None:
            self.program.check()


class TestPrograms(Programs.TestCase):
    settings = settings(max_examples=PROGRAMS, stateful_step_count=30, deadline=None)


def test_long_programs():
    """50 steps, most of them computing, then gradients of what is left."""
    deepest = []

    @settings(max_examples=PROGRAMS)
    @given(seed=seeds)
    def holds(seed):
        program, rng = Program(seed), np.random.default_rng(seed)
        for _ in range(50):
            others = [program.detach, program.write, lambda: program.update(int(rng.integers(2)))]
            others += [lambda: program.compute_unrecorded(rng.choice(NAMES))]
            others += [lambda: program.gradient(rng.random() < 0.8), lambda: program.backward(rng.random() < 0.8)] * 2
            if rng.random() < 0.7:
                program.compute(rng.choice(NAMES))
            else:
                others[rng.integers(len(others))]()
            program.check()
        for _ in range(5):
            program.gradient(retain=True)
        deepest.append(max(program.walked))

    holds()
    assert np.median(deepest) >= 5  # else the programs would test little
