"""What + - * / ** @ mean between tensors: the ops themselves, for on small arrays each call in between would show."""

from tinygen.errors import hints
from tinygen.op import as_tensors
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
Tensor.__pos__ = lambda a: as_tensors((a,))[0]

# With the tensor on the right: 2 - x, array * x.
Tensor.__radd__ = lambda a, b: add(b, a)
Tensor.__rsub__ = lambda a, b: sub(b, a)
Tensor.__rmul__ = lambda a, b: mul(b, a)
Tensor.__rtruediv__ = lambda a, b: div(b, a)
Tensor.__rpow__ = lambda a, b: pow(b, a)
Tensor.__rmatmul__ = lambda a, b: matmul(b, a)


# `total += loss` makes a new tensor. A variable is refused: `w -= lr * g` would give the name to another tensor, and
# leave the Parameter in the model as it was.
def _or_refuse(operator: str, act):
    def in_place(a: Tensor, b) -> Tensor:
        if a.node is not None and a.node.op is None:
            raise hints.in_place(operator)
        return act(a, b)

    return in_place


Tensor.__iadd__ = _or_refuse("+=", add)
Tensor.__isub__ = _or_refuse("-=", sub)
Tensor.__imul__ = _or_refuse("*=", mul)
Tensor.__itruediv__ = _or_refuse("/=", div)
Tensor.__ipow__ = _or_refuse("**=", pow)
Tensor.__imatmul__ = _or_refuse("@=", matmul)
