"""Sequential, a chain of layers."""

from collections.abc import Iterator
from typing import overload

from tinygen.nn.module import Module
from tinygen.tensor import Tensor


class Sequential(Module):
    """f_n(... f_2(f_1(x))): each layer takes the output of the one before.

    Args:
        layers: the layers in order; `model[0]` is the first, and a slice is a Sequential of the same layers.
        named: layers by keyword, which are attributes too: `Sequential(encoder=..., decoder=...).encoder`.

    Raises TypeError for anything but a Module.

    >>> model = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.ReLU())
    >>> model(np.full((2, 3, 4), -1.0)).shape
    (2, 12)
    """

    def __init__(self, *layers: Module, **named: Module):
        for name, layer in [*enumerate(layers), *named.items()]:
            if not isinstance(layer, Module):
                several = isinstance(layer, list | tuple)
                hint = "put a star before it, Sequential(*layers)" if several else "write nn.ReLU() for relu, say"
                given = f"a {type(layer).__name__} of {len(layer)}" if several else repr(layer)
                raise TypeError(f"Sequential: expected layer {name} to be a Module, got {given}: {hint}")
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
