"""What metrics share: Tensors as arrays, examples as rows, float64 a block of rows at a time."""

from collections.abc import Callable, Iterator
from functools import wraps

import numpy as np

__all__: list[str] = []  # for the metrics only

BLOCK = 2**22  # numbers turned to float64 at a time: 32 MB


def on_arrays(metric: Callable) -> Callable:
    """A metric that also takes Tensors: it computes with their arrays, outside any graph."""

    @wraps(metric)
    def call(*args, **settings):
        arrays = [arg.numpy() if hasattr(arg, "numpy") else arg for arg in args]
        return metric(
            *arrays, **{name: arg.numpy() if hasattr(arg, "numpy") else arg for name, arg in settings.items()}
        )

    return call


def as_rows(x: np.ndarray) -> np.ndarray:
    """Examples as rows: (N, ...) to (N, D)."""
    x = np.asarray(x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(
            f"metrics: expected examples along the first axis, (N, D) or (N, H, W, C), got {x.shape}: add x[None]"
        )
    return x.reshape(len(x), -1)


def refuse_nan(name: str, *arrays: np.ndarray) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity: remove such examples")


def blocks(rows: np.ndarray, *, copies: int = 1) -> Iterator[np.ndarray]:
    """The rows in float64, in blocks of at most BLOCK numbers if each is needed `copies` times."""
    step = max(1, BLOCK // (rows.shape[1] * copies))
    for start in range(0, len(rows), step):
        yield rows[start : start + step].astype(np.float64)


def moments(name: str, rows: np.ndarray, *, ddof: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D), dividing by N - ddof; centred before the products, which keeps more digits."""
    mean = rows.mean(axis=0, dtype=np.float64)
    refuse_nan(name, mean)
    products = np.zeros((rows.shape[1], rows.shape[1]))
    for block in blocks(rows):
        products += (block - mean).T @ (block - mean)
    return mean, products / (len(rows) - ddof)
