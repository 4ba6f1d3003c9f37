"""The computation graph in the languages of Graphviz and Mermaid, which draw boxes and arrows."""

from tinygen.graph.nodes import Graph, Names
from tinygen.tensor import Node, Tensor


def dot(y: Tensor, *, names: Names | None = None, limit: int = 500) -> str:
    """The computation graph for Graphviz, from the variables down to `y`; only the last `limit` nodes of a larger one.

    Raises TypeError for a constant, RuntimeError for a dropped graph.
    """
    graph = Graph(y, names)
    lines = ["digraph computation {", '  node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica]']
    for node, key in _last(graph, limit):
        color = "" if node.op else ", fillcolor=lightblue"
        label = f"{graph.label(node)}\\n{node.shape}".replace('"', '\\"')
        lines.append(f'  {key} [label="{label}"{color}]')
    lines += [f"  {a} -> {b}" for a, b in _arrows(graph, limit)]
    for note, key in _rest(graph, limit):
        lines += [f'  rest [label="{note}", shape=plaintext, style=""]', f"  rest -> {key} [style=dashed]"]
    return "\n".join([*lines, "}"])


def mermaid(y: Tensor, *, names: Names | None = None, limit: int = 200) -> str:
    """The computation graph as a Mermaid flowchart for Markdown pages; only the last `limit` nodes of a larger one.

    Raises TypeError for a constant, RuntimeError for a dropped graph.
    """
    graph = Graph(y, names)
    lines = ["flowchart TD"]
    for node, key in _last(graph, limit):
        left, right = ("[", "]") if node.op else ("([", "])")
        label = f"{graph.label(node)}<br/>{node.shape}".replace('"', "#quot;")
        lines.append(f'  {key}{left}"{label}"{right}')
    lines += [f"  {a} --> {b}" for a, b in _arrows(graph, limit)]
    for note, key in _rest(graph, limit):
        lines += [f'  rest["{note}"]', f"  rest -.-> {key}"]
    return "\n".join(lines)


def _last(graph: Graph, limit: int) -> list[tuple[Node, str]]:
    """The youngest nodes, each with a key."""
    return [(node, f"n{i}") for i, node in enumerate(graph.nodes)][-limit:]


def _arrows(graph: Graph, limit: int) -> list[tuple[str, str]]:
    """Pairs of keys (parent, node)."""
    keys = dict(_last(graph, limit))
    return [(keys[parent], key) for node, key in keys.items() for parent in node.parents if parent in keys]


def _rest(graph: Graph, limit: int) -> list[tuple[str, str]]:
    """A note about the nodes that are left out, if any, and the key of the node that it points to."""
    left = len(graph.nodes) - limit
    return [(f"{left:,} earlier nodes are not shown", f"n{left}")] if left > 0 else []
