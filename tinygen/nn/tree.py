"""Tree, the base of modules: parts by dotted name, found by walking plain attributes; their modes; the call.

Nothing is registered. An attribute that is a Parameter or a module, alone or in a list, a tuple or a dict, belongs to
the tree under its dotted name ("decoder.0.weight"), as in PyTorch, in the order of definition.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from tinygen.errors import hints
from tinygen.errors.calls import ExplainedCalls
from tinygen.nn.watching import watched, watching
from tinygen.tensor import Parameter


class _Closing(ExplainedCalls):
    """Closes a module after its outermost `__init__`, so that a mistyped attribute can't become a new one."""

    if not TYPE_CHECKING:  # type checkers then read the arguments from __init__

        def __call__(cls, *args, **options):
            module = super().__call__(*args, **options)
            vars(module)["_closed"] = True
            return module


class Entry(NamedTuple):
    """An attribute somewhere in the tree: its dotted name, the module that owns it, its name there, its value."""

    name: str
    owner: "Tree"
    key: str
    value: Any


_FLOAT64 = np.dtype(np.float64)

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output", covariant=True)


class _Forward(Protocol[Inputs, Output]):
    """Gives `module(x)` the argument and result types of its `forward`."""

    def forward(self, *inputs: Inputs.args, **options: Inputs.kwargs) -> Output: ...


class Tree(metaclass=_Closing):
    """The parts of a module by name, their modes, and the call. `Module` adds the state, files and tables."""

    training: bool = True  # read by dropout and batch normalisation; set by train() and eval()
    buffers: ClassVar[tuple[str, ...]] = ()  # attributes that are arrays and are saved, though no optimizer moves them
    torch_axes: ClassVar[Mapping[str, tuple[int, ...]]] = {}  # of a Parameter: the permutation to PyTorch's axes

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """The output for these inputs. Every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(): define what it computes")

    def __call__(self: _Forward[Inputs, Output], *inputs: Inputs.args, **options: Inputs.kwargs) -> Output:
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

    # -- parts ---------------------------------------------------------------------------------------------------------

    def named_modules(self) -> list[tuple[str, "Tree"]]:
        """This module as "", then every module below it by dotted name; a module used twice is listed once."""
        found: dict[int, tuple[str, Tree]] = {}

        def walk(name: str, module: Tree) -> None:
            if id(module) not in found:
                found[id(module)] = (name, module)
                for key, child in module.named_children():
                    walk(f"{name}.{key}" if name else key, child)

        walk("", self)
        self._check_names(list(found.values()))
        return list(found.values())

    def named_children(self) -> list[tuple[str, "Tree"]]:
        """The modules that are attributes of this one, or in its lists, tuples and dicts."""
        return [(key, value) for key, value in _flat(vars(self)) if isinstance(value, Tree)]

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """Every Parameter by its dotted name, each once: first a module's own, then those of its parts."""
        return [(entry.name, entry.value) for entry in self.entries() if isinstance(entry.value, Parameter)]

    def parameters(self) -> list[Parameter]:
        """Every Parameter once: the list for `grad` and for an optimizer."""
        return [parameter for _, parameter in self.named_parameters()]

    def generators(self) -> dict[str, np.random.Generator]:
        """The random generators of the layers by dotted name; one that several layers share is listed for each.

        They are not in `state_dict`, because they are no arrays, but an exact resume needs them.
        """
        return {e.name: e.value for e in self.attributes() if isinstance(e.value, np.random.Generator)}

    def attributes(self) -> Iterator[Entry]:
        """Every attribute of every module in the tree, whatever its type."""
        for name, module in self.named_modules():
            for key, value in _flat(vars(module)):
                yield Entry(f"{name}.{key}" if name else key, module, key, value)

    def entries(self) -> list[Entry]:
        """Every Parameter and buffer once, with its owner: the arrays that are saved."""
        found: dict[int, Entry] = {}
        for entry in self.attributes():
            if isinstance(entry.value, Parameter) or entry.key in entry.owner.buffers:
                found.setdefault(id(entry.value), entry)
        self._check_names([(entry.name, entry.value) for entry in found.values()])
        return list(found.values())

    def every_name(self) -> list[Entry]:
        """Every Parameter and buffer by each of its names, as PyTorch lists them: a shared one has several."""

        def walk(name: str, module: Tree, above: tuple[Tree, ...]) -> Iterator[Entry]:
            for key, value in _flat(vars(module)):
                full = f"{name}.{key}" if name else key
                if isinstance(value, Parameter) or key in module.buffers:
                    yield Entry(full, module, key, value)
                elif isinstance(value, Tree) and not any(value is each for each in above):
                    yield from walk(full, value, (*above, value))

        entries = list(walk("", self, (self,)))
        self._check_names([(entry.name, entry.value) for entry in entries])
        return entries

    # -- modes ---------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode in this module and all below it: Dropout drops, BatchNorm uses the batch's statistics."""
        for _, module in self.named_modules():
            module.training = bool(mode)
        return self

    def eval(self) -> Self:
        """Leave training mode: each output then depends on its own input alone."""
        return self.train(False)

    # -- text ----------------------------------------------------------------------------------------------------------

    def settings(self) -> str:
        """The arguments of a layer, as its repr shows them between the brackets."""
        return ""

    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.settings()}"
        lines = [f"{key}: {child!r}".replace("\n", "\n  ") for key, child in self.named_children()]
        return head + ")" if not lines else head + "\n  " + "\n  ".join(lines) + "\n)"

    # -- checks --------------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if "_closed" in vars(self) and not hasattr(self, name):
            known = ", ".join(key for key in vars(self) if not key.startswith("_"))
            raise AttributeError(
                f"{type(self).__name__}: expected an attribute that __init__ made ({known}), got {name!r}: "
                "make new ones in __init__"
            )
        before = vars(self).get(name)
        for kind, title in ((Parameter, "Parameter"), (Tree, "Module")):
            if isinstance(before, kind) and not isinstance(value, kind):
                raise TypeError(
                    f"{type(self).__name__}.{name}: expected a {title}, got a {type(value).__name__}, which would not "
                    "belong to the tree: load new values with load_state_dict"
                )
        super().__setattr__(name, value)

    def _check_names(self, named: list[tuple[str, Any]]) -> None:
        """Raises ValueError for two parts with one name, of which a file would keep only one."""
        first: dict[str, Any] = {}
        for name, part in named:
            if first.setdefault(name, part) is not part:
                places = " and ".join(filter(None, (_place(self, each, "model") for each in (first[name], part))))
                raise ValueError(
                    f"{type(self).__name__}: expected each part to have a name of its own, got two called {name!r}: "
                    f"{places}: rename one"
                )


def _refuse_plain_data(who: str, inputs: tuple) -> None:
    """Raises TypeError for inputs that forward() could not use because they are no arrays."""
    for x in inputs:
        if isinstance(x, list | tuple | int | float | str | None):
            raise TypeError(
                f"{who}: expected a Tensor or an array, got {x!r:.40}: write np.array(x, np.float32)"
            ) from None


def _place(holder: Any, part: Any, path: str, above: tuple = ()) -> str | None:
    """Where a part is, as Python code: model.blocks['a'][0]."""
    if holder is part or any(holder is each for each in above):
        return path if holder is part else None
    if isinstance(holder, Tree):
        inner = [(f"{path}.{key}", value) for key, value in vars(holder).items()]
    else:
        parts = dict(enumerate(holder)) if isinstance(holder, list | tuple) else holder
        inner = [(f"{path}[{key!r}]", value) for key, value in parts.items()] if isinstance(parts, dict) else []
    found = (_place(value, part, place, (*above, holder)) for place, value in inner)
    return next(filter(None, found), None)


def _flat(attributes: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each attribute by its name, and the contents of its lists, tuples and dicts by dotted names."""
    for key, value in attributes.items():
        if isinstance(value, list | tuple | dict):
            inner = value if isinstance(value, dict) else dict(enumerate(value))
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
