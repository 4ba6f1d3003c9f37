"""Embedding and one_hot: rows for class numbers as by NumPy's indexing, and errors for anything else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import functional as F
from tinygen import nn

seeds, shapes = st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3), max_size=3).map(tuple)


@given(seed=seeds, shape=shapes, dtype=st.sampled_from([np.float32, np.float64]))
def test_rows_and_the_sum_of_their_gradients(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    layer, labels = nn.Embedding(np.int64(4), 3, rng=rng, dtype=dtype), rng.integers(4, size=shape)
    y = layer(labels)
    np.testing.assert_array_equal(y.numpy(), layer.weight.data[labels], strict=True)
    g = rng.integers(-4, 5, size=y.shape).astype(dtype)
    expected = np.zeros((4, 3), dtype)
    for place in np.ndindex(shape):
        expected[labels[place]] += g[place]
    np.testing.assert_array_equal(tg.grad(y, layer.weight, g).numpy(), expected, strict=True)
    one_hot = F.one_hot(labels, 4, dtype=dtype)
    assert one_hot.shape == (*shape, 4) and one_hot.dtype == dtype
    np.testing.assert_array_equal((one_hot @ layer.weight).numpy(), y.numpy())  # what a table means


def test_the_table_starts_as_standard_normal_and_has_one_weight():
    layer = nn.Embedding(1000, 50, rng=np.random.default_rng(0))
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert abs(layer.weight.data.mean()) < 0.02 and abs(layer.weight.data.std() - 1) < 0.01
    assert repr(layer) == "Embedding(1000, 50)"


class Conditional(nn.Module):
    def __init__(self, rng):
        self.label, self.out = nn.Embedding(10, 4, rng=rng), nn.Dense(4, 2, rng=rng)

    def forward(self, x, labels):
        return self.out(x + self.label(labels))


def test_it_stands_in_the_summary():
    text = Conditional(np.random.default_rng(0)).summary((4,), labels=np.zeros(1, int))
    assert "label: Embedding" in text and " 40" in text


@pytest.mark.parametrize("shape", [(), (7,), (2, 3)])
def test_its_indices_can_be_the_input_of_a_summary(shape):
    draws = np.random.default_rng(0)
    model = nn.Sequential(nn.Embedding(10, 4, rng=draws), nn.Dense(4, 2, rng=draws))
    rows = [" ".join(line.split()) for line in model.summary(np.zeros((1, *shape), int)).splitlines()]
    sizes = ", ".join(["B", *map(str, shape)])
    assert {f"Input ({sizes})", f"Embedding ({sizes}, 4) 40", f"Dense ({sizes}, 2) 10"} <= set(rows)


def embed(indices):
    return nn.Embedding(5, 2, rng=np.random.default_rng(0))(indices)


@pytest.mark.parametrize("call", [embed, lambda labels: F.one_hot(labels, 5)], ids=["Embedding", "one_hot"])
@pytest.mark.parametrize(
    "labels, kind, words",
    [
        (5, ValueError, "integers in 0..4, got 5..5"),
        (np.array([-1, 2]), ValueError, "integers in 0..4, got -1..2"),
        (np.ones(1, np.float32), TypeError, "got float32 of shape (1,): convert with .astype(np.int64)"),
        (tg.Tensor(np.ones(2, np.float32)), TypeError, "got float32 of shape (2,)"),
        (True, TypeError, "got bool of shape ()"),
        (["a"], TypeError, "of shape (1,)"),
    ],
)
def test_what_is_no_class_number_is_refused(call, labels, kind, words):
    with pytest.raises(kind) as raised:
        call(labels)
    assert words in str(raised.value)


def test_sizes_and_generators_are_checked():
    with pytest.raises(ValueError, match="one_hot: expected classes to be a whole number of at least 1, got 0"):
        F.one_hot([0], 0)
    with pytest.raises(ValueError, match="Embedding: expected num_embeddings to be a whole number of at least 1"):
        nn.Embedding(0, 3, rng=np.random.default_rng(0))
    with pytest.raises(TypeError, match="Embedding: expected rng to be a numpy"):
        nn.Embedding(3, 3, rng=0)
