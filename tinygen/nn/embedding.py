"""A table of learned vectors, one for each class, word or position."""

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.init import DType, Init, first_values
from tinygen.nn.module import Module
from tinygen.ops import getitem
from tinygen.tensor import Parameter, Tensor


class Embedding(Module):
    """Rows of the table `weight` (num_embeddings, embedding_dim): indices of any shape to (..., embedding_dim).

    A row that is looked up several times gets the sum of the gradients.

    Args:
        num_embeddings: number of rows; indices are 0 to num_embeddings - 1.
        embedding_dim: size of each row.
        rng: generator for the first weights.
        init: first rows: by default draws from N(0, 1), as in PyTorch; a name or a function, see `nn.init`.
        dtype: float32 or float64.

    >>> table = tg.nn.Embedding(10, 4, rng=np.random.default_rng(0))
    >>> table(np.array([3, 1, 3])).shape
    (3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        rng: np.random.Generator,
        init: Init = "standard_normal",
        dtype: DType = np.float32,
    ):
        arguments.generator("Embedding", rng)
        rows, features = arguments.sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = shape = rows, features
        self.weight = Parameter(first_values("Embedding", init, rng, shape, shape, dtype))

    def forward(self, indices: np.ndarray | int) -> Tensor:
        """Raises TypeError for indices that aren't integers, ValueError for those outside 0..num_embeddings - 1."""
        return getitem(self.weight, index=arguments.indices("Embedding", "indices", indices, self.num_embeddings))

    def settings(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"
