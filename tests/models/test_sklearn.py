"""The transformer for scikit-learn: scikit-learn's own checks, and what they leave out."""

import sys
import warnings

import numpy as np
import pytest
from helpers.tools import requires
from hypothesis import given, settings
from hypothesis import strategies as st

needs = requires("scikit-learn")


def transformer(**options):
    from tinygen.models.sklearn import AutoencoderTransformer

    return AutoencoderTransformer(**dict(n_components=2, hidden_layer_sizes=(3,), epochs=2, random_state=0) | options)


def rows(seed=0, n=60, d=4, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


@needs
@pytest.mark.parametrize("options", [{}, dict(hidden_layer_sizes=(), activation=None, noise=0.1, random_state=None)])
def test_it_passes_scikit_learns_checks(options):
    from sklearn.exceptions import SkipTestWarning
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # array_api, which needs an environment variable
        results = check_estimator(transformer(**options))
    passed = [each["check_name"] for each in results if each["status"] == "passed"]
    assert len(passed) > 40 and [each for each in results if each["status"] not in ("passed", "skipped")] == []


@needs
@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31 - 1), st.sampled_from([np.float32, np.float64]), st.sampled_from([0.0, 0.3]))
def test_the_same_random_state_gives_the_same_bytes(seed, dtype, noise):
    from sklearn.utils import check_random_state

    x = rows(seed, n=20, dtype=dtype)
    twice = [transformer(random_state=state, noise=noise).fit(x) for state in (seed, seed)]
    drawn = [transformer(random_state=check_random_state(seed)).fit(x) for _ in range(2)]
    for a, b in (twice, drawn):
        assert a.transform(x).tobytes() == b.transform(x).tobytes() and a.loss_curve_ == b.loss_curve_
    assert twice[0].transform(x).dtype == dtype
    assert (twice[0].transform(x) != transformer(random_state=seed + 1).fit(x).transform(x)).any()


@needs
@pytest.mark.filterwarnings("error")
def test_numpys_global_state_is_left_alone():
    from sklearn.utils import check_random_state

    shared = check_random_state(None)  # NumPy's global generator
    before = shared.get_state()[1].tobytes()
    a, b = (transformer(random_state=None).fit_transform(rows()) for _ in range(2))
    assert shared.get_state()[1].tobytes() == before
    assert (a != b).any()


@needs
@given(st.floats(1e-3, 1e3), st.floats(-100, 100))
@settings(deadline=None, max_examples=10)
def test_the_unit_of_the_data_has_no_effect_but_on_the_unit_of_the_score(unit, shift):
    x = rows(n=20)
    plain, other = transformer(noise=0.1).fit(x), transformer(noise=0.1 * unit).fit(x * unit + shift)
    np.testing.assert_allclose(other.transform(x * unit + shift), plain.transform(x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(other.score_samples(x * unit + shift), unit**2 * plain.score_samples(x), rtol=1e-6)


@needs
def test_the_score_is_minus_the_squared_error_and_lower_for_what_it_has_not_seen():
    line = np.random.default_rng(1).normal(size=(200, 1)) * [1.0, 2.0, -1.0] + 5
    coder = transformer(n_components=1, hidden_layer_sizes=(), epochs=100, learning_rate=0.1).fit(line)
    made, across = coder.inverse_transform(coder.transform(line)), np.array([2.0, 0.0, 2.0])
    np.testing.assert_allclose(coder.score_samples(line), -((line - made) ** 2).sum(axis=1), rtol=1e-9)
    assert coder.score(line) == pytest.approx(-((line - made) ** 2).sum() / 200) and coder.score(line) > -1e-3
    assert coder.score_samples(line).min() > coder.score_samples(line + across).max()
    assert coder.loss_curve_[-1] < coder.loss_curve_[0] and len(coder.loss_curve_) == 100


@needs
def test_the_cross_entropy_is_in_nats_and_wants_numbers_between_0_and_1():
    x = np.random.default_rng(0).uniform(0, 1, (20, 4))
    coder = transformer(output="sigmoid", loss="bce").fit(x)
    p = coder.inverse_transform(coder.transform(x))
    expected = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(coder.score_samples(x), expected, rtol=1e-9)
    with pytest.raises(ValueError, match='scale the data, or write output="linear"'):
        coder.fit(x + 1)


@needs
def test_it_works_in_a_pipeline_and_a_grid_search():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = np.concatenate([rows(1) - 4, rows(2) + 4]), np.repeat([0, 1], 60)
    pipeline = make_pipeline(StandardScaler(), transformer(epochs=30), LogisticRegression())
    search = GridSearchCV(pipeline, {"autoencodertransformer__n_components": [1, 2]}, cv=2, n_jobs=1).fit(x, y)
    assert search.best_score_ > 0.95
    alone = GridSearchCV(transformer(), {"epochs": [1, 30]}, cv=2, n_jobs=1).fit(x)  # by its own score
    assert alone.best_params_ == {"epochs": 30}
    names = search.best_estimator_[:-1].get_feature_names_out()
    assert list(names) == [f"autoencodertransformer{i}" for i in range(len(names))]


@needs
def test_what_it_cannot_use_is_refused():
    x = rows()
    with pytest.raises(ValueError, match=r"AutoencoderTransformer: expected epochs to be .* at least 1"):
        transformer(epochs=0).fit(x)
    with pytest.raises(ValueError, match=r"expected codes of 2 numbers, got \(60, 4\)"):
        transformer().fit(x).inverse_transform(x)
    with (
        pytest.raises(ValueError, match=r"expected finite gradients, got .* or lower learning_rate"),
        np.errstate(all="ignore"),
    ):
        transformer(activation=None, learning_rate=1e30, epochs=20).fit(x.astype(np.float32))


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    for name in ("sklearn", "sklearn.base"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "tinygen.models.sklearn", raising=False)
    with pytest.raises(ImportError, match=r"tinygen.models.sklearn: expected scikit-learn 1.6 or newer: run `python"):
        import tinygen.models.sklearn  # noqa: F401
