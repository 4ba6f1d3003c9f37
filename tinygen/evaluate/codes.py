"""Properties of codes and of what is made from them: sparsity, sensitivity to the input, robustness of reconstructions.

The measures have no unit: a code multiplied by 1,000 is as sparse, and as insensitive, as before.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tinygen.derivatives import batch_jacobian
from tinygen.errors import arguments
from tinygen.evaluate.metrics import psnr
from tinygen.evaluate.rows import as_rows, on_arrays, refuse_nan
from tinygen.tensor import Tensor


@on_arrays
def hoyer_sparsity(codes: np.ndarray) -> np.ndarray:
    """(√K - ‖z‖₁ / ‖z‖₂) / (√K - 1) of each code z of codes (N, ...) with K ≥ 2 numbers, as (N,) (Hoyer 2004).

    1 for a code with one number that is not 0, 0 for numbers of one absolute value; NaN for a code of zeros only.

    >>> from tinygen.evaluate.codes import hoyer_sparsity
    >>> hoyer_sparsity(np.array([[0.0, 5.0, 0.0, 0.0], [1.0, -1.0, 1.0, 1.0]])).tolist()
    [1.0, 0.0]
    """
    rows = np.abs(as_rows(codes)).astype(np.float64)
    refuse_nan("hoyer_sparsity", rows)
    if rows.shape[1] < 2:
        raise ValueError(f"hoyer_sparsity: expected codes of at least 2 numbers, got {rows.shape}")
    largest = rows.max(axis=1, keepdims=True)
    rows = rows / np.where(largest > 0, largest, np.nan)  # the squares neither overflow nor underflow
    root = np.sqrt(rows.shape[1])
    return (root - rows.sum(axis=1) / np.sqrt((rows * rows).sum(axis=1))) / (root - 1)


def jacobian_norms(encoder: Callable[[Tensor], Tensor], x: np.ndarray, *, batch_size: int = 100) -> np.ndarray:
    """‖∂z/∂x‖_F of each example x (N, ...) with its code z = encoder(x), as (N,): how much the code changes with x.

    `encoder` is a module in eval mode, or a function of Tensors, that treats each example for itself. It takes one
    backward pass for each number of the code, for `batch_size` examples at a time.

    >>> from tinygen.evaluate.codes import jacobian_norms
    >>> jacobian_norms(lambda x: 3 * x, np.ones((2, 4)))
    array([6., 6.])
    """
    batch_size = arguments.whole("jacobian_norms", "batch_size", batch_size, least=1)
    as_rows(x)  # raises for no examples
    norms = []
    for start in range(0, len(x), batch_size):
        rates = batch_jacobian(encoder, x[start : start + batch_size]).numpy().astype(np.float64)
        norms.append(np.sqrt((rates**2).reshape(len(rates), -1).sum(axis=1)))
    return np.concatenate(norms)


def relative_sensitivity(encoder: Callable[[Tensor], Tensor], x: np.ndarray, *, batch_size: int = 100) -> float:
    """Mean ‖∂z/∂x‖²_F · tr Cov(x) / tr Cov(z): the sensitivity of codes in units of their own spread.

    It is the same for a code that is multiplied by a number. `encoder`, `x` and `batch_size` as in `jacobian_norms`.
    """
    norms = jacobian_norms(encoder, x, batch_size=batch_size)
    starts = range(0, len(x), batch_size)
    codes = np.concatenate([encoder(Tensor(x[i : i + batch_size])).numpy() for i in starts])
    spread_x, spread_z = (as_rows(rows).astype(np.float64).var(axis=0).sum() for rows in (x, codes))
    return float((norms**2).mean() * spread_x / spread_z)


def robustness(
    reconstruct: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    corruptions: Sequence[Callable[[np.ndarray, np.random.Generator], np.ndarray]],
    rng: np.random.Generator,
) -> np.ndarray:
    """The PSNR of reconstructions from damaged images, in decibels relative to the clean images, for each corruption.

    Args:
        reconstruct: function from images to images, such as `model.reconstruct`, or `lambda x: x` as a baseline.
        x: clean images (N, H, W, C) in [0, 1].
        corruptions: such as `[GaussianNoise(0.1), GaussianNoise(0.3), Erasures(0.5)]`.
        rng: generator for the damage.
    """
    arguments.generator("robustness", rng)
    return np.array([psnr(x, reconstruct(corruption(x, rng))) for corruption in corruptions])
