"""The case of the loop of recurrent layers; the oracle computes each step by the formulas of docs/recurrent.md."""

import numpy as np

from tinygen import ops
from tinygen.testing.case import Case
from tinygen.testing.draws import normal, one_in, pick

PARTS = {"rnn": (1, 1), "gru": (3, 1), "lstm": (4, 2)}  # gates and parts of the state


def _moderate(rng, shape):
    """So small that no gate saturates: where tanh is near 1, its derivative 1 - tanh² has lost digits."""
    return np.clip(normal(rng, shape) / 2, -0.6, 0.6, out=np.zeros(shape))


def _sequence(rng):
    """x (T · N, gates · H), a state (N, parts · H), w (H, gates · H) and b; a quarter have no examples or no units."""
    cell = pick(rng, tuple(PARTS))
    gates, parts = PARTS[cell]
    n, size = (0 if one_in(rng, 8) else int(rng.integers(1, 3)) for _ in range(2))
    length = int(rng.integers(1, 4))
    shapes = (length * n, gates * size), (n, parts * size), (size, gates * size), (gates * size,)
    return tuple(_moderate(rng, shape) for shape in shapes), {"cell": cell}


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _states(x, state, w, b, cell):
    size, states = len(w), [state[:0]]
    for from_x in np.split(x, len(x) // max(len(state), 1) or 1):
        h, c = state[:, :size], state[:, size:]
        from_h = h @ w + b
        a = np.split(from_x, PARTS[cell][0], axis=1)
        s = np.split(from_h, PARTS[cell][0], axis=1)
        if cell == "rnn":
            state = np.tanh(from_x + from_h)
        elif cell == "gru":
            z = _logistic(a[1] + s[1])
            state = (1 - z) * np.tanh(a[2] + _logistic(a[0] + s[0]) * s[2]) + z * h
        else:
            i, f, o = (_logistic(a[k] + s[k]) for k in (0, 1, 3))
            c = f * c + i * np.tanh(a[2] + s[2])
            state = np.concatenate([o * np.tanh(c), c], axis=1)
        states.append(state)
    return np.concatenate(states)


def _terms(arrays, static) -> int:
    """The longest sum: over all rows for w and b, over the gates on the way back; each step adds to the rounding."""
    rows, width = arrays[0].shape
    return rows // max(len(arrays[1]), 1) * (max(rows, width) + 8)


RECURRENT = (
    Case(
        op=ops.fused.recurrence,
        sample=_sequence,
        oracle=_states,
        terms=_terms,
        without_torch="it has whole layers, compared in tests/parity/test_recurrent_parity.py",
    ),
)
