"""What a Tensor shows in a notebook: shape and dtype, where it comes from, its range, and its first entries."""

from tinygen.io import html
from tinygen.tensor import Tensor


def shown(self: Tensor) -> str:
    """The HTML of a Tensor; it computes no op and records nothing."""
    node = self.node
    made = "constant" if node is None else f"computed by {node.op.__name__}" if node.op else "variable, a leaf"
    if node is not None and node.edges is None:
        made += ", graph dropped"
    facts = {"graph": made, **html.summary(self.data)}
    if self.grad is not None:
        facts["grad"] = f"{self.grad.shape}, largest entry {abs(self.grad.data).max(initial=0):.4g}"
    first = f"[{', '.join(['0'] * (self.ndim - 2))}]" if self.ndim > 2 else ""
    note = f"the entries of {first}, the first of {_count(self)} matrices" if first and self.size else ""
    entries = html.values(self.data) if self.size else ""
    return html.block(f"{type(self).__name__} {self.shape} {self.dtype}", html.facts(facts), entries, note=note)


def _count(x: Tensor) -> str:
    return f"{x.size // (x.shape[-1] * x.shape[-2]):,}"


# As in operators.py, so that the file of the engine stays short.
Tensor._repr_html_ = shown  # pyright: ignore[reportAttributeAccessIssue]
