"""Module, the base class of layers and models: define the parts in `__init__`, use them in `forward`.

`tree.py` has the parts, the modes and the call. Here are the state and its files; tables and PyTorch's layout are
functions in `summary.py` and `torch.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.errors import hints
from tinygen.errors.arrays import as_array
from tinygen.io import checkpoint
from tinygen.nn import summary, torch
from tinygen.nn.tree import Entry, Tree
from tinygen.tensor import Parameter, Tensor, array_of


class Module(Tree):
    """The base class of layers and models: define the parts in `__init__`, use them in `forward`, call the module.

    Attributes that are Parameters or modules, also in lists and dicts, are its parts: `parameters()` lists the former.
    `buffers` names attributes that are arrays and are saved, though no optimizer moves them (running statistics).
    `torch_axes` maps the name of a Parameter to the permutation of its axes that PyTorch expects.

    >>> class Scale(tg.nn.Module):
    ...     def __init__(self):
    ...         self.factor = tg.Parameter(2.0)
    ...
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> Scale()(np.float32(3.0)).item()
    6.0
    """

    # -- state ---------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all Parameters and buffers by dotted name."""
        return {entry.name: np.array(array_of(entry.value)) for entry in self.entries()}

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Give Parameters and buffers the arrays in `state`, all of them or none.

        Raises one ValueError that lists every array that is missing, unexpected, or of another shape or dtype;
        `strict=False` allows missing and unexpected ones.
        """
        who = type(self).__name__
        if not isinstance(state, Mapping):
            kind = type(state).__name__
            hint = "write load_state_dict(other.state_dict())" if isinstance(state, Tree) else "write load(path)"
            raise TypeError(f"{who}: expected a dict of arrays by name, got a {kind}: {hint}")
        given = {name: np.asarray(array_of(value)) for name, value in state.items()}
        entries = self.entries()
        self._merge_shared(given, entries)
        expected = {entry.name: array_of(entry.value) for entry in entries}
        checkpoint.check_state(who, expected, given, strict=strict)
        for entry in entries:
            if entry.name not in given:
                continue
            if isinstance(entry.value, Parameter):
                entry.value.data = as_array(given[entry.name])
            else:
                setattr(entry.owner, entry.key, np.array(given[entry.name]))

    def _merge_shared(self, given: dict[str, np.ndarray], entries: list[Entry]) -> None:
        """Rename arrays that `given` has under later names of a shared Parameter to its first name."""
        first = {id(entry.value): entry.name for entry in entries}
        if given.keys() <= set(first.values()):
            return
        for entry in self.every_name():
            name = first[id(entry.value)]
            if entry.name != name and entry.name in given:
                array = given.pop(entry.name)
                if not np.array_equal(given.setdefault(name, array), array, equal_nan=True):
                    raise ValueError(
                        f"{type(self).__name__}: expected {name} and {entry.name} to be equal, because they are one "
                        "array here, got two different ones: give each layer a Parameter of its own"
                    )

    def save(self, path: str | Path) -> None:
        """Write the state to one file, by `tinygen.io.checkpoint`; FloatingPointError if it holds NaN or infinity."""
        state = self.state_dict()
        checkpoint.check_finite(type(self).__name__, state)
        checkpoint.save(path, state)

    def load(self, path: str | Path, *, strict: bool = True) -> None:
        """Read the state from a file. Raises CheckpointError for a damaged file, ValueError if it doesn't fit."""
        arrays, _ = checkpoint.load(path)
        self.load_state_dict(arrays, strict=strict)

    # -- PyTorch -------------------------------------------------------------------------------------------------------

    def to_torch(self) -> dict[str, np.ndarray]:
        """The state with axes in PyTorch's order: NumPy arrays for `torch.from_numpy` and its `load_state_dict`.

        Images differ too: channels last here, first there. So the rows of a Dense weight after a Flatten are in the
        order (H, W, C), and a PyTorch model has to permute to channels last before its own flatten. A Parameter that
        several layers share has all its names, as in PyTorch.
        """
        return torch.to_torch(self)

    def from_torch(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Load a PyTorch module's `state_dict()` of the same structure: the inverse of `to_torch`.

        The values are anything that `np.asarray` takes; `num_batches_tracked` is ignored.
        """
        self.load_state_dict(torch.from_torch(self, state), strict=strict)

    # -- tables --------------------------------------------------------------------------------------------------------

    def summary(self, *shapes: Sequence[int] | np.ndarray, **options: Any) -> str:
        """The table of layers, with the shape of each output and the number of parameters.

        `shapes` are those of one example, without the batch axis: `print(model.summary((28, 28, 1)))`. The model runs
        once on zeros, in eval mode. An input of integers, such as the indices of an Embedding, is given as an array
        with its batch axis: `model.summary(labels[:1])`. `options` go to `forward`.
        """
        return summary.summary(self, *shapes, **options)

    def gradient_norms(self, grads: Sequence[Tensor]) -> str:
        """A table of ‖w‖, ‖∂L/∂w‖ and their ratio for `grads = grad(loss, model.parameters())`.

        A ratio near 0 means that a layer doesn't learn; ratios that jump from layer to layer mean that gradients
        vanish or explode.
        """
        return summary.gradient_norms(self, grads)

    def _repr_html_(self) -> str:
        return summary.shown(self)


hints.point_elsewhere(Module, hints.MODULES, kind="Module")
