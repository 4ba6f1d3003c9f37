"""Memory that is used again: never while anybody holds it, and really again once nobody does."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.kernels import memory
from tinygen.kernels.memory import LARGE, empty
from tinygen.tensor import constant, private

SIZES = (LARGE // 4, LARGE // 4 + 1, LARGE // 2)  # of float32 arrays, all large


@pytest.fixture(autouse=True)
def fresh_blocks(monkeypatch):
    monkeypatch.setattr(memory, "_blocks", memory._Blocks())


@given(st.lists(st.tuples(st.sampled_from(["make", "drop", "slice", "lock"]), st.integers(0, 9)), max_size=40))
def test_nothing_that_is_held_ever_changes(steps):
    held = []
    for number, (what, which) in enumerate(steps):
        if what == "make" or not held:
            array = empty(SIZES[which % len(SIZES)], np.float32)
            array.fill(number)
            held.append((array, number))
        elif what == "drop":
            held.pop(which % len(held))
        elif what == "slice":  # only a part is kept: it holds the whole
            array, written = held[which % len(held)]
            held[which % len(held)] = array.reshape(-1)[::7], written
        else:
            array, _ = held[which % len(held)]
            array.setflags(write=False)
        assert all((array == written).all() for array, written in held)


def test_what_nobody_holds_is_used_again():
    array = empty(SIZES[0], np.float32)
    place = array.ctypes.data
    part = array[5:]
    del array
    assert empty(SIZES[0], np.float32).ctypes.data != place  # a part of it is still held
    del part
    assert empty(SIZES[0], np.float32).ctypes.data == place


@pytest.mark.parametrize("times, again", [(1.5, True), (2, True), (2.01, False)])
def test_what_asks_for_less_takes_a_block_up_to_twice_as_large(times, again):
    large = empty(int(times * LARGE) // 4, np.float32)
    place = large.ctypes.data
    exact = empty(LARGE // 4, np.float32)
    at = exact.ctypes.data
    del large, exact
    best = empty(LARGE // 4, np.float32)
    assert best.ctypes.data == at  # the smallest that is free
    assert (empty(LARGE // 4, np.float32).ctypes.data == place) == again


def test_what_nobody_asks_for_goes_back(monkeypatch):
    monkeypatch.setattr(memory, "PATIENCE", 3)
    empty(SIZES[0], np.float32)
    held = [empty(SIZES[1], np.float32) for _ in range(5)]
    assert not memory._blocks.by_size[SIZES[0] * 4]
    assert len(held) == len(memory._blocks.by_size[SIZES[1] * 4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 500, 700), LARGE, (2, 2), 0])
def test_shape_type_and_place(shape, dtype):
    array = empty(shape, dtype)
    assert array.shape == np.empty(shape).shape and array.dtype == dtype
    assert array.flags.c_contiguous and array.flags.writeable
    assert array.nbytes < LARGE or array.ctypes.data % memory.LINE == 0


def test_a_locked_result_is_private_and_an_open_one_is_not():
    array = empty(SIZES[0], np.float32)
    assert private(array) is not array
    locked = constant(array).data
    assert private(locked) is locked


def test_threads_never_share_a_block():
    wrong = []

    def work(number):
        for _ in range(50):
            array = empty(SIZES[0], np.float32)
            array.fill(number)
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
