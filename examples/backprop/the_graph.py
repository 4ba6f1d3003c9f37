r"""
The computation graph, walked backwards
=======================================

A loss depends on a weight along many paths through a network. In which order must backpropagation visit the values in
between, and how much work is it? This lesson walks a small graph step by step, then gets the order wrong.
"""

# %%
# A graph with values and gradients
# ---------------------------------
# A network with two hidden units should compute "either, but not both" (XOR). Every op leaves a *node* in the
# *computation graph*, with an edge to each input. ``tg.trace`` also records the values that no derivative needs. On the
# page below, press *next* or an arrow key: the node that is visited sends a share of its gradient along each edge.

import matplotlib.pyplot as plt
import numpy as np

import tinygen as tg
from tinygen import plot
from tinygen.claims import claim

x, t = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([[1.0], [1.0], [0.0]])
W1, b = tg.Parameter(np.array([[1.0, -1.0], [1.0, -1.0]])), tg.Parameter(np.array([-0.5, 1.5]))
W2 = tg.Parameter(np.array([[1.0], [1.0]]))
with tg.trace() as calls:
    hidden = tg.tanh(x @ W1 + b)
    error = hidden @ W2 - t
    loss = (error * error).mean()
names = {"W1": W1, "b": b, "W2": W2, "hidden": hidden, "error": error, "loss": loss}
plot.show(tg.graph.html(loss, names=names, values=calls), name="walk")
print(tg.graph.text(loss, names=names, values=calls))

# %%
# ``error`` is used twice, because it is squared as a product. Its gradient arrives in two parts, which are added: a
# small change of ``error`` changes the loss through both factors.
#
# The diamond
# -----------
# Now a small graph with two paths: :math:`a = 3 w`, :math:`y = a \sin a`. One edge leads from :math:`y` to :math:`a`
# directly, the other path leads through the sine. If :math:`a` is visited before the sine, it passes on only the part
# that it has received so far, and the other part comes too late.


def walk(y, order):
    """Visit the nodes of y in an order; each passes on the gradient that it has received so far."""
    gradients = {tensor.node: tg.Tensor(np.array(0.0)) for tensor in order} | {y.node: tg.Tensor(np.array(1.0))}
    for tensor in [y, *order]:
        for parent, rule in tensor.node.edges:
            gradients[parent] = gradients[parent] + rule(gradients[tensor.node])
    return gradients[order[-1].node].item()


ws = np.linspace(1, 0.01, 100)
wrong, right, engine = [], [], []
for w in map(tg.Parameter, ws):
    a = w * 3.0
    sine = tg.sin(a)
    y = a * sine
    wrong.append(walk(y, [a, sine, w]))
    right.append(walk(y, [sine, a, w]))
    engine.append(tg.grad(y, w).item())
true = 3 * (np.sin(3 * ws) + 3 * ws * np.cos(3 * ws))
claim("new", "right order: the derivative of 3w sin 3w", right, true, rtol=1e-13, atol=1e-14)
claim("new", "tinygen.grad: the derivative of 3w sin 3w", engine, true, rtol=1e-13, atol=1e-14)
claim("new", "wrong order: only the part of the direct edge, 3 sin 3w", wrong, 3 * np.sin(3 * ws), rtol=1e-13)
claim("new", "wrong order: largest error of the derivative", np.abs(np.subtract(wrong, true)).max(), at_least=1.0)

# %%
# The engine visits the youngest node first: whatever used a value was computed later, so it has been visited before.
#
# Nodes and paths
# ---------------
# The chain rule is a sum over all paths from the weight to the loss. Walking every path is correct, too, but a chain of
# :math:`n` sums :math:`a + a` has :math:`2^n` paths. We count how often each way of walking calls a derivative rule.

calls_of_rules = []


@tg.op
def plus(a, b):
    """a + b, with rules that record their calls."""
    rule = lambda g: [calls_of_rules.append("call"), g][1]
    return a.data + b.data, rule, rule


def along_paths(node, g):
    """The gradient that reaches the variable, path by path."""
    return sum(along_paths(parent, rule(g)) for parent, rule in node.edges) if node.edges else g


lengths, by_node, by_path = np.arange(1, 15), [], []
for n in lengths:
    w = y = tg.Parameter(1.0)
    for _ in range(n):
        y = plus(y, y)
    calls_of_rules.clear()
    gradient = along_paths(y.node, 1.0)
    by_path.append(len(calls_of_rules))
    calls_of_rules.clear()
    tg.grad(y, w)
    by_node.append(len(calls_of_rules))
claim("new", "gradient of 14 sums, path by path", gradient, 2.0**14)
claim("new", "calls of rules for 14 nodes and fewer, node by node", by_node[::-1], 2 * lengths[::-1])
claim("new", "calls of rules for 14 nodes and fewer, path by path", by_path[::-1], 2.0 ** (lengths[::-1] + 1) - 2)

figure, (left, right_side) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(ws, true, color=plot.PALETTE[0], linewidth=5, alpha=0.3, label="slope of 3w sin 3w")
left.plot(ws, right, color=plot.PALETTE[0], label="right order")
left.plot(ws, wrong, color=plot.PALETTE[1], label="wrong order", linestyle="--")
left.set(xlabel="weight w", ylabel="derivative", title="The wrong order loses a path")
left.legend(fontsize=8)
right_side.semilogy(lengths, by_path, "o-", color=plot.PALETTE[1], label="path by path: $2^{n+1} - 2$")
right_side.semilogy(lengths, by_node, "o-", color=plot.PALETTE[0], label="node by node: $2 n$")
right_side.set(xlabel="nodes n", ylabel="calls of derivative rules", title="Paths grow exponentially, nodes do not")
right_side.legend(fontsize=8)
plot.show(figure, name="order_and_work")

# %%
# **Try this.** Make a chain of three diamonds: how many orders are right? Look at ``tg.graph.html(y)``.
#
# Exercises: `backpropagation <../../docs/exercises.md#backpropagation>`__.
