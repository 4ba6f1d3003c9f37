r"""
An engine in 40 lines
=====================

A program computes a loss from thousands of weights. How does a computer find the derivative with respect to each one?
This lesson writes the answer, an engine for backpropagation, and trains a network :math:`\tanh(X W_1) W_2` with it.
"""

# %%
# The engine
# ----------
# A tensor is an array that remembers how it was made: each input has an edge with its derivative rule. A rule (a
# *vector-Jacobian product*) takes ``g``, the gradient of the loss with respect to the output, and returns the share of
# the gradient of the input. ``grad`` walks the edges backwards, the youngest tensor first.

from itertools import count

import matplotlib.pyplot as plt
import numpy as np

import tinygen as tg
from tinygen import plot
from tinygen.claims import claim


class Tensor:
    births = count()

    def __init__(self, data, *edges):
        self.data, self.edges, self.birth = np.asarray(data), edges, next(Tensor.births)

    def __add__(self, other):
        return Tensor(self.data + other.data, (self, lambda g: g), (other, lambda g: g))

    def __mul__(self, other):
        return Tensor(self.data * other.data, (self, lambda g: g * other.data), (other, lambda g: g * self.data))

    def __matmul__(self, other):
        return Tensor(self.data @ other.data, (self, lambda g: g @ other.data.T), (other, lambda g: self.data.T @ g))

    def sum(self):
        return Tensor(self.data.sum(), (self, lambda g: np.full(self.data.shape, g)))


def tanh(x):
    y = np.tanh(x.data)
    return Tensor(y, (x, lambda g: g * (1 - y * y)))


def grad(y, xs):
    found, todo = {y}, [y]
    while todo:  # collect every tensor that y was computed from
        for parent, _ in todo.pop().edges:
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    gradients = {y: np.ones_like(y.data)}
    for tensor in sorted(found, key=lambda tensor: -tensor.birth):  # whatever used a tensor is younger than it
        for parent, rule in tensor.edges:
            share = rule(gradients[tensor])
            gradients[parent] = gradients[parent] + share if parent in gradients else share
    return [gradients[x] for x in xs]


# %%
# The class is tinygen's `tensor.py <../../tinygen/tensor.py>`_ and `op.py <../../tinygen/op.py>`_, ``grad`` is `grad.py
# <../../tinygen/grad.py>`_. Rules: `add, mul, tanh <../../tinygen/ops/elementwise.py>`_, `matmul
# <../../tinygen/ops/linalg.py>`_, `sum <../../tinygen/ops/reduce.py>`_.
#
# A two-layer network by hand
# ---------------------------
# Each input is a point and a 1, so that the first layer has biases. The target is a wave with a jump at 0.

x = np.linspace(-1, 1, 60)
X, t = np.stack([x, np.ones(60)], axis=1), (np.sin(4 * x) + np.sign(x) / 2)[:, None]
rng = np.random.default_rng(0)
W1, W2 = rng.normal(size=(2, 24)) * [[6], [3]], rng.normal(size=(24, 1)) / 20


def loss_of(W1, W2, X, minus_t, tanh):  # works with both engines, and with NumPy alone
    error = tanh(X @ W1) @ W2 + minus_t
    return (error * error).sum()


weights, parameters = [Tensor(W1), Tensor(W2)], [tg.Parameter(W1), tg.Parameter(W2)]
ours = np.concatenate([g.ravel() for g in grad(loss_of(*weights, Tensor(X), Tensor(-t), tanh), weights)])
theirs = np.concatenate([g.numpy().ravel() for g in tg.grad(loss_of(*parameters, X, -t, tg.tanh), parameters)])
slopes = []  # by complex steps, Im L(w + ih) / h: unlike a difference quotient, it loses no digits
for step in 1e-30j * np.eye(ours.size):
    w1, w2 = W1 + step[: W1.size].reshape(W1.shape), W2 + step[W1.size :, None]
    slopes.append(loss_of(w1, w2, X, -t, np.tanh).imag / 1e-30)
for name, others in (("tinygen's", theirs), ("complex steps", slopes)):  # errors relative to the largest entry
    error = np.abs(ours - others).max() / np.abs(others).max()
    claim("new", f"relative difference of the gradients from {name}", error, at_most=1e-14)

# %%
# Training
# --------
# Gradient descent finds the slope first, then the wave. After 10,000 steps, most of what is left is at the jump.

losses, stages = [], [0, 10, 100, 1000, 10000]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for step in range(stages[-1] + 1):
    weights = [Tensor(W1), Tensor(W2)]
    loss = loss_of(*weights, Tensor(X), Tensor(-t), tanh)
    losses.append(loss.data)
    if step in stages:
        shade = plt.colormaps["viridis_r"](0.1 + 0.8 * stages.index(step) / (len(stages) - 1))
        left.plot(x, np.tanh(X @ W1) @ W2, color=shade, label=f"{step:,} steps")
    W1, W2 = [w.data - 0.0005 * g for w, g in zip(weights, grad(loss, weights))]
left.plot(x, t, "k.", markersize=3, label="target")
left.set(xlabel="input x", ylabel="output", xticks=[-1, 0, 1], title="The wave is learned fast, the jump slowly")
left.legend(fontsize=8, loc="lower right")
right.loglog(np.arange(1, len(losses) + 1), losses, color=plot.PALETTE[0])
right.set(xlabel="step", ylabel="squared error, sum of 60 points", title="The loss falls fast, then slowly")
plot.show(figure, name="forty_lines_learn")
claim("new", "10,000 steps divide the loss by", losses[0] / losses[-1], at_least=100)

# %%
# **Try this.** Sort by ``+tensor.birth``: which line fails, and why? Add ``exp`` and check it by complex steps.
#
# Exercises: `backpropagation <../../docs/exercises.md#backpropagation>`__.
