"""The sheet of layers and functions: one row for each, at sizes that fit a cache and at sizes that don't.

A row is a call that means the same in both libraries: `words.py` has its words in tinygen, `torch_words.py` in PyTorch.
Functions take x, perhaps y, which get gradients, and then the arrays of `constants`. A name with a capital is that of a
layer, which is applied to x, or of an optimizer.
"""

import ast
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygen.bench.lessons import LESSONS

Shape = tuple[int, ...]

SHEET = {  # kind: {call: sizes of x, or of x and y with a comma between; "10x512x512": ten parameters}
    "conv": {
        "Conv2d(64, 64, 3, padding=1)": "1x28x28x64 16x14x14x64 64x28x28x64",
        "Conv2d(128, 256, 3, padding=1)": "64x7x7x128",
        "Conv2d(24, 48, 3, padding=1)": "64x32x32x24",
        "Conv2d(40, 40, 3, padding=1)": "64x28x28x40",
        "Conv2d(1, 16, 3, padding=1)": "64x64x64x1",
        "Conv2d(3, 64, 3, padding=1)": "1x32x32x3 64x32x32x3",
        "Conv2d(20, 20, 3, stride=2, padding=1)": "64x64x64x20",
        "Conv2d(32, 64, 4, stride=2, padding=1)": "64x28x28x32",
        "Conv2d(32, 32, 3, padding=2, dilation=2)": "16x14x14x32 64x28x28x32",
        "Conv2d(64, 64, 1)": "64x28x28x64",
        "Conv2d(128, 256, 1, stride=2)": "64x14x14x128",
        "Conv2d(24, 48, 5, padding=2)": "64x28x28x24",
        "Conv2d(3, 64, 5, stride=2, padding=2)": "64x64x64x3",
        "Conv2d(1, 16, 7, padding=3)": "64x28x28x1",
        "Conv2d(20, 20, 7, stride=2, padding=3)": "1x64x64x20",
        "Conv1d(64, 64, 3, padding=1)": "64x512x64",
    },
    "transpose": {
        "ConvTranspose2d(64, 24, 2, stride=2)": "16x14x14x64 64x14x14x64",
        "ConvTranspose2d(64, 64, 3, stride=2, padding=1, output_padding=1)": "64x14x14x64",
        "ConvTranspose2d(64, 64, 4, stride=2, padding=1)": "64x14x14x64",
        "ConvTranspose2d(64, 1, 4, stride=2, padding=1)": "64x28x28x64",
        "ConvTranspose2d(64, 3, 4, stride=2, padding=1)": "16x14x14x64 64x28x28x64",
        "ConvTranspose2d(64, 24, 5, stride=2, padding=2, output_padding=1)": "64x14x14x64",
        "ConvTranspose2d(100, 128, 4)": "64x1x1x100",
        "ConvTranspose2d(64, 128, 7)": "64x1x1x64",
        "ConvTranspose1d(64, 32, 4, stride=2, padding=1)": "64x512x64",
    },
    "float64": {
        "Conv2d(64, 64, 3, padding=1, dtype=float64)": "64x14x14x64",
        "Conv2d(32, 64, 4, stride=2, padding=1, dtype=float64)": "64x28x28x32",
        "ConvTranspose2d(64, 32, 4, stride=2, padding=1, dtype=float64)": "64x14x14x64",
    },
    "dense": {
        "Dense(32, 32)": "1x32 256x32",
        "Dense(784, 400, activation='relu')": "32x784",
        "Dense(2048, 2048)": "1x2048 256x2048",
        "matmul(x, y)": "32x64x64,32x64x64 64x128x256,64x256x128",
    },
    "norm": {
        "BatchNorm(64)": "16x14x14x64 64x28x28x64",
        "BatchNorm(64, activation='relu')": "64x28x28x64",
        "GroupNorm(8, 64)": "16x14x14x64 64x28x28x64",
        "GroupNorm(8, 64, activation='silu')": "64x28x28x64",
        "InstanceNorm(64)": "64x28x28x64",
        "InstanceNorm(64, activation='leaky_relu')": "16x14x14x64",
        "LayerNorm(128)": "64x128",
        "LayerNorm(512)": "4096x512",
        "LayerNorm(512, activation='gelu')": "4096x512",
    },
    "resize": {
        "Upsample(2)": "64x14x14x64",
        "Upsample(2, mode='bilinear')": "16x14x14x64 64x14x14x64",
        "Upsample(0.5, mode='bilinear', align_corners=True)": "64x28x28x64",
        "Upsample(2, mode='bicubic')": "16x7x7x64 64x14x14x64",
        "Upsample(2, mode='linear')": "64x512x32",
        "PixelShuffle(2)": "64x14x14x64",
    },
    "pooling": {
        "MaxPool2d(2)": "16x14x14x64 64x28x28x64",
        "AvgPool2d(2)": "64x28x28x64",
        "MaxPool2d(3, stride=2, padding=1)": "64x28x28x64",
        "AvgPool2d(3, stride=2, padding=1)": "16x14x14x64 64x28x28x64",
    },
    "activation": {
        "relu(x)": "128x1024 4096x1024",
        "leaky_relu(x)": "4096x1024",
        "elu(x)": "4096x1024",
        "gelu(x)": "128x1024 4096x1024",
        "silu(x)": "4096x1024",
        "sigmoid(x)": "4096x1024",
        "softplus(x)": "4096x1024",
        "tanh(x)": "4096x1024",
    },
    "softmax": {
        "softmax(x)": "4096x10 2048x1000",
        "log_softmax(x)": "4096x10 2048x1000",
        "logsumexp(x, axis=1)": "4096x10 2048x1000",
        "cross_entropy(x, labels)": "4096x10 2048x1000",
    },
    "loss": {
        "bce_with_logits(x, target)": "64x784 4096x784",
        "mse(x, target)": "4096x784",
        "l1(x, target)": "4096x784",
        "huber(x, target)": "4096x784",
        "gaussian_kl(x, y)": "128x20,128x20 4096x512,4096x512",
    },
    "reduce": {f"{name}(x, axis={axis})": "64x256x128" for name in ("sum", "mean", "var", "max") for axis in range(3)},
    "broadcast": {
        "add(x, y)": "16x14x14x64,1x1x1x64 64x28x28x64,1x1x28x1 64x28x28x64,1x28x1x1 64x28x28x64,64x1x1x1",
        "mul(x, y)": "64x28x28x64,1x1x1x64 64x28x28x64,1x1x28x1 64x28x28x64,1x28x1x1 64x28x28x64,64x1x1x1",
    },
    "move": {
        "concat(x, y, axis=CHANNELS)": "16x14x14x32,16x14x14x32 64x28x28x32,64x28x28x32",
        "stack(x, y, axis=1)": "64x128x256,64x128x256",
        "pad(x, 1)": "64x28x28x64",
        "middle(x)": "64x128x256",
        "every_other(x)": "64x128x256",
        "rows(x, order)": "4096x1024",
        "mul_transposed(x, y)": "64x128x256,64x256x128",
    },
    "dropout": {"Dropout(0.5)": "128x1024 4096x1024"},
    "optimizer": {
        "Adam(lr=0.001)": "10x512x512 100x64x64",
        "AdamW(lr=0.001, weight_decay=0.01)": "10x512x512 100x64x64",
        "SGD(lr=0.01, momentum=0.9)": "10x512x512 100x64x64",
    },
    "recurrent": {
        "RNN(64, 64)": "64x32x64",
        "GRU(64, 128)": "64x20x64",
        "LSTM(64, 128)": "64x20x64",
        "RNNCell(64, 64)": "64x64",
        "GRUCell(64, 128)": "64x64",
        "LSTMCell(64, 128)": "64x64",
    },
    "lesson": {name: "x".join(map(str, lesson.inputs["x"])) for name, lesson in LESSONS.items()},
}


class Row(NamedTuple):
    """A call with the shapes of x and y, channels last."""

    kind: str
    text: str
    shapes: tuple[Shape, ...]

    def __str__(self) -> str:
        return f"{self.text} {self.sizes}"

    @property
    def sizes(self) -> str:
        return ",".join("x".join(map(str, shape)) for shape in self.shapes)

    @property
    def images(self) -> bool:
        """Whether PyTorch wants the channels first."""
        ndim = len(self.shapes[0])
        return self.kind != "lesson" and (ndim == 4 or "1d(" in self.text or "'linear'" in self.text)

    @property
    def layouts(self) -> bool:
        """Whether PyTorch has two layouts for it."""
        return len(self.shapes[0]) == 4

    @property
    def random(self) -> bool:
        """Whether each library has its own random numbers, so that the results differ."""
        return self.kind == "dropout"


def _row(kind: str, text: str, sizes: str) -> Row:
    return Row(kind, text, tuple(tuple(map(int, size.split("x"))) for size in sizes.split(",")))


ROWS = tuple(
    _row(kind, text, each) for kind, lines in SHEET.items() for text, sizes in lines.items() for each in sizes.split()
)
KINDS = tuple(SHEET)
OPTIMIZERS = ("Adam", "AdamW", "SGD")


def chosen(kinds: tuple[str, ...]) -> list[int]:
    """The numbers of the rows of these kinds; of all, if there are none."""
    return [i for i, row in enumerate(ROWS) if row.kind in (kinds or KINDS)]


def compiled(row: Row, words: dict[str, Any], constants: dict[str, Any]) -> tuple[Callable, Any]:
    """The function of x (and y) that a row describes in the words of a library, and its layer, or None."""
    call: Any = ast.parse(row.text, mode="eval").body

    def value(node: ast.expr) -> Any:
        return {**words, **constants}[node.id] if isinstance(node, ast.Name) else ast.literal_eval(node)

    function, settings = words[call.func.id], {keyword.arg: value(keyword.value) for keyword in call.keywords}
    if row.text[0].isupper():
        layer = function(*map(value, call.args), **settings)
        return layer, layer
    others = [value(node) for node in call.args[len(row.shapes) :]]
    return lambda *inputs: function(*inputs, *others, **settings), None


# -- what both libraries get, the same in every process ----------------------------------------------------------------


def variables(row: Row) -> dict[str, np.ndarray]:
    """The arrays that get gradients by name, x and perhaps y."""
    return {name: _normal(row, shape, seed) for name, shape, seed in zip("xy", row.shapes, (1, 2))}


def constants(row: Row) -> dict[str, np.ndarray]:
    """The other arrays of a call: targets from 0 to 1, labels below the last size, numbers of rows of x."""
    rng, (n, *_), classes = np.random.default_rng(3), row.shapes[0], row.shapes[0][-1]
    makers = {
        "target": lambda: rng.random(row.shapes[0], dtype=np.float32),
        "labels": lambda: rng.integers(classes, size=n),
        "order": lambda: rng.integers(n, size=n),
    }
    return {name: make() for name, make in makers.items() if re.search(rf"\b{name}\b", row.text)}


def gradients(row: Row) -> list[np.ndarray]:
    """Those of the parameters of an optimizer."""
    return list(_normal(row, row.shapes[0], 4))


def direction(row: Row, shape: Shape) -> np.ndarray:
    """The gradient of the result, of this shape."""
    return _normal(row, shape, 4)


def _normal(row: Row, shape: Shape, seed: int) -> np.ndarray:
    dtype = np.float64 if "float64" in row.text else np.float32
    return np.random.default_rng(seed).standard_normal(shape, dtype=dtype)
