"""Sequential, a chain of layers."""

from collections.abc import Iterator
from typing import overload

from tinygen.nn.module import Module
from tinygen.tensor import Tensor


class Sequential(Module):
    """f_n(... f_2(f_1(x))): each layer takes the output of the one before.

    `model[0]` is the first layer, and a slice is a Sequential of the same layers. Layers given by keyword are
    attributes too: `Sequential(encoder=..., decoder=...).encoder`. Raises TypeError for anything but a Module.
    """

    def __init__(self, *layers: Module, **named: Module):
        for name, layer in [*enumerate(layers), *named.items()]:
            if not isinstance(layer, Module):
                raise TypeError(
                    f"Sequential: expected layer {name} to be a Module, got {layer!r}: write nn.ReLU() for relu, say"
                )
            if hasattr(self, str(name)):
                raise ValueError(
                    f"Sequential: expected a free layer name, got {name!r}, an attribute of every module: rename it"
                )
            setattr(self, str(name), layer)

    def forward(self, x: Tensor) -> Tensor:
        for name, layer in self.named_children():
            try:
                x = layer(x)
            except Exception as error:
                error.add_note(f"in layer {name} of a Sequential: {layer!r}")
                raise
        return x

    def __len__(self) -> int:
        return len(self.named_children())

    def __iter__(self) -> Iterator[Module]:
        return (layer for _, layer in self.named_children() if isinstance(layer, Module))

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...
    def __getitem__(self, index: int | slice) -> Module:
        layers = list(self)
        return Sequential(*layers[index]) if isinstance(index, slice) else layers[index]
