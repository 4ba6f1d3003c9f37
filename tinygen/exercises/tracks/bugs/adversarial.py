"""Find the bug: an objective without a bound, a penalty without a gradient, and a sampler that is one step off.

The functions are those of the track "GANs and diffusion", and so are the stages, after one that shows the symptom.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinygen.exercises.exercise import Exercise, Finding, Wrong, call
from tinygen.exercises.outcome import outcome
from tinygen.exercises.show import number, shown
from tinygen.exercises.stages import Property
from tinygen.exercises.tracks.adversarial import DISCRIMINATOR_LOSS
from tinygen.exercises.tracks.adversarial.penalties import SLOPES
from tinygen.exercises.tracks.adversarial.sampling import STEP
from tinygen.exercises.tracks.inputs import seeded
from tinygen.grad import grad
from tinygen.models.schedules import NoiseSchedule
from tinygen.ops import matmul, tanh
from tinygen.tensor import Tensor

TRACK = "find the bug"


def other_than(wrong: tuple[Wrong, ...], bug: tuple[tuple[str, str], ...]) -> tuple[Wrong, ...]:
    """The wrong answers without the one that is the bug: its words would give it away."""
    return tuple(each for each in wrong if each.edits != bug)


def _bounded(classification: Callable) -> Finding | None:
    """The loss for logits that grow, of a perfect discriminator and of one that is wrong everywhere."""
    for real, fake in [(10.0, -1000.0), (1000.0, -1000.0), (-1000.0, 1000.0), (0.0, 1000.0)]:
        tensors = Tensor(np.array([[real]])), Tensor(np.array([[fake]]))
        loss = float(outcome(classification, call(*tensors)))
        if loss < 0:
            says = "The loss has no smallest value: the discriminator can lower it for ever."
            return Finding(says, f"classification([[{number(real)}]], [[{number(fake)}]])", "at least 0", number(loss))
    return None


_UNBOUNDED = (("+ softplus(fake)", "- softplus(-fake)"),)

BUG_GAN_OBJECTIVE = replace(
    DISCRIMINATOR_LOSS,
    name="bug_gan_objective",
    track=TRACK,
    title="a discriminator whose loss falls for ever",
    question="The discriminator should minimise -E log D(real) - E log(1 - D(fake)), with D = σ(logit).\n"
    "Its loss falls below 0 and never stops, and the generator learns nothing. Find out why, and fix it.",
    story="Found in HIPS autograd, examples/generative_adversarial_net.py. The head of the file says that the example "
    "always collapses, and asks readers to tell the author if they can get it to work.",
    hints=(
        "Let the discriminator be perfect: real logits +1000, fake logits -1000. What is each of the two terms?",
        "log(1 - D(fake)) and -log D(fake) both fall when D(fake) grows. Only one of them stays finite as D(fake) → 0.",
        "1 - σ(s) = σ(-s), so -log(1 - D) is a softplus. Which sign does its argument have, and which sign the term?",
    ),
    stages=(Property("a loss with a smallest value", _bounded), *DISCRIMINATOR_LOSS.stages),
    bug=_UNBOUNDED,
)


def _penalty_moves(slopes: Callable) -> Finding | None:
    """The gradient of a penalty in the weights of the discriminator, compared with a difference."""
    rng = seeded(0)
    x, first, last = rng.standard_normal((4, 3)), rng.standard_normal((3, 5)), rng.standard_normal((5, 1))

    def penalty(shift: float) -> tuple[Tensor, Tensor]:
        weight = Tensor(first + shift, requires_grad=True)
        lengths = slopes(lambda x: tanh(matmul(x, weight)) @ last, x)
        return ((lengths - 1) ** 2).mean(), weight

    before, after = (float(outcome(penalty, call(shift))[0]) for shift in (-1e-5, 1e-5))
    value, weight = penalty(0.0)
    found = float(grad(value, weight).numpy().sum()) if value.requires_grad else 0.0
    wanted = (after - before) / 2e-5
    if abs(found - wanted) < 1e-4 * abs(wanted):
        return None
    says = "The penalty depends on the weights of the discriminator, but its gradient in them is another one."
    return Finding(says, "((slopes(discriminator, x) - 1) ** 2).mean(), slope in W", number(wanted), number(found))


_NO_GRAPH = (("create_graph=True", "create_graph=False"),)

BUG_GRADIENT_PENALTY = replace(
    SLOPES,
    name="bug_gradient_penalty",
    track=TRACK,
    title="a gradient penalty that changes nothing",
    question="slopes(discriminator, x) returns the length of the gradient of each logit in its example, (N,), for\n"
    "a penalty that is added to the loss. The loss is right, but training with the penalty gives the same\n"
    "weights as training without it. Find out why, and fix it.",
    story="Found in mlpack (#2891): the gradient penalty of WGAN-GP was added to the loss, and its gradient was not.",
    hints=(
        "The optimizer uses the gradient of the loss alone. What is the gradient of the penalty in the weights?",
        "The slope in x is itself the result of a backward pass. To differentiate it, that pass must be recorded.",
        "Look at the arguments of `grad`, and at docs/gradients.md#gradients-of-gradients.",
    ),
    stages=(Property("the gradient of a penalty", _penalty_moves), *SLOPES.stages),
    wrong=other_than(SLOPES.wrong, _NO_GRAPH),
    bug=_NO_GRAPH,
)


def _lands_on_the_path(step: Callable) -> Finding | None:
    """With the true parts of x_t, a step must lead to what `add_noise` makes of them at time s."""
    schedule = NoiseSchedule([0.1, 0.3, 0.2, 0.4])
    x_0, eps = np.ones((1, 1)), np.zeros((1, 1))
    for t, s in [(4, 3), (4, 2), (3, 1), (2, 0)]:
        for parts, what in (((x_0, eps), "x_0"), ((eps, x_0), "eps")):
            found, wanted = outcome(step, call(schedule, *parts, t, s)), schedule.add_noise(*parts, s)
            if not np.allclose(found, wanted, rtol=1e-9):
                says = (
                    "From the true x_0 and ε, a step to time s leads to another mixture than `add_noise` makes of them "
                    f"at time s: the share of {what} is not right."
                )
                return Finding(says, f"step(schedule, x_0, eps, {t}, {s})", shown(wanted), shown(found))
    return None


_EARLIER = (
    ("1 - self.alpha_bar[s] -", "1 - self.alpha_bar[max(s - 1, 0)] -"),
    ("math.sqrt(self.alpha_bar[s]) * x_0", "math.sqrt(self.alpha_bar[max(s - 1, 0)]) * x_0"),
)

BUG_DDIM = replace(
    STEP,
    name="bug_ddim",
    track=TRACK,
    title="a DDIM sampler whose paths make detours",
    question="step leads from x_t, given as its parts x_0 and eps, to x_s at an earlier time s. For t = 0 to T,\n"
    "self.alpha_bar[t] is ᾱ_t. The samples look almost right, but after each step the network sees an\n"
    "image with less noise than it is told. Find out why, and fix it.",
    story="Found in denoising-diffusion-pytorch (#81). A user doubted the sampler, tried it on data of one "
    "dimension, and saw paths that made detours.",
    hints=(
        "Take the true x_0 and ε of an image. What should x_s be, by the formula of `add_noise`?",
        "How much noise is in x_s? The network will be called with x_s and the time s.",
        "Which entry of alpha_bar belongs to time s? alpha_bar[0] is 1, without noise.",
    ),
    stages=(Property("a step along the path", _lands_on_the_path), *STEP.stages),
    bug=_EARLIER,
)

EXERCISES: tuple[Exercise, ...] = (BUG_GAN_OBJECTIVE, BUG_GRADIENT_PENALTY, BUG_DDIM)
