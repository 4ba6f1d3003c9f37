"""Module: a tree of plain attributes. Parameters are found by walking it, in the order in which they were defined.

There is nothing to call first and nothing is registered: whatever attribute is a Parameter or a Module, alone or in a
list, a tuple or a dict, belongs to the tree under its dotted name ("decoder.0.weight", as PyTorch names it).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from tinygen.errors import hints
from tinygen.errors.calls import ExplainedCalls
from tinygen.io import checkpoint
from tinygen.nn.watch import watched, watching
from tinygen.tensor import Parameter, Tensor, array_of, as_array


class _Closing(ExplainedCalls):
    """Closes a module when its outermost `__init__` is through, so that a mistyped attribute can't become a new one."""

    def __call__(cls, *args, **options):
        module = super().__call__(*args, **options)
        vars(module)["_closed"] = True
        return module


class Entry(NamedTuple):
    """An array that is saved: its dotted name, the module that owns it, its name there, the Parameter or buffer."""

    name: str
    owner: "Module"
    key: str
    value: Parameter | np.ndarray


class Module(metaclass=_Closing):
    """What layers and models are made of: define the parts in `__init__`, use them in `forward`.

    `buffers` names attributes that are arrays and are saved though nobody trains them (running statistics);
    `torch_axes` says how the axes of a Parameter have to be permuted to become PyTorch's.
    """

    training = True  # dropout and batch statistics look at it; set by train() and eval()
    buffers: ClassVar[tuple[str, ...]] = ()
    torch_axes: ClassVar[Mapping[str, tuple[int, ...]]] = {}

    def forward(self, *inputs, **options):
        """The output for these inputs; every subclass says it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(): define what it computes")

    def __call__(self, *inputs, **options):
        if inputs and getattr(inputs[0], "dtype", None) is _FLOAT64:
            if any(isinstance(p, Parameter) and p.dtype == np.float32 for p in vars(self).values()):
                hints.mention_float64()
        if watching.calls is None:
            try:
                return self.forward(*inputs, **options)
            except AttributeError:
                _refuse_plain_data(type(self).__name__, inputs)
                raise
        return watched(self, inputs, options)

    # -- the tree ------------------------------------------------------------------------------------------------------

    def named_modules(self) -> list[tuple[str, "Module"]]:
        """This module as "", then everything below it by dotted name; a module used twice is listed once."""
        found: dict[int, tuple[str, Module]] = {}

        def walk(name: str, module: Module) -> None:
            if id(module) not in found:
                found[id(module)] = (name, module)
                for key, child in module.named_children():
                    walk(f"{name}.{key}" if name else key, child)

        walk("", self)
        self._check_names(list(found.values()))
        return list(found.values())

    def named_children(self) -> list[tuple[str, "Module"]]:
        """The modules that are attributes of this one, or stand in its lists and dicts."""
        return [(key, value) for key, value in _spread(vars(self)) if isinstance(value, Module)]

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """Every Parameter by its dotted name, each once: a module's own first, then its parts'."""
        return [(entry.name, entry.value) for entry in self.entries() if isinstance(entry.value, Parameter)]

    def parameters(self) -> list[Parameter]:
        """Every Parameter once: what `grad` and an optimizer take."""
        return [parameter for _, parameter in self.named_parameters()]

    def entries(self) -> list[Entry]:
        """Every Parameter and buffer once, with its owner: all that is saved."""
        found: dict[int, Entry] = {}
        for entry in self.attributes():
            if isinstance(entry.value, Parameter) or entry.key in entry.owner.buffers:
                found.setdefault(id(entry.value), entry)
        self._check_names([(entry.name, entry.value) for entry in found.values()])
        return list(found.values())

    def attributes(self) -> Iterator[Entry]:
        """Every attribute of every module in the tree, whatever its type."""
        for name, module in self.named_modules():
            for key, value in _spread(vars(module)):
                yield Entry(f"{name}.{key}" if name else key, module, key, value)

    def every_name(self) -> list[Entry]:
        """Every Parameter and buffer by each of its names, as PyTorch lists them: one that is used twice has two."""

        def walk(name: str, module: Module, above: tuple[Module, ...]) -> Iterator[Entry]:
            for key, value in _spread(vars(module)):
                full = f"{name}.{key}" if name else key
                if isinstance(value, Parameter) or key in module.buffers:
                    yield Entry(full, module, key, value)
                elif isinstance(value, Module) and not any(value is each for each in above):
                    yield from walk(full, value, (*above, value))

        entries = list(walk("", self, (self,)))
        self._check_names([(entry.name, entry.value) for entry in entries])
        return entries

    def _check_names(self, named: list[tuple[str, Any]]) -> None:
        """Raise ValueError for two parts with one name, of which a file would keep only one."""
        first: dict[str, Any] = {}
        for name, part in named:
            if first.setdefault(name, part) is not part:
                places = " and ".join(filter(None, (_place(self, each, "model") for each in (first[name], part))))
                raise ValueError(
                    f"{type(self).__name__}: expected each part to have a name of its own, got two called {name!r}: "
                    f"{places}: rename one"
                )

    def __setattr__(self, name: str, value: Any) -> None:
        if "_closed" in vars(self) and not hasattr(self, name):
            known = ", ".join(key for key in vars(self) if not key.startswith("_"))
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r} to set, but: {known}; new ones are made in __init__"
            )
        before = vars(self).get(name)
        for kind in (Parameter, Module):
            if isinstance(before, kind) and not isinstance(value, kind):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a {kind.__name__}, and a {type(value).__name__} in its place "
                    "would leave the tree; new values go in by load_state_dict"
                )
        super().__setattr__(name, value)

    # -- modes ---------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode in this module and all below it: dropout drops, BatchNorm uses the batch's statistics."""
        for _, module in self.named_modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Leave training mode: each output depends on its own input alone."""
        return self.train(False)

    # -- state ---------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all Parameters and buffers by dotted name."""
        return {entry.name: np.array(array_of(entry.value)) for entry in self.entries()}

    def load_state_dict(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Give Parameters and buffers the values in `state`, all of them or none.

        Raises one ValueError that lists every array missing, unexpected, or of another shape or dtype; `strict=False`
        allows the missing and the unexpected.
        """
        given = {name: np.asarray(array_of(value)) for name, value in state.items()}
        entries = self.entries()
        self._untie(given, entries)
        expected = {entry.name: array_of(entry.value) for entry in entries}
        checkpoint.check_state(type(self).__name__, expected, given, strict=strict)
        for entry in entries:
            if entry.name not in given:
                continue
            if isinstance(entry.value, Parameter):
                entry.value.data = as_array(given[entry.name])
            else:
                setattr(entry.owner, entry.key, np.array(given[entry.name]))

    def _untie(self, given: dict[str, np.ndarray], entries: list[Entry]) -> None:
        """Arrays that `given` has under later names of a shared Parameter: rename them to its first name."""
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

    def generators(self) -> dict[str, np.random.Generator]:
        """The generators that layers draw from, by dotted name: not in the state, as they are no arrays.

        An exact resume needs them too. One that several layers share is listed for each.
        """
        return {e.name: e.value for e in self.attributes() if isinstance(e.value, np.random.Generator)}

    def save(self, path: str | Path) -> None:
        """Write the state to one file, by `tinygen.io.checkpoint`; FloatingPointError if it holds NaN or infinity."""
        state = self.state_dict()
        checkpoint.check_finite(type(self).__name__, state)
        checkpoint.save(path, state)

    def load(self, path: str | Path, *, strict: bool = True) -> None:
        """Read the state from a file. Raises CheckpointError for a damaged file, ValueError if it doesn't fit."""
        arrays, _ = checkpoint.load(path)
        self.load_state_dict(arrays, strict=strict)

    def to_torch(self) -> dict[str, np.ndarray]:
        """The state with axes in PyTorch's order: NumPy arrays for `torch.from_numpy` and its `load_state_dict`.

        Images differ too: channels last here, first there. So after a Flatten the rows of a Dense weight stand in the
        order (H, W, C), and a PyTorch model has to permute to channels last before its own flatten. A Parameter that
        several layers share has all its names, as in PyTorch.
        """
        return {
            entry.name: np.array(array_of(entry.value).transpose(_torch_axes(entry)), order="C")
            for entry in self.every_name()
        }

    def from_torch(self, state: Mapping[str, Any], *, strict: bool = True) -> None:
        """Load a PyTorch module's `state_dict()` of the same structure: the inverse of `to_torch`.

        Takes anything that `np.asarray` takes, and passes over `num_batches_tracked`.
        """
        given = {name: np.asarray(value) for name, value in state.items() if not name.endswith("num_batches_tracked")}
        for entry in self.every_name():
            axes = _torch_axes(entry)
            if entry.name in given and given[entry.name].ndim == len(axes):
                given[entry.name] = given[entry.name].transpose(np.argsort(axes))
        self.load_state_dict(given, strict=strict)

    # -- for the reader ------------------------------------------------------------------------------------------------

    def settings(self) -> str:
        """What stands between the brackets of the repr: the arguments of a layer."""
        return ""

    if TYPE_CHECKING:  # tables.py assigns the methods

        def summary(self, *shapes: Sequence[int] | np.ndarray, **options: Any) -> str: ...
        def gradient_norms(self, grads: Sequence[Tensor]) -> str: ...

    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.settings()}"
        lines = [f"{key}: {child!r}".replace("\n", "\n  ") for key, child in self.named_children()]
        return head + ")" if not lines else head + "\n  " + "\n  ".join(lines) + "\n)"


def _refuse_plain_data(who: str, inputs: tuple) -> None:
    """Raises TypeError for what forward() could not use because it is no array."""
    for x in inputs:
        if isinstance(x, list | tuple | int | float | str | None):
            raise TypeError(
                f"{who}: expected a Tensor or an array, got {x!r:.40}: write np.array(x, np.float32)"
            ) from None


_FLOAT64 = np.dtype(np.float64)


def _place(holder: Any, part: Any, path: str, above: tuple = ()) -> str | None:
    """Where a part is, as Python spells it: model.blocks['a'][0]."""
    if holder is part or any(holder is each for each in above):
        return path if holder is part else None
    if isinstance(holder, Module):
        inner = [(f"{path}.{key}", value) for key, value in vars(holder).items()]
    else:
        parts = dict(enumerate(holder)) if isinstance(holder, list | tuple) else holder
        inner = [(f"{path}[{key!r}]", value) for key, value in parts.items()] if isinstance(parts, dict) else []
    found = (_place(value, part, place, (*above, holder)) for place, value in inner)
    return next(filter(None, found), None)


_CONTAINERS = (list, tuple, dict)


def _spread(attributes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each attribute by its name, and what its lists, tuples and dicts hold by dotted names."""
    for key, value in attributes.items():
        if isinstance(value, _CONTAINERS):
            inner = value if isinstance(value, dict) else dict(enumerate(value))
            yield from _spread(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _torch_axes(entry: Entry) -> tuple[int, ...]:
    return entry.owner.torch_axes.get(entry.key, tuple(range(entry.value.ndim)))


hints.point_elsewhere(Module, hints.MODULES, kind="Module")
