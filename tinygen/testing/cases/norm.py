"""Cases of normalisation: the oracles loop over the groups."""

import math
from itertools import product

import numpy as np

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.draws import normal, one_in, pick

# -- what to compute ---------------------------------------------------------------------------------------------------


def _standard(x, eps):
    """All entries of x together: mean 0, variance 1."""
    centred = x - x.sum() / x.size
    return centred / np.sqrt((centred * centred).sum() / x.size + eps)


def _activated(z, activation, negative_slope):
    if activation is None:
        return z
    if activation == "silu":
        return z / (1 + np.exp(-z))
    return np.where(z.real > 0, z, (0 if activation == "relu" else negative_slope) * z)


def _activation_slope(z, activation, negative_slope):
    if activation is None:
        return np.ones_like(z)
    if activation == "silu":
        e = np.exp(-z)
        return (1 + e + z * e) / (1 + e) ** 2
    return np.where(z.real > 0, 1, 0 if activation == "relu" else negative_slope) + 0 * z


def _groups(x, num_groups):
    """The index of each group: an example, everywhere, and channels that belong together."""
    each = x.shape[-1] // num_groups
    for i, k in product(range(x.shape[0]), range(num_groups)):
        yield (i, ..., slice(k * each, (k + 1) * each))


def _group_norm(x, weight, bias, num_groups, eps, activation, negative_slope):
    z = np.zeros(x.shape, np.result_type(x, weight, bias))
    for own in _groups(x, num_groups):
        z[own] = _standard(x[own], eps)
    return _activated(z * weight + bias, activation, negative_slope)


def _group_norm_vjp(g, x, weight, bias, num_groups, eps, activation, negative_slope):
    """For each group Jᵀu from the whole matrix J, n being (I - 11ᵀ/m) x divided by its standard deviation."""
    dtype = np.result_type(g, x, weight, bias)
    n, gx = np.zeros(x.shape, dtype), np.zeros(x.shape, dtype)
    for own in _groups(x, num_groups):
        n[own] = _standard(x[own], eps)
    gz = g * _activation_slope(n * weight + bias, activation, negative_slope)
    for own in _groups(x, num_groups):
        entries, m = x[own].ravel(), x[own].size
        centre = np.eye(m) - np.ones((m, m)) / m
        c = centre @ entries
        deviation = np.sqrt(c @ c / m + eps)
        jacobian = centre / deviation - np.outer(c, centre @ c) / (m * deviation**3)
        gx[own] = (jacobian.T @ (gz * weight)[own].ravel()).reshape(x[own].shape)
    flat = gz.reshape(-1, x.shape[-1])
    return np.concatenate([gx.ravel(), (flat * n.reshape(flat.shape)).sum(axis=0), flat.sum(axis=0)])


def _batch_norm(x, weight, bias, eps, activation, negative_slope):
    channels = [_standard(x[..., c], eps) * weight[c] + bias[c] for c in range(x.shape[-1])]
    return _activated(np.stack(channels, axis=-1), activation, negative_slope)


def _layer_norm(x, weight, bias, eps, activation, negative_slope):
    z = np.zeros(x.shape, np.result_type(x, weight, bias))
    for position in np.ndindex(x.shape[:-1]):
        z[position] = _standard(x[position], eps) * weight + bias
    return _activated(z, activation, negative_slope)


# -- samples -----------------------------------------------------------------------------------------------------------


def _shape(rng, *, empty):
    """(N, ..., C) and the number of groups; C is 1 to 4, and in one of seven draws N is 0, if `empty`.

    Few groups have a single entry: their output is the bias, and the check of derivatives that are 0 takes long.
    """
    n = 0 if empty and one_in(rng, 7) else int(rng.integers(1, 4))
    positions = tuple(int(rng.integers(1, 3)) for _ in range(int(rng.integers(0, 3))))
    num_groups, each = pick(rng, ((1, 2), (2, 1), (2, 2), (1, 3), (1, 1)))
    if each * math.prod(positions) == 1 and not one_in(rng, 8):
        positions = (*positions, 2)
    return (n, *positions, num_groups * each), num_groups


def _form(rng):
    activation = pick(rng, (None, "leaky_relu", "relu")) if one_in(rng, 5) else "silu"  # which is curved in the bias
    return {"eps": pick(rng, (0.125, 0.5)), "activation": activation, "negative_slope": 0.2}


def _sample(rng, normalise, shape, **static):
    """x, weight and bias such that the input of the activation is not near 0."""
    form = _form(rng)
    while True:
        arrays = normal(rng, shape), normal(rng, shape[-1:]), normal(rng, shape[-1:])
        z = normalise(*arrays, **static, eps=form["eps"], activation=None, negative_slope=0)
        if np.abs(z).min(initial=1) > 0.01:
            return arrays, {**static, **form}


def _of_groups(rng):
    shape, num_groups = _shape(rng, empty=True)
    return _sample(rng, _group_norm, shape, num_groups=num_groups)


def _of_gradients(rng):
    arrays, static = _of_groups(rng)
    return (normal(rng, arrays[0].shape), *arrays), static


def _of_batches(rng):
    n, *rest = _shape(rng, empty=False)[0]
    alone = n * math.prod(rest[:-1]) == 1 and not one_in(rng, 8)
    return _sample(rng, _batch_norm, (2 if alone else n, *rest))


def _of_layers(rng):
    return _sample(rng, _layer_norm, _shape(rng, empty=True)[0])


def _all(arrays, static) -> int:
    """The longest sum is over all entries of an example, or over all examples."""
    return max(a.size for a in arrays)


NORM = (
    Case(op=ops.group_norm, sample=_of_groups, oracle=_group_norm, terms=_all),
    Case(op=ops.backward.group_norm_vjp, sample=_of_gradients, oracle=_group_norm_vjp, terms=_all),
    Case(op=ops.batch_norm, sample=_of_batches, oracle=_batch_norm, terms=_all, empty=False),
    Case(op=ops.layer_norm, sample=_of_layers, oracle=_layer_norm, terms=_all),
)
