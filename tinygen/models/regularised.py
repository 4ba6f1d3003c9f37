"""Regularised autoencoders: a second term of the loss asks for a sparse code, or for one that ignores small changes.

    loss = reconstruction + weight · penalty                                        means over images

    sparse       penalty = Σₖ |zₖ|, or Σₖ KL(target ‖ mean of zₖ over the batch)    (Ng 2011)
    contractive  penalty = ‖∂E(x)/∂x‖²_F, all derivatives of the code                (Rifai et al. 2011)
    denoising    no penalty, but a damaged input                                    (Vincent et al. 2008)

A penalty of the code can be cheated: divide the code by 1,000, multiply the decoder's matrix by 1,000, and the
reconstruction is the same. `unit_decoder=True` multiplies each zₖ by the length of its row of the decoder's first
matrix, so that this changes nothing; tied weights also prevent it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygen import nn
from tinygen.derivatives import batch_jacobian
from tinygen.errors import arguments
from tinygen.functional import norm
from tinygen.grad import grad
from tinygen.models.autoencoder import Autoencoder, Corruption, Transposed
from tinygen.models.corruption import Erasures, GaussianNoise
from tinygen.ops import abs as absolute
from tinygen.ops import log
from tinygen.tensor import Tensor, constant


class Terms(NamedTuple):
    """The error of the reconstruction, and the penalty before its weight; both are means over images."""

    reconstruction: Tensor
    penalty: Tensor


class Regularised(Autoencoder):
    """An autoencoder whose loss is reconstruction + weight · penalty; subclasses define the penalty.

    Args:
        encoder: module from examples to codes (N, K).
        decoder: module from codes to examples, or to their logits for "bce".
        weight: factor of the penalty, at least 0.
        unit_decoder: whether to measure the code in units of the decoder's rows; see above.
        loss: "mse" or "bce", as in `Autoencoder`.
    """

    of_input = False  # whether the penalty has derivatives with respect to the input

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, *, weight: float, unit_decoder: bool = False, loss: str = "mse"
    ):
        super().__init__(encoder, decoder, loss=loss)
        self.weight = arguments.real(type(self).__name__, "weight", weight, least=0)
        self.unit_decoder = bool(unit_decoder)
        self._row_lengths()  # raises now rather than in the first step

    def terms(
        self, x: np.ndarray, rng: np.random.Generator | None = None, *, corrupt: Corruption | None = None
    ) -> Terms:
        """Both terms for examples x; the penalty is that of the input, corrupted if there is a corruption."""
        self._check_pixels(x)
        given = x if corrupt is None else corrupt(x, arguments.generator(f"{type(self).__name__}.terms", rng))
        if not (isinstance(given, Tensor) and given.requires_grad):
            given = Tensor(given, requires_grad=self.of_input)
        z = self.encoder(given)
        reconstruction = self._error(z, x)  # raises for an empty batch
        return Terms(reconstruction, self.penalty(given, z, rng))

    def penalty(self, x: Tensor, z: Tensor, rng: np.random.Generator | None) -> Tensor:
        """The penalty of examples x with codes z = E(x)."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method penalty(x, z, rng), got none: define it")

    def loss(
        self, x: np.ndarray, rng: np.random.Generator | None = None, *, corrupt: Corruption | None = None
    ) -> Tensor:
        """reconstruction + weight · penalty, a mean over images; `corrupt` damages the input, not the target."""
        reconstruction, penalty = self.terms(x, rng, corrupt=corrupt)
        return reconstruction + self.weight * penalty

    def _row_lengths(self) -> Tensor | None:
        """The lengths (K,) of the rows of the decoder's first matrix; None where the code is measured as it is."""
        if not self.unit_decoder:
            return None
        layer = _chain(self.decoder)[0]
        if not isinstance(layer, nn.Dense | Transposed):
            raise ValueError(
                f"{type(self).__name__}: expected a decoder that begins with a Dense layer, got {layer!r}: "
                "write unit_decoder=False"
            )
        weight = layer.weight.T if isinstance(layer, Transposed) else layer.weight  # (K, D)
        return norm(weight, axis=1)


class SparseAutoencoder(Regularised):
    """An autoencoder with a penalty of the size of its code, so that each image uses few of the code's numbers.

    Args:
        encoder: module from examples to codes (N, K).
        decoder: module from codes to examples, or to their logits for "bce".
        weight: factor of the penalty, at least 0.
        target: None for the L1 penalty Σ |z|; else the wanted mean of each number of the code, between 0 and 1, with
            the penalty Σₖ KL(target ‖ mean of zₖ over the batch) in nats. The code then needs a sigmoid.
        unit_decoder: whether to measure the code in units of the decoder's rows; for the L1 penalty only.
        loss: "mse" or "bce", as in `Autoencoder`.

    >>> from tinygen import models
    >>> model = models.SparseAutoencoder.dense((8, 8, 1), [], 100, weight=0.1, rng=np.random.default_rng(0))
    >>> [term.shape for term in model.terms(np.ones((5, 8, 8, 1), np.float32))]
    [(), ()]
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        weight: float,
        target: float | None = None,
        unit_decoder: bool = False,
        loss: str = "mse",
    ):
        self.target = None if target is None else arguments.real(_SPARSE, "target", target, above=0, below=1)
        if unit_decoder and target is not None:
            raise ValueError(f"{_SPARSE}: expected unit_decoder=False with a target, got True: the target has no unit")
        super().__init__(encoder, decoder, weight=weight, unit_decoder=unit_decoder, loss=loss)

    def penalty(self, x: Tensor, z: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        """The penalty of codes z (N, K); ValueError for codes outside [0, 1] if there is a target."""
        if self.target is not None:
            arguments.between(_SPARSE, "the code", z.data, 0, 1, hint='write code_activation="sigmoid"')
            tiny = float(np.finfo(z.dtype).tiny)
            share, rest = z.mean(axis=0) + tiny, (1 - z).mean(axis=0) + tiny  # (K,), above 0
            ρ = self.target
            return (ρ * (np.log(ρ) - log(share)) + (1 - ρ) * (np.log1p(-ρ) - log(rest))).sum()
        lengths = self._row_lengths()
        sizes = absolute(z) if lengths is None else absolute(z) * lengths
        return sizes.sum() * (1 / len(z))


_SPARSE = "SparseAutoencoder"


class ContractiveAutoencoder(Regularised):
    """An autoencoder with a penalty of ‖∂E(x)/∂x‖²_F, so that its code changes little when the image does.

    The penalty is exact. For an encoder of one dense layer (with a sigmoid, tanh, ReLU or no activation) it is computed
    in closed form. For any other encoder, backpropagation gives the derivatives of each number of the code, and a
    second backpropagation the gradient of their squares. `directions` takes an unbiased estimate instead (Hutchinson
    1990): ‖J‖²_F is the mean of ‖Jᵀv‖² over vectors v of random signs.

    Args:
        encoder: module from examples to codes (N, K), which treats each example for itself.
        decoder: module from codes to examples, or to their logits for "bce".
        weight: factor of the penalty, at least 0.
        directions: None for the exact penalty; else the number of random vectors v for each example.
        unit_decoder: whether to measure the code in units of the decoder's rows.
        loss: "mse" or "bce", as in `Autoencoder`.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.ContractiveAutoencoder.dense((8, 8, 1), [], 10, code_activation="sigmoid", weight=0.1, rng=rng)
    >>> [term.shape for term in model.terms(np.ones((5, 8, 8, 1), np.float32))]
    [(), ()]
    """

    of_input = True

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        weight: float,
        directions: int | None = None,
        unit_decoder: bool = False,
        loss: str = "mse",
    ):
        who = type(self).__name__
        self.directions = None if directions is None else arguments.whole(who, "directions", directions, least=1)
        super().__init__(encoder, decoder, weight=weight, unit_decoder=unit_decoder, loss=loss)

    def penalty(self, x: Tensor, z: Tensor, rng: np.random.Generator | None = None) -> Tensor:
        """‖∂z/∂x‖²_F, a mean over examples x with codes z (N, K); x is a variable, and z was computed from it."""
        lengths = self._row_lengths()
        if self.directions is not None:
            rng = arguments.generator("ContractiveAutoencoder.penalty", rng)
            return hutchinson(z if lengths is None else z * lengths, x, self.directions, rng)
        slopes = _slopes(self.encoder, z)
        if slopes is None:
            squares = squared_rates(self.encoder, x)
        else:
            weight = _chain(self.encoder)[-1].weight
            squares = slopes * slopes * (weight * weight).sum(axis=0)  # (N, K) times the squared lengths of columns
        return (squares if lengths is None else squares * lengths * lengths).sum() * (1 / len(z))


class DenoisingAutoencoder(Autoencoder):
    """An autoencoder that receives a damaged image and is trained to return the original; see `corruption.py`.

    Args:
        encoder: module from examples to codes.
        decoder: module from codes to examples, or to their logits for "bce".
        sd: standard deviation of the Gaussian noise that is added to each pixel.
        share: probability of each pixel to be erased, after the noise.
        loss: "mse" or "bce", as in `Autoencoder`.

    Raises ValueError if both `sd` and `share` are 0.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.DenoisingAutoencoder.conv((8, 8, 1), sd=0.3, rng=rng)
    >>> model.loss(np.ones((5, 8, 8, 1), np.float32), rng).shape
    ()
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, *, sd: float = 0.0, share: float = 0.0, loss: str = "mse"
    ):
        super().__init__(encoder, decoder, loss=loss)
        self.noise, self.erasures = GaussianNoise(sd), Erasures(share)
        if not (self.noise.sd or self.erasures.share):
            raise ValueError("DenoisingAutoencoder: expected sd or share above 0, got neither: write sd=0.3, say")

    def corrupt(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Examples with noise and erasures."""
        noisy = self.noise(x, rng) if self.noise.sd else x
        return self.erasures(noisy, rng) if self.erasures.share else noisy

    def loss(
        self, x: np.ndarray, rng: np.random.Generator | None = None, *, corrupt: Corruption | None = None
    ) -> Tensor:
        """The error of D(E(corrupt(x, rng))) compared with x; `corrupt` replaces the model's own corruption."""
        return super().loss(x, rng, corrupt=corrupt or self.corrupt)


# -- parts of the penalties --------------------------------------------------------------------------------------------


def squared_rates(encoder: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Σ (∂zₖ/∂x)² over the pixels of each example x (N, ...), for each number of its code z = encoder(x): (N, K)."""
    rates = batch_jacobian(encoder, x, create_graph=True)  # (N, K, ...)
    return (rates * rates).reshape(*rates.shape[:2], -1).sum(axis=2)


def hutchinson(z: Tensor, x: Tensor, directions: int, rng: np.random.Generator) -> Tensor:
    """An estimate of ‖∂z/∂x‖²_F, a mean over examples x (N, ...) with codes z (N, K) that were computed from x.

    For vectors v of independent random signs ‖Jᵀv‖² has the mean ‖J‖²_F (Hutchinson 1990); each example has its own v,
    `directions` times.
    """
    total = constant(np.zeros((), z.dtype))
    for _ in range(directions):
        signs = (2 * rng.integers(2, size=z.shape) - 1).astype(z.dtype)
        pulled = grad(z, x, signs, create_graph=True)  # Jᵀv of each example, of the shape of x
        total = total + (pulled * pulled).sum()
    return total * (1 / (len(z) * directions))


def _chain(module: nn.Module) -> list[Any]:
    """The layers of a network in order."""
    return [layer for part in module for layer in _chain(part)] if isinstance(module, nn.Sequential) else [module]


def _slopes(encoder: nn.Module, z: Tensor) -> Tensor | None:
    """The derivative (N, K) of the activation of an encoder of one dense layer, from its output; None for others."""
    *before, layer = _chain(encoder)
    if not isinstance(layer, nn.Dense) or not all(isinstance(other, nn.Flatten) for other in before) or z.ndim != 2:
        return None
    if layer.activation == "sigmoid":
        return z * (1 - z)
    if layer.activation == "tanh":
        return 1 - z * z
    if layer.activation == "relu":
        return constant((z.data > 0).astype(z.dtype))
    return constant(np.ones(z.shape, z.dtype)) if layer.activation is None else None
