"""Tables of a model: its layers with their shapes, its gradients with their norms, and what a notebook shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygen.io import html
from tinygen.io.table import columns
from tinygen.nn.inference import evaluating
from tinygen.nn.named_activation import title
from tinygen.nn.tree import Tree
from tinygen.nn.watching import Call, watch
from tinygen.op import no_grad
from tinygen.tensor import Parameter, Tensor, array_of

# -- the layers --------------------------------------------------------------------------------------------------------


def summary(model: Tree, *shapes: Sequence[int] | np.ndarray, **options: Any) -> str:
    """The table of layers; `Module.summary` explains the arguments."""
    for shape in shapes:
        if not isinstance(shape, tuple | list | np.ndarray):
            raise TypeError(f"summary: expected the shape of one example, got {shape!r}: write summary(({shape!r},))")
    names = {id(module): name for name, module in model.named_modules()}
    sizes = Counter()  # parameters that a module owns itself
    for entry in model.entries():
        sizes[id(entry.owner)] += entry.value.size if isinstance(entry.value, Parameter) else 0
    owners, total, section = set(sizes), sizes.total(), ""
    rows = [["Input", _shown(shape.shape[1:] if isinstance(shape, np.ndarray) else shape), ""] for shape in shapes]
    for module, _, output in _calls(model, shapes, options):
        owner, shape = id(module) in owners, _output_shape(output)
        if module.named_children() and not owner:
            continue  # a container, whose parts have rows
        part, _, key = names.get(id(module), "").rpartition(".")
        if part != section:
            rows += [[part, "", ""]] if part else []
            section = part
        applied = getattr(module, "activation", None)
        kind = type(module).__name__ + (f" + {title(applied)}" if isinstance(applied, str) else "")
        if not owner and len(rows) > len(shapes) and rows[-1][1] == shape:
            rows[-1][0] += f" + {kind}"
            continue
        label = f"  {kind}" if part else f"{key}: {kind}" if key.isidentifier() else kind
        size = sizes.pop(id(module), None if owner else 0)
        rows.append([label, shape, "shared" if size is None else f"{size:,}"])  # shared: counted above
    rows += [[f"{names[key]} (not used)", "", f"{size:,}"] for key, size in sizes.items() if size]
    return columns([["Layer", "Output", "Parameters"], *rows, ["Total", "", f"{total:,}"]], numbers=1, ruled=True)


def _calls(model: Tree, shapes: Sequence[Sequence[int] | np.ndarray], options: Mapping[str, Any]) -> list[Call]:
    """Every module call of one forward pass, in eval mode."""
    parameters = model.parameters()
    dtype = parameters[0].dtype if parameters else np.float32
    inputs = [x if isinstance(x, np.ndarray) else Tensor(np.zeros((1, *x), dtype)) for x in shapes]
    with evaluating(model), no_grad(), watch() as calls:
        model(*inputs, **options)
    return calls


def _output_shape(output: Any) -> str:
    if isinstance(output, tuple | list):
        return ", ".join(_output_shape(part) for part in output)
    return _shown(output.shape[1:]) if isinstance(output, Tensor) else type(output).__name__


def _shown(shape: Sequence[int]) -> str:
    """The shape of one example with B for the batch: (B, 28, 28, 1)."""
    return f"({', '.join(['B', *map(str, shape)])})"


# -- the gradients -----------------------------------------------------------------------------------------------------


def gradient_norms(model: Tree, grads: Sequence[Tensor]) -> str:
    """The table of the norms of weights and gradients, as `Module.gradient_norms` explains."""
    named, arrays = model.named_parameters(), [array_of(g) for g in grads]
    if [p.shape for _, p in named] != [g.shape for g in arrays]:
        raise ValueError(
            f"gradient_norms: expected the gradients of all {len(named)} parameters, as grad(loss, model.parameters()) "
            f"returns them, got {len(arrays)} with shapes {[g.shape for g in arrays]}"
        )
    rows = []
    for (name, parameter), g in zip(named, arrays):
        size, slope = (np.linalg.norm(a.astype(np.float64)) for a in (parameter.data, g))
        ratio = f"{slope / size:.3g}" if size else "-"
        rows.append([name, str(parameter.shape), f"{size:.3g}", f"{slope:.3g}", ratio])
    return columns([["Parameter", "Shape", "‖w‖", "‖∂L/∂w‖", "ratio"], *rows], numbers=3, ruled=True)


# -- in a notebook -----------------------------------------------------------------------------------------------------


def shown(model: Tree) -> str:
    """The layers of a model as an HTML table: name, arguments, number of parameters. It doesn't run the model."""
    sizes = Counter()  # parameters that a module owns itself
    for entry in model.entries():
        sizes[id(entry.owner)] += entry.value.size if isinstance(entry.value, Parameter) else 0
    rows = [
        [name or "·", f"{type(module).__name__}({module.settings()})", f"{sizes[id(module)]:,}"]
        for name, module in model.named_modules()
        if not module.named_children() or sizes[id(module)]
    ]
    table = html.table(["name", "layer", "parameters"], rows, numbers=1)
    title = f"{type(model).__name__}: {sizes.total():,} parameters"
    mode = "training mode" if model.training else "evaluation mode"
    return html.block(title, table, note=f"{mode}; model.summary(shape) shows the shape of each output")
