"""An autoencoder as a transformer of scikit-learn, for pipelines and grid searches.

This is the only module that imports scikit-learn, an optional extra: `python -m pip install "tinygen[sklearn]"`.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_array, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        'tinygen.models.sklearn: expected scikit-learn 1.6 or newer: run `python -m pip install "scikit-learn>=1.6"`'
    ) from error

from tinygen import functional
from tinygen.errors import arguments
from tinygen.grad import grad
from tinygen.models.autoencoder import Autoencoder
from tinygen.models.corruption import GaussianNoise
from tinygen.optim import Adam, cosine

_WHO = "AutoencoderTransformer"
_DTYPES: Any = (np.float64, np.float32)  # kept; other numbers become float64


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A dense autoencoder with scikit-learn's methods: rows of numbers to codes and back, and a score of normality.

    Args:
        n_components: size K of the code.
        hidden_layer_sizes: widths of the layers from the input to the code; the decoder mirrors them. () for none.
        activation: activation of the hidden layers, such as "relu" or "tanh"; None for a linear autoencoder.
        output: "linear" for any numbers, or "sigmoid" for numbers in [0, 1].
        loss: "mse", the squared error, or "bce", the binary cross-entropy, which needs output="sigmoid".
        noise: standard deviation of Gaussian noise on the input during training, in the unit of the data; above 0 it is
            a denoising autoencoder.
        epochs: number of passes over the data.
        batch_size: number of rows for each optimizer step.
        learning_rate: that of Adam in the first step; it falls to 0 along a cosine.
        random_state: a whole number for the same result in each call of `fit`, a `RandomState` to draw that number
            from, or None for a new one. NumPy's global state is never read.

    With a linear output the network works on centred data, divided by the root of their mean variance, so that one
    learning rate suits any unit. It computes in float32 for float32 data, else in float64.

    `fit` sets `model_`, the `Autoencoder`; `mean_` (D,) and `scale_`, which the data were centred and divided with; and
    `loss_curve_`, the mean loss of each epoch, as the network sees the data.

    >>> from tinygen.models.sklearn import AutoencoderTransformer
    >>> rows = np.random.default_rng(0).normal(size=(200, 5))
    >>> coder = AutoencoderTransformer(2, hidden_layer_sizes=(8,), epochs=3, random_state=0).fit(rows)
    >>> coder.transform(rows).shape, coder.inverse_transform(coder.transform(rows)).shape
    ((200, 2), (200, 5))
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        hidden_layer_sizes: Sequence[int] = (128,),
        activation: str | None = "relu",
        output: str = "linear",
        loss: str = "mse",
        noise: float = 0.0,
        epochs: int = 100,
        batch_size: int = 100,
        learning_rate: float = 1e-3,
        random_state: Any = None,
    ):
        self.n_components = n_components  # nothing is checked here: scikit-learn sets parameters after this, too
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.output = output
        self.loss = loss
        self.noise = noise
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on rows X (N, D), from new weights; `y` has no effect.

        Raises ValueError for NaN, for data outside [0, 1] with a sigmoid, and if the training diverges.
        """
        epochs, batch_size = arguments.sizes(_WHO, epochs=self.epochs, batch_size=self.batch_size)
        widths = arguments.several(_WHO, "hidden_layer_sizes", self.hidden_layer_sizes)
        first = arguments.real(_WHO, "learning_rate", self.learning_rate, above=0)
        noise = arguments.real(_WHO, "noise", self.noise, least=0)
        X = np.asarray(validate_data(self, X, dtype=_DTYPES))
        if self.output == "sigmoid":
            arguments.between(_WHO, "X", X, 0, 1, hint='scale the data, or write output="linear"')
        self._centre(X)
        rng = _generator(self.random_state)
        self.model_ = Autoencoder.dense(
            X.shape[1:], widths, self.n_components, activation=self.activation,
            output=self.output, loss=self.loss, rng=rng, dtype=X.dtype.type,
        )  # fmt: skip
        self._n_features_out = self.n_components  # for get_feature_names_out
        x, params = self._scaled(X), self.model_.parameters()
        corrupt = GaussianNoise(noise / self.scale_) if noise else None
        starts = range(0, len(x), batch_size)
        opt, rate = Adam(params, first), cosine(first, total=epochs * len(starts))
        self.loss_curve_ = []
        for epoch in range(epochs):
            order, total = rng.permutation(len(x)), 0.0
            for number, start in enumerate(starts):
                batch = x[order[start : start + batch_size]]
                opt.lr = rate(epoch * len(starts) + number)
                loss = self.model_.loss(batch, rng, corrupt=corrupt)
                _step(opt, grad(loss, params))
                total += loss.item() * len(batch)
            self.loss_curve_.append(total / len(x))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The codes (N, K) of rows X (N, D)."""
        return self.model_.encode(self._scaled(self._rows(X)))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The rows (N, D) that the decoder makes from codes X (N, K), in the unit of the data."""
        check_is_fitted(self)
        codes = check_array(X, dtype=_DTYPES)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(f"{_WHO}: expected codes of {self._n_features_out} numbers, got {codes.shape}")
        return self._unscaled(self.model_.decode(codes))

    def score_samples(self, X: Any) -> np.ndarray:
        """Minus the error of each row's reconstruction, (N,): the higher, the more normal is the row.

        It is -‖x - x̂‖², in the squared unit of the data; minus the cross-entropy in nats for loss="bce".
        """
        rows = self._rows(X)
        if self.loss == "bce":
            logits = self.model_.decoder(self.model_.encode(rows))
            return -functional.bce_with_logits(logits, rows, reduction="none").numpy().sum(axis=1)
        made = self._unscaled(self.model_.reconstruct(self._scaled(rows)))
        return -((rows - made) ** 2).sum(axis=1)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`, which a grid search maximises; `y` has no effect."""
        return float(self.score_samples(X).mean())

    # -- parts ---------------------------------------------------------------------------------------------------------

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=_DTYPES, reset=False))

    def _centre(self, X: np.ndarray) -> None:
        """Set mean and scale: none for a sigmoid, whose output is in the unit of the data."""
        self.mean_, self.scale_ = np.zeros(X.shape[1]), 1.0
        if self.output != "sigmoid":
            self.mean_ = X.mean(axis=0, dtype=np.float64)
            self.scale_ = float(np.sqrt(X.var(axis=0, dtype=np.float64).mean())) or 1.0

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return ((X - self.mean_) / self.scale_).astype(X.dtype)

    def _unscaled(self, x: np.ndarray) -> np.ndarray:
        return (x * self.scale_ + self.mean_).astype(x.dtype)


def _step(opt: Adam, gradients: list[Any]) -> None:
    try:
        opt.step(gradients)
    except FloatingPointError as error:
        raise ValueError(
            f"{_WHO}: expected finite gradients, got NaN or infinity: scale the data, or lower learning_rate={opt.lr:g}"
        ) from error


def _generator(random_state: Any) -> np.random.Generator:
    if hasattr(random_state, "randint"):  # a RandomState
        return np.random.default_rng(random_state.randint(2**31 - 1))
    return np.random.default_rng(random_state)
