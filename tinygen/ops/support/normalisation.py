"""The settings of a normalisation, checked."""

from tinygen.errors.arrays import private

SETTINGS = "num_groups", "eps", "activation", "negative_slope"


def norm_settings(name, x, weight, bias, num_groups, eps, activation, negative_slope, moments) -> tuple:
    """The settings of `group_norm` as its kernels take them, where "relu" is "leaky_relu" with slope 0.

    Raises ValueError for shapes and settings that don't fit together.
    """
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise ValueError(f"{name}: x {x.shape} should be (N, ..., C), channels last, with entries in each example")
    c = x.shape[-1]
    if weight.shape != (c,) or bias.shape != (c,):
        raise ValueError(
            f"{name}: x has {c} channels {x.shape}, so weight and bias should be ({c},), "
            f"got {weight.shape} and {bias.shape}"
        )
    if num_groups < 1 or c % num_groups:
        raise ValueError(f"{name}: {c} channels don't split into {num_groups} equal groups")
    if activation not in (None, "relu", "leaky_relu", "silu"):
        raise ValueError(f'{name}: activation must be None, "relu", "leaky_relu" or "silu", got {activation!r}')
    if not eps > 0:
        raise ValueError(f"{name}: eps must be positive, got {eps}")
    if moments is not None and moments.shape != (len(x), 2, num_groups):
        raise ValueError(
            f"{name}: moments should be {(len(x), 2, num_groups)}, mean and variance of each group, got {moments.shape}"
        )
    known = None if moments is None else private(moments)
    if activation == "relu":
        return known, num_groups, eps, "leaky_relu", 0.0
    return known, num_groups, eps, activation, negative_slope
