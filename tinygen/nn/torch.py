"""PyTorch's layout of a model's arrays: the same names, other axes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygen.nn.tree import Entry, Tree
from tinygen.tensor import array_of


def to_torch(model: Tree) -> dict[str, np.ndarray]:
    """All Parameters and buffers by dotted name, as copies with the axes in PyTorch's order."""
    return {
        entry.name: np.array(array_of(entry.value).transpose(_axes(entry)), order="C") for entry in model.every_name()
    }


def from_torch(model: Tree, state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a PyTorch module's `state_dict()` with the axes of `model`; without `num_batches_tracked`."""
    given = {name: np.asarray(value) for name, value in state.items() if not name.endswith("num_batches_tracked")}
    for entry in model.every_name():
        axes = _axes(entry)
        if entry.name in given and given[entry.name].ndim == len(axes):
            given[entry.name] = given[entry.name].transpose(np.argsort(axes))
    return given


def _axes(entry: Entry) -> tuple[int, ...]:
    return entry.owner.torch_axes.get(entry.key, tuple(range(entry.value.ndim)))
