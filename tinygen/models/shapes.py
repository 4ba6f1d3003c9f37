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
    check_divisible(who, "images", (height, width), divisor)
    return height, width, channels


def check_divisible(who: str, name: str, size: Sequence[int], divisor: int) -> None:
    """ValueError unless `size`, that of the argument `name`, is (H, W), both positive and divisible by `divisor`."""
    if len(size) != 2 or any(side < 1 or side % divisor for side in size):
        got = "x".join(map(str, size))
        raise ValueError(
            f"{who}: expected {name} with H and W divisible by {divisor}, got {got}: pad or crop the images"
        )
