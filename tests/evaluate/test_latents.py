"""The KL of each latent by quadrature, active latents, and their picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen import Tensor, models, plot
from tinygen.evaluate.latents import active_units, unit_kl


@given(st.floats(-3, 3), st.floats(-2, 2))
def test_the_kl_of_a_latent_is_its_integral(mu, log_var):
    z = np.linspace(-40, 40, 40_001)
    log_q = -0.5 * ((z - mu) ** 2 / np.exp(log_var) + log_var)
    expected = (np.exp(log_q) * (log_q + 0.5 * z * z)).sum() * (z[1] - z[0]) / np.sqrt(2 * np.pi)
    found = unit_kl(np.array([[mu], [mu]]), np.array([[log_var], [log_var]]))
    assert found == pytest.approx([expected], rel=1e-8, abs=1e-10)


def test_the_kls_add_up_to_the_term_of_the_loss_and_active_latents_vary():
    model, x = models.VAE.dense((6,), [5], 3, rng=np.random.default_rng(0), dtype=np.float64), np.eye(6)
    mu, log_var = model.encode(x)
    kl = model.terms(x, np.random.default_rng(0)).kl.item()
    assert unit_kl(mu, log_var).sum() == pytest.approx(kl, rel=1e-12) == unit_kl(Tensor(mu), Tensor(log_var)).sum()
    assert active_units(np.array([[0.0, 5.0, 1.0], [0.19, 5.0, 1.21]])).tolist() == [False, False, True]
    assert active_units(np.array([[0.0], [0.19]]), least=0.009).tolist() == [True]


def test_errors():
    with pytest.raises(ValueError, match="unit_kl: expected"):
        unit_kl(np.zeros((3, 2)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="expected finite numbers"):
        active_units(np.array([[np.nan], [0.0]]))
    with pytest.raises(ValueError, match="unit_bars: expected at least one model"):
        plot.unit_bars({})
    for kl, active in ((np.ones((2, 2)), {"a": np.ones((2, 2), bool)}), (np.ones(2), {}), (np.array([np.nan]), None)):
        with pytest.raises(ValueError, match="unit_bars: expected finite numbers"):
            plot.unit_bars({"a": kl}, active=active)


def test_the_picture_has_a_bar_for_each_latent_sorted_and_says_how_many_are_active():
    kl, active = np.array([0.0, 3.0, 1.0]), np.array([False, True, True])
    picture = plot.unit_bars({"a": kl, "b": kl}, active={"a": active, "b": ~active})
    assert len(picture.axes) == 2
    heights = sorted((bar.get_x(), bar.get_height()) for bar in picture.axes[0].patches)
    assert [height for _, height in heights[:2]] == [3.0, 1.0] and 0 < heights[2][1] < 0.1
    assert [axes.texts[0].get_text() for axes in picture.axes] == ["2 of 3 active", "1 of 3 active"]
