"""The float32 kernels of one entry at a time: within a few units in the last place of float64, for every float."""

from inspect import signature

import numba
import numpy as np
import pytest
from helpers.processes import run_tests
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.kernels import COMPILED, compiled, elementwise, entrywise, reference
from tinygen.kernels.machine import memory
from tinygen.testing.layouts import LAYOUTS

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the NumPy reference warns of overflow

JIT = not numba.config.DISABLE_JIT
F32, F64 = np.float32, np.float64
OUTPUTS = {"gelu": ("gelu", 0), "gelu_slope": ("gelu", 1)}  # of kernels with several: whose, and which
NAMES = [name for name, row in COMPILED.items() if row.home == "elementwise" and name not in OUTPUTS] + [*OUTPUTS]
PARAMETERS = {name: list(signature(getattr(reference, OUTPUTS.get(name, [name])[0])).parameters) for name in NAMES}

# Units in the last place by which a kernel may be off: of the true value, if that is at least LEAST.
LIMIT = {"exp": 2, "sigmoid": 4, "tanh": 4, "softplus": 4, "silu": 4, "normal_cdf": 8, "gelu": 8}
LIMIT |= {"elu": 4, "elu_vjp": 4}
LIMIT |= {"squared_error": 3, "squared_error_vjp": 2, "exp_remainder": 4, "expm1": 2}
LIMIT |= {"absolute_error": 1, "absolute_error_vjp": 0, "huber": 3, "huber_vjp": 2}
LIMIT |= {"relu": 0, "leaky_relu": 0.5, "relu_vjp": 0.5, "gate": 0.5, "ratio": 0.5, "add": 0.5, "mul": 0.5}
LIMIT |= {"sigmoid_vjp": 6, "tanh_vjp": 4, "silu_vjp": 4, "gelu_slope": 4, "logistic_loss": 4, "logistic_loss_vjp": 4}
LIMIT |= {"sub": 0.5, "div": 0.5, "neg": 0, "select": 0, "absolute": 0, "absolute_vjp": 0, "power": 2, "power_vjp": 3}
LIMIT |= {"sqrt": 0.5, "sqrt_vjp": 1, "log": 2, "log1p": 3}
LEAST = {"silu": 1e-36, "gelu": 1e-36}  # x times a number that underflows
LEAST |= {"tanh_vjp": 1.0, "silu_vjp": 1.0, "gelu_slope": 1.0, "logistic_loss_vjp": 1.0}  # slopes that cross 0


def call(version, name: str, x: np.ndarray, g: np.ndarray | None = None) -> np.ndarray:
    """The `version` of a kernel of `x`; some take a cotangent too, or targets, any in [0, 1] that are fixed by x."""
    given = {"g": np.ones_like(x) if g is None else g, "negative_slope": 0.25, "alpha": 0.25, "delta": 0.25}
    given |= {"exponent": 3, "mask": np.asarray(np.array(x, F32).view(np.uint32) % 3 == 0)}
    given["b"] = given["g"]
    if "t" in PARAMETERS[name]:
        given["t"] = np.asarray(np.array(x, F32).view(np.uint32) % 257 / 256, x.dtype)
    kernel, *output = OUTPUTS.get(name, [name])
    result = version(kernel)(*[given.get(parameter, x) for parameter in PARAMETERS[name]])
    return result[output[0]] if output else result


def plain(name: str):
    return getattr(reference, name)


def every(step: int) -> np.ndarray:
    """Every `step`-th float32 that there is, NaN left out, and more of those where something happens."""
    floats = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(F32)
    dense = [np.linspace(-r, r, 2**32 // step // 20, dtype=F32) for r in (1, 4, 20, 110)]
    extremes = [0.0, -0.0, np.inf, -np.inf, np.finfo(F32).max, np.finfo(F32).min, 1e-45, -1e-45, 88.7, -103.9]
    return np.concatenate([floats[~np.isnan(floats)], *dense, np.array(extremes, F32)])


def units(got: np.ndarray, true: np.ndarray, *, least: float) -> np.ndarray:
    """How far off `got` is, in units in the last place of `true` (of float32); 0 where both are the same infinity."""
    rounded = true.astype(F32)
    unit = np.spacing(np.maximum(np.minimum(abs(rounded), np.finfo(F32).max), F32(least))).astype(F64)
    return np.where(got == rounded, 0, abs(got - np.where(np.isinf(rounded), rounded, true)) / unit)


@pytest.mark.parametrize("name", NAMES)
def test_within_units_in_the_last_place_for_every_float(name, profile):
    x = every({"quick": 4099, "full": 257, "long": 61}[profile] if JIT else 2**22 + 1)
    if name == "tanh_vjp":
        x = np.clip(x, -1, 1)  # what tanh makes
    if name == "sqrt_vjp":
        x = np.sqrt(abs(x))
    got, true = call(compiled, name, x), call(plain, name, x.astype(F64))
    assert got.dtype == F32 and got.shape == x.shape
    undefined = np.isnan(true)
    np.testing.assert_array_equal(np.isnan(got), undefined)
    off = units(got[~undefined], true[~undefined], least=LEAST.get(name, 0.0))
    worst = off.argmax()
    assert off[worst] <= LIMIT[name], (x[~undefined][worst], got[~undefined][worst], true[~undefined][worst])


@pytest.mark.skipif(not JIT, reason="numba is switched off")
@pytest.mark.parametrize("name", [name for name in NAMES if "g" in PARAMETERS[name]])
def test_a_number_repeated_to_the_shape_counts_as_an_array_of_it(name):
    x = np.random.default_rng(0).normal(size=(5, entrywise.BLOCK // 2 + 3)).astype(F32)
    number = np.broadcast_to(F32(0.7), x.shape)
    found, expected = (call(compiled, name, x, g) for g in (number, np.ascontiguousarray(number)))
    assert found.shape == x.shape and found.tobytes() == expected.tobytes()


@pytest.mark.skipif(not JIT, reason="numba is switched off")
@pytest.mark.parametrize("name", NAMES)
def test_past_the_caches_a_result_has_the_same_bits(name, monkeypatch):
    """Also for an array whose last numbers fill no vector, and a cotangent that is one number, again and again."""
    x = np.random.default_rng(0).normal(size=memory.LARGE // 4 + 5).astype(F32)
    for g in (x[::-1].copy(), np.broadcast_to(F32(0.3), x.shape)):
        usual = call(compiled, name, x, g)
        with monkeypatch.context() as patch:
            patch.setattr(entrywise, "past_caches", lambda *arrays: True)
            assert call(compiled, name, x, g).tobytes() == usual.tobytes()


@pytest.mark.parametrize("name", ["normal_cdf", "softplus", "sigmoid", "exp"])
def test_the_far_tail_keeps_its_digits_down_to_the_smallest_number(name):
    x = np.linspace(-14, -5, 1001, dtype=F32) * (1 if name == "normal_cdf" else 7)
    true = call(plain, name, x.astype(F64))
    assert (call(compiled, name, x) > 0).all() and (true < 3e-3).all()
    np.testing.assert_allclose(call(compiled, name, x), true, rtol=1e-6, atol=2e-45)


@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_nan_wherever_it_stands(name):
    for n in (1, 7, 40):
        for i in {0, n // 2, n - 1}:
            x = np.ones(n, F32)
            x[i] = np.nan
            expected = np.isnan(call(plain, name, x))
            np.testing.assert_array_equal(np.isnan(call(compiled, name, x)), expected)
            assert expected[i] or name in ("relu_vjp", "select")  # NaN is not positive, and may not be taken
            if name.endswith("_vjp"):
                assert np.isnan(call(compiled, name, np.ones(n, F32), g=x)[i])


def test_a_closed_gate_and_a_ratio_of_nothing_are_exactly_zero():
    poles = np.array([np.inf, -np.inf, np.nan, 0.0, 1.0] * 5, F32)
    for name in ("gate", "ratio"):
        assert not call(compiled, name, poles, g=np.zeros_like(poles)).any()
    assert not compiled("gate")(poles, np.zeros_like(poles)).any()
    off = np.where(np.arange(25) % 2, F32(-1), F32(0))
    assert not compiled("relu_vjp")(poles, off, 0.0).any()


def numbers(seed: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) * 5).astype(F32), rng.normal(size=shape).astype(F32)


EDGES = [0, 1, 3, 8, 15, 16, 17, 31, 32, 33, 65, 127]
LARGE = [entrywise.BLOCK + d for d in (-1, 0, 1)] + [3 * entrywise.BLOCK + 5] if JIT else []


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_does_not_depend_on_where_it_stands(name):
    """In a vector, in what is left over, in this block or the next: the same bits."""
    x, g = numbers(0, max([*EDGES, *LARGE]) + 1)
    whole = call(compiled, name, x, g)
    for n in [*EDGES, *LARGE]:
        np.testing.assert_array_equal(call(compiled, name, x[:n], g[:n]), whole[:n], strict=True)
        np.testing.assert_array_equal(call(compiled, name, x[1 : n + 1], g[1 : n + 1]), whole[1 : n + 1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 3), (3, 2, 5, 4), (1, 7, 1)])
def test_every_shape_and_layout(name, shape):
    x, g = (np.asarray(a) for a in numbers(1, *shape))
    for lay_out in LAYOUTS.values():
        views = lay_out(x), lay_out(g)
        copies = [np.array(v, order="C") for v in views]
        got = call(compiled, name, *views)
        np.testing.assert_array_equal(got, call(compiled, name, *copies), strict=True)
        np.testing.assert_allclose(got, call(plain, name, *copies), rtol=4e-6, atol=4e-7)
        assert got.flags.owndata and (got.flags.c_contiguous or name == "add")  # of few numbers that is NumPy's
        assert not any(np.shares_memory(got, v) for v in views)


@pytest.mark.parametrize("name", NAMES)
def test_float64_equals_the_reference_to_the_bit(name):
    x, g = (a.astype(F64) for a in numbers(2, 1000))
    np.testing.assert_array_equal(call(compiled, name, x, g), call(plain, name, x, g), strict=True)


@pytest.mark.parametrize("shape", [(40, 28, 28, 7), (25, 1, 77, 73), (1 << 17, 1), (1, 1 << 17)])
def test_a_row_is_added_to_all_rows(shape):
    x, g = numbers(5, *shape)
    row = g[(0,) * (g.ndim - 1)]
    each = g[(slice(None), *(slice(1),) * (g.ndim - 2))]  # a row for each image
    same = row, row[None], row[::-1], g[:, :1], g[:1], each, each[::-1]
    for b in (*same, *(np.broadcast_to(b, shape) for b in same)):
        np.testing.assert_array_equal(compiled("add")(x, b), x + b, strict=True)
        np.testing.assert_array_equal(compiled("add")(x[:, ::-1], b), x[:, ::-1] + b, strict=True)


@st.composite
def pairs_of_one_shape(draw):
    """Two views that NumPy broadcasts to one shape, of up to five axes, each in its own layout."""
    shape, rng = (
        draw(st.lists(st.integers(1, 6), min_size=1, max_size=5)),
        np.random.default_rng(draw(st.integers(0, 99))),
    )
    views = []
    for _ in "ab":
        own = [n if draw(st.booleans()) else 1 for n in shape]
        order = draw(st.permutations(range(len(shape))))
        view = rng.normal(size=[own[i] for i in order]).astype(F32).transpose(np.argsort(order))
        view = view[tuple(slice(None, None, draw(st.sampled_from([1, 1, -1]))) for _ in shape)]
        views.append(view.reshape(view.shape[1:]) if view.shape[0] == 1 and draw(st.booleans()) else view)
    return views


@pytest.mark.parametrize("name", ["add", "mul", "gate", "ratio", "elu_vjp"])
def test_pairs_in_any_layout_are_broadcast(name, profile):
    @settings(max_examples={"quick": 50, "full": 500, "long": 5000}[profile])
    @given(pairs_of_one_shape())
    def equal(views):
        wide = [np.array(a, order="C") for a in np.broadcast_arrays(*views)]
        got, expected = call(compiled, name, *views), call(compiled, name, *wide)
        assert got.shape == expected.shape and got.tobytes() == expected.tobytes()

    equal()


@pytest.mark.parametrize("name", ["gate", "ratio", "silu_vjp", "tanh_vjp"])
def test_inputs_of_other_types_are_broadcast_by_the_reference(name):
    x, g = numbers(3, 4, 5)
    for a, b in ((x[0].astype(F64), g), (x.astype(F64), g), (x.astype(F64), g[:, :1])):
        np.testing.assert_array_equal(call(compiled, name, a, b), call(plain, name, a, b), strict=True)


@pytest.mark.skipif(not JIT, reason="one thread in plain Python is long enough")
@pytest.mark.parametrize("name", NAMES)
def test_one_two_and_three_threads_give_the_same_bits(name, monkeypatch):
    x, g = numbers(4, (1 << 17) + 12345)
    results = []
    for n in "123":
        monkeypatch.setenv("TINYGEN_NUM_THREADS", n)
        results.append(call(compiled, name, x, g).tobytes())
    assert results[0] == results[1] == results[2]
    assert results[0][-4 * 100 :] == call(compiled, name, x[-100:], g[-100:]).tobytes()


@pytest.mark.skipif(not JIT, reason="needs machine code")
@pytest.mark.parametrize("name", NAMES)
def test_the_loop_is_vector_code(name, monkeypatch):
    calls = []

    def share(loop, blocks, *args):
        calls.append((loop, tuple(map(numba.typeof, (*args, 0, blocks)))))
        loop(*args, 0, blocks)

    for file in (elementwise, entrywise):
        monkeypatch.setattr(file, "share", share)
    call(compiled, name, np.ones(1 << 17, F32))
    ((loop, types),) = calls
    options = {**loop.targetoptions, "cache": False}  # of a loop that was loaded from disk there is no code to see
    again = numba.njit(types, **options)(loop.py_func)
    (code,) = again.inspect_llvm().values()
    assert " x float>" in code, "the compiler found no vectors in this loop: has a number become a float64 or an int64?"
    assert " x double>" not in code


def test_as_plain_python(profile):
    if profile == "quick" or not JIT:
        pytest.skip("in the profiles full and long")
    run = run_tests(__file__, NUMBA_DISABLE_JIT="1")
    assert run.returncode == 0, run.stdout + run.stderr
