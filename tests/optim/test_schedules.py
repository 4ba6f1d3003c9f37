"""Learning rates: each schedule against its definition, and how they combine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen import optim

steps, rates, counts = st.integers(0, 300), st.floats(1e-5, 1.0), st.integers(1, 100)


@given(lr=rates, every=counts, factor=st.floats(0.1, 0.9), step=steps)
def test_step_decay(lr, every, factor, step):
    expected = lr
    for _ in range(step // every):
        expected *= factor
    assert optim.step_decay(lr, every=every, factor=factor)(step) == pytest.approx(expected, rel=1e-12)


@given(lr=rates, total=counts, share=st.floats(0, 1), step=steps)
def test_cosine(lr, total, share, step):
    schedule = optim.cosine(lr, total=total, final=share * lr)
    assert schedule(0) == pytest.approx(lr, rel=1e-15)
    assert schedule(total) == schedule(total + step) == share * lr
    halves = schedule(step) + schedule(total - step) if step <= total else lr + share * lr
    assert halves == pytest.approx(lr + share * lr, rel=1e-12)  # point symmetry about the middle
    assert schedule(step + 1) <= schedule(step)


def test_cosine_at_a_third():
    assert optim.cosine(0.8, total=300, final=0.2)(100) == pytest.approx(0.2 + 0.6 * 0.75, rel=1e-14)  # cos 60° = ½


@given(lr=rates, n=counts, step=steps)
def test_warmup_composes(lr, n, step):
    ramp = min(step + 1, n) / n
    assert optim.warmup(lr, steps=n)(step) == pytest.approx(lr * ramp, rel=1e-15)
    cosine = optim.cosine(lr, total=400)
    assert optim.warmup(cosine, steps=n)(step) == pytest.approx(cosine(step) * ramp, rel=1e-15)
    assert optim.warmup(lambda step: 1 / (step + 1), steps=n)(step) == pytest.approx(ramp / (step + 1), rel=1e-15)


@given(lr=rates, n=st.integers(0, 1000), total=st.integers(1, 10_000))
def test_a_warm_up_ends_in_a_run_of_any_length(lr, n, total):
    schedule, plain = optim.cosine(lr, total=total, warmup=n), optim.cosine(lr, total=total)
    ramp = min(n, total // 5)
    assert all(schedule(step) == plain(step) for step in {ramp, total // 2, total - 1, total} if step >= ramp - 1)
    assert max(map(schedule, range(min(total, 200 + ramp)))) >= 0.9 * lr  # the rate that was asked for is reached
    if 5 * n <= total and n:
        whole = optim.warmup(plain, steps=n)
        assert [schedule(step) for step in range(n + 1)] == [whole(step) for step in range(n + 1)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: optim.step_decay(0.1, every=0), "expected every to be a whole number of at least 1, got 0"),
        (lambda: optim.cosine(0.1, total=0.5), "expected total to be a whole number of at least 1, got 0.5"),
        (lambda: optim.cosine(0.1, total=5, warmup=-1), "expected warmup to be a whole number of at least 0, got -1"),
        (lambda: optim.warmup(0.1, steps=-1), "expected steps to be a whole number of at least 1, got -1"),
    ],
)
def test_schedules_refuse(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
