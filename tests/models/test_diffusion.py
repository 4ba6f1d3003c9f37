"""The diffusion model: its loss, its samples, and its error messages."""

import numpy as np
import pytest

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
)
from tinygen.models.schedules import PREDICTION_TYPES

SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
each_schedule = pytest.mark.parametrize("schedule", [f() for f in SCHEDULES.values()], ids=SCHEDULES)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- the model ---------------------------------------------------------------------------------------------------------


class Fixed(tg.nn.Module):
    """A network that isn't one: any function of arrays."""

    def __init__(self, predict):
        self.predict = predict
        self.weight = tg.Parameter(np.zeros((), np.float32))

    def forward(self, x, t):
        return tg.Tensor(self.predict(x, t)) + self.weight


def test_the_loss_is_the_squared_error_per_entry():
    schedule, x_0 = linear_schedule(), rng(0).normal(size=(7, 4, 4, 2)).astype(np.float32)
    seen = {}

    def predict(x, t):
        seen.update(x=tg.Tensor(x).numpy(), t=t)
        return np.zeros(x.shape, np.float32)

    model = Diffusion(Fixed(predict), schedule, (4, 4, 2))
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
def test_no_prediction_has_a_smaller_loss_than_the_best_one(prediction_type):
    """And the model's sampler, given the best one, is the sampler that is proved above."""
    schedule = linear_schedule(10, beta_start=0.02, beta_end=0.6, prediction_type=prediction_type)
    mixture = GaussianMixture([[-1.0], [1.0]], 0.3)

    def best(x, t):
        x, predict = tg.Tensor(x).numpy(), mixture.denoiser(schedule)
        return np.concatenate([predict(x[i : i + 1], t[i : i + 1]) for i in range(len(x))])

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
    """Data N(1.5, 0.5²): the trained prediction is compared with the formula where the noisy data are."""
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
        (lambda s, x: GaussianMixture([1.0, 2.0], 0.1), r"expected means \(K, d\), got shape \(2,\)"),
        (lambda s, x: GaussianMixture([[1.0]], 0.0), "expected sd above 0, got 0.0"),
        (
            lambda s, x: GaussianMixture([[1.0]], 1.0, weights=[0.5]),
            r"weights \(1,\) >= 0 with sum 1, got \[0.5\]",
        ),
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
