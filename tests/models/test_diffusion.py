"""Diffusion: schedules, predictions, single steps, the samplers as functions, the model and its loss."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.models import (
    Diffusion,
    GaussianMixture,
    NoiseSchedule,
    PointDenoiser,
    cosine_schedule,
    ddim,
    ddpm,
    linear_schedule,
    reverse,
)
from tinygen.models.schedules import PREDICTION_TYPES

SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
each_schedule = pytest.mark.parametrize("schedule", [f() for f in SCHEDULES.values()], ids=SCHEDULES)
chains = st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=30)  # β₁ ... β_T


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- forwards ----------------------------------------------------------------------------------------------------------


def test_the_linear_schedule_is_that_of_the_paper():
    schedule = linear_schedule()
    np.testing.assert_allclose(np.diff(schedule.betas[1:]), (0.02 - 1e-4) / 999, rtol=1e-9)
    assert schedule.betas[1] == 1e-4 and schedule.betas[-1] == 0.02


def test_the_cosine_schedule_is_that_of_the_paper():
    def f(t):
        return np.cos((t / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2

    t = np.arange(1000)
    np.testing.assert_allclose(cosine_schedule().alpha_bar[:-1], f(t) / f(0), rtol=1e-10)
    assert cosine_schedule().betas[-1] == 0.999


@each_schedule
def test_it_begins_with_all_of_the_data_and_ends_with_almost_none(schedule):
    assert schedule.alpha_bar[0] == 1 and 0 < schedule.alpha_bar[-1] < 1e-4
    assert schedule.alpha_bar.shape == schedule.snr.shape == schedule.betas.shape == (1001,)


@given(chains)
def test_the_signal_to_noise_ratio_falls(betas):
    snr = NoiseSchedule(betas).snr
    assert np.isinf(snr[0]) and (np.diff(snr) < 0).all()


@given(chains)
def test_noise_in_one_go_is_the_noise_of_all_the_steps(betas):
    """x_t = √(1 - β_t) x_{t-1} + √β_t z: the mean shrinks at each step, the variance shrinks and grows by β_t."""
    schedule, one, zero = NoiseSchedule(betas), np.ones((1, 1)), np.zeros((1, 1))
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(betas, 1):
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        assert schedule.add_noise(one, zero, t).item() == pytest.approx(mean, rel=1e-12)
        assert schedule.add_noise(zero, one, t).item() ** 2 == pytest.approx(variance, rel=1e-10)


def test_each_example_has_a_time_of_its_own():
    schedule, x, eps = linear_schedule(), rng(1).normal(size=(3, 4, 4, 2)), rng(2).normal(size=(3, 4, 4, 2))
    x_t = schedule.add_noise(x, eps, np.array([0, 10, 1000]))
    np.testing.assert_array_equal(x_t[0], x[0])
    for i, t in enumerate((0, 10, 1000)):
        np.testing.assert_array_equal(x_t[i], schedule.add_noise(x[i : i + 1], eps[i : i + 1], t)[0])
    assert schedule.add_noise(x.astype(np.float32), eps.astype(np.float32), 5).dtype == np.float32


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("known", PREDICTION_TYPES)
@pytest.mark.parametrize("wanted", PREDICTION_TYPES)
def test_every_prediction_becomes_every_other(make, known, wanted):
    known, wanted = make(prediction_type=known), make(prediction_type=wanted)
    t = np.concatenate([[1, 1000], rng(0).integers(1, 1001, size=98)])
    x_0, eps = rng(1).normal(size=(100, 3)), rng(2).normal(size=(100, 3))
    x_t = known.add_noise(x_0, eps, t)
    seen = known.split(known.target(x_0, eps, t), x_t, t)
    np.testing.assert_allclose(seen, (x_0, eps), rtol=0, atol=1e-10)
    np.testing.assert_allclose(wanted.target(*seen, t), wanted.target(x_0, eps, t), rtol=0, atol=1e-10)


def test_what_a_prediction_is():
    x_0, eps = np.array([[2.0]]), np.array([[3.0]])
    half = NoiseSchedule([0.36], prediction_type="v_prediction")  # √ᾱ = 0.8, √(1 - ᾱ) = 0.6
    assert half.target(x_0, eps, 1) == pytest.approx(0.8 * 3 - 0.6 * 2)
    assert NoiseSchedule([0.36]).target(x_0, eps, 1) == 3
    assert NoiseSchedule([0.36], prediction_type="sample").target(x_0, eps, 1) == 2


# -- one step backwards ------------------------------------------------------------------------------------------------


@given(chains, st.data())
def test_a_step_with_eta_1_is_the_posterior_of_the_chain(betas, data):
    """q(x_s | x_t, x_0) by Bayes: N(x_s; √ᾱ_s x_0, 1 - ᾱ_s) times N(x_t; √α x_s, 1 - α), with α = ᾱ_t/ᾱ_s."""
    schedule = NoiseSchedule(betas)
    t = data.draw(st.integers(1, len(betas)))
    s = data.draw(st.integers(0, t - 1))
    x_0, eps = 0.7, -1.3
    x_t = schedule.add_noise(np.array([[x_0]]), np.array([[eps]]), t).item()
    alpha = np.prod(1 - np.array(betas[s:t]))
    before = 1 - schedule.alpha_bar[s]
    variance = before * (1 - alpha) / (before * alpha + 1 - alpha)
    mean = (np.sqrt(schedule.alpha_bar[s]) * x_0 * (1 - alpha) + np.sqrt(alpha) * x_t * before) / (
        before * alpha + 1 - alpha
    )
    assert schedule.sigma(t, s, eta=1) ** 2 == pytest.approx(variance, rel=1e-9, abs=1e-15)
    x_s = schedule.step(np.array([[x_0]]), np.array([[eps]]), t, s, eta=1, rng=Once(0.0))
    assert x_s.item() == pytest.approx(mean, rel=1e-9, abs=1e-9)


def test_a_step_keeps_the_variance_where_hardly_any_data_is_left():
    schedule, zero, one = NoiseSchedule(rng(0).uniform(0.3, 0.999, size=60)), np.zeros((1, 1)), np.ones((1, 1))
    for s, t in combinations(range(61), 2):
        by_eps = schedule.step(zero, one, t, s, eta=1, rng=Once(0.0)).item()
        by_z = schedule.step(zero, zero, t, s, eta=1, rng=Once(1.0)).item()
        assert by_eps**2 + by_z**2 == pytest.approx(1 - schedule.alpha_bar[s], abs=1e-12)


@given(chains, st.floats(0, 1), st.data())
def test_a_step_keeps_the_marginals(betas, eta, data):
    """Of true x_0 and ε any η makes an x_s of the right mean and variance, and s = 0 gives x_0 back."""
    schedule = NoiseSchedule(betas)
    t = data.draw(st.integers(1, len(betas)))
    s = data.draw(st.integers(0, t - 1))
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    by_x_0, by_eps, by_z = (
        schedule.step(x, e, t, s, eta=eta, rng=Once(z)).item()
        for x, e, z in ((one, zero, 0.0), (zero, one, 0.0), (zero, zero, 1.0))
    )
    assert by_x_0**2 == pytest.approx(schedule.alpha_bar[s], rel=1e-12)
    assert by_eps**2 + by_z**2 == pytest.approx(1 - schedule.alpha_bar[s], rel=1e-9, abs=1e-12)
    if s == 0:
        assert (by_x_0, by_eps, by_z) == (1, 0, 0)


class Once:
    """A generator that always draws the same."""

    def __init__(self, z: float):
        self.z = z

    def standard_normal(self, shape, dtype):
        return np.full(shape, self.z, dtype)


@given(st.integers(1, 1000), st.data())
def test_samplers_visit_falling_times_from_T_to_0(T, data):
    steps = data.draw(st.integers(1, T))
    times = linear_schedule(T).timesteps(steps)
    assert len(times) == steps + 1 and times[0] == T and times[-1] == 0
    gaps = -np.diff(times)
    assert gaps.min() >= 1 and gaps.max() - gaps.min() <= 1


@given(st.integers(1, 1000), st.sampled_from([1.25, 1.5, 2, 3]), st.data())
def test_with_a_power_they_are_dense_near_the_data(T, power, data):
    steps = data.draw(st.integers(1, T))
    schedule = linear_schedule(T)
    times = schedule.timesteps(steps, power=power)
    assert len(times) == steps + 1 and times[0] == T and times[-1] == 0 and (np.diff(times) < 0).all()
    for i, t in enumerate(reversed(times)):
        assert t == i or t - 1e-9 <= T * (i / steps) ** power < t + 1 + 1e-9
    assert schedule.timesteps(times) == times and schedule.timesteps(np.array(times)) == times


@pytest.mark.parametrize("sampler", [ddim, ddpm])
@pytest.mark.parametrize(
    "steps", [0, -1, True, 2.5, 21, np.float64(3), [20, 10, 1], [], [5, 5, 0], [5, 10, 0], [30, 0]]
)
def test_samplers_refuse_steps_that_do_not_lead_from_noise_to_data(sampler, steps):
    with pytest.raises((TypeError, ValueError), match=r"^timesteps: [^\n]*got [^\n]*$"):
        sampler(linear_schedule(20), lambda x, t: x, np.zeros((2, 1)), rng(0), steps=steps)


@pytest.mark.parametrize("sampler", [ddim, ddpm])
def test_samplers_take_times_or_their_number_of_any_type(sampler):
    schedule = linear_schedule(20)
    drawn = [
        sampler(schedule, lambda x, t: 0.1 * x, np.ones((3, 1)), rng(0), steps=steps).tolist()
        for steps in (2, np.int64(2), np.array(2), [20, 10, 0], (20, 10, 0), np.array([20, 10, 0]))
    ]
    assert all(x == drawn[0] for x in drawn)


def test_the_first_time_is_not_rounded():
    assert linear_schedule(998).timesteps(581, power=1.5)[0] == 998  # 998 · 581^1.5 / 581^1.5 = 997.9999999999999


# -- the samplers as functions -----------------------------------------------------------------------------------------


def test_a_sampler_can_be_watched():
    schedule, mixture = linear_schedule(100, beta_start=1e-3, beta_end=0.2), GaussianMixture([[1.0, 2.0]], 0.1)
    x_T = rng(0).standard_normal((4, 2), dtype=np.float32)
    states = list(reverse(schedule, mixture.denoiser(schedule), x_T, rng(1), steps=10, eta=1))
    assert [state.t for state in states] == [100, 90, 80, 70, 60, 50, 40, 30, 20, 10, 0]
    assert states[0].x is x_T and states[-1].x_0 is states[-1].x
    assert all(state.x.dtype == state.x_0.dtype == np.float32 for state in states)
    np.testing.assert_allclose(states[0].x_0, [[1, 2]] * 4, atol=0.1)  # of noise alone the best guess is the mean
    np.testing.assert_array_equal(states[-1].x, ddpm(schedule, mixture.denoiser(schedule), x_T, rng(1), steps=10))


def test_ddim_draws_nothing_and_ddpm_draws_from_the_generator_it_is_given():
    schedule = linear_schedule(100, beta_start=1e-3, beta_end=0.2)
    denoiser, x_T = GaussianMixture([[0.0]], 1.0).denoiser(schedule), rng(0).standard_normal((5, 1))
    untouched = rng(1)
    np.testing.assert_array_equal(ddim(schedule, denoiser, x_T, untouched), ddim(schedule, denoiser, x_T))
    assert untouched.random() == rng(1).random()
    np.testing.assert_array_equal(ddpm(schedule, denoiser, x_T, rng(1)), ddpm(schedule, denoiser, x_T, rng(1)))
    assert (ddpm(schedule, denoiser, x_T, rng(1)) != ddpm(schedule, denoiser, x_T, rng(2))).all()


def test_clip_keeps_the_guess_in_range_and_the_noise_in_step_with_it():
    schedule = linear_schedule(100, beta_start=1e-3, beta_end=0.2)

    def wrong(x, t):
        return np.full_like(x, 3.0)

    for state in reverse(schedule, wrong, rng(0).standard_normal((6, 2)), steps=100, eta=0, clip=1):
        assert np.abs(state.x_0).max() <= 1
        following = state.x
    assert np.abs(following).max() <= 1
    assert np.abs(ddim(schedule, wrong, rng(0).standard_normal((6, 2)))).max() > 10
    one = schedule.alpha_bar[100]
    first, second, *_ = reverse(schedule, wrong, np.full((1, 1), 40.0), steps=100, eta=0, clip=1)
    eps = (40 - np.sqrt(one) * first.x_0) / np.sqrt(1 - one)
    ahead = schedule.alpha_bar[99]
    np.testing.assert_allclose(second.x, np.sqrt(ahead) * first.x_0 + np.sqrt(1 - ahead) * eps, rtol=1e-12)


# -- the model ---------------------------------------------------------------------------------------------------------


class Fixed(tg.nn.Module):
    """A network that isn't one: any function of arrays."""

    def __init__(self, answer):
        self.answer = answer
        self.weight = tg.Parameter(np.zeros((), np.float32))

    def forward(self, x, t):
        return tg.Tensor(self.answer(x, t)) + self.weight


def test_the_loss_is_the_squared_error_per_entry():
    schedule, x_0 = linear_schedule(), rng(0).normal(size=(7, 4, 4, 2)).astype(np.float32)
    seen = {}

    def answer(x, t):
        seen.update(x=tg.Tensor(x).numpy(), t=t)
        return np.zeros(x.shape, np.float32)

    model = Diffusion(Fixed(answer), schedule, (4, 4, 2))
    loss = model.loss(x_0, rng(1)).item()
    signal = np.sqrt(schedule.alpha_bar[seen["t"]]).reshape(7, 1, 1, 1)
    eps = (seen["x"] - signal * x_0) / np.sqrt(1 - signal**2)
    assert loss == pytest.approx((eps**2).mean(), rel=1e-4)
    assert 0.8 < eps.std() < 1.2


def test_every_time_is_trained_and_no_other():
    times = []
    schedule = linear_schedule(5, beta_start=0.02, beta_end=0.5)
    model = Diffusion(Fixed(lambda x, t: times.extend(t) or np.zeros(x.shape, np.float32)), schedule, (1,))
    model.loss(np.zeros((500, 1), np.float32), rng(0))
    assert set(times) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_no_answer_has_a_smaller_loss_than_the_best_one(prediction_type):
    """And the model's sampler, given the best one, is the sampler that is proved above."""
    schedule = linear_schedule(10, beta_start=0.02, beta_end=0.6, prediction_type=prediction_type)
    mixture = GaussianMixture([[-1.0], [1.0]], 0.3)

    def best(x, t):
        x, answer = tg.Tensor(x).numpy(), mixture.denoiser(schedule)
        return np.concatenate([answer(x[i : i + 1], t[i : i + 1]) for i in range(len(x))])

    x_0 = mixture.sample(2000, rng(0)).astype(np.float32)
    losses = {
        factor: Diffusion(Fixed(lambda x, t, f=factor: f * best(x, t)), schedule, (1,)).loss(x_0, rng(1)).item()
        for factor in (0.8, 1.0, 1.2)
    }
    assert losses[1.0] < min(losses[0.8], losses[1.2])
    model = Diffusion(Fixed(best), schedule, (1,))
    draw = rng(2)
    x = ddim(schedule, mixture.denoiser(schedule), draw.standard_normal((9, 1), dtype=np.float32), steps=5)
    np.testing.assert_allclose(model.sample(9, rng(2), steps=5), x, rtol=0, atol=1e-5)
    assert len(list(model.reverse(9, rng(2), steps=5))) == 6


def test_the_model_hands_eta_and_clip_to_the_sampler():
    schedule = linear_schedule(10, beta_start=0.02, beta_end=0.6)
    net = PointDenoiser(rng=rng(0), hidden=8)
    model = Diffusion(net, schedule, (2,), clip=0.5)
    draw = rng(1)
    x = ddpm(schedule, model.denoise, draw.standard_normal((20, 2), dtype=np.float32), draw, clip=0.5)
    np.testing.assert_array_equal(model.sample(20, rng(1), steps=10, eta=1), x)
    assert np.abs(x).max() <= 0.5 < np.abs(Diffusion(net, schedule, (2,)).sample(20, rng(1), steps=10, eta=1)).max()


def test_batches_make_no_difference_to_samples():
    net = PointDenoiser(rng=rng(0), hidden=8, dtype=np.float64)
    model, t = Diffusion(net, linear_schedule(), (2,)), np.arange(1, 8)
    x = rng(1).normal(size=(7, 2))
    np.testing.assert_allclose(model.denoise(x, t, batch_size=3), net(x, t).numpy(), rtol=1e-12)
    assert model.sample(3, rng(0), steps=2).dtype == np.float64


def test_the_point_denoiser_has_its_size_and_right_gradients():
    net = PointDenoiser(rng=rng(0))
    assert sum(p.size for p in net.parameters()) == 34 * 128 + 2 * 128 * 128 + 128 * 2 + 3 * 128 + 2 == 37_762
    small, t = PointDenoiser(rng=rng(0), features=4, hidden=5, dtype=np.float64), np.array([3, 700])
    assert tg.check(lambda x: small(x, t), rng(1).normal(size=(2, 2)), order=1).ok
    x = np.ones((1, 2))
    assert np.abs(small(x, np.array([5])).data - small(x, np.array([500])).data).max() > 1e-3


def test_a_little_training_finds_the_best_denoiser():
    """Data N(1.5, 0.5²): the trained answer is compared with the formula, where the noisy data are."""
    draw, mixture = rng(0), GaussianMixture([[1.5]], 0.5)
    schedule = linear_schedule(20, beta_start=0.01, beta_end=0.4)
    model = Diffusion.points((1,), hidden=32, schedule=schedule, rng=draw)
    params = model.parameters()
    opt, ema = tg.optim.Adam(params, 3e-3), tg.optim.EMA(params, 0.98)
    for _ in range(300):
        opt.step(tg.grad(model.loss(mixture.sample(256, draw).astype(np.float32), draw), params))
        ema.update()
    with ema.applied():
        for t in (3, 10, 18):
            x_t = schedule.add_noise(mixture.sample(500, draw), draw.standard_normal((500, 1)), t)
            times = np.full(500, t)
            error = model.denoise(x_t.astype(np.float32), times) - mixture.denoiser(schedule)(x_t, times)
            assert np.sqrt((error**2).mean()) < 0.15


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda s, x: NoiseSchedule([0.1, 1.0]), r"expected betas to be \(T,\) numbers in \(0, 1\), got \[0.1 1. \]"),
        (lambda s, x: NoiseSchedule([]), r"expected betas to be \(T,\)"),
        (lambda s, x: linear_schedule(prediction_type="noise"), "one of 'epsilon', 'sample', .*, got 'noise'"),
        (lambda s, x: s.add_noise(x, x, 11), r"expected t in 0..10, got 11..11"),
        (lambda s, x: s.add_noise(x, x, np.array([-1, 3])), r"expected t in 0..10, got -1..3"),
        (
            lambda s, x: s.add_noise(x, x, np.arange(3)),
            r"expected t to be an integer, or \(2,\) of them, got int64 \(3,\)",
        ),
        (lambda s, x: s.add_noise(x, x, 0.5), r"expected t to be an integer, .* got float64"),
        (lambda s, x: s.split(x, x, 0), r"expected t in 1..10, got 0..0"),
        (lambda s, x: s.timesteps(11), "expected steps to be a whole number of at least 1 and at most 10, got 11"),
        (lambda s, x: s.timesteps(5, power=0.5), "expected power to be a number of at least 1, got 0.5"),
        (
            lambda s, x: ddim(s, lambda x, t: x, x, steps=[10, 4]),
            r"expected times that fall from at most 10 to 0, got \[10, 4\]",
        ),
        (lambda s, x: s.timesteps([11, 0]), "expected times that fall from at most 10 to 0"),
        (lambda s, x: s.timesteps([9, 9, 0]), "expected times that fall from at most 10 to 0"),
        (lambda s, x: s.timesteps([0]), "expected times that fall from at most 10 to 0"),
        (lambda s, x: s.step(x, x, 3, 3), "expected s to be a whole number of at least 0 and at most 2, got 3"),
        (lambda s, x: s.step(x, x, 3, 2, eta=1.5), "expected eta to be a number of at least 0 and at most 1, got 1.5"),
        (
            lambda s, x: s.step(x, x, 3, 2, eta=0.5),
            r"expected rng for eta = 0.5, which adds noise, got None: pass rng=np.random.default_rng",
        ),
        (
            lambda s, x: ddim(s, lambda x, t: x[:1], x, steps=3),
            r"expected an array of shape \(2, 1\), got ndarray \(1, 1\)",
        ),
        (
            lambda s, x: ddim(s, lambda x, t: tg.Tensor(x), x, steps=3),
            r"expected an array of shape \(2, 1\), got Tensor",
        ),
        (
            lambda s, x: Diffusion(PointDenoiser(rng=rng()), s, (2,)).loss(x, rng()),
            r"expected x_0 to be floats \(N, 2\), got float64 \(2, 1\)",
        ),
        (
            lambda s, x: Diffusion(PointDenoiser(rng=rng()), s, (1,)).loss(x.astype(np.uint8), rng()),
            r"expected x_0 to be floats \(N, 1\), got uint8 \(2, 1\)",
        ),
        (lambda s, x: GaussianMixture([1.0, 2.0], 0.1), r"means should be \(K, d\), got shape \(2,\)"),
        (lambda s, x: GaussianMixture([[1.0]], 0.0), "sd should be positive, got 0.0"),
        (lambda s, x: GaussianMixture([[1.0]], 1.0, weights=[0.5]), r"weights should be \(1,\), .* sum 1; got \[0.5\]"),
        (
            lambda s, x: GaussianMixture([[1.0]], 1.0).denoiser(s)(x, np.array([1, 2])),
            r"expected one time for all points, got \[1 2\]",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call, message):
    schedule = linear_schedule(10, beta_start=0.01, beta_end=0.5)
    with pytest.raises(ValueError, match=message):
        call(schedule, np.ones((2, 1)))
