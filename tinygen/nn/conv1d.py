"""Convolution layers over series (N, L, C), channels last: images of one row, for the layers of `conv.py`."""

from typing import Any, ClassVar

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.conv import Conv2d, ConvTranspose2d, listed
from tinygen.nn.init import DType, Init
from tinygen.ops import reshape
from tinygen.tensor import Parameter, Tensor


def _of_rows(name: str, sizes: dict[str, Any]) -> dict[str, tuple[int, int] | None]:
    """The settings of a layer over images of one row: (1, K) for a kernel of K, (0, p) for a padding of p."""
    least = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0, "output_size": 1}
    beside = {"padding": 0, "output_padding": 0}
    return {
        what: None if value is None else (beside.get(what, 1), arguments.whole(name, what, value, least=least[what]))
        for what, value in sizes.items()
    }


class _Series:
    """What the two layers add to those over images: the row."""

    torch_axes: ClassVar = {"weight": (2, 1, 0)}  # PyTorch has (out, in, K) and, transposed, (in, out, K)
    weight: Any

    def _flatten_kernel(self) -> None:
        self.weight = Parameter(self.weight.data[0])

    def _kernel(self) -> Tensor:
        return reshape(self.weight, shape=(1, *self.weight.shape))

    def _shown(self, value: Any) -> Any:
        return value[1] if isinstance(value, tuple) else value  # (1, K)

    def _legal(self, heights: range, widths: range, x: Tensor) -> str:
        return f"length {listed(widths)} for x {(x.shape[0], *x.shape[2:])}"

    def _rows(self, x: Tensor, channels: int) -> Tensor:
        if x.ndim != 3 or x.shape[2] != channels:
            hint = ": x[None] adds the batch axis" if x.ndim == 2 else ""
            raise ValueError(
                f"{type(self).__name__}: expected series (N, L, {channels}), channels last, got {x.shape}{hint}"
            )
        return reshape(x, shape=(x.shape[0], 1, *x.shape[1:]))

    @staticmethod
    def _series(y: Tensor) -> Tensor:
        return reshape(y, shape=(y.shape[0], *y.shape[2:]))


class Conv1d(_Series, Conv2d):
    """Convolution of series: (N, L, in_channels) to (N, L', out_channels), L' = ⌊(L + 2p - d(K-1) - 1)/s⌋ + 1.

    The arguments are those of `Conv2d`, with one number for each size. weight (K, in_channels, out_channels), bias
    (out_channels,).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        rng: np.random.Generator,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        negative_slope: float = 0.01,
        init: Init = "glorot_uniform",
        dtype: DType = np.float32,
    ):
        sizes: Any = _of_rows(
            "Conv1d", dict(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
        )
        settings: Any = dict(groups=groups, bias=bias, activation=activation, negative_slope=negative_slope)
        super().__init__(in_channels, out_channels, rng=rng, init=init, dtype=dtype, **sizes, **settings)
        self._flatten_kernel()

    def forward(self, x: Tensor) -> Tensor:
        return self._series(super().forward(self._rows(x, self.in_channels)))


class ConvTranspose1d(_Series, ConvTranspose2d):
    """The transpose of a convolution of series: (N, L', in_channels) to (N, L, out_channels), to make series longer.

    L = s(L'-1) + d(K-1) + 1 - 2p plus `output_padding`, which is below s, or `output_size` = L sets it. The other
    arguments are those of `Conv1d`. weight (K, out_channels, in_channels), bias (out_channels,).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        rng: np.random.Generator,
        stride: int = 1,
        padding: int = 0,
        output_padding: int = 0,
        output_size: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        negative_slope: float = 0.01,
        init: Init = "glorot_uniform",
        dtype: DType = np.float32,
    ):
        sizes: Any = dict(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)
        sizes = _of_rows("ConvTranspose1d", sizes | dict(output_padding=output_padding, output_size=output_size))
        settings: Any = dict(groups=groups, bias=bias, activation=activation, negative_slope=negative_slope)
        super().__init__(in_channels, out_channels, rng=rng, init=init, dtype=dtype, **sizes, **settings)
        self._flatten_kernel()

    def forward(self, x: Tensor) -> Tensor:
        return self._series(super().forward(self._rows(x, self.in_channels)))
