"""The single convolutions in PyTorch, in either of its layouts."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from tinygen.bench.layers import Layer, arrays


def build(layer: Layer, direction: str, mode: str) -> tuple[Callable[[], torch.Tensor], float]:
    """The call to time, and the Euclidean norm of its result."""
    layout = torch.channels_last if mode == "channels_last" else torch.contiguous_format
    x, w, g = map(torch.from_numpy, arrays(layer))
    x, g = (image.permute(0, 3, 1, 2).contiguous(memory_format=layout) for image in (x, g))
    w = w.permute(3, 2, 0, 1).contiguous(memory_format=layout)  # (outputs, inputs, KH, KW), transposed or not
    stride, padding = layer.stride, layer.padding
    extra = layer.size - (stride * (layer.small - 1) + layer.kernel - 2 * padding) if layer.transposed else 0

    def backward(wanted: list[bool]) -> tuple:
        inputs = (x, g) if layer.transposed else (g, x)  # the gradient of the output comes first
        form = ([stride] * 2, [padding] * 2, [1, 1], layer.transposed, [extra] * 2, 1)
        return torch.ops.aten.convolution_backward(*inputs, w, None, *form, wanted)

    def forward() -> torch.Tensor:
        if layer.transposed:
            return F.conv_transpose2d(g, w, stride=stride, padding=padding, output_padding=extra)
        return F.conv2d(x, w, stride=stride, padding=padding)

    calls = {
        "forward": forward,
        "input gradient": lambda: backward([True, False, False])[0],
        "weight gradient": lambda: backward([False, True, False])[1],
    }
    call = calls[direction]
    return call, float(call().double().norm())
