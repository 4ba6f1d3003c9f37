"""The computation graph of a tensor as text, as a picture, and as a page that walks it backwards.

A graph contains only what gradients flow through: constants, such as data and labels, leave no node. Names come from
the caller, `names={"w": w}` or `names=dict(model.named_parameters())`; results can have names too, not only variables.

Reading order: nodes (what a graph contains), lines (as text), steps (the backward pass, step by step), layout and
drawing (as SVG), page (as HTML); numbers (arrays in a few words), languages (Graphviz, Mermaid).
"""

from tinygen.graph.drawing import Drawing, svg
from tinygen.graph.languages import dot, mermaid
from tinygen.graph.lines import text
from tinygen.graph.page import Page, html

__all__ = ["Drawing", "Page", "dot", "html", "mermaid", "svg", "text"]
