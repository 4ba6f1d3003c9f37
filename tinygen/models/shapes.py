"""Check the shapes and the pixels of examples that a model is made for."""

from collections.abc import Sequence

import numpy as np

from tinygen.errors import arguments
from tinygen.tensor import Tensor, array_of

ROUNDING = 1e-6  # of mixtures of images in float32


def check_shape(who: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one example as ints; TypeError if it is no list, ValueError unless all sizes are at least 1."""
    return arguments.several(who, "shape", shape)


def check_image_shape(who: str, shape: Sequence[int], *, divisor: int = 1) -> tuple[int, int, int]:
    """The shape (H, W, C) of one image as ints; ValueError unless `divisor` divides H and W."""
    sizes = check_shape(who, shape)
    if len(sizes) != 3:
        raise ValueError(f"{who}: expected shape to be (H, W, C), got {sizes}")
    height, width, channels = sizes
    check_divisible(who, "images", (height, width), divisor)
    return height, width, channels


def check_divisible(who: str, name: str, size: Sequence[int], divisor: int) -> None:
    """ValueError unless `size`, that of the argument `name`, is (H, W), both positive and divisible by `divisor`."""
    if len(size) != 2 or any(side < 1 or side % divisor for side in size):
        got = "x".join(map(str, size))
        raise ValueError(
            f"{who}: expected {name} with H and W divisible by {divisor}, got {got}: pad or crop the images"
        )


def check_pixels(who: str, x: Tensor | np.ndarray, *, otherwise: str) -> None:
    """ValueError for pixels outside [0, 1]; `otherwise` says how to build a model of other numbers."""
    pixels = array_of(x)
    if not isinstance(pixels, np.ndarray) or not pixels.size:
        return
    low, high = pixels.min(), pixels.max()
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # both are False for NaN
        hint = "divide by 255" if low >= 0 and high > 2 else f"scale them, or {otherwise}"
        hint = "remove NaN" if np.isnan(low) else hint
        raise ValueError(f"{who}: expected pixels in [0, 1], got {low:.6g}..{high:.6g}: {hint}")
