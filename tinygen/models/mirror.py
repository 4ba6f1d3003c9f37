"""The decoder that mirrors an encoder: each layer is replaced by one that undoes its change of shape, in reverse order.

A `Dense` becomes a `Dense` back, a convolution its transpose with the size that the encoder received, a pooling layer
an `Upsample` to that size. Between the layers of the decoder are the same activations and norms as in the encoder.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygen import nn
from tinygen.errors import arguments
from tinygen.models.shapes import check_shape
from tinygen.nn.named_activation import title
from tinygen.op import no_grad
from tinygen.tensor import Tensor

NORMS = (nn.BatchNorm, nn.GroupNorm, nn.InstanceNorm, nn.LayerNorm)
SAME_SHAPE = (
    *NORMS,
    *(nn.ELU, nn.GELU, nn.Identity, nn.LeakyReLU, nn.ReLU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh, nn.Dropout),
)


def mirror(
    encoder: nn.Module, shape: Sequence[int], *, rng: np.random.Generator, output: str | None = None
) -> nn.Sequential:
    """A new decoder from the codes of a sequential encoder to examples of the shape that the encoder takes.

    Args:
        encoder: a layer or a `Sequential`, also nested, of dense layers, convolutions and their transposes, pooling,
            `Upsample`, `Flatten`, `Reshape`, and layers that keep the shape: activations, norms, `Dropout`.
        shape: the shape of one example, such as (28, 28, 1).
        rng: generator for the first weights.
        output: activation of the last layer, such as "sigmoid" for pixels in [0, 1]; None for none.

    Returns the decoder; its weights are new. Raises TypeError for a layer that has no counterpart.

    >>> from tinygen import models, nn
    >>> rng = np.random.default_rng(0)
    >>> encoder = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, activation="relu", rng=rng), nn.MaxPool2d(2), nn.Flatten())
    >>> models.mirror(encoder, (28, 28, 1), rng=rng)
    Sequential(
      0: Reshape((6, 6, 8))
      1: Upsample(size=13, mode='nearest')
      2: ReLU()
      3: ConvTranspose2d(8, 1, 3, stride=2, output_size=28)
    )
    """
    arguments.generator("mirror", rng)
    shape = check_shape("mirror", shape)
    blocks = list(_blocks(encoder, shape))
    decoder: list[nn.Module] = []
    for number, block in reversed(list(enumerate(blocks))):
        decoder.append(_back(block, rng))
        if number:
            decoder += [_again(layer, rng) for layer in blocks[number - 1].after]
    decoder += _activation(output, 0.01)
    return nn.Sequential(*decoder)


class _Block(NamedTuple):
    """A layer that may change the shape, the shape of one example before it, and the layers after it that keep it."""

    layer: nn.Module
    before: tuple[int, ...]
    dtype: Any
    after: list[nn.Module]


def _blocks(encoder: nn.Module, shape: tuple[int, ...]) -> Iterator[_Block]:
    dtypes = [parameter.dtype for parameter in encoder.parameters()]
    x, block = Tensor(np.zeros((1, *shape), dtypes[0] if dtypes else np.float32)), None
    with no_grad(), nn.evaluating(encoder):
        for layer in _flat(encoder):
            if not isinstance(layer, SAME_SHAPE):
                if block is not None:
                    yield block
                slope = getattr(layer, "negative_slope", 0.01)
                block = _Block(layer, x.shape[1:], x.dtype, _activation(getattr(layer, "activation", None), slope))
            elif block is not None:
                block.after.append(layer)
            x = layer(x)
    if block is not None:
        yield block


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential):
        for layer in module:
            yield from _flat(layer)
    else:
        yield module


def _back(block: _Block, rng: np.random.Generator) -> nn.Module:
    """The layer from the shape after a block's layer to the shape before it."""
    layer, size = block.layer, block.before
    same: dict[str, Any] = dict(rng=rng, dtype=block.dtype)
    if isinstance(layer, nn.Dense):
        return nn.Dense(layer.out_features, layer.in_features, bias=layer.bias is not None, **same)
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        series = isinstance(layer, nn.Conv1d | nn.ConvTranspose1d)
        names = ("kernel_size", "stride", "padding", "dilation")
        form = {name: getattr(layer, name)[1] if series else getattr(layer, name) for name in names}
        form |= dict(bias=layer.bias is not None)
        ends = layer.out_channels, layer.in_channels
        if isinstance(layer, nn.ConvTranspose2d):
            return (nn.Conv1d if series else nn.Conv2d)(*ends, **form, **same)
        if series:
            return nn.ConvTranspose1d(*ends, output_size=size[0], **form, **same)
        return nn.ConvTranspose2d(*ends, output_size=(size[0], size[1]), **form, **same)
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        return nn.Upsample(size=size[:-1])
    if isinstance(layer, nn.Upsample):
        return nn.Upsample(size=size[:-1], mode=layer.mode, align_corners=layer.align_corners)
    if isinstance(layer, nn.Flatten | nn.Reshape):
        return nn.Reshape(size)
    raise TypeError(
        f"mirror: expected dense layers, convolutions, pooling, Upsample, Flatten, Reshape, activations and norms, got "
        f"{layer!r}: write the decoder by hand"
    )


def _again(layer: nn.Module, rng: np.random.Generator) -> nn.Module:
    """A layer that keeps the shape, with new weights."""
    style: dict[str, Any] = {}
    if isinstance(layer, NORMS):
        style = dict(eps=layer.eps, activation=layer.activation, negative_slope=layer.negative_slope)
    if isinstance(layer, nn.BatchNorm):
        return nn.BatchNorm(layer.channels, momentum=layer.momentum, dtype=layer.weight.dtype, **style)
    if isinstance(layer, nn.GroupNorm):
        return nn.GroupNorm(layer.num_groups, layer.channels, dtype=layer.weight.dtype, **style)
    if isinstance(layer, nn.InstanceNorm):
        dtype = np.float32 if layer.weight is None else layer.weight.dtype
        return nn.InstanceNorm(layer.channels, affine=layer.weight is not None, dtype=dtype, **style)
    if isinstance(layer, nn.LayerNorm):
        return nn.LayerNorm(layer.channels, dtype=layer.weight.dtype, **style)
    if isinstance(layer, nn.Dropout):
        return nn.Dropout(layer.p, rng=rng)
    return layer  # an activation has no state


def _activation(name: str | None, negative_slope: float) -> list[nn.Module]:
    """The activation as a layer; no layer for None."""
    if name is None:
        return []
    if not hasattr(nn, title(name)):
        raise ValueError(f"mirror: expected output to be None or the name of an activation, got {name!r}")
    kind = getattr(nn, title(name))
    return [kind(negative_slope) if kind is nn.LeakyReLU else kind()]
