"""Memory that is used again: never while anybody holds it, and really again once nobody does."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.errors.arrays import private
from tinygen.kernels.machine import memory
from tinygen.kernels.machine.memory import LARGE, empty
from tinygen.tensor import constant

SIZES = (LARGE // 4, LARGE // 4 + 1, LARGE // 2)  # of float32 arrays, all large


@pytest.fixture(autouse=True)
def fresh_segments(monkeypatch):
    monkeypatch.setattr(memory, "_segments", memory._Segments())


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


def test_a_piece_is_cut_from_the_smallest_gap_and_neighbours_grow_together_again():
    small, large = empty(2 * SIZES[0], np.float32), empty(4 * SIZES[0], np.float32)
    here, there = large.ctypes.data, small.ctypes.data
    del large, small
    pieces = [empty(SIZES[0], np.float32) for _ in range(6)]
    step = pieces[0].nbytes
    assert [p.ctypes.data for p in pieces] == [there, there + step, here, here + step, here + 2 * step, here + 3 * step]
    del pieces[3:5]
    assert empty(2 * SIZES[0], np.float32).ctypes.data == here + step
    assert len(memory._segments.all) == 2


def test_a_new_segment_has_room_for_the_largest_piece_so_far_within_reason():
    held = [empty(size // 4, np.float32) for size in (2 * LARGE, LARGE, 2 * memory.ROOM, LARGE, LARGE)]
    sizes = [segment.stop - segment.start for segment in memory._segments.all]
    assert sizes == [2 * LARGE, 2 * LARGE, 2 * memory.ROOM, memory.ROOM]  # the second has room for two
    assert len(held) == 5


def test_what_nobody_asks_for_goes_back(monkeypatch):
    monkeypatch.setattr(memory, "PATIENCE", 3)
    empty(SIZES[0], np.float32)
    held = [empty(SIZES[1], np.float32) for _ in range(5)]
    assert [s.stop - s.start for s in memory._segments.all] == [-(-4 * SIZES[1] // memory.LINE) * memory.LINE] * 5
    assert len(held) == 5


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
    assert private(locked[5:]).base is locked.base


def test_a_locked_view_of_what_others_may_write_to_is_not_private():
    owner = np.zeros(8)
    view = np.frombuffer(memoryview(owner))
    view.setflags(write=False)
    assert private(view) is not view
    owner.setflags(write=False)
    assert private(view) is view


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
