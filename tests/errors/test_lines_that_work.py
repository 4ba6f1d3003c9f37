"""Lines that users of other libraries type first work here too, at most with one hint about float64."""

import operator
import warnings

import numpy as np
import pytest
from helpers.first_lines import Foreign, dense, loss, rng, vector, weight

import tinygen as tg
from tinygen import nn
from tinygen.errors import hints

WORKS = {
    "f'{loss:.3f}'": (lambda: f"{loss():.3f}", "12.000"),
    "f'{loss:8.2e}'": (lambda: f"{loss():9.2e}", " 1.20e+01"),
    "f'{vector}'": (lambda: f"{vector()}", str(vector())),
    "int(loss)": (lambda: int(loss()), 12),
    "float(loss)": (lambda: float(loss()), 12.0),
    "round(loss, 1)": (lambda: round(loss(), 1), 12.0),
    "sum of tensors": (lambda: sum([loss(), loss()]).item(), 24),
    "total += loss": (lambda: operator.iadd(vector(), 1).numpy().tolist(), [2, 3, 4]),
    "np.shape(tensor)": (lambda: (np.shape(weight()), np.ndim(weight()), np.size(weight())), ((3,), 1, 3)),
    "w.data = w.data - g": (lambda: stepped().numpy().tolist(), [0, 1, 2]),
    "Tensor of another library's array": (lambda: str(tg.Tensor(Foreign(np.float64)).dtype), "float64"),
    "np.float32(2) * w": (lambda: (np.float32(2) * weight()).dtype, np.float32),
    "hasattr": (lambda: (hasattr(tg, "tensr"), hasattr(weight(), "cuda"), hasattr(dense(), "cuda")), (False,) * 3),
}


def stepped():
    w = weight()
    w.data = w.data - 1.0 * tg.grad(w.sum(), w)
    return w


@pytest.mark.parametrize("line", WORKS)
def test_the_line_works(line):
    call, expected = WORKS[line]
    assert call() == expected


def test_unary_plus_keeps_the_value_and_the_gradient():
    w = weight()
    y = +w
    assert type(y) is tg.Tensor and tg.grad((y * y).sum(), w).numpy().tolist() == [2, 4, 6]
    w.data = np.zeros(3, np.float32)
    assert y.numpy().tolist() == [1, 2, 3]  # like any op, it used the values of its time


def test_matplotlib_accepts_a_constant_and_refuses_a_variable():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    (line,) = axes.plot(vector())
    assert line.get_ydata(orig=False).tolist() == [1, 2, 3]
    axes.scatter(vector(), vector())
    for variable in (weight(), weight() * 2):
        with pytest.raises(TypeError, match=r"\.numpy\(\)"):
            axes.plot(variable)


# -- one hint about float64 --------------------------------------------------------------------------------------------


def test_float64_data_in_a_float32_model_is_mentioned_once():
    model, x = dense(), np.zeros((2, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hints.mention_float64.cache_clear()
        for _ in range(3):
            assert model(x).dtype == np.float64
            assert dense()(tg.Tensor(x)).dtype == np.float64
        dense()(x.astype(np.float32)), weight() * np.ones(3), nn.Dense(3, 4, rng=rng, dtype=np.float64)(x)
    assert [str(w.message) for w in caught] == [str(caught[0].message)]
    assert "x.astype(np.float32)" in str(caught[0].message)
