"""What + - * / ** @ mean between tensors: the ops themselves, for on small arrays each call in between would show."""

from tinygen.ops.elementwise import abs, add, div, mul, neg, pow, sub
from tinygen.ops.linalg import matmul
from tinygen.tensor import Tensor

Tensor.__add__ = add
Tensor.__sub__ = sub
Tensor.__mul__ = mul
Tensor.__truediv__ = div
Tensor.__pow__ = pow
Tensor.__matmul__ = matmul
Tensor.__neg__ = neg
Tensor.__abs__ = abs

# With the tensor on the right: 2 - x, array * x.
Tensor.__radd__ = lambda a, b: add(b, a)
Tensor.__rsub__ = lambda a, b: sub(b, a)
Tensor.__rmul__ = lambda a, b: mul(b, a)
Tensor.__rtruediv__ = lambda a, b: div(b, a)
Tensor.__rpow__ = lambda a, b: pow(b, a)
Tensor.__rmatmul__ = lambda a, b: matmul(b, a)
