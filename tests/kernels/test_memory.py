"""Large arrays: where they begin, who may write to them, and that their memory is used again afterwards."""

import platform
import threading

import numpy as np
import pytest
from helpers.processes import python
from hypothesis import given
from hypothesis import strategies as st

from tinygen.errors.arrays import private
from tinygen.kernels.machine.memory import LARGE, LINE, empty
from tinygen.tensor import constant

SIZES = (LARGE // 4, LARGE // 4 + 1, LARGE // 2)  # of float32 arrays, all large


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they keep")
def test_memory_is_used_again():
    """After the first arrays of a step, the next ones need no pages from the system, neither do NumPy's own."""
    code = """
import resource
import numpy as np
from tinygen.kernels.machine.memory import empty

def step():
    x = empty(6_000_000, np.float32)
    x.fill(1)
    y = x * x  # made by NumPy
    return empty(3_000_000, np.float32).fill(y[0])

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    run = python("-c", code)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 6_000_000 * 4 / 4096, "pages of each step"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 500, 700), LARGE, (2, 2), 0])
def test_shape_type_and_place(shape, dtype):
    array = empty(shape, dtype)
    assert array.shape == np.empty(shape).shape and array.dtype == dtype
    assert array.flags.c_contiguous and array.flags.writeable
    assert array.nbytes < LARGE or array.ctypes.data % LINE == 0


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
