"""How `grad` walks: each node once, only towards its targets, at any depth, without extra memory or side effects."""

import gc
import random
import subprocess
import sys
import threading
import tracemalloc
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg


@contextmanager
def counting():
    """An op `plus(a, b) = a + b`, and a list of the inputs whose rules were called, "a" or "b", in order."""
    calls = []

    def note(name, g):
        calls.append(name)
        return g

    @tg.op
    def test_only_plus(a, b):
        return a.data + b.data, lambda g: note("a", g), lambda g: note("b", g)

    try:
        yield test_only_plus, calls
    finally:
        del tg.OPS["test_only_plus"]


# -- each node once, and only towards the targets ----------------------------------------------------------------------


@given(depth=st.integers(1, 60))
def test_the_cost_of_diamonds_is_the_number_of_nodes_not_of_paths(depth):
    """x becomes x + x, again and again: 2^depth paths, depth nodes with two rules each."""
    with counting() as (plus, calls):
        x = tg.Parameter(np.array(1.0))
        y = x
        for _ in range(depth):
            y = plus(y, y)
        assert tg.grad(y, x).item() == 2.0**depth
        assert len(calls) == 2 * depth


def test_a_node_is_visited_after_all_its_consumers():
    """A long path and a short path to the same node: it is visited once, after both."""
    with counting() as (plus, calls):
        x = tg.Parameter(np.array(1.0))
        shared = plus(x, 0.0)
        longer = shared
        for _ in range(5):
            longer = plus(longer, 0.0)
        assert tg.grad(plus(shared, longer), x).item() == 2
        assert len(calls) == 8  # one call for each of the 7 nodes, a second for the sum at the end


def test_rules_that_lead_to_no_target_never_run():
    """A gradient of the inputs only costs nothing for the weights, as in a GAN's generator step."""
    with counting() as (plus, calls):
        x, weight = tg.Parameter([1.0]), tg.Parameter([2.0])
        hidden = plus(x, tg.exp(weight))
        y = plus(hidden, plus(weight, weight))
        tg.grad(y, x, retain_graph=True)
        assert calls == ["a", "a"]
        calls.clear()
        tg.grad(y, hidden, retain_graph=True)
        assert calls == ["a"]
        calls.clear()
        tg.grad(y, [x, weight])
        assert sorted(calls) == ["a", "a", "a", "b", "b", "b"]


def test_constants_and_unrelated_graphs_are_not_walked():
    with counting() as (plus, calls):
        x, other = tg.Parameter([1.0]), tg.Parameter([1.0])
        elsewhere = plus(other, other)
        tg.grad(plus(x, elsewhere.detach()), x)
        assert calls == ["a"]
        with tg.no_grad():
            unrecorded = plus(other, other)
        assert not unrecorded.requires_grad
        calls.clear()
        assert not tg.grad(plus(x, 1.0), other).data.any()
        assert calls == []


# -- depth, memory, garbage --------------------------------------------------------------------------------------------

DEEP = """
import sys
import numpy as np
import tinygen as tg

assert sys.getrecursionlimit() == 1000
x = tg.Parameter(np.array(1.0))

def chain():
    y = x
    for _ in range(50_000):
        y = -tg.sin(y)  # 100,000 nodes
    return y

y = chain()
slope, value = 1.0, 1.0
for _ in range(50_000):
    slope, value = slope * -np.cos(value), -np.sin(value)
assert abs(tg.grad(y, x).item() - slope) <= 1e-9 * abs(slope)
del y       # dropped by the walk
y = chain()
del y       # never walked: the whole graph is freed at once
y = chain()
y.backward(retain_graph=True)
del y       # walked and kept until now
print("done")
"""


def test_a_chain_of_100_000_ops_differentiates_and_is_freed():
    """In a process of its own: a recursion too deep in C would kill it."""
    run = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "done\n"


@contextmanager
def measured():
    """A function that returns the current and the peak memory of NumPy and Python, in bytes."""
    tracemalloc.start()
    try:
        yield tracemalloc.get_traced_memory
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("op, saves", [(tg.sin, 40), (tg.tanh, 40), (tg.neg, 0)], ids=["inputs", "outputs", "nothing"])
def test_memory_is_freed_as_the_walk_goes(op, saves):
    """In a chain that saves many arrays or none, the walk allocates only a few more, and afterwards none is left."""
    one = 2**20
    x = tg.Parameter(np.zeros(one // 8))
    with measured() as memory:
        y = x
        for _ in range(40):
            y = op(y)
        y = y.sum()
        before = memory()[0]
        assert (saves - 1) * one <= before <= (saves + 2) * one
        tracemalloc.reset_peak()
        g = tg.grad(y, x)
        after, peak = memory()
        assert peak - before <= 6 * one
        assert after <= 3 * one  # the gradient, and y: no saved array is left, though y lives
        assert g.shape == x.shape


def test_values_that_no_rule_needs_are_not_kept():
    """A rule that needs neither input nor output keeps none: sums and products with numbers cost no memory."""
    one = 2**20
    x = tg.Parameter(np.zeros(one // 8))
    with measured() as memory:
        y = x
        for _ in range(40):
            y = (-(y + 1.0) * 2.0).reshape(-1, 1).reshape(-1)
        assert memory()[0] <= 3 * one


@pytest.mark.parametrize("walk", ["none", "grad", "retain", "create", "backward", "refused"])
def test_no_reference_cycles(walk):
    """Without the garbage collector, everything is freed with its last reference."""

    def program():
        x, w = tg.Parameter(np.ones((4, 3))), tg.Parameter(np.ones((3, 3)))
        h = tg.silu(x @ w)
        y = (tg.concat(h, h[::-1]) * tg.logsumexp(h, axis=1, keepdims=True)[[0, 1, 2, 3, 0, 1, 2, 3]]).sum()
        if walk in ("grad", "retain"):
            tg.grad(y, [x, w], retain_graph=walk == "retain")
        if walk == "create":
            tg.grad(tg.grad(y, x, create_graph=True).sum(), w, create_graph=True)
        if walk == "backward":
            y.backward()
        if walk == "refused":
            with pytest.raises(TypeError):
                tg.grad(y, x.detach())

    program()  # once, so that what is imported and cached on first use is there
    gc.collect()
    gc.disable()
    try:
        program()
        assert gc.collect() == 0
    finally:
        gc.enable()


# -- threads, and global state -----------------------------------------------------------------------------------------


def test_threads_share_parameters_and_nothing_else():
    """Eight threads compute gradients at once, half of them with no_grad in between: the results equal those of one."""
    rng = np.random.default_rng(0)
    w = tg.Parameter(rng.normal(size=(8, 8)))
    inputs = [rng.normal(size=(4, 8)) for _ in range(8)]
    barrier, found = threading.Barrier(8), [None] * 8

    def work(i):
        barrier.wait()
        for _ in range(20):
            if i % 2:
                with tg.no_grad():
                    assert not tg.tanh(inputs[i] @ w).requires_grad
            found[i] = gradient(i)

    def gradient(i):
        y = inputs[i] @ w
        for _ in range(10):
            y = tg.tanh(y @ w)
        return tg.grad(y.sum(), w).data

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(8):
        np.testing.assert_array_equal(found[i], gradient(i))


def settings():
    return (
        gc.isenabled(),
        gc.get_threshold(),
        gc.get_freeze_count(),
        list(warnings.filters),
        np.geterr(),
        np.get_printoptions(),
        random.getstate(),
        repr(np.random.get_state()),  # noqa: NPY002 (it must not move either)
        sys.getrecursionlimit(),
        threading.active_count(),
    )


@pytest.mark.parametrize("order", [1, 2])
def test_the_settings_of_the_process_are_left_as_found(order):
    before = settings()
    with np.errstate(all="raise", under="ignore"):
        inside = np.geterr()
        x = tg.Parameter(np.array([0.5, 2.0]))
        images, w = tg.Parameter(np.ones((1, 4, 4, 1))), tg.Parameter(np.ones((3, 3, 1, 2)))
        y = tg.conv2d(images, w, padding=1).sum() * (tg.log(x) + tg.sigmoid(x) / x).sum()
        first = tg.grad(y, [x, images, w], create_graph=order == 2)
        if order == 2:
            tg.grad(first[0].sum(), [x, images, w])
        with pytest.raises(ValueError, match="reshape"):
            x.reshape(3)
        assert np.geterr() == inside
    assert settings() == before
