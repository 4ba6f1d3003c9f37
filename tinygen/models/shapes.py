"""Check the shapes of examples that a model is made for."""

from collections.abc import Sequence

from tinygen.errors import arguments


def check_shape(who: str, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one example as ints; ValueError unless all its sizes are at least 1."""
    return tuple(arguments.whole(who, f"shape[{i}]", size, least=1) for i, size in enumerate(shape))


def check_image_shape(who: str, shape: Sequence[int], *, divisor: int = 1) -> tuple[int, int, int]:
    """The shape (H, W, C) of one image as ints; ValueError unless `divisor` divides H and W."""
    sizes = check_shape(who, shape)
    if len(sizes) != 3:
        raise ValueError(f"{who}: expected shape to be (H, W, C), got {sizes}")
    height, width, channels = sizes
    if height % divisor or width % divisor:
        expected = f"a height and a width that {divisor} divides"
        raise ValueError(f"{who}: expected {expected}, got {height}x{width}: pad or crop the images")
    return height, width, channels
