"""GANs as code: losses against their formulas, penalties with known values, what a frozen player computes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_expit

import tinygen as tg
from tinygen import Parameter, Tensor, grad, nn, optim
from tinygen.grad import reachable
from tinygen.models import (
    GAN,
    gan,
    gradient_penalty,
    hinge,
    least_squares,
    minimax,
    non_saturating,
    r1_penalty,
    wasserstein,
)

OBJECTIVES = [minimax, non_saturating, least_squares, hinge, wasserstein]
logits = arrays(np.float64, st.tuples(st.integers(1, 5), st.just(1)), elements=st.floats(-30, 30))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def points(seed: int, n: int = 6) -> np.ndarray:
    return rng(seed).normal(size=(n, 2))


def pair(*widths: int, seed: int = 0) -> GAN:
    return GAN.dense((2,), widths, 3, rng=rng(seed), dtype=np.float64)


# -- the losses --------------------------------------------------------------------------------------------------------


@given(logits, logits)
def test_each_loss_is_its_formula(real, fake):
    """As the papers write them, of D = σ(s) or of s itself; 1 - D is σ(-s), because the difference loses digits."""
    formulas = {
        minimax: (-log_expit(real).mean() - log_expit(-fake).mean(), log_expit(-fake).mean()),
        non_saturating: (-log_expit(real).mean() - log_expit(-fake).mean(), -log_expit(fake).mean()),
        least_squares: (((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2, ((fake - 1) ** 2).mean() / 2),
        hinge: (-np.minimum(0, real - 1).mean() - np.minimum(0, -fake - 1).mean(), -fake.mean()),
        wasserstein: (-(real.mean() - fake.mean()), -fake.mean()),
    }
    for objective, (d_loss, g_loss) in formulas.items():
        assert objective.d_loss(tg.Tensor(real), tg.Tensor(fake)).item() == pytest.approx(d_loss, rel=1e-12, abs=1e-14)
        assert objective.g_loss(tg.Tensor(fake)).item() == pytest.approx(g_loss, rel=1e-12, abs=1e-14)


@given(logits, logits, logits)
def test_minimax_and_wasserstein_are_zero_sum(real, fake, other):
    """What G gains D loses: the sum of both losses doesn't depend on the fakes."""
    for objective in (minimax, wasserstein):
        a, b = (
            objective.d_loss(tg.Tensor(real), tg.Tensor(s)).item() + objective.g_loss(tg.Tensor(s)).item()
            for s in (fake, other)
        )
        assert a == pytest.approx(b, abs=1e-12)


@given(logits)
def test_logits_of_any_shape(s):
    """Vectors and columns are the same to the losses: a mean is a mean."""
    for objective in OBJECTIVES:
        column, vector = (objective.d_loss(tg.Tensor(a), tg.Tensor(-a)).item() for a in (s, s[:, 0]))
        assert column == vector


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_discriminator_that_is_sure_costs_no_digits(dtype):
    sure = tg.Parameter(np.array([[1000.0]], dtype))
    for objective in (minimax, non_saturating):
        assert objective.d_loss(sure, -sure).item() == 0
        assert objective.d_loss(-sure, sure).item() == 2000
    assert non_saturating.g_loss(-sure).item() == 1000 and minimax.g_loss(sure).item() == -1000
    assert grad(non_saturating.g_loss(-sure), sure).dtype == dtype


# -- penalties: derivatives of derivatives -----------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.5])
def test_the_penalty_of_a_linear_critic_is_known(slope):
    """s = x·w + b has the slope ‖w‖ everywhere: (‖w‖ - slope)², and its gradient 2 (‖w‖ - slope) w/‖w‖ in w, 0 in b."""
    critic = nn.Dense(2, 1, rng=rng(1), dtype=np.float64)
    w = critic.weight.numpy()
    length = np.linalg.norm(w)
    penalty = gradient_penalty(critic, points(2), points(3), rng(4), slope=slope)
    assert penalty.item() == pytest.approx((length - slope) ** 2, rel=1e-12)
    dw, db = grad(penalty, critic.parameters())
    np.testing.assert_allclose(dw.numpy(), 2 * (length - slope) * w / length, rtol=1e-12)
    assert (db.numpy() == 0).all()
    r1 = r1_penalty(critic, points(2))
    assert r1.item() == pytest.approx(length**2, rel=1e-12)
    np.testing.assert_allclose(grad(r1, critic.weight).numpy(), 2 * w, rtol=1e-12)


def test_the_slope_is_1_unless_said():
    critic = nn.Dense(2, 1, rng=rng(1), dtype=np.float64)
    ways = [gradient_penalty(critic, points(2), points(3), rng(4), **how).item() for how in ({}, dict(slope=1.0))]
    assert ways[0] == ways[1]


def critics() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Discriminators in float64, and the shape of an example."""
    same = dict(rng=rng(5), dtype=np.float64)
    smooth = nn.Sequential(nn.Dense(2, 5, **same), nn.Tanh(), nn.Dense(5, 4, **same), nn.SiLU(), nn.Dense(4, 1, **same))
    convolutions = nn.Sequential(
        nn.Conv2d(1, 2, 4, stride=2, padding=1, **same),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2, 3, 4, stride=2, padding=1, **same),
        nn.Tanh(),
        nn.Flatten(),
        nn.Dense(12, 1, **same),
    )
    return {"smooth": (smooth, (2,)), "dense": (pair(6, 5).discriminator, (2,)), "conv": (convolutions, (8, 8, 1))}


@pytest.mark.parametrize("which", critics())
@pytest.mark.parametrize("penalty", ["between", "r1"])
def test_double_backward_against_differences(which, penalty):
    """The penalty's gradient in every weight, along a random direction, against central differences."""
    critic, shape = critics()[which]
    real, fake = rng(6).normal(size=(2, 5, *shape))
    params = critic.parameters()

    def loss(*values):
        for p, value in zip(params, values):
            p.data = value
        return gradient_penalty(critic, real, fake, rng(7)) if penalty == "between" else r1_penalty(critic, real)

    start = [p.numpy() for p in params]
    found = grad(loss(*start), params)
    direction = [rng(8).normal(size=p.shape) for p in params]
    h = 1e-6
    ahead, behind = (loss(*[p + s * h * d for p, d in zip(start, direction)]).item() for s in (1, -1))
    slope = sum((g.numpy() * d).sum() for g, d in zip(found, direction))
    assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)
    assert abs(slope) > 1e-4


def test_slopes_are_those_of_each_example():
    """‖∇s‖ of each row by central differences of that row alone."""
    critic, _ = critics()["smooth"]
    x, h = points(9), 1e-6
    steps = h * np.eye(2)
    by_hand = [[(critic(x + e) - critic(x - e)).numpy()[:, 0] / (2 * h)] for e in steps]  # (2, 1, N)
    np.testing.assert_allclose(gan.slopes(critic, x).numpy(), np.hypot(*np.squeeze(by_hand, 1)), rtol=1e-8)


def test_points_of_the_penalty_lie_between_a_real_and_a_fake_one():
    seen = []

    def critic(x):
        seen.append(x.numpy())
        return x.sum(axis=1)

    real, fake = points(10, 400), points(11, 400)
    gradient_penalty(critic, real, fake, rng(12))
    t = (seen[0] - fake) / (real - fake)  # (N, 2)
    np.testing.assert_allclose(t[:, 0], t[:, 1], atol=1e-9)  # one t for an example, not one for each coordinate
    assert (t > -1e-9).all() and (t < 1 + 1e-9).all()
    assert abs(t.mean() - 0.5) < 4 / np.sqrt(12 * 400)  # uniform: its variance is 1/12
    assert abs(t[:, 0].var() - 1 / 12) < 4 * np.sqrt(1 / 180 / 400)  # and 1/180 that of (t - ½)²


def test_where_a_critic_is_flat_the_penalty_has_a_gradient_and_no_nan():
    critic = nn.Sequential(
        nn.Dense(2, 3, rng=rng(), dtype=np.float64), nn.ReLU(), nn.Dense(3, 1, rng=rng(), dtype=np.float64)
    )
    critic.load_state_dict(critic.state_dict() | {"0.bias": np.full(3, -100.0)})
    penalty = gradient_penalty(critic, points(2), points(3), rng(4))
    assert penalty.item() == 1
    assert all((g.numpy() == 0).all() for g in grad(penalty, critic.parameters()))


# -- a frozen discriminator --------------------------------------------------------------------------------------------


def rules_that_ran(loss: tg.Tensor, targets: list) -> set[int]:
    """The nodes to which some derivative rule sent a gradient while `grad(loss, targets)` walked, by id."""
    ran = set()

    def noting(parent, vjp):
        if vjp.__code__.co_argcount - len(vjp.__defaults__ or ()) == 2:  # it takes the op's output too
            return lambda g, y: (ran.add(id(parent)), vjp(g, y))[1]
        return lambda g: (ran.add(id(parent)), vjp(g))[1]

    for node in reachable(loss.node):
        node.edges = [(parent, noting(parent, vjp)) for parent, vjp in node.edges]
    grad(loss, targets)
    return ran


@pytest.mark.parametrize("model", [pair(5, 4), GAN.conv((8, 8, 1), (4, 6), 3, rng=rng())])
def test_freezing_is_not_asking(model):
    """For G's step no rule of a weight of D runs; those of D's activations do, for through them G learns."""
    g_params, d_params = model.generator.parameters(), model.discriminator.parameters()
    frozen, learning = ({id(p.node) for p in params} for params in (d_params, g_params))

    def g_loss():
        return non_saturating.g_loss(model.discriminator(model(model.noise(4, rng(13)))))

    ran = rules_that_ran(g_loss(), g_params)
    assert learning <= ran and not frozen & ran
    both = rules_that_ran(g_loss(), g_params + d_params)
    assert frozen <= both and learning <= both  # the test can tell
    alone, together = grad(g_loss(), g_params), grad(g_loss(), g_params + d_params)
    assert all((a.numpy() == b.numpy()).all() for a, b in zip(alone, together))


def test_a_step_of_one_player_leaves_the_other_where_it_is():
    model, real = pair(8), points(14)
    g_params, d_params = model.generator.parameters(), model.discriminator.parameters()
    g_opt, d_opt = optim.Adam(g_params, 0.1), optim.Adam(d_params, 0.1)
    fake = model(model.noise(6, rng(15)))
    before = model.state_dict()
    d_opt.step(grad(non_saturating.d_loss(model.discriminator(real), model.discriminator(fake.detach())), d_params))
    between = model.state_dict()
    g_opt.step(grad(non_saturating.g_loss(model.discriminator(fake)), g_params))
    after = model.state_dict()
    for name in before:
        of_d = name.startswith("discriminator")
        assert (before[name] == between[name]).all() != of_d and (between[name] == after[name]).all() == of_d


# -- the pairs ---------------------------------------------------------------------------------------------------------


def test_the_sizes_of_the_convolutional_pair():
    model = GAN.conv((28, 28, 1), rng=rng())
    count = [sum(p.size for p in part.parameters()) for part in (model.generator, model.discriminator)]
    assert count == [540_225, 1_738_433]
    assert "(B, 28, 28, 1)" in model.generator.summary((64,))
    assert "(B, 7, 7, 128)" in model.discriminator.summary((28, 28, 1))
    assert model.generator[3].weight.numpy().std() == pytest.approx(0.02, rel=0.02)
    glorot = (2 / (16 * 64 + 4 * 128)) ** 0.5  # with stride 2, a pixel enters 4 windows for each of 128 maps
    assert model.discriminator[1].weight.numpy().std() == pytest.approx(glorot, rel=0.02)


@pytest.mark.parametrize("size", [8, 28])
def test_the_convolutional_discriminator_sees_opposite_corners_together(size):
    """A change in both is more than the two changes added up, as it would be if each part were computed by itself."""
    model = GAN.conv((size, size, 1), rng=rng())
    corners = rng(20).random((2, size, size, 1), dtype=np.float32)
    corners[0, size // 4 :], corners[1, : -size // 4] = 0, 0  # a stripe above, a stripe below
    images = np.stack([0 * corners[0], corners[0], corners[1], corners[0] + corners[1]])
    nothing, above, below, both = model.discriminator(images).numpy()[:, 0]
    together = both - above - below + nothing
    assert abs(together) > 0.01 * max(abs(above - nothing), abs(below - nothing))


@pytest.mark.parametrize("size", [8, 28])
def test_samples_are_images_and_the_same_for_the_same_seed(size):
    model = GAN.conv((size, size, 2), (3, 5), 4, rng=rng())
    x = model.sample(7, rng(16), batch_size=3)
    assert x.shape == (7, size, size, 2) and x.dtype == np.float32 and ((x > 0) & (x < 1)).all()
    np.testing.assert_array_equal(x, model.sample(7, rng(16), batch_size=3))
    assert model.discriminator(x).shape == (7, 1)
    assert GAN.dense((2,), (), 16, rng=rng()).sample(5, rng(17)).shape == (5, 2)


def test_sampling_changes_nothing_and_looks_at_each_example_alone():
    model = GAN.conv((8, 8, 1), (3, 5), 4, rng=rng())
    model(model.noise(32, rng(18)))  # training mode: running statistics move
    before = model.state_dict()
    together, one_by_one = (model.sample(6, rng(19), batch_size=n) for n in (6, 1))
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)
    assert all((before[name] == array).all() for name, array in model.state_dict().items())
    assert all(module.training for _, module in model.named_modules())
    assert (model.eval().sample(6, rng(19)) == together).all() and not model.generator.training


class Same(nn.Module):
    """The noise itself: q = N(0, 1)."""

    def forward(self, z):
        return Tensor(z)


class Ratio(nn.Module):
    """The logit of the best discriminator of p = N(0.5, 0.8²) from q = N(0, 1): log p - log q."""

    def __init__(self):
        self.scale = Parameter(np.ones(1))

    def forward(self, x):
        return self.scale * (-(((x - 0.5) / 0.8) ** 2) / 2 + x**2 / 2 - np.log(0.8))


def test_rejection_by_the_best_discriminator_draws_from_the_data():
    """Of q = N(0, 1) it keeps p: mean and variance within five standard errors; and one in max p/q, which is known."""
    model, n = GAN(Same(), Ratio(), latent=1), 20_000
    x = model.rejection_sample(n, rng(21), quantile=1.0)
    assert x.shape == (n, 1)
    assert abs(x.mean() - 0.5) < 5 * 0.8 / n**0.5
    assert abs(x.var() - 0.64) < 5 * 0.64 * (2 / n) ** 0.5
    assert (x == model.rejection_sample(n, rng(21), quantile=1.0)).all()
    everything = model.rejection_sample(n, rng(21), quantile=0.0)  # above the smallest logit all are kept
    assert abs(everything.mean()) < 5 / n**0.5


def test_rejection_by_one_that_is_no_number_ends():
    model = GAN(Same(), Ratio(), latent=1)
    model.discriminator.scale.data = np.array([np.nan])
    with pytest.raises(ValueError, match="rejection_sample: expected finite logits of the discriminator, got nan"):
        model.rejection_sample(3, rng())


# -- what goes in ------------------------------------------------------------------------------------------------------


def test_errors_name_what_does_not_fit():
    with pytest.raises(ValueError, match=r"GAN\.conv: expected images with H and W divisible by 4, got 28x30"):
        GAN.conv((28, 30, 1), rng=rng())
    with pytest.raises(ValueError, match="GAN: expected latent to be a whole number of at least 1, got 0"):
        GAN(nn.Identity(), nn.Identity(), latent=0)
    with pytest.raises(ValueError, match=r"as many fake examples as real, got \(6, 2\), \(5, 2\)"):
        gradient_penalty(pair().discriminator, points(1), points(2, 5), rng())
