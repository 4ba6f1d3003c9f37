"""Each epoch contains each row once, in an order that depends on the rng; a resumed loop continues exactly."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.data import Batches, load_digits

SEEDS = st.integers(0, 2**32 - 1)
ROWS, SIZES = st.integers(1, 40), st.integers(1, 50)


def make(rows, size, seed, **options):
    return Batches(np.arange(rows), size, np.random.default_rng(seed), **options)


@given(ROWS, SIZES, SEEDS, st.booleans())
def test_each_epoch_contains_each_row_once(rows, size, seed, shuffle):
    batches = make(rows, size, seed, shuffle=shuffle)
    for epoch in range(3):
        assert batches.epoch == epoch
        seen = list(batches)
        assert len(seen) == len(batches)
        assert all(len(batch) == size for batch in seen[:-1]) and 1 <= len(seen[-1]) <= size
        assert sorted(np.concatenate(seen)) == list(range(rows))


@given(ROWS, SIZES, SEEDS)
def test_drop_last_leaves_whole_batches_of_different_rows(rows, size, seed):
    if size > rows:
        with pytest.raises(ValueError, match=f"drop_last leaves no batch of {size} from {rows} rows"):
            make(rows, size, seed, drop_last=True)
        return
    seen = list(make(rows, size, seed, drop_last=True))
    assert [len(batch) for batch in seen] == [size] * (rows // size)
    assert len(set(np.concatenate(seen).tolist())) == rows // size * size


@given(ROWS, SIZES, SEEDS, st.booleans(), st.integers(0, 200))
def test_a_resumed_loop_continues_exactly(rows, size, seed, shuffle, stop):
    drop_last = size <= rows and stop % 2 == 0
    first = make(rows, size, seed, shuffle=shuffle, drop_last=drop_last)
    for _ in itertools.islice(first.forever(), stop):
        pass
    state = json.dumps(first.state_dict())
    resumed = make(rows, size, seed + 1, shuffle=shuffle, drop_last=drop_last)
    resumed.load_state_dict(json.loads(state))
    assert resumed.epoch == first.epoch
    count = 3 * len(first) + 1
    for expected, got in zip(
        itertools.islice(first.forever(), count), itertools.islice(resumed.forever(), count), strict=True
    ):
        assert np.array_equal(expected, got)


@given(ROWS, SIZES, SEEDS, st.data())
def test_a_state_saved_inside_the_loop_counts_the_current_batch_as_done(rows, size, seed, data):
    never_stopped = make(rows, size, seed)
    whole = [batch.tolist() for _ in range(2) for batch in never_stopped]
    stop = data.draw(st.integers(1, len(never_stopped)))
    done, running = [], make(rows, size, seed)
    for batch in running:
        done.append(batch.tolist())
        if len(done) == stop:
            state = running.state_dict()
            break
    resumed = make(rows, size, seed)
    resumed.load_state_dict(state)
    for batches in (resumed, running):  # after a restart, and after a `break`
        rest = [batch.tolist() for _ in range(batches.epoch, 2) for batch in batches]
        assert done + rest == whole


@given(st.integers(1, 20), SIZES, SEEDS)
def test_several_arrays_give_matching_rows(rows, size, seed):
    images = np.arange(rows * 6, dtype=np.float32).reshape(rows, 2, 3)
    labels = np.arange(rows)
    for batch, label in Batches((images, labels), size, np.random.default_rng(seed)):
        assert batch.dtype == np.float32 and batch.shape == (len(label), 2, 3)
        assert np.array_equal(batch, images[label])


def test_one_array_gives_arrays_and_a_tuple_of_one_gives_tuples():
    (batch,) = Batches(np.zeros((3, 2)), 3, shuffle=False)
    assert batch.shape == (3, 2)
    (batch,) = Batches((np.zeros((3, 2)),), 3, shuffle=False)
    assert type(batch) is tuple and batch[0].shape == (3, 2)


@given(SEEDS)
def test_epochs_and_seeds_differ_and_one_number_is_drawn(seed):
    rng, counterpart = np.random.default_rng(seed), np.random.default_rng(seed)
    batches = Batches(np.arange(100), 100, rng)
    orders = [batch.tolist() for batch in itertools.islice(batches.forever(), 3)]
    orders += [batch.tolist() for batch in Batches(np.arange(100), 100, rng)]
    assert len({tuple(order) for order in (*orders, range(100))}) == 5
    counterpart.integers(2**63, size=2)
    assert rng.bit_generator.state == counterpart.bit_generator.state


def test_without_shuffling_the_order_is_kept_and_no_rng_is_needed():
    assert [batch.tolist() for batch in Batches(np.arange(5), 2, shuffle=False)] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_is_a_copy(shuffle):
    array = np.arange(6.0)
    for batch in Batches(array, 4, np.random.default_rng(0), shuffle=shuffle):
        batch[:] = -1
    assert array.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (np.arange(5), 2),
            TypeError,
            r"Batches \(with shuffle=True\): expected rng to be a numpy.random.Generator, got None",
        ),
        ((np.arange(5), 0, 1), ValueError, "expected batch_size to be a whole number of at least 1, got 0"),
        ((np.arange(5), 2.0, 1), TypeError, "expected batch_size to be a whole number of at least 1, got 2.0"),
        ((np.zeros((0, 3)), 2, 1), ValueError, "expected the number of rows to be a whole number of at least 1, got 0"),
        (((np.arange(5), np.arange(4)), 2, 1), ValueError, r"the same number of rows, got \[5, 4\]"),
        (((), 2, 1), ValueError, r"the same number of rows, got \[\]"),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        Batches(*arguments)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rows": 11}, ValueError, r"got rows 11 \(here 10\)"),
        ({"batch_size": 3, "drop_last": True}, ValueError, r"batch_size 3 \(here 4\), drop_last True \(here False\)"),
        ({"extra": 1}, ValueError, "expected a state with .* got .*'extra'"),
        ({"position": -1}, ValueError, "expected position to be a whole number of at least 0, got -1"),
        ({"seed": "7"}, TypeError, "expected seed to be a whole number of at least 0, got '7'"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, error, message):
    batches = make(10, 4, 0)
    next(iter(batches))
    before = batches.state_dict()
    with pytest.raises(error, match=message):
        batches.load_state_dict(before | {"epoch": 5} | change)
    assert batches.state_dict() == before


@pytest.mark.parametrize("given", [3.0, load_digits(), [1, 2], (np.zeros(3), 5), None])
def test_what_has_no_rows_is_refused(given):
    with pytest.raises(
        TypeError, match=r"Batches: expected arrays \(N, \.\.\.\), got .*: write Batches\(data.train_images"
    ):
        Batches(given, 2, np.random.default_rng(0))
