"""A small U-Net: it takes a noisy image and its time, and returns an image of the same size.

The image is halved twice and doubled twice, and each level of the second half also receives the feature maps of the
same size from the first half (Ronneberger et al. 2015). The levels are residual blocks with the time as a further
input (Ho et al. 2020, appendix B).
"""

import math
from functools import cache
from typing import Any

import numpy as np

from tinygen import nn
from tinygen.errors import arguments
from tinygen.models.shapes import check_divisible
from tinygen.nn.init import DType
from tinygen.ops import concat, reshape, silu
from tinygen.tensor import Tensor

GROUPS = 8  # of every GroupNorm; each needs two channels, because a group of one would undo the shift by the time
KNOWN = 1024  # the waves of the times 0, 1, 2, ... below this are computed once


def sinusoidal_embedding(
    t: np.ndarray, features: int, *, base: float = 10_000.0, dtype: DType = np.float32
) -> np.ndarray:
    """Times t (N,) as (N, features): sin(ωᵢ t), then cos(ωᵢ t), with ωᵢ = base^(-2i/features), i < features/2.

    Slow waves separate early from late times, fast waves separate neighbours (Vaswani et al. 2017, section 3.5).
    """
    t = np.asarray(t)
    if t.ndim != 1:
        raise ValueError(f"sinusoidal_embedding: expected t of shape (N,), one time per example, got {t.shape}")
    features = arguments.whole("sinusoidal_embedding", "features", features)
    base = arguments.real("sinusoidal_embedding", "base", base, above=0)
    if features < 2 or features % 2:
        raise ValueError(f"sinusoidal_embedding: expected features to be even and at least 2, got {features}")
    if t.dtype.kind in "iu" and t.size and 0 <= t.min() and t.max() < KNOWN:
        return _known_waves(features, base, dtype).take(t, axis=0)
    return _waves(t, features, base, dtype)


@cache
def _known_waves(features, base, dtype):
    return _waves(np.arange(KNOWN), features, base, dtype)


def _waves(t, features, base, dtype):
    half = features // 2
    angles = t[:, None] * np.exp(-math.log(base) / half * np.arange(half))  # (N, features/2)
    angles -= 2 * math.pi * np.rint(angles / (2 * math.pi))  # whole turns, of which a float32 would keep too few digits
    angles = angles.astype(dtype)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


class ResidualBlock(nn.Module):
    """Two convolutions, each after GroupNorm and SiLU, plus a skip connection.

    Maps (N, H, W, in_channels) and time features (N, time_features) to (N, H, W, out_channels). The time shifts the
    channels between the convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        time_features: int,
        *,
        rng: np.random.Generator,
        dtype: type = np.float32,
    ):
        same: dict[str, Any] = dict(rng=rng, dtype=dtype)
        self.norm1 = nn.GroupNorm(GROUPS, in_channels, activation="silu", dtype=dtype)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, **same)
        self.time = nn.Dense(time_features, out_channels, **same)
        self.norm2 = nn.GroupNorm(GROUPS, out_channels, activation="silu", dtype=dtype)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, **same)
        self.skip = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1, **same)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(self.norm1(x))
        shift = self.time(time)  # (N, C)
        h = h + reshape(shift, shape=(len(shift), 1, 1, shift.shape[1]))
        h = self.conv2(self.norm2(h))
        return self.skip(x) + h


class OverviewBlock(nn.Module):
    """Two dense layers over a whole feature map, plus a skip connection.

    Maps (N, H, W, channels) of one fixed size (H, W) and time features (N, time_features) to maps of the same shape. A
    convolution receives a neighbourhood only; this block relates strokes on opposite sides of a digit.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        time_features: int,
        *,
        rng: np.random.Generator,
        units: int = 256,
        dtype: type = np.float32,
    ):
        same: dict[str, Any] = dict(rng=rng, dtype=dtype)
        entries = size[0] * size[1] * channels
        self.norm = nn.GroupNorm(GROUPS, channels, activation="silu", dtype=dtype)
        self.dense1 = nn.Dense(entries, units, **same)
        self.time = nn.Dense(time_features, units, **same)
        self.dense2 = nn.Dense(units, entries, **same)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.dense1(reshape(self.norm(x), shape=(len(x), math.prod(x.shape[1:]))))
        h = self.dense2(silu(h + self.time(time)))
        return x + reshape(h, shape=x.shape)


class UNet(nn.Module):
    """`forward(x, t)`: images x (N, H, W, image_channels) at times t (N,) to images of the same shape.

    For c = `channels` and (m, n) = `multiples` the maps are (H, W, c), (H/2, W/2, mc) and (H/4, W/4, nc). On the
    smallest maps, where they cost least, there are `middle` residual blocks, and an `OverviewBlock` if `image_size`
    (H, W) is given; the network then accepts images of that size only. The defaults have 373,697 parameters. Raises
    ValueError unless 16 divides c and 4 divides H and W.
    """

    def __init__(
        self,
        *,
        rng: np.random.Generator,
        channels: int = 32,
        multiples: tuple[int, int] = (2, 2),
        middle: int = 1,
        image_size: tuple[int, int] | None = None,
        image_channels: int = 1,
        dtype: type = np.float32,
    ):
        channels, middle, image_channels = arguments.sizes(
            "UNet", channels=channels, middle=middle, image_channels=image_channels
        )
        m, n = arguments.several("UNet", "multiples", multiples, count=2)  # of half and of quarter size
        if channels % (2 * GROUPS):
            raise ValueError(f"UNet: expected channels to be a multiple of {2 * GROUPS}, got {channels}")
        c, half, quarter = channels, m * channels, n * channels
        if image_size is not None:
            height, width = arguments.several("UNet", "image_size", image_size, count=2)
            check_divisible("UNet", "image_size", (height, width), 4)
            image_size = height, width
        hidden = 4 * channels
        same: dict[str, Any] = dict(rng=rng, dtype=dtype)
        conv: dict[str, Any] = dict(padding=1, **same)
        halve: dict[str, Any] = dict(stride=2, padding=1, **same)
        self.channels, self.multiples, self.image_channels = channels, (m, n), image_channels
        self.image_size = image_size
        self.time: nn.Module = nn.Sequential(
            nn.Dense(c, hidden, **same), nn.SiLU(), nn.Dense(hidden, hidden, **same), nn.SiLU()
        )
        self.conv_in: nn.Module = nn.Conv2d(image_channels, c, 3, **conv)
        self.down1 = ResidualBlock(c, c, hidden, **same)
        self.halve1 = nn.Conv2d(c, c, 3, **halve)
        self.down2 = ResidualBlock(c, half, hidden, **same)
        self.halve2 = nn.Conv2d(half, quarter, 3, **halve)
        self.middle = ResidualBlock(quarter, quarter, hidden, **same)
        small = image_size and (image_size[0] // 4, image_size[1] // 4)
        self.overview = OverviewBlock(quarter, small, hidden, **same) if small else None
        self.deeper = [ResidualBlock(quarter, quarter, hidden, **same) for _ in range(middle - 1)]
        self.double2 = nn.Sequential(nn.Upsample(2), nn.Conv2d(quarter, half, 3, **conv))
        fewer = max(c, half // 2)
        self.up2 = ResidualBlock(2 * half, fewer, hidden, **same)
        self.double1 = nn.Sequential(nn.Upsample(2), nn.Conv2d(fewer, c, 3, **conv))
        self.up1 = ResidualBlock(2 * c, c, hidden, **same)
        self.norm_out = nn.GroupNorm(GROUPS, c, activation="silu", dtype=dtype)
        self.conv_out = nn.Conv2d(c, image_channels, 3, **conv)

    def forward(self, x: Tensor | np.ndarray, t: np.ndarray) -> Tensor:
        """The prediction (N, H, W, image_channels) for images x of that shape at times t (N,)."""
        self._check(x, t)
        time = self.time(sinusoidal_embedding(t, self.channels, dtype=x.dtype))  # (N, 4c)
        wide = self.down1(self.conv_in(x), time)  # (N, H, W, c)
        half = self.down2(self.halve1(wide), time)  # (N, H/2, W/2, mc)
        h = self.middle(self.halve2(half), time)  # (N, H/4, W/4, nc)
        if self.overview is not None:
            h = self.overview(h, time)
        for block in self.deeper:
            h = block(h, time)
        h = self.up2(concat(self.double2(h), half, axis=-1), time)  # (N, H/2, W/2, c or mc/2)
        h = self.up1(concat(self.double1(h), wide, axis=-1), time)  # (N, H, W, c)
        return self.conv_out(self.norm_out(h))

    def _check(self, x: Tensor | np.ndarray, t: np.ndarray) -> None:
        if x.ndim != 4 or x.shape[3] != self.image_channels:
            raise ValueError(f"UNet: expected x (N, H, W, {self.image_channels}), got {x.shape}")
        check_divisible("UNet", "x", x.shape[1:3], 4)
        if self.image_size not in (None, x.shape[1:3]):
            raise ValueError(
                f"UNet: expected images of size {self.image_size}, got {x.shape}: build the UNet without image_size"
            )
        if np.shape(t) != x.shape[:1]:
            raise ValueError(f"UNet: expected t of shape ({len(x)},), one time per image, got {np.shape(t)}")

    def settings(self) -> str:
        more = "" if self.image_size is None else f", image_size={self.image_size}"
        return f"channels={self.channels}, multiples={self.multiples}, image_channels={self.image_channels}{more}"
