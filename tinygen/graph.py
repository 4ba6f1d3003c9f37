"""The computation graph of a tensor as text, and as a picture in the languages of Graphviz and Mermaid.

A graph contains only what gradients flow through: constants, such as data and labels, leave no node. Names come from
the caller, `names={"w": w}` or `names=dict(model.named_parameters())`; results can have names too, not only variables.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import attrgetter

from tinygen.grad import reachable
from tinygen.tensor import Node, Tensor

Names = Mapping[str, Tensor]


def text(y: Tensor, *, names: Names | None = None, limit: int = 100) -> str:
    """The computation graph from `y` back to the variables, one line per node, in the order of the backward pass.

    Each node was computed from the node on the line below it, and from the branches ├─ in between. A node that is used
    more than once is printed once, with a number, as in `relu (8, 3) #1`; its other uses show only `#1`. A text of more
    than `limit` lines is shortened in the middle. Raises TypeError for a constant, RuntimeError for a dropped graph.

    >>> w = tg.Parameter([1.0, 2.0])
    >>> print(tg.graph.text((tg.exp(w) * w).sum(), names={"w": w}))
    sum   ()
    mul   (2,)
    ├─ w  (2,)
    exp   (2,)
    w     (2,)
    """
    lines = list(_Graph(y, names).lines())
    if len(lines) > limit:
        head, tail = limit - limit // 4 - 1, limit // 4
        lines[head : len(lines) - tail] = [(f"⋮ {len(lines) - head - tail:,} more lines", "")]
    width = max(len(label) for label, _ in lines)
    return "\n".join(f"{label:{width}}  {size}".rstrip() for label, size in lines)


def dot(y: Tensor, *, names: Names | None = None, limit: int = 500) -> str:
    """The computation graph for Graphviz, from the variables down to `y`; only the last `limit` nodes of a larger one.

    Raises TypeError for a constant, RuntimeError for a dropped graph.
    """
    graph = _Graph(y, names)
    lines = ["digraph computation {", '  node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica]']
    for node, key in graph.last(limit):
        color = "" if node.op else ", fillcolor=lightblue"
        label = f"{graph.label(node)}\\n{node.shape}".replace('"', '\\"')
        lines.append(f'  {key} [label="{label}"{color}]')
    lines += [f"  {a} -> {b}" for a, b in graph.arrows(limit)]
    for note, key in graph.rest(limit):
        lines += [f'  rest [label="{note}", shape=plaintext, style=""]', f"  rest -> {key} [style=dashed]"]
    return "\n".join([*lines, "}"])


def mermaid(y: Tensor, *, names: Names | None = None, limit: int = 200) -> str:
    """The computation graph as a Mermaid flowchart for Markdown pages; only the last `limit` nodes of a larger one.

    Raises TypeError for a constant, RuntimeError for a dropped graph.
    """
    graph = _Graph(y, names)
    lines = ["flowchart TD"]
    for node, key in graph.last(limit):
        left, right = ("[", "]") if node.op else ("([", "])")
        label = f"{graph.label(node)}<br/>{node.shape}".replace('"', "#quot;")
        lines.append(f'  {key}{left}"{label}"{right}')
    lines += [f"  {a} --> {b}" for a, b in graph.arrows(limit)]
    for note, key in graph.rest(limit):
        lines += [f'  rest["{note}"]', f"  rest -.-> {key}"]
    return "\n".join(lines)


class _Graph:
    """The nodes behind a tensor, from the oldest to the youngest, with their names."""

    def __init__(self, y: Tensor, names: Names | None):
        if not isinstance(y, Tensor) or y.node is None:
            given = "a constant" if isinstance(y, Tensor) else f"a {type(y).__name__}"
            raise TypeError(f"graph: expected a tensor made from variables, got {given}: make the inputs Parameters")
        self.root = y.node
        self.nodes = sorted(reachable(y.node, "graph"), key=attrgetter("birth"))
        self.names = {tensor.node: name for name, tensor in (names or {}).items() if tensor.node is not None}
        uses = Counter(parent for node in self.nodes for parent in node.parents)
        shared = [node for node in reversed(self.nodes) if uses[node] > 1 and node.op]
        self.numbers = {node: f"#{i + 1}" for i, node in enumerate(shared)}

    def label(self, node: Node) -> str:
        """`relu`, `code = matmul`, `w`."""
        if node.op is None:
            return self.names.get(node, "variable")
        return f"{self.names[node]} = {node.op.__name__}" if node in self.names else node.op.__name__

    # -- as text -------------------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[tuple[str, str]]:
        """Pairs (label, shape), beginning with the root."""
        main, branches = self._layout()
        todo = [("", "", self.root, False)]  # (indentation of this line, of those below, node, printed elsewhere?)
        while todo:
            prefix, below, node, again = todo.pop()
            if again and node.op:
                yield prefix + self.numbers[node], ""
                continue
            label, size = prefix + self.label(node), str(node.shape)
            if prefix and node not in self.numbers and len(node.parents) == 1 and not node.parents[0].op:
                (leaf,) = node.parents  # a side branch of one op goes on one line
                yield f"{label}({self.label(leaf)})", f"{leaf.shape} → {size}"
                continue
            yield label, f"{size}  {self.numbers[node]}" if node in self.numbers else size
            if not again:
                todo += [(below, below, *main[node])] if node in main else []
                todo += [(below + "├─ ", below + "│  ", *branch) for branch in reversed(branches[node])]

    def _layout(self) -> tuple[dict[Node, tuple[Node, bool]], dict[Node, list[tuple[Node, bool]]]]:
        """For each node the parent on the line below, the one furthest from the variables, and those that branch off.

        Each parent comes with a flag: whether it is printed elsewhere.
        """
        depth: dict[Node, int] = {}
        for node in self.nodes:
            depth[node] = 1 + max((depth[parent] for parent in node.parents), default=0)
        main: dict[Node, tuple[Node, bool]] = {}
        branches: dict[Node, list[tuple[Node, bool]]] = {}
        printed, todo = {self.root}, [self.root]
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

    # -- as boxes and arrows -------------------------------------------------------------------------------------------

    def last(self, limit: int) -> list[tuple[Node, str]]:
        """The youngest nodes, each with a key."""
        return [(node, f"n{i}") for i, node in enumerate(self.nodes)][-limit:]

    def arrows(self, limit: int) -> list[tuple[str, str]]:
        """Pairs of keys (parent, node)."""
        keys = dict(self.last(limit))
        return [(keys[parent], key) for node, key in keys.items() for parent in node.parents if parent in keys]

    def rest(self, limit: int) -> list[tuple[str, str]]:
        """A note about the nodes that are left out, if any, and the key of the node that it points to."""
        left = len(self.nodes) - limit
        return [(f"{left:,} earlier nodes are not shown", f"n{left}")] if left > 0 else []
