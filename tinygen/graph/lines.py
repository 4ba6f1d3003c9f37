"""The computation graph as text: one line per node, or the backward pass in numbers, one step per node."""

from collections.abc import Iterator

from tinygen.graph.nodes import Graph, Names
from tinygen.graph.numbers import in_line
from tinygen.graph.steps import Values, Walk
from tinygen.tensor import Node, Operand, Tensor

WIDTH = 88  # letters of a line; longer ones are divided


def text(
    y: Tensor, *, names: Names | None = None, limit: int = 100, values: Values = False, gy: Operand | None = None
) -> str:
    """The computation graph from `y` back to the variables, one line per node, in the order of the backward pass.

    Each node was computed from the node on the line below it, and from the branches ├─ in between. A node that is used
    more than once is printed once, with a number, as in `relu (8, 3) #1`; its other uses show only `#1`. A text of more
    than `limit` lines is shortened in the middle. With `values=True` the text is the walk of the backward pass: at most
    `limit` steps, each with a value, the gradient that arrives, as a sum if it has several parts, and what it sends on.
    For `values` and `gy` see `svg`. Raises TypeError for a constant, RuntimeError for a dropped graph.

    >>> w = tg.Parameter([1.0, 2.0])
    >>> print(tg.graph.text((tg.exp(w) * w).sum(), names={"w": w}))
    sum   ()
    mul   (2,)
    ├─ w  (2,)
    exp   (2,)
    w     (2,)
    >>> print(tg.graph.text((tg.exp(w) * w).sum(), names={"w": w}, values=True))
    1. sum (): value 17.5, gradient 1
       → mul: [1, 1]
    2. mul (2,): gradient [1, 1]
       → exp: [1, 2]
       → w: [2.718, 7.389]
    3. exp (2,): value [2.718, 7.389], gradient [1, 2]
       → w: [2.718, 14.78]
    4. w (2,): value [1, 2], gradient [2.718, 7.389] + [2.718, 14.78] = [5.437, 22.17]
    """
    if values is not False:
        return "\n".join(_walk_lines(Walk(y, names, values, gy, limit)))
    lines = list(_lines(Graph(y, names)))
    if len(lines) > limit:
        head, tail = limit - limit // 4 - 1, limit // 4
        lines[head : len(lines) - tail] = [(f"⋮ {len(lines) - head - tail:,} more lines", "")]
    width = max(len(label) for label, _ in lines)
    return "\n".join(f"{label:{width}}  {size}".rstrip() for label, size in lines)


def _lines(graph: Graph) -> Iterator[tuple[str, str]]:
    """Pairs (label, shape), beginning with the root."""
    main, branches = _arranged(graph)
    todo = [("", "", graph.root, False)]  # (indentation of this line, of those below, node, printed elsewhere?)
    while todo:
        prefix, below, node, again = todo.pop()
        if again and node.op:
            yield prefix + graph.numbers[node], ""
            continue
        label, size = prefix + graph.label(node), str(node.shape)
        if prefix and node not in graph.numbers and len(node.parents) == 1 and not node.parents[0].op:
            (leaf,) = node.parents  # a side branch of one op goes on one line
            yield f"{label}({graph.label(leaf)})", f"{leaf.shape} → {size}"
            continue
        yield label, f"{size}  {graph.numbers[node]}" if node in graph.numbers else size
        if not again:
            todo += [(below, below, *main[node])] if node in main else []
            todo += [(below + "├─ ", below + "│  ", *branch) for branch in reversed(branches[node])]


def _arranged(graph: Graph) -> tuple[dict[Node, tuple[Node, bool]], dict[Node, list[tuple[Node, bool]]]]:
    """For each node the parent on the line below, the one furthest from the variables, and those that branch off.

    Each parent comes with a flag: whether it is printed elsewhere.
    """
    depth: dict[Node, int] = {}
    for node in graph.nodes:
        depth[node] = 1 + max((depth[parent] for parent in node.parents), default=0)
    main: dict[Node, tuple[Node, bool]] = {}
    branches: dict[Node, list[tuple[Node, bool]]] = {}
    printed, todo = {graph.root}, [graph.root]
    while todo:
        line = [todo.pop()]  # follow the main line to its end first, so that shared nodes are printed on it
        while line[-1].parents:
            parents = line[-1].parents
            parent = max(parents, key=depth.__getitem__)
            main[line[-1]] = parent, parent in printed
            if parent in printed:
                break
            printed.add(parent)
            line.append(parent)
        for node in line:
            others = [*node.parents]
            if node in main:
                others.remove(main[node][0])
            branches[node] = []
            for parent in others:
                branches[node].append((parent, parent in printed))
                if parent not in printed:
                    printed.add(parent)
                    todo.append(parent)
    return main, branches


# -- the backward pass in numbers --------------------------------------------------------------------------------------


def _walk_lines(walk: Walk) -> Iterator[str]:
    """The steps of the backward pass."""
    for step in walk.steps:
        label = f"{step.number}. {walk.graph.label(step.node)} {step.node.shape}"
        facts = [] if step.value is None else [f"value {in_line(step.value)}"]
        parts = [in_line(share.array) for share in step.arrived]
        gradient = [*parts, in_line(step.gradient)] if len(parts) > 1 else [in_line(step.gradient)]
        signs = ["gradient", *["+"] * (len(gradient) - 2), "="][: len(gradient)]
        facts.append(" ".join(f"{sign} {part}" for sign, part in zip(signs, gradient)))
        line = f"{label}: {', '.join(facts)}"
        if len(line) <= WIDTH:
            yield line
        else:
            yield label
            yield from (f"   {fact}" for fact in facts[:-1])
            yield from (f"   {sign:>8} {part}" for sign, part in zip(signs, gradient))
        for share in step.sent:
            shown = share.parent in walk.step_of
            to = walk.graph.label(share.parent) if shown else "an earlier node, not shown"
            yield f"   → {to}: {in_line(share.array)}"
    if walk.left:
        yield f"⋮ {walk.left:,} earlier nodes are not shown"
