"""A table of learned vectors, one for each class, word or position."""

import numpy as np

from tinygen.errors import arguments
from tinygen.nn.init import DType, Initialiser, first_values, normal
from tinygen.nn.module import Module
from tinygen.ops import getitem
from tinygen.tensor import Parameter, Tensor


class Embedding(Module):
    """Rows of the table `weight` (num_embeddings, embedding_dim): indices of any shape to (..., embedding_dim).

    A row that is looked up several times gets the sum of the gradients. Rows start as draws from N(0, 1), as in
    PyTorch.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        rng: np.random.Generator,
        init: Initialiser = normal(1.0),  # noqa: B008  (a function without state)
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
