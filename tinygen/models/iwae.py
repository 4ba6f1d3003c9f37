"""The importance-weighted autoencoder: a VAE that is trained by a bound of k samples, closer to log p(x) than the ELBO.

    L_k = E log 1/k Σᵢ wᵢ,   wᵢ = p(x|zᵢ) p(zᵢ) / q(zᵢ|x),   zᵢ ~ q(z|x)        (Burda et al. 2016, equation 8)

L_1 is the ELBO, and L_k never falls with k. But the gradient of the encoder falls with k faster than its spread, so for
large k it is mostly noise (Rainforth et al. 2018). The weights depend on the encoder twice, through the samples and
through q. DReG has the same mean without the second way (Tucker et al. 2019):

    ∇_φ L_k = E Σᵢ w̃ᵢ² ∂log wᵢ/∂zᵢ · ∂zᵢ/∂φ,   w̃ᵢ = wᵢ / Σⱼ wⱼ                     for the weights φ of the encoder
"""

import numpy as np

from tinygen import nn
from tinygen.distributions import Normal
from tinygen.errors import arguments
from tinygen.errors.calls import explained
from tinygen.functional import softmax
from tinygen.grad import grad
from tinygen.models.vae import VAE, importance_bound
from tinygen.tensor import Tensor

GRADIENTS = ("plain", "dreg")


class IWAE(VAE):
    """A VAE whose loss is -L_k, the bound of k samples; for k = 1 it is a VAE.

    Args:
        encoder: module from examples to (N, 2K).
        decoder: module from codes to one number for each pixel, of the shape of the examples.
        latent: size K of the code.
        k: number of samples per image and step. The decoder's time is proportional to it.
        gradient: "plain" for the gradient of the bound; "dreg" for the doubly reparameterised gradient of the encoder,
            which has the same mean and less noise.
        pixels: "bernoulli" or "gaussian", as in `VAE`.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.IWAE.dense((8, 8, 1), [32], latent=2, k=5, rng=rng)
    >>> model.loss(np.zeros((5, 8, 8, 1), np.float32), rng).shape
    ()
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        latent: int,
        k: int = 5,
        gradient: str = "plain",
        pixels: str = "bernoulli",
    ):
        super().__init__(encoder, decoder, latent=latent, pixels=pixels)
        (self.k,) = arguments.sizes(type(self).__name__, k=k)
        self.gradient = arguments.choice(type(self).__name__, "gradient", gradient, GRADIENTS)

    @explained
    def loss(self, x: Tensor | np.ndarray, rng: np.random.Generator) -> Tensor:
        """-L_k in nats per image, a mean over images; ValueError for an empty batch.

        With "dreg" the value is still -L_k, but the gradient is not its derivative: that of the encoder is DReG's, and
        it can't be differentiated again.
        """
        if not len(x):
            raise ValueError("IWAE.loss: expected at least one image, got an empty batch: skip it")
        self._check_pixels("loss", x)
        if self.gradient == "dreg":
            return self._doubly_reparameterised(x, rng)
        return -importance_bound(self.log_weights(x, self.k, rng)).mean()

    def _doubly_reparameterised(self, x: Tensor | np.ndarray, rng: np.random.Generator) -> Tensor:
        """-L_k, with the gradient of Σ w̃ log w, in which q is fixed, and with a second w̃ on the way to the encoder.

        One walk through the decoder gives the gradients in z and in the parameters. The result is linear in both, with
        these gradients as its slopes.
        """
        q = self.posterior(x)
        z = q.rsample(rng, (self.k,))  # (k, N, K)
        fixed = Normal(q.mu.detach(), log_var=q.log_var.detach())
        held, params = Tensor(z.numpy(), requires_grad=True), self.parameters()
        log_w = self._log_weights(x, held, fixed)  # (k, N)
        bound = importance_bound(log_w.detach()).mean()
        if not log_w.requires_grad:  # inside no_grad
            return -bound
        share = softmax(log_w.detach(), axis=0)  # w̃
        slope, *slopes = grad((share * log_w).sum(), [held, *params])  # slope: w̃ ∂log w/∂z
        line = (share.reshape(*share.shape, 1) * slope * z).sum()
        for p, g in zip(params, slopes):
            line = line + (g * p).sum()
        return (line.detach() - line) * (1 / len(x)) - bound
