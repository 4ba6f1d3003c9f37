"""
Your own op, and three ways to get it wrong
===========================================

How do you know that a derivative rule is right? This lesson writes an op with two inputs, then spoils its rules in
three ways that happen to everybody. A gradient check finds each mistake, says what kind it is, and points at the line.
"""

import linecache

import numpy as np

import tinygen as tg
from tinygen import plot
from tinygen.claims import claim

# %%
# The op
# ------
# *Squareplus* (Barron 2021) is a smooth relative of relu. Here each channel has its own sharpness b > 0:
#
# .. math::
#
#    y = \frac{x + r}{2}, \quad r = \sqrt{x^2 + b}, \qquad
#    \frac{\partial y}{\partial x} = \frac{1}{2}\left(1 + \frac{x}{r}\right), \quad
#    \frac{\partial y}{\partial b} = \frac{1}{4 r}
#
# An op returns its value and one rule per input. A rule maps g, the gradient of the loss with respect to y, to the
# gradient with respect to that input. x has shape (N, C) and b has shape (C,): every row uses the same b, so its
# gradient is the sum over the rows.


def value(x, b):
    return (x.data + np.sqrt(x.data**2 + b.data)) / 2


def root(x, b):
    return tg.sqrt(x * x + b)


@tg.op
def squareplus(x, b):
    in_x = lambda g: g * (1 + x / root(x, b)) / 2
    in_b = lambda g: (g / (4 * root(x, b))).sum(axis=0)
    return value(x, b), in_x, in_b


rng = np.random.default_rng(0)
x, b = rng.normal(size=(3, 2)), np.array([0.5, 2.0])
report = tg.check(squareplus, x, b)
print(report)

# %%
# Each row compares one derivative by the rules (analytic) with the slope that the function has (numerical), in the
# entry where the two differ most. Rows of order 2 do the same for the gradient: rules have derivatives too. The
# gradient depends on x, on b and on g, which the report calls the *cotangent*.
#
# Three mistakes
# --------------
# The first forgets the factor 1/2. The second takes the mean over the rows where the sum belongs. The third computes r
# from plain arrays: the first derivative is right, but r now counts as a constant, so the second derivative is not.


@tg.op
def without_half(x, b):
    in_x = lambda g: g * (1 + x / root(x, b))  # wrong
    in_b = lambda g: (g / (4 * root(x, b))).sum(axis=0)
    return value(x, b), in_x, in_b


@tg.op
def mean_for_sum(x, b):
    in_x = lambda g: g * (1 + x / root(x, b)) / 2
    in_b = lambda g: (g / (4 * root(x, b))).mean(axis=0)  # wrong
    return value(x, b), in_x, in_b


@tg.op
def plain_numbers(x, b):
    in_x = lambda g: g * (1 + x / root(x.data, b.data)) / 2  # wrong
    in_b = lambda g: (g / (4 * root(x, b))).sum(axis=0)
    return value(x, b), in_x, in_b


reports = {f: tg.check(f, x, b, raises=False) for f in (without_half, mean_for_sum, plain_numbers)}
for each in reports.values():
    print(each.blame, "\n")

# %%
# The Jacobian shows the mistake
# ------------------------------
# The Jacobian holds the derivative of every entry of y (a row) with respect to every input: six columns for x, two for
# b. The block of x is diagonal, because entry i of y depends on no other entry of x. Frames mark where the rules and
# the differences disagree. Forgetting 1/2 spoils the diagonal; the mean spoils the two columns of b, where each entry
# is a third of what it should be. With plain numbers the first derivative passes, and the picture shows the second
# one: training would never notice, but a penalty on gradients would be wrong.

for f, each in reports.items():
    plot.show(each.plot(), name=f.__name__)

# %%
# Each wrong version is rejected, the op is named, the kind of mistake is recognised, and the line that the report
# points at is the one that is marked as wrong above.

claim("new", "the right rules pass: derivatives that are not ok", sum(not row.ok for row in report.rows), 0)
kinds = {without_half: "it is 2 times", mean_for_sum: "it is 1/3 times", plain_numbers: "plain numbers"}
for f, kind in kinds.items():
    blame = reports[f].blame
    path, _, line = blame.rpartition("its rule: ")[2].rpartition(":")
    marked = "# wrong" in linecache.getline(path, int(line))
    found = [not reports[f].ok, f"`{f.__name__}`" in blame, kind in blame, marked]
    claim("new", f"{f.__name__} is rejected, named, explained and located", sum(found), 4)

# %%
# Try this: return ``g / (4 * root(x, b))`` as the rule for b, without any sum. What does the blame say now? Then check
# ``tg.abs`` with an entry of x at 0: the picture marks a kink, where no rule can be right.
#
# Exercises: `backpropagation <../../docs/exercises.md#backpropagation>`__.
