"""Each optimizer's one-pass kernel equals its reference implementation, with the same bits on any number of threads."""

import hashlib
from itertools import chain

import numpy as np
import pytest
from helpers.processes import python
from hypothesis import given
from hypothesis import strategies as st

from tinygen.kernels import compiled, optim, reference
from tinygen.kernels.machine.lists import BLOCK

pytestmark = pytest.mark.properties

seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.lists(st.integers(0, 40), max_size=3).map(tuple), min_size=1, max_size=4)
CALLS = {  # how many lists of arrays a kernel takes, which of them are means of squares, and its numbers
    "adam": (4, {3}, dict(α=0.01, β1=0.9, β2=0.99, ε=1e-8, λ=0.0, decoupled=False, t=3)),
    "adam with decay": (4, {3}, dict(α=0.01, β1=0.9, β2=0.99, ε=1e-3, λ=0.3, decoupled=False, t=1)),
    "adam, decoupled": (4, {3}, dict(α=0.01, β1=0.5, β2=0.9, ε=1e-8, λ=0.3, decoupled=True, t=20)),
    "sgd": (3, set(), dict(α=0.1, μ=0.0, nesterov=False, λ=0.0)),
    "sgd with decay": (3, set(), dict(α=0.1, μ=0.0, nesterov=False, λ=0.3)),
    "sgd with momentum": (3, set(), dict(α=0.1, μ=0.9, nesterov=False, λ=0.3)),
    "sgd with nesterov": (3, set(), dict(α=0.1, μ=0.9, nesterov=True, λ=0.0)),
    "rmsprop": (3, {2}, dict(lr=0.01, α=0.9, ε=1e-8, λ=0.0)),
    "rmsprop with decay": (3, {2}, dict(lr=0.01, α=0.9, ε=1e-3, λ=0.3)),
    "moving_average": (2, set(), dict(decay=0.9)),
    "sum_of_squares": (1, set(), {}),
}
every_kernel = pytest.mark.parametrize("call", CALLS)
LARGE = [(300, 400), (70_001,), (), (3, 1025), (0, 2)]  # blocks of the first two are split between threads


def draw(call, shapes, seed, dtype):
    rng = np.random.default_rng(seed)
    lists = [[np.asarray(rng.normal(size=shape), dtype) for shape in shapes] for _ in range(CALLS[call][0])]
    for i in CALLS[call][1]:
        lists[i] = [np.asarray(0.1 + np.square(x)) for x in lists[i]]
    return lists


def outcome(module, call, lists):
    """What a kernel returns, and what it leaves in its memory."""
    lists = [[x.copy() for x in arrays] for arrays in lists]
    output = getattr(module, call.partition(",")[0].split()[0])(*lists, **CALLS[call][2])
    return [*made(output), *chain(*lists)]


def made(output):
    """The arrays that a kernel returns, or its number; a step also returns whether all it wrote is finite."""
    if isinstance(output, tuple):
        output, finite = output
        assert not finite or all(np.isfinite(x).all() and not x.flags.writeable for x in output)
    return [np.asarray(x) for x in ([output] if isinstance(output, float) else output or [])]


def assert_equal_kernels(call, lists, dtype):
    """Within a few roundings of the largest term, because each result is a sum of few terms."""
    for fast, plain in zip(*(outcome(module, call, lists) for module in (optim, reference)), strict=True):
        assert fast.shape == plain.shape and fast.dtype == plain.dtype
        scale = max(1.0, float(abs(plain).max(initial=0)))
        np.testing.assert_allclose(fast, plain, rtol=0, atol=8 * np.finfo(dtype).eps * scale)


@every_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(shapes=shapes, seed=seeds)
def test_fast_and_reference_agree(call, dtype, shapes, seed):
    assert_equal_kernels(call, draw(call, shapes, seed, dtype), dtype)


@every_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fast_and_reference_agree_on_arrays_that_threads_share(call, dtype):
    assert max(np.prod(shape) for shape in LARGE) > 10 * BLOCK
    assert_equal_kernels(call, draw(call, LARGE, 0, dtype), dtype)


@every_kernel
@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x])
def test_parameters_and_gradients_in_any_layout(call, layout):
    read = {"moving_average": 0, "sum_of_squares": 1}.get(call, 2)  # the lists that are only read come first
    lists = draw(call, [(5, 6), (4, 3, 2)], 0, np.float64)
    expected = outcome(optim, call, lists)
    moved = [[layout(x) for x in arrays] if i < read else arrays for i, arrays in enumerate(lists)]
    name = call.partition(",")[0].split()[0]
    new = made(getattr(optim, name)(*moved, **CALLS[call][2]))
    del expected[len(new) : len(new) + 2 * read]
    for x, e in zip([*new, *chain(*moved[read:])], expected, strict=True):
        np.testing.assert_array_equal(x, e)


@pytest.mark.parametrize("call", [call for call in CALLS if call not in ("sum_of_squares", "sgd", "sgd with decay")])
def test_memory_in_any_layout_is_written_in_place(call):
    """Every other row of a larger array: the rows between stay as they are."""
    lists = draw(call, [(50, 60)], 3, np.float32)
    wide = [np.full((100, 60), 7, np.float32) for _ in lists]
    for larger, (array,) in zip(wide, lists):
        larger[::2] = array
    views = [[larger[::2]] for larger in wide]
    name = call.partition(",")[0].split()[0]
    compiled(name)(*views, *CALLS[call][2].values())
    getattr(reference, name)(*lists, **CALLS[call][2])
    for larger, (array,) in zip(wide, lists):
        assert (larger[1::2] == 7).all()
        np.testing.assert_array_equal(larger[::2], array)


@every_kernel
def test_lists_of_both_types(call):
    """As each array by itself, whose type it keeps."""
    both = [draw(call, [(3, 700), (5,), (1030,)], 2, dtype) for dtype in (np.float32, np.float64)]
    lists = [[b[0], a[1], b[2], a[2]] for a, b in zip(*both)]
    whole = outcome(optim, call, lists)
    alone = [outcome(optim, call, [[arrays[i]] for arrays in lists]) for i in range(4)]
    if call == "sum_of_squares":
        np.testing.assert_allclose(whole[0], sum(x[0] for x in alone), rtol=1e-12)
    else:
        for found, expected in zip(whole, [x for each in zip(*alone) for x in each], strict=True):
            assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()


@every_kernel
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_nan_and_infinity_reach_the_same_entries(call, value):
    lists = draw(call, [(50,)], 0, np.float32)
    for i, arrays in enumerate(lists):
        arrays[0][7 + i] = abs(value) if i in CALLS[call][1] else value
    with np.errstate(all="ignore"):
        for fast, plain in zip(*(outcome(module, call, lists) for module in (optim, reference))):
            np.testing.assert_array_equal(np.isnan(fast), np.isnan(plain))
            np.testing.assert_array_equal(np.isinf(fast), np.isinf(plain))


def digest() -> str:
    """A hash of all results of all kernels for LARGE."""
    made = [x for call in CALLS for x in outcome(optim, call, draw(call, LARGE, 1, np.float32))]
    return hashlib.sha256(b"".join(x.tobytes() for x in made)).hexdigest()


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    found = set()
    for threads in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", threads)
        found.add(digest())
    assert len(found) == 1


def test_as_plain_python():
    """Not compiled, as with a debugger: nothing in these kernels needs the compiler."""
    code = """
import numpy as np
from tests.optim.test_kernels import CALLS, assert_equal_kernels, draw
for call in CALLS:
    assert_equal_kernels(call, draw(call, [(3, 5), (1030,)], 0, np.float64), np.float64)
"""
    run = python("-c", code, NUMBA_DISABLE_JIT="1")
    assert run.returncode == 0, run.stderr
