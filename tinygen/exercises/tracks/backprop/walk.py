"""Backpropagation: the walk over the graph, which `grad` consists of."""

import numpy as np

from tinygen.exercises.exercise import Exercise, Wrong, call
from tinygen.exercises.stages import Example, Extremes, Made, Values
from tinygen.exercises.tracks.backprop import graphs

START = "    order, leading = _between(root, targets)\n"
SHARES = "gradients[parent] = gradients[parent] + share if parent in gradients else share"

BY_DISTANCE = f"""{START}
    distance, todo = {{root: 0}}, [root]
    for node in todo:
        for parent in node.parents:
            if parent not in distance:
                distance[parent] = distance[node] + 1
                todo.append(parent)
    order.sort(key=lambda node: -distance[node])
"""
BY_PATH = """    gradients = {}

    def visit(node, g):
        gradients[node] = gradients[node] + g if node in gradients else g
        for parent, vjp in node.edges:
            visit(parent, vjp(g, constant(node.output, node)) if takes_output(vjp) else vjp(g))

    visit(root, g)
    if not keep:
        for node in reachable(root):
            if node.edges:
                node.edges = node.output = None
    return gradients
    order, leading = _between(root, targets)
"""
BY_RECURSION = f"""{START}
    known, order = set(), []

    def visit(node):
        if node in leading and node.edges and node not in known:
            known.add(node)
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(root)
"""
EVERYTHING = (
    "    order, leading = sorted([n for n in reachable(root) if n.edges], key=attrgetter('birth')), reachable(root)\n"
)

WALK = Exercise(
    name="walk",
    track="backpropagation",
    title="the walk over the graph that computes all gradients",
    source="tinygen.grad:_walk",
    parts=("_between",),
    question="Return a dictionary with the gradient of each node in `targets` that root depends on.\n"
    "reachable(root) is the set of all nodes behind root, with root itself. A node has\n"
    "- edges, pairs (parent, vjp): the share of the parent is vjp(g), where g is the gradient of the node;\n"
    "  if takes_output(vjp), it is vjp(g, y) with the output y = constant(node.output, node);\n"
    "- parents, and birth, a number that is larger than those of all its parents.\n"
    "The gradient of a parent is the sum of its shares. Call each rule once, and only rules that lead to a target.\n"
    "Unless `keep`, set node.edges = node.output = None after the visit of a node that has edges.\n"
    "Graphs may be 10,000 ops deep, so write a loop. check_share, which explains wrong rules, may be left out.",
    page="gradients.md#the-backward-pass",
    hints=(
        "A node may be visited when it has received all its shares, that is, after all nodes that used it. In which "
        "order of `birth` is this certain?",
        "First sort the nodes by birth. Go through them once from old to young to find which lead to a target: the "
        "targets, and nodes of which a parent does. Then go from young to old with a dictionary {root: g}.",
        "for node in reversed(order): for parent, vjp in node.edges: if parent in leading: compute the share, then "
        "gradients[parent] = gradients[parent] + share if there is one already, else share. A target keeps its entry, "
        "and passes its gradient on as well.",
    ),
    stages=(
        Made(
            graphs.gradients_of,
            Example(
                lambda: call("b = a + a, c = b * b, for a", np.array(2.0), np.array(0.0)),
                [np.array(16.0)],
                "c = 4 a², so its derivative is 8 a = 16. The rules of c = b * b send two shares to b, 4 each; those "
                "of b = a + a send two shares to a.",
            ),
        ),
        Made(graphs.gradients_of, Values(graphs.program, "A gradient is wrong.", "values of several graphs")),
        Made(
            graphs.calls_of,
            Example(
                lambda: call(12),
                np.array(24),
                "Twelve sums a + a in a row have 12 nodes with two rules each, but 4,096 paths. Visit each node once.",
                "each rule once",
            ),
        ),
        Made(
            graphs.unused_calls_of,
            Example(
                lambda: call(),
                np.array(0),
                "It calls rules of a branch that leads to no target: this costs time, and a rule might raise.",
                "only what leads to a target",
            ),
        ),
        Made(
            graphs.deep, Example(lambda: call(10_000), np.array(1.0), "The gradient is wrong.", "a graph of 10,000 ops")
        ),
        Made(
            graphs.dropped,
            Extremes(
                (lambda: call(False), lambda: call(True)),
                "Unless `keep`, a node with edges loses them and its output; a variable has none, and stays as it is.",
                "the graph is dropped",
            ),
        ),
        Made(
            graphs.gradients_of,
            Values(graphs.program_twice, "The gradient of a gradient is wrong.", "second derivatives"),
        ),
    ),
    wrong=(
        Wrong(
            ((SHARES, "gradients[parent] = share"),),
            "A later share replaces an earlier one. A node that was used twice gets the sum of both.",
        ),
        Wrong(
            ((START, BY_DISTANCE),),
            "It visits nodes by their distance from the root, so one may pass on its gradient before a share arrives "
            "by a longer path. Go from the youngest to the oldest.",
        ),
        Wrong(
            ((START, BY_PATH),),
            "It walks each path by itself. The sum over all paths is right, but their number doubles with every sum "
            "a + a: collect the shares of a node, then visit it once.",
        ),
        Wrong(
            ((START, EVERYTHING),),
            "It visits everything behind the root. Find out first which nodes lead to a target.",
        ),
        Wrong(
            ((START, BY_RECURSION),),
            "The order is right, but a recursive function reaches Python's limit of about 1,000 calls. Write a loop.",
        ),
        Wrong(
            (("vjp(g) if y is None or not takes_output(vjp) else vjp(g, y)", "vjp(g)"),),
            "Rules such as that of exp take the output too: vjp(g, y) if takes_output(vjp).",
        ),
        Wrong(
            (("constant(node.output, node)", "constant(node.output)"),),
            "The output is passed without its node, as a constant, so second derivatives are wrong.",
        ),
        Wrong(
            (("gradients[node] if node in targets else gradients.pop(node)", "gradients.pop(node)"),),
            "A target in the middle of the graph loses its gradient when it is visited.",
        ),
        Wrong(
            (("        y = None if", "        if node in targets:\n            continue\n        y = None if"),),
            "The walk stops at targets. A target may lie on the way to another one.",
        ),
        Wrong((("if not keep:", "if False:"),), "The graph isn't dropped, so its arrays stay in memory."),
        Wrong((("if not keep:", "if True:"),), "The graph is dropped even if `keep` is true."),
    ),
    correct=(
        """
        def _walk(root, targets, g, keep):
            from heapq import heappop, heappush

            leads = {}
            for node in sorted(reachable(root), key=lambda node: node.birth):
                leads[node] = node in targets or any([leads[parent] for parent in node.parents])
            gradients, heap = {root: g}, [(-root.birth, root)]
            while heap:
                node = heappop(heap)[1]
                output = constant(node.output, node) if node.output is not None else None
                for parent, vjp in node.edges:
                    if not leads[parent]:
                        continue
                    share = vjp(gradients[node], output) if takes_output(vjp) else vjp(gradients[node])
                    if parent in gradients:
                        gradients[parent] = share + gradients[parent]
                    else:
                        gradients[parent] = share
                        heappush(heap, (-parent.birth, parent))
                if node.edges and not keep:
                    node.edges, node.output = None, None
            return {node: gradient for node, gradient in gradients.items() if node in targets}
        """,
        """
        def _walk(root, targets, g, keep):
            leading = set()
            for node in sorted(reachable(root), key=lambda node: node.birth):
                if node in targets or leading & set(node.parents):
                    leading.add(node)
            missing = dict.fromkeys(leading, 0)  # shares that a node waits for
            for node in leading:
                for parent in node.parents:
                    if parent in leading:
                        missing[parent] += 1
            gradients, ready = {root: g}, [root]
            while ready:
                node = ready.pop()
                for parent, vjp in node.edges:
                    if parent in leading:
                        inputs = [gradients[node]]
                        if takes_output(vjp):
                            inputs.append(constant(node.output, node))
                        share = vjp(*inputs)
                        gradients[parent] = gradients[parent] + share if parent in gradients else share
                        missing[parent] -= 1
                        if missing[parent] == 0:
                            ready.append(parent)
                if not keep and len(node.edges) > 0:
                    node.edges = None
                    node.output = None
            return gradients
        """,
    ),
)
