"""The counterpart in PyTorch of a network of tinygen, with the same weights."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import nn

from tinygen import models
from tinygen import nn as ours
from tinygen.bench.torch_networks import Images, PointDenoiser, Rows, UNet
from tinygen.nn.named_activation import title


def counterpart(net: Any, channels: int, *, last: bool) -> nn.Module:
    """A module of PyTorch with the same children, and the same names of those that are not in a `Sequential`.

    Args:
        net: the network of tinygen.
        channels: those of its input.
        last: whether images are flattened in the order (H, W, C), for the layout channels_last. Otherwise they are
            flattened in the order (C, H, W), and so are the weights of the dense layers beside them.
    """
    if isinstance(net, models.UNet):
        made = UNet(last, net.channels, net.multiples, 1 + len(net.deeper), net.image_size)
        axes = {"overview.dense1.weight": 1, "overview.dense2.weight": 0, "overview.dense2.bias": 0}
        return loaded(made, net, axes if net.overview and not last else {}, net.multiples[1] * net.channels)
    if isinstance(net, models.PointDenoiser):
        return loaded(PointDenoiser(last), net)
    if isinstance(net, ours.GRU):
        return loaded(nn.GRU(net.input_size, net.hidden_size, batch_first=True), net)
    if isinstance(net, ours.Sequential | ours.Dense):
        return nn.Sequential(*chain(list(net) if isinstance(net, ours.Sequential) else [net], channels, last))
    made = nn.Module()
    for name, child in net.named_children():
        setattr(made, name, counterpart(child, channels, last=last))
    return made


LAYERS = {
    ours.Dense: lambda m: nn.Linear(m.in_features, m.out_features, bias=m.bias is not None),
    ours.Conv2d: lambda m: nn.Conv2d(m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.dilation),
    ours.ConvTranspose2d: lambda m: nn.ConvTranspose2d(
        m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.output_padding, dilation=m.dilation
    ),
    ours.BatchNorm: lambda m: nn.BatchNorm2d(m.channels, m.eps),
    ours.MaxPool2d: lambda m: nn.MaxPool2d(m.kernel_size, m.stride, m.padding),
    ours.Upsample: lambda m: nn.Upsample(scale_factor=m.scale_factor, mode=m.mode),
    ours.Reshape: lambda m: nn.Unflatten(1, m.shape),
    **{getattr(ours, name): lambda m: getattr(nn, type(m).__name__)() for name in ("Identity", "ReLU", "Sigmoid")},
}


def chain(layers: list[Any], channels: int, last: bool) -> Iterator[nn.Module]:
    """The counterparts of layers that follow each other."""
    dense = [i for i, layer in enumerate(layers) if isinstance(layer, ours.Dense)]
    before = {}  # channels of the images that a dense layer makes
    for i, layer in enumerate(layers):
        before |= {j: layer.shape[-1] for j in dense[-1:] if is_images(layer) and j < i}
    flat = 1  # channels of images that were flattened just before
    for i, layer in enumerate(layers):
        if isinstance(layer, ours.Flatten):
            flat = channels
            yield Rows(last)
        elif is_images(layer):
            yield Images(last, *layer.shape)
        else:
            axes = {"weight": 1} if flat > 1 else {"weight": 0, "bias": 0} if i in before else {}
            yield loaded(LAYERS[type(layer)](layer), layer, {} if last else axes, max(flat, before.get(i, 1)))
            channels = getattr(layer, "out_channels", channels)
            flat = 1 if i in dense else flat
            if name := getattr(layer, "activation", None):
                yield nn.LeakyReLU(layer.negative_slope) if name == "leaky_relu" else getattr(nn, title(name))()


def is_images(layer: ours.Module) -> bool:
    return isinstance(layer, ours.Reshape) and len(layer.shape) == 3


def loaded(
    made: nn.Module, net: ours.Module, axes: Mapping[str, int] = MappingProxyType({}), channels: int = 1
) -> nn.Module:
    """`made` with the weights of `net`; those in `axes` have an axis of flattened images, to be reordered."""
    weights = net.to_torch()
    for name, axis in axes.items():
        weights[name] = channels_first(weights[name], axis, channels)
    found = made.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=False)
    if found.unexpected_keys or not all(name.endswith("num_batches_tracked") for name in found.missing_keys):
        raise ValueError(f"the weights of {type(net).__name__} don't fit its counterpart in PyTorch: {found}")
    return made


def channels_first(array: np.ndarray, axis: int, channels: int) -> np.ndarray:
    """Reorder an axis of flattened images from (H, W, C) to (C, H, W)."""
    before, after = array.shape[:axis], array.shape[axis + 1 :]
    pixels = array.reshape(*before, -1, channels, *after)
    return np.ascontiguousarray(np.swapaxes(pixels, axis, axis + 1)).reshape(array.shape)
