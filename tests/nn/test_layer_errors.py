"""The errors of layers say what was expected, what was given and what to do."""

import numpy as np
import pytest

from tinygen import nn

rng = np.random.default_rng(0)
images = np.zeros((8, 28, 28, 3), np.float32)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: nn.Dense(3, 2), TypeError, "rng"),
        (lambda: nn.Dense(3, 2, rng=0), TypeError, r"Dense: expected rng to be a numpy.random.Generator.*got 0"),
        (lambda: nn.Dense(3.0, 2, rng=rng), TypeError, "expected in_features to be a whole number.* got 3.0"),
        (lambda: nn.Conv2d(1, 0, 3, rng=rng), ValueError, "Conv2d: expected out_channels to be .* got 0"),
        (lambda: nn.Conv2d(2, 2, 3, groups=2, rng=rng), ValueError, "expected groups=1, got 2: slice the channels"),
        (
            lambda: nn.Conv2d(2, 2, 3, activation="relu6", rng=rng),
            ValueError,
            "Conv2d: .* None, .relu., .leaky_relu., .elu., .silu",
        ),
        (lambda: nn.Conv2d(2, 2, 3, stride=0, rng=rng), ValueError, "Conv2d: expected stride to be a whole number"),
        (lambda: nn.ConvTranspose2d(2, 2, 0, rng=rng), ValueError, "ConvTranspose2d: expected kernel_size"),
        (
            lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=2, rng=rng),
            ValueError,
            "expected output_padding to be below the stride 2, got 2",
        ),
        (
            lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=1, output_size=5, rng=rng),
            ValueError,
            "got both: leave one out",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 2, 3, stride=2, output_size=60, rng=rng)(images),
            ValueError,
            "height 57 to 58",
        ),
        (
            lambda: nn.ConvTranspose2d(1, 8, 3, rng=rng)(images),
            ValueError,
            r"ConvTranspose2d: expected x \(N, H, W, 1\)",
        ),
        (lambda: nn.Conv2d(28, 8, 3, rng=rng)(images), ValueError, r"channels last, x\.transpose\(0, 2, 3, 1\)"),
        (lambda: nn.Conv2d(3, 8, 30, rng=rng)(images), ValueError, "Conv2d: a window of 30 x 30"),
        (lambda: nn.Conv2d(3, 8, 3, rng=rng)(images[0]), ValueError, "Conv2d: expected images"),
        (lambda: nn.Sequential([nn.ReLU()]), TypeError, r"got a list of 1: put a star before it"),
        (
            lambda: nn.Conv2d(1, 32, 3, rng=rng)(images),
            ValueError,
            r"Conv2d: expected x \(N, H, W, 1\), .*got \(8, 28, 28, 3\)",
        ),
        (lambda: nn.Dense(2352, 2, rng=rng)(images), ValueError, r"got \(8, 28, 28, 3\): put nn.Flatten\(\) before"),
        (
            lambda: nn.Reshape((7, 7, 64))(images),
            ValueError,
            r"Reshape: expected 3136 entries .* got x \(8, 28, 28, 3\)",
        ),
        (lambda: nn.Reshape((7, -1)), ValueError, r"expected shape\[1\] to be a whole number of at least 1"),
        (lambda: nn.Upsample(2, mode="cubic"), ValueError, "'nearest', 'linear', .*, got 'cubic'"),
        (lambda: nn.Upsample(0), ValueError, "Upsample: expected scale_factor"),
        (
            lambda: nn.ConvTranspose1d(2, 3, 4, stride=2, output_size=3, rng=np.random.default_rng(0))(
                np.zeros((1, 5, 2), np.float32)
            ),
            ValueError,
            r"an output of length 12 to 13 for x \(1, 5, 2\), got 3",
        ),
        (
            lambda: nn.ConvTranspose1d(2, 3, 4, output_padding=2, rng=np.random.default_rng(0)),
            ValueError,
            "below the stride 1, got 2",
        ),
        (lambda: nn.Upsample(), ValueError, "Upsample: expected either size or scale_factor"),
        (lambda: nn.Upsample(2, size=3), ValueError, "Upsample: expected either size or scale_factor"),
        (lambda: nn.MaxPool2d(0), ValueError, "MaxPool2d: expected kernel_size"),
        (lambda: nn.AvgPool2d(2, stride=0), ValueError, "AvgPool2d: expected stride"),
        (lambda: nn.Dropout(0.5), TypeError, "rng"),
        (lambda: nn.Dropout(1.0, rng=rng), ValueError, "at least 0 and below 1, got 1.0"),
        (lambda: nn.BatchNorm(4, 0.8), TypeError, "expected 1 positional argument"),
        (lambda: nn.BatchNorm(4, eps=0), ValueError, "expected eps to be a number above 0"),
        (lambda: nn.BatchNorm(4, momentum=1.5), ValueError, "at least 0 and at most 1, got 1.5"),
        (lambda: nn.BatchNorm(4)(images), ValueError, r"BatchNorm: expected x \(N, ..., 4\), .*got \(8, 28, 28, 3\)"),
        (lambda: nn.BatchNorm(3)(images[:1, 0, 0]), ValueError, r"at least two values per channel .*got x \(1, 3\)"),
        (lambda: nn.GroupNorm(2, 3), ValueError, "expected num_groups to divide 3 channels, got 2"),
        (lambda: nn.GroupNorm(2, 4)(images), ValueError, "GroupNorm: expected x"),
        (lambda: nn.LayerNorm(4)(images), ValueError, "LayerNorm: expected x"),
    ],
)
def test_errors_say_what_to_do(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
