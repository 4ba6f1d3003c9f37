"""Layer-wise pretraining: before a deep autoencoder is trained as a whole, each pair of layers is trained alone.

The pair of layer l, one of the encoder and its counterpart in the decoder, is a shallow autoencoder of what layer l - 1
returns (Bengio et al. 2007; Hinton & Salakhutdinov 2006 did the same with restricted Boltzmann machines).
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tinygen import nn, optim
from tinygen.errors import arguments
from tinygen.grad import grad
from tinygen.models.autoencoder import Autoencoder


def pretrain_layers(
    model: Autoencoder,
    x: np.ndarray,
    *,
    steps: int,
    rng: np.random.Generator,
    lr: float = 1e-3,
    batch_size: int = 100,
) -> list[list[float]]:
    """Train each layer of an encoder with its counterpart in the decoder, from the outside in; the others stay as is.

    Args:
        model: an autoencoder with as many layers in the encoder as in the decoder, such as an `Autoencoder.dense`, or
            one whose decoder `mirror` made.
        x: training examples (N, ...).
        steps: number of steps of Adam for each pair of layers.
        rng: generator for the batches.
        lr: learning rate.
        batch_size: number of examples in a batch.

    Returns a list for each pair, with the loss of each step: the model's own error for the outermost pair, and the
    squared error of the inner pairs. Raises ValueError, before any step, if the layers are not counterparts.

    >>> from tinygen import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.Autoencoder.dense((8, 8, 1), [20, 10], 2, rng=rng)
    >>> losses = models.pretrain_layers(model, rng.random((50, 8, 8, 1), dtype=np.float32), steps=3, rng=rng)
    >>> [len(each) for each in losses]
    [3, 3, 3]
    """
    steps, batch_size = arguments.sizes("pretrain_layers", steps=steps, batch_size=batch_size)
    arguments.generator("pretrain_layers", rng)
    if not len(x):
        raise ValueError("pretrain_layers: expected at least one example, got none")
    pairs = list(_pairs(model, x[:1]))
    losses: list[list[float]] = []
    for pair in pairs:
        params, losses = pair.parameters(), [*losses, []]
        opt = optim.Adam(params, lr)
        for _ in range(steps):
            loss = pair.loss(x[rng.integers(len(x), size=min(batch_size, len(x)))])
            opt.step(grad(loss, params))
            losses[-1].append(loss.item())
        x = pair.encode(x)
    return losses


def _pairs(model: Autoencoder, x: np.ndarray) -> Iterator[Autoencoder]:
    """Shallow autoencoders, from the outside in, that share the layers of a deep one; x is one example."""
    downs, ups = _stages(model.encoder), _stages(model.decoder, up=True)[::-1]
    if len(downs) != len(ups):
        raise ValueError(
            f"pretrain_layers: expected as many layers with weights in the encoder as in the decoder, got {len(downs)} "
            f"and {len(ups)}: make the decoder with models.mirror"
        )
    for number, (down, up) in enumerate(zip(downs, ups)):
        pair = Autoencoder(down, up, loss="mse" if number else model.error)
        if pair.reconstruct(x).shape != x.shape:
            raise ValueError(
                f"pretrain_layers: expected layer {number} of the decoder, counted from its end, to return {x.shape}, "
                f"as its counterpart receives, got {pair.reconstruct(x).shape}: make the decoder with models.mirror"
            )
        x = pair.encode(x)
        yield pair


def _stages(network: nn.Module, *, up: bool = False) -> list[nn.Sequential]:
    """A chain of layers in parts, each with one layer that has weights, and the layers without weights after it.

    On the way up, a change of shape belongs to the next part, because it undoes a Flatten or a pooling layer on the way
    down, and those belong to the part before.
    """
    layers = [network]
    while any(isinstance(layer, nn.Sequential) for layer in layers):
        layers = [part for each in layers for part in (each if isinstance(each, nn.Sequential) else [each])]
    weights = [i for i, layer in enumerate(layers) if layer.parameters()]
    cuts = [0]
    for before, after in pairwise(weights):
        shapes = [i for i in range(before + 1, after) if isinstance(layers[i], nn.Reshape | nn.Upsample)]
        cuts.append(shapes[0] if up and shapes else after)
    return [nn.Sequential(*layers[start:end]) for start, end in pairwise([*cuts, len(layers)])]
