"""The recipe of a loss as a picture: as text, and in the languages of Graphviz and Mermaid.

Only what gradients flow through is in a recipe: constants such as data and labels are not. Names are given by the
caller, `names={"w": w}` or `names=dict(model.named_parameters())`, and may name results as well as variables.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from operator import attrgetter

from tinygen.grad import reachable
from tinygen.tensor import Node, Tensor

Names = Mapping[str, Tensor]


def text(y: Tensor, *, names: Names | None = None, limit: int = 100) -> str:
    """The recipe from `y` back to the variables, one line per step, as gradients travel.

    Each line is made from the line below it, and from the branches ├─ in between. What is used more than once is drawn
    once and numbered, as in `relu (8, 3) #1`, and elsewhere only `#1` is said. More than `limit` lines are elided in
    the middle.
    """
    lines = list(_Recipe(y, names).lines())
    if len(lines) > limit:
        head, tail = limit - limit // 4 - 1, limit // 4
        lines[head : len(lines) - tail] = [(f"⋮ {len(lines) - head - tail:,} more lines", "")]
    width = max(len(label) for label, _ in lines)
    return "\n".join(f"{label:{width}}  {size}".rstrip() for label, size in lines)


def dot(y: Tensor, *, names: Names | None = None, limit: int = 500) -> str:
    """The recipe for Graphviz, from the variables down to `y`; of a longer one the last `limit` steps."""
    recipe = _Recipe(y, names)
    lines = ["digraph recipe {", '  node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica]']
    for node, key in recipe.last(limit):
        look = "" if node.op else ", fillcolor=lightblue"
        label = f"{recipe.label(node)}\\n{node.shape}".replace('"', '\\"')
        lines.append(f'  {key} [label="{label}"{look}]')
    lines += [f"  {a} -> {b}" for a, b in recipe.arrows(limit)]
    for note, key in recipe.rest(limit):
        lines += [f'  rest [label="{note}", shape=plaintext, style=""]', f"  rest -> {key} [style=dashed]"]
    return "\n".join([*lines, "}"])


def mermaid(y: Tensor, *, names: Names | None = None, limit: int = 200) -> str:
    """The recipe as a Mermaid flowchart, which Markdown pages show; of a longer one the last `limit` steps."""
    recipe = _Recipe(y, names)
    lines = ["flowchart TD"]
    for node, key in recipe.last(limit):
        left, right = ("[", "]") if node.op else ("([", "])")
        label = f"{recipe.label(node)}<br/>{node.shape}".replace('"', "#quot;")
        lines.append(f'  {key}{left}"{label}"{right}')
    lines += [f"  {a} --> {b}" for a, b in recipe.arrows(limit)]
    for note, key in recipe.rest(limit):
        lines += [f'  rest["{note}"]', f"  rest -.-> {key}"]
    return "\n".join(lines)


class _Recipe:
    """The nodes behind a tensor, from the oldest to the youngest, and how to call them."""

    def __init__(self, y: Tensor, names: Names | None):
        if not isinstance(y, Tensor) or not y.requires_grad:
            raise TypeError("graph: this is a constant, without a recipe; make the inputs Parameters")
        self.root = y.node
        self.nodes = sorted(reachable(y.node, "graph"), key=attrgetter("birth"))
        self.names = {tensor.node: name for name, tensor in (names or {}).items() if tensor.node is not None}
        uses = Counter(parent for node in self.nodes for parent in node.parents)
        shared = [node for node in reversed(self.nodes) if uses[node] > 1 and node.op]
        self.numbers = {node: f"#{i + 1}" for i, node in enumerate(shared)}

    # -- as text -------------------------------------------------------------------------------------------------------

    def label(self, node: Node) -> str:
        """`relu`, `code = matmul`, `w`."""
        if node.op is None:
            return self.names.get(node, "variable")
        return f"{self.names[node]} = {node.op.__name__}" if node in self.names else node.op.__name__

    def lines(self) -> Iterator[tuple[str, str]]:
        """(what, shape), from the root on."""
        main, branches = self._layout()
        todo = [("", "", self.root, False)]  # (indentation of this line, of those below, node, is it drawn elsewhere?)
        while todo:
            prefix, below, node, again = todo.pop()
            if again and node.op:
                yield prefix + self.numbers[node], ""
                continue
            label, size = prefix + self.label(node), str(node.shape)
            if prefix and node not in self.numbers and len(node.parents) == 1 and not node.parents[0].op:
                (leaf,) = node.parents  # a side branch of one step goes on one line
                yield f"{label}({self.label(leaf)})", f"{leaf.shape} → {size}"
                continue
            yield label, f"{size}  {self.numbers[node]}" if node in self.numbers else size
            if not again:
                todo += [(below, below, *main[node])] if node in main else []
                todo += [(below + "├─ ", below + "│  ", *branch) for branch in reversed(branches[node])]

    def _layout(self) -> tuple[dict, dict]:
        """For each node the parent that continues its line, furthest from the variables, and those that branch off."""
        depth: dict[Node, int] = {}
        for node in self.nodes:
            depth[node] = 1 + max((depth[parent] for parent in node.parents), default=0)
        main: dict[Node, tuple[Node, bool]] = {}
        branches: dict[Node, list[tuple[Node, bool]]] = {}
        drawn, todo = {self.root}, [self.root]
        while todo:
            line = [todo.pop()]  # follow the main line to its end first, so that what it shares is drawn on it
            while line[-1].parents:
                parents = line[-1].parents
                parent = max(parents, key=depth.__getitem__)
                main[line[-1]] = parent, parent in drawn
                if parent in drawn:
                    break
                drawn.add(parent)
                line.append(parent)
            for node in line:
                others = node.parents
                if node in main:
                    others.remove(main[node][0])
                branches[node] = []
                for parent in others:
                    branches[node].append((parent, parent in drawn))
                    if parent not in drawn:
                        drawn.add(parent)
                        todo.append(parent)
        return main, branches

    # -- as a graph ----------------------------------------------------------------------------------------------------

    def last(self, limit: int) -> list[tuple[Node, str]]:
        """The youngest nodes with a key for each."""
        return [(node, f"n{i}") for i, node in enumerate(self.nodes)][-limit:]

    def arrows(self, limit: int) -> list[tuple[str, str]]:
        keys = dict(self.last(limit))
        return [(keys[parent], key) for node, key in keys.items() for parent in node.parents if parent in keys]

    def rest(self, limit: int) -> list[tuple[str, str]]:
        """What to say about the nodes left out, if any, and the node that it leads to."""
        left = len(self.nodes) - limit
        return [(f"{left:,} earlier steps are not drawn", f"n{left}")] if left > 0 else []
