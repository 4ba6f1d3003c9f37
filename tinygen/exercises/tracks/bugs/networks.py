"""Find the bug: in a network whose layers are right, a number in the wrong place."""

from collections.abc import Callable

import numpy as np

from tinygen.exercises.exercise import Arguments, Exercise, Finding, Wrong, call
from tinygen.exercises.refusals import Refuses
from tinygen.exercises.show import code
from tinygen.exercises.stages import Made, Property, Shapes, Values
from tinygen.models import GAN
from tinygen.nn import BatchNorm
from tinygen.tensor import Tensor

TRACK = "find the bug"
NONE_LEFT = "The generator has no BatchNorm now. It needs them: what was wrong are their settings."


def _networks(conv: Callable) -> Callable:
    """The outputs of both networks with the weights of the library's, in training."""

    def networks(z, x, channels) -> dict[str, Tensor]:
        shape, latent, dtype = x.shape[1:], z.shape[1], z.dtype.type
        model = conv(GAN, shape, channels, latent, rng=np.random.default_rng(0), dtype=dtype)
        weights = GAN.conv(shape, channels, latent, rng=np.random.default_rng(1), dtype=dtype).state_dict()
        model.load_state_dict(dict(zip(model.state_dict(), weights.values())))  # in order, whatever their names
        return {"generator": model.generator(z), "discriminator": model.discriminator(x)}

    return networks


def _written(call: Arguments) -> str:
    (z, x), channels = call.args, call.settings["channels"]
    made = (
        f"model = conv(GAN, {x.shape[1:]}, {channels}, {z.shape[1]}, rng=np.random.default_rng(0), dtype=np.{z.dtype})"
    )
    weights = "# its weights replaced, in order, by those of GAN.conv with np.random.default_rng(1)"
    return f"{made}\n{weights}\nmodel.generator({code(z)})\nmodel.discriminator({code(x)})"


def _noise(rng: np.random.Generator, size: int) -> Arguments:
    shape = [(4, 4, 1), (4, 4, 1), (4, 8, 1), (8, 4, 2), (8, 8, 3)][size]
    n, latent = 3 + size, 1 + size
    return call(rng.normal(size=(n, latent)), rng.normal(size=(n, *shape)), channels=(1 + size, 2 + size))


def _normalised(conv: Callable) -> Finding | None:
    """What the layers of the generator do to the variance, at the beginning of training."""
    rng = np.random.default_rng(0)
    model = conv(GAN, (8, 8, 1), (8, 16), 32, rng=rng)
    x = model.noise(64, rng)
    for i, layer in enumerate(model.generator):
        y = np.asarray(layer(x).numpy())
        if isinstance(layer, BatchNorm):
            axes = tuple(range(x.ndim - 1))
            normal = (x - x.mean(axis=axes)) / x.std(axis=axes)
            wanted = np.sqrt(((normal if layer.activation is None else np.maximum(normal, 0)) ** 2).mean())
            found = np.sqrt((y**2).mean())
            if abs(found / wanted - 1) > 0.1:
                says = (
                    f"Layer {i} of the generator normalises, but the root mean square of its output is not that of "
                    "data with mean 0 and variance 1 after ReLU."
                )
                return Finding(says, "GAN.conv((8, 8, 1), (8, 16), 32, rng=rng)", f"{wanted:.3f}", f"{found:.3f}")
        x = y
    if not any(isinstance(layer, BatchNorm) for layer in model.generator):
        return Finding(NONE_LEFT)
    return None


def _first_weights(conv: Callable) -> Finding | None:
    model = conv(GAN, (8, 8, 1), (16, 32), 32, rng=np.random.default_rng(0))
    for name, a in model.generator.state_dict().items():
        if name.endswith("weight") and a.ndim > 1 and abs(a.std() / 0.02 - 1) > 0.2:
            says = "The first weights of the generator have the standard deviation 0.02, as in the paper."
            return Finding(says, f"GAN.conv(...), {name}", "sd 0.02", f"sd {a.std():.3g}")
    return None


def _odd(shape: tuple[int, int, int]) -> Arguments:
    return call(GAN, shape, (1, 2), 3, rng=np.random.default_rng(0))


_REFUSES = Refuses(
    {
        "4 doesn't divide the height.": lambda: _odd((6, 8, 1)),
        "4 doesn't divide the width.": lambda: _odd((8, 10, 1)),
    }
)

_QUARTER, _HALF = (f'nn.BatchNorm({size}, activation="relu", dtype=dtype)' for size in ("quarter", "half"))


def _batch_norms(settings: str, second: str | None = None) -> tuple[tuple[str, str], ...]:
    """The edits that give both layers these settings."""
    second = settings if second is None else second
    return (
        (_QUARTER, f"nn.BatchNorm(quarter, {settings}dtype=dtype)"),
        (_HALF, f"nn.BatchNorm(half, {second}dtype=dtype)"),
    )


_RELU = 'activation="relu", '

BUG_BATCH_NORM = Exercise(
    name="bug_batch_norm",
    track=TRACK,
    title="a generator whose batch normalisation hardly normalises",
    source="tinygen.models.gan:GAN.conv",
    question="The generator of a DCGAN. Its images stay grey for long: the feature maps are much smaller than\n"
    "they should be, although each convolution is followed by a BatchNorm. Find out why, and fix it.",
    story="Found in many files of PyTorch-GAN (#116). A number was passed by position, and became another argument "
    "than was meant.",
    page="rules.md#normalisation-opsnormpy",
    hints=(
        "After a BatchNorm each channel has variance 1, before the activation. Which argument can change that?",
        "y = (x - mean) / √(variance + eps), and the variance of the first feature maps is about 0.01.",
        "0.8 is a usual momentum in Keras, and no usual eps. The defaults of BatchNorm are fine.",
    ),
    stages=(
        Property("feature maps in training", _normalised),
        Property("first weights", _first_weights),
        Made(_networks, Shapes(_noise), _written),
        Made(_networks, Values(_noise, digits=()), _written),
        _REFUSES,
    ),
    wrong=(
        Wrong(_batch_norms(_RELU, f"eps=0.8, {_RELU}"), "The second BatchNorm has the same mistake."),
        Wrong(_batch_norms(f"eps=0.8, {_RELU}", _RELU), "The first BatchNorm has the same mistake."),
        Wrong(
            _batch_norms(f"eps=0.1, {_RELU}"),
            "eps is smaller, and still larger than the variance of the feature maps: it must be small beside that.",
        ),
        Wrong(_batch_norms(""), "The activation is gone: ReLU follows each BatchNorm of the generator."),
        Wrong(
            (*_batch_norms(f"eps=0.8, {_RELU}"), ("normal(0.02)", "normal(0.5)")),
            "Larger first weights hide the mistake until training shrinks them. Leave 0.02, and look at BatchNorm.",
        ),
        Wrong(
            ((_QUARTER, "nn.ReLU()"), (_HALF, "nn.ReLU()")),
            NONE_LEFT,
        ),
    ),
    correct=(
        """
        def conv(cls, shape, channels=(64, 128), latent=64, *, rng, dtype=np.float32):
            height, width, colours = check_image_shape("GAN.conv", shape, divisor=4)
            half, quarter = channels
            maps = (height // 4, width // 4, quarter)
            same = dict(rng=rng, dtype=dtype)
            first = dict(rng=rng, dtype=dtype, init=nn.init.normal(0.02))
            norm = dict(eps=1e-5, momentum=0.2, activation="relu", dtype=dtype)
            leaky = dict(rng=rng, dtype=dtype, activation="leaky_relu", negative_slope=0.2)
            generator = nn.Sequential(
                nn.Dense(latent, math.prod(maps), **first),
                nn.Reshape(maps),
                nn.BatchNorm(quarter, **norm),
                nn.ConvTranspose2d(quarter, half, 4, stride=2, padding=1, **first),
                nn.BatchNorm(half, **norm),
                nn.ConvTranspose2d(half, colours, 4, stride=2, padding=1, **first),
                nn.Sigmoid(),
            )
            discriminator = nn.Sequential(
                nn.Conv2d(colours, half, 4, stride=2, padding=1, **leaky),
                nn.Conv2d(half, quarter, 4, stride=2, padding=1, **leaky),
                nn.Flatten(),
                nn.Dense(math.prod(maps), 2 * quarter, **leaky),
                nn.Dense(2 * quarter, 1, **same),
            )
            return cls(generator, discriminator, latent=latent)
        """,
        """
        def conv(cls, shape, channels=(64, 128), latent=64, *, rng, dtype=np.float32):
            height, width, colours = shape
            if height % 4 or width % 4:
                raise ValueError("4 must divide the height and the width of an image")
            half, quarter = channels
            first = dict(rng=rng, dtype=dtype, init=nn.init.normal(0.02))
            leaky = dict(rng=rng, dtype=dtype, activation="leaky_relu", negative_slope=0.2)
            small = (height // 4, width // 4, quarter)

            def twice(before, after):
                return nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, **first)

            generator = [nn.Dense(latent, math.prod(small), **first), nn.Reshape(small)]
            generator += [nn.BatchNorm(quarter, dtype=dtype), nn.ReLU(), twice(quarter, half)]
            generator += [nn.BatchNorm(half, dtype=dtype), nn.ReLU(), twice(half, colours), nn.Sigmoid()]
            discriminator = [
                nn.Conv2d(before, after, 4, stride=2, padding=1, **leaky)
                for before, after in ((colours, half), (half, quarter))
            ]
            discriminator += [nn.Flatten(), nn.Dense(math.prod(small), 2 * quarter, **leaky)]
            discriminator += [nn.Dense(2 * quarter, 1, rng=rng, dtype=dtype)]
            return cls(nn.Sequential(*generator), nn.Sequential(*discriminator), latent=latent)
        """,
    ),
    bug=_batch_norms(f"eps=0.8, {_RELU}"),
)

EXERCISES: tuple[Exercise, ...] = (BUG_BATCH_NORM,)
