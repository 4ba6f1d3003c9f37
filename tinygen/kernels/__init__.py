"""Arrays in, arrays out: the arithmetic behind the ops, with no Tensor in sight.

`reference.py` says in plain NumPy what each kernel computes. Where measurement asked for it, a faster twin of the
same name stands in another file, and is the one called, unless TINYGEN_KERNELS=reference selects the plain ones.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tinygen.kernels import reference

TWINS = dict.fromkeys(("conv2d", "conv2d_weight", "conv_transpose2d"), "conv.choice") | {"matmul": "linalg"}
TWINS |= {"linear_weight": "linalg", "relu_vjp_sum": "reduce"}
TWINS |= dict.fromkeys(("adam", "sgd", "rmsprop", "moving_average", "sum_of_squares"), "optim")
TWINS |= dict.fromkeys(("exp", "sigmoid", "sigmoid_vjp", "tanh", "tanh_vjp", "softplus", "silu"), "elementwise")
TWINS |= dict.fromkeys(("silu_vjp", "normal_cdf", "gelu", "relu", "leaky_relu"), "elementwise")
TWINS |= dict.fromkeys(("add", "relu_vjp", "gate", "ratio", "logistic_loss", "logistic_loss_vjp"), "elementwise")
TWINS |= dict.fromkeys(("squared_error", "squared_error_vjp", "exp_remainder"), "elementwise")
TWINS |= dict.fromkeys(("moments", "group_norm", "group_norm_vjp"), "norm")
TWINS |= {"sum_along": "reduce", "variance": "reduce", "max_pool2d_indices": "pool"}
TWINS |= dict.fromkeys(("upsample_nearest", "sum_blocks", "concat", "contiguous"), "rows")


def choice() -> str:
    """Which kernels serve. Raises ValueError for a setting that is neither "fast" nor "reference"."""
    setting = os.environ.get("TINYGEN_KERNELS") or "fast"
    if setting not in ("fast", "reference"):
        raise ValueError(f"TINYGEN_KERNELS: expected fast or reference, got {setting!r}")
    return setting


@contextmanager
def using_reference() -> Iterator[None]:
    """Inside, in every thread, the plain kernels are called: for comparisons of the fast ones with them."""
    before = {name: globals()[name] for name in TWINS if name in globals()}
    globals().update({name: getattr(reference, name) for name in TWINS})
    try:
        yield
    finally:
        for name in TWINS:
            del globals()[name]
        globals().update(before)


def __getattr__(name: str):
    """A kernel is looked up when it is first called for: numba takes longer to import than many a script to run."""
    if name.startswith("_"):
        raise AttributeError(name)
    home = TWINS.get(name) if choice() == "fast" else None
    if home == "conv.choice":
        from tinygen.kernels.conv import choice as module
    elif home == "linalg":
        from tinygen.kernels import linalg as module
    elif home == "optim":
        from tinygen.kernels import optim as module
    elif home == "elementwise":
        from tinygen.kernels import elementwise as module
    elif home == "norm":
        from tinygen.kernels import norm as module
    elif home == "reduce":
        from tinygen.kernels import reduce as module
    elif home == "pool":
        from tinygen.kernels import pool as module
    elif home == "rows":
        from tinygen.kernels import rows as module
    else:
        module = reference
    globals()[name] = getattr(module, name)
    return globals()[name]
