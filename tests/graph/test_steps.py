"""The steps of the backward pass: values, gradients and shares, compared with `grad` and with complex steps."""

from collections import Counter

import numpy as np
import pytest
from helpers.graphs import named, programs
from hypothesis import given

import tinygen as tg
from tinygen import nn
from tinygen.graph.steps import Walk


def walk(y, values=True, names=None, gy=None, limit=100):
    return Walk(y, names, values, gy, limit)


@given(programs())
def test_gradients_are_those_of_grad_and_of_complex_steps(program):
    tensors = program.tensors()
    steps = walk(tensors[-1], gy=np.ones(2)).step_of
    found = {i: t for i, t in enumerate(tensors) if t.node in steps}
    gradients = tg.grad(tensors[-1], list(found.values()), np.ones(2))
    for (i, tensor), gradient in zip(found.items(), gradients):
        shown = steps[tensor.node].gradient
        assert np.array_equal(shown, gradient.numpy())
        np.testing.assert_allclose(shown, program.slope(i), rtol=1e-9, atol=1e-12)


@given(programs())
def test_the_parts_that_arrive_add_up_and_every_edge_is_there_once(program):
    y = program.tensors()[-1]
    made = walk(y, gy=np.ones(2))
    sent = Counter(id(share) for step in made.steps for share in step.sent)
    arrived = Counter(id(share) for step in made.steps for share in step.arrived)
    assert sent == arrived and sent.total() == sum(len(step.node.edges) for step in made.steps) == len(sent)
    for step in made.steps[1:]:
        np.testing.assert_allclose(sum(share.array for share in step.arrived), step.gradient, rtol=1e-12, atol=1e-300)


@given(programs())
def test_each_step_comes_after_all_that_send_to_it(program):
    made = walk(program.tensors()[-1], values=False)
    assert [step.number for step in made.steps] == [*range(1, len(made.steps) + 1)]
    assert all(made.step_of[s.child].number < step.number for step in made.steps for s in step.arrived)


@given(programs())
def test_values_are_right_or_left_out_and_a_trace_has_all(program):
    with tg.trace() as calls:
        tensors = program.tensors()
    for values in (True, calls):
        made = walk(tensors[-1], values, gy=np.ones(2))
        for tensor in tensors:
            step = made.step_of.get(tensor.node)
            if step and (values is calls or step.value is not None) and len(made.steps) > 1:
                assert np.array_equal(step.value, tensor.numpy())
    assert all(step.value is not None for step in walk(tensors[-1], True, named(tensors), np.ones(2)).steps)


def test_the_value_of_a_parameter_is_the_one_that_was_used_even_after_an_optimizer_step():
    w = tg.Parameter([3.0])
    loss = (w * w).sum()
    w.data = np.array([100.0], np.float32)
    made = walk(loss, names={"w": w})
    assert made.step_of[w.node].value == 3 and made.step_of[w.node].gradient == 6


def test_the_graph_is_kept_and_nothing_is_recorded():
    net = nn.Sequential(
        nn.Dense(2, 3, rng=np.random.default_rng(0)), nn.Tanh(), nn.Dense(3, 1, rng=np.random.default_rng(1))
    )
    loss = net(np.ones((4, 2), np.float32)).sum()
    with tg.trace() as calls:
        before = [step.gradient for step in walk(loss).steps]
    assert all(output.node is None for *_, output in calls)
    assert all(np.array_equal(a, step.gradient) for a, step in zip(before, walk(loss).steps))
    assert len(tg.grad(loss, net.parameters())) == 4


def test_fused_ops_and_orders_above_one_have_steps_too():
    x = tg.Parameter(np.array([0.5, -0.3]))
    slope = tg.grad(tg.softmax(tg.silu(x))[0], x, create_graph=True)
    made = walk(slope[1])
    assert np.array_equal(made.step_of[x.node].gradient, tg.grad(slope[1], x).numpy())


def test_a_gradient_at_a_pole_raises_no_warning():
    x = tg.Parameter(0.0)
    with np.errstate(divide="ignore"):
        y = tg.log(x)
    assert np.isinf(walk(y).steps[-1].gradient)


def test_only_the_youngest_nodes_of_a_deep_graph_have_steps():
    y = tg.Parameter(np.ones(2))
    for _ in range(20_000):
        y = y * 0.5
    made = walk(y.sum(), limit=10)
    assert len(made.steps) == 10 and made.left == 19_992
    assert np.array_equal(made.steps[-1].gradient, np.full(2, 0.5**8))


def test_what_can_not_be_walked_is_refused():
    w = tg.Parameter(np.ones(2))
    with pytest.raises(TypeError, match="graph: expected a tensor made from variables, got a constant"):
        walk(tg.Tensor([1.0]))
    with pytest.raises(ValueError, match=r"y has shape \(2,\), not one entry; sum it, or pass gy"):
        walk(w * w)
    assert walk(w * w, values=False).steps[0].gradient is None
    with pytest.raises(ValueError, match="graph: expected limit to be a whole number of at least 1, got 0"):
        walk(w * w, limit=0)
    y = (w * w).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="graph: the graph behind this sum was already walked and dropped"):
        walk(y)
