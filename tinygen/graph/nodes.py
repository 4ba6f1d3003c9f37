"""The nodes behind a tensor, with their names: what every picture of a computation graph begins with."""

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter

from tinygen.grad import reachable
from tinygen.tensor import Node, Tensor

Names = Mapping[str, Tensor]


class Graph:
    """The nodes behind a tensor, from the oldest to the youngest, with their names.

    Raises TypeError for a constant or for names of other objects, RuntimeError for a dropped graph.
    """

    def __init__(self, y: Tensor, names: Names | None):
        if not isinstance(y, Tensor) or y.node is None:
            given = "a constant" if isinstance(y, Tensor) else f"a {type(y).__name__}"
            raise TypeError(f"graph: expected a tensor made from variables, got {given}: make the inputs Parameters")
        for name, tensor in (names or {}).items():
            if not isinstance(tensor, Tensor):
                kind = type(tensor).__name__
                raise TypeError(
                    f"graph: expected a Tensor for the name {name!r}, got {kind}: leave out what is no Tensor"
                )
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
