"""Layers one after the other."""

from collections.abc import Iterator

from tinygen.nn.module import Module
from tinygen.tensor import Tensor


class Sequential(Module):
    """f_n(... f_2(f_1(x))): each layer takes what the one before answered.

    Layers are found by index, `model[0]`, and a slice is a Sequential of the same layers; those given by keyword are
    attributes too: `Sequential(encoder=..., decoder=...).encoder`. Raises TypeError for anything but a Module.
    """

    def __init__(self, *layers: Module, **named: Module):
        for name, layer in [*enumerate(layers), *named.items()]:
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential: layer {name} is no Module but {layer!r}; of relu, say, it is nn.ReLU()")
            if hasattr(self, str(name)):
                raise ValueError(f"Sequential: a layer can't be called {name!r}: every module has that attribute")
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
        return (layer for _, layer in self.named_children())

    def __getitem__(self, index: int | slice) -> Module:
        chosen = list(self)[index]
        return Sequential(*chosen) if isinstance(index, slice) else chosen
