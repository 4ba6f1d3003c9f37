"""The Jacobians behind the picture of a report, compared with known matrices."""

import numpy as np
import pytest

import tinygen as tg


@pytest.fixture
def registry():
    """Remove the ops of a test from `OPS` after it."""
    before = dict(tg.OPS)
    yield
    for name in tg.OPS.keys() - before:
        del tg.OPS[name]


def found(report):
    return report.look(min(report.rows, key=lambda row: row.ok))


def test_a_matrix_is_its_own_jacobian():
    A = np.random.default_rng(0).normal(size=(3, 4))
    J = found(tg.check(lambda x: tg.matmul(A, x), np.ones(4), order=1, float32=False))
    assert np.abs(J.analytic - A).max() < 1e-15
    assert np.abs(J.numerical - A).max() < 1e-10
    assert not J.kinked.any() and list(J.columns) == ["x"]


def test_a_wrong_rule_is_wrong_in_its_own_columns_only(registry):
    @tg.op
    def product_for_a_picture(a, b):
        return a.data * b.data, lambda g: g * b, lambda g: -g * a

    a, b = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    J = found(tg.check(product_for_a_picture, a, b, raises=False))
    truth = np.concatenate([np.diag(b), np.diag(a)], axis=1)
    assert np.abs(J.numerical - truth).max() < 1e-9
    assert np.abs(J.analytic - truth * [1, 1, -1, -1]).max() < 1e-15


def test_the_second_derivative_is_the_jacobian_of_the_gradient(registry):
    @tg.op
    def square_with_a_leak(x):
        return x.data**2, lambda g: g * (2 * x.data)

    report = tg.check(square_with_a_leak, np.array([1.0, -2.0]), raises=False)
    J = found(report)
    assert J.output == "∂y/∂x" and list(J.columns) == ["x", "cotangent"]
    assert (J.analytic[:, :2] == 0).all()
    assert (np.abs(np.diag(J.numerical[:, :2])) > 0.1).all()
    assert np.allclose(J.analytic[:, 2:], J.numerical[:, 2:])


def test_kinks_are_marked_where_they_are():
    J = found(tg.check(tg.abs, np.array([1.0, 0.0, -3.0]), raises=False))
    assert J.kinked.tolist() == np.diag([False, True, False]).tolist()


def test_the_part_of_a_large_array_around_the_failure_is_shown(registry):
    @tg.op
    def one_wrong_of_many(x):
        slope = np.ones(x.shape)
        slope[1, 777] = 3.0
        return 1.0 * x.data, lambda g: g * slope

    report = tg.check(one_wrong_of_many, np.random.default_rng(0).normal(size=(2, 1000)), order=1, raises=False)
    J = found(report)
    assert J.numerical.shape == (64, 64) and 1777 in J.columns["x"] and 1777 in J.rows
    assert np.abs(J.analytic - J.numerical).max() == pytest.approx(2)


def test_a_gradient_of_the_wrong_shape_leaves_its_columns_empty(registry):
    @tg.op
    def unsummed(x, b):
        return x.data + b.data, lambda g: g, lambda g: g

    J = found(tg.check(unsummed, np.zeros((2, 3)), np.zeros(3), raises=False))
    assert np.isnan(J.analytic[:, 6:]).all() and np.isfinite(J.analytic[:, :6]).all()


def test_plot_names_the_derivative_and_the_verdict():
    report = tg.check(tg.abs, np.array([1.0, 0.0]), raises=False)
    (title,) = [text.get_text() for text in report.plot().texts]
    assert "∂x has kinks" in title
    passed = tg.check(tg.sin, np.array([1.0]), float32=False)
    assert "is right" in passed.plot().texts[0].get_text()
    with pytest.raises(ValueError, match="at least one array"):
        type(report)("f", 0).plot()
