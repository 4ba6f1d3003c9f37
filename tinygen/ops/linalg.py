"""The matrix product, of one pair of matrices or of a batch of them."""

from tinygen import kernels
from tinygen.op import op
from tinygen.ops.support.matrices import matrices, swapped, without_added_axes


@op(prepare=matrices, restore=without_added_axes)
def matmul(a, b):
    """Y = A B, for a (..., N, K) and b (..., K, M), with gradients Ȳ Bᵀ and Aᵀ Ȳ; a vector (K,) is treated as in NumPy.

    >>> tg.matmul(np.eye(2), np.array([1.0, 2.0]))
    Tensor([1., 2.], shape=(2,), float64)
    """
    return kernels.matmul(a.data, b.data), lambda g: g @ swapped(b), lambda g: swapped(a) @ g
