"""What to write in tinygen instead of what users of PyTorch and NumPy type first: the tables behind error messages.

A name means the same wherever it is looked up, so all functions share one table; layers, optimizers, data and the
methods of a Module have one each. Nothing here runs until a lookup has failed.
"""

import importlib.util
import sys
import warnings
from collections.abc import Iterable
from functools import cache
from types import ModuleType
from typing import Any

CPU = "nothing: tinygen computes on the CPU"
VALUE = "x itself: a Tensor never changes"
JOIN = "tinygen.concat(a, b, axis=0)"
PRODUCT = "a @ b, with tinygen.reshape and tinygen.transpose"
NEW_AXIS = "x[:, None]"

# Functions, looked up as tinygen.NAME, tinygen.functional.NAME, np.NAME(tensor) and tensor.NAME.
FUNCTIONS = {
    "amax": "tinygen.max(x)",
    "amin": "tinygen.min(x)",
    "arange": "tinygen.Tensor(np.arange(n, dtype=np.float32))",
    "argmax": "x.numpy().argmax(axis=-1)",
    "array": "tinygen.Tensor(array)",
    "as_tensor": "tinygen.Tensor(array)",
    "autograd": "tinygen.grad(loss, parameters)",
    "backward": "tinygen.grad(loss, parameters), or loss.backward()",
    "binary_cross_entropy": "tinygen.functional.bce(p, target)",
    "binary_cross_entropy_with_logits": "tinygen.functional.bce_with_logits(logits, target)",
    "bmm": "a @ b",
    "cat": JOIN,
    "clamp": "tinygen.clip(x, low=low, high=high)",
    "clip_grad_norm_": "tinygen.optim.clip_by_norm(grads, limit)",
    "clone": VALUE,
    "concatenate": JOIN,
    "copy": VALUE,
    "cpu": CPU,
    "cuda": CPU,
    "device": CPU,
    "dim": "x.ndim",
    "dot": "a @ b",
    "double": "x.astype(np.float64)",
    "einsum": PRODUCT,
    "expand": "tinygen.broadcast_to(x, shape=shape)",
    "expand_dims": NEW_AXIS,
    "eye": "tinygen.Tensor(np.eye(n, dtype=np.float32))",
    "float": "x.astype(np.float32)",
    "float32": "np.float32",
    "float64": "np.float64",
    "from_numpy": "tinygen.Tensor(array)",
    "grad_fn": "tinygen.graph.text(x), which shows the graph",
    "hstack": "tinygen.concat(a, b, axis=1)",
    "huber_loss": "tinygen.functional.huber(x, target)",
    "interpolate": "tinygen.upsample(x, 2)",
    "is_cuda": CPU,
    "kl_div": "tinygen.functional.gaussian_kl(mu, log_var)",
    "l1_loss": "tinygen.functional.l1(x, target)",
    "linspace": "tinygen.Tensor(np.linspace(start, stop, n, dtype=np.float32))",
    "load": "module.load(path)",
    "long": "x.numpy().astype(np.int64)",
    "manual_seed": "rng = np.random.default_rng(seed), and pass rng=rng",
    "mm": "a @ b",
    "moveaxis": "tinygen.transpose(x, axes=axes)",
    "mse_loss": "tinygen.functional.mse(x, target)",
    "multiply": "a * b",
    "mv": "a @ b",
    "nll_loss": "tinygen.functional.cross_entropy(logits, labels)",
    "numel": "x.size",
    "ones": "tinygen.Tensor(np.ones(shape, np.float32))",
    "outer": "a[:, None] * b",
    "permute": "tinygen.transpose(x, axes=axes)",
    "rand": "tinygen.Tensor(rng.random(shape, np.float32))",
    "randn": "tinygen.Tensor(rng.standard_normal(shape, np.float32))",
    "random": "rng = np.random.default_rng(seed), and pass rng=rng",
    "ravel": "x.reshape(-1)",
    "repeat": "tinygen.broadcast_to(x, shape=shape)",
    "requires_grad_": "tinygen.Parameter(array), or tinygen.Tensor(array, requires_grad=True)",
    "save": "module.save(path)",
    "seed": "rng = np.random.default_rng(seed), and pass rng=rng",
    "smooth_l1_loss": "tinygen.functional.huber(x, target)",
    "square": "x * x",
    "squeeze": "x.reshape(shape), or x[:, 0]",
    "std": "tinygen.sqrt(tinygen.var(x))",
    "swapaxes": "tinygen.transpose(x, axes=axes)",
    "t": "x.T",
    "tensor": "tinygen.Tensor(array)",
    "tensordot": PRODUCT,
    "tile": "tinygen.broadcast_to(x, shape=shape)",
    "to": "x.astype(dtype); tinygen computes on the CPU",
    "tolist": "x.numpy().tolist()",
    "type": "x.dtype, or x.astype(dtype)",
    "unsqueeze": NEW_AXIS,
    "view": "x.reshape(shape)",
    "vstack": JOIN,
    "zero_": "w.grad = None, or opt.zero_grad()",
    "zero_grad": "opt.zero_grad(); what tinygen.grad returns is new each time",
    "zeros": "tinygen.Tensor(np.zeros(shape, np.float32))",
}

# Methods of PyTorch that change a tensor.
IN_PLACE = ("add_", "clamp_", "copy_", "div_", "fill_", "mul_", "normal_", "sub_", "uniform_", "zero_")

LAYERS = {
    "AdaptiveAvgPool2d": "x.mean(axis=(1, 2)) in forward()",
    "BCELoss": "tinygen.functional.bce(p, target)",
    "BCEWithLogitsLoss": "tinygen.functional.bce_with_logits(logits, target)",
    "BatchNorm1d": "nn.BatchNorm(features)",
    "BatchNorm2d": "nn.BatchNorm(channels)",
    "BatchNorm3d": "nn.BatchNorm(channels)",
    "Conv1d": "nn.Conv2d(in_channels, out_channels, (1, k), rng=rng) on (N, 1, W, C)",
    "CrossEntropyLoss": "tinygen.functional.cross_entropy(logits, labels)",
    "Dropout2d": "nn.Dropout(p, rng=rng)",
    "HuberLoss": "tinygen.functional.huber(x, target)",
    "InstanceNorm2d": "nn.GroupNorm(channels, channels)",
    "KLDivLoss": "tinygen.functional.gaussian_kl(mu, log_var)",
    "L1Loss": "tinygen.functional.l1(x, target)",
    "Linear": "nn.Dense(in_features, out_features, rng=rng)",
    "LogSoftmax": "tinygen.log_softmax(x) in forward()",
    "MSELoss": "tinygen.functional.mse(x, target)",
    "ModuleDict": "self.parts = {name: layer}, a plain dict, in __init__",
    "ModuleList": "self.parts = [layer, layer], a plain list, in __init__",
    "NLLLoss": "tinygen.functional.cross_entropy(logits, labels)",
    "ParameterList": "self.parts = [parameter, parameter], a plain list, in __init__",
    "ReLU6": "tinygen.clip(x, low=0, high=6) in forward()",
    "SmoothL1Loss": "tinygen.functional.huber(x, target)",
    "Softmax": "tinygen.softmax(x) in forward()",
    "Swish": "nn.SiLU()",
    "Unflatten": "nn.Reshape(shape)",
    "UpsamplingBilinear2d": 'nn.Upsample(2, mode="bilinear")',
    "UpsamplingNearest2d": "nn.Upsample(2)",
    "ZeroPad2d": "padding=1 in nn.Conv2d, or tinygen.pad(x, widths=widths)",
    "utils": "tinygen.optim.clip_by_norm(grads, limit)",
}

OPTIMIZERS = {
    "Adadelta": "optim.Adam(params, lr)",
    "Adagrad": "optim.RMSprop(params, lr)",
    "Adamax": "optim.Adam(params, lr)",
    "CosineAnnealingLR": "optim.cosine, and set opt.lr before each step",
    "Momentum": "optim.SGD(params, lr, momentum=0.9)",
    "NAdam": "optim.Adam(params, lr)",
    "StepLR": "optim.step_decay, and set opt.lr before each step",
    "lr_scheduler": "optim.cosine, optim.step_decay or optim.warmup, and set opt.lr before each step",
}

MODULES = {
    "add_module": "self.name = module in __init__",
    "append": "nn.Sequential(*model, layer)",
    "apply": "a loop over model.named_modules()",
    "children": "model.named_children()",
    "compile": "opt = tinygen.optim.Adam(model.parameters())",
    "cpu": CPU,
    "cuda": CPU,
    "device": CPU,
    "double": "dtype=np.float64 in each layer",
    "fit": "a loop: opt.step(tinygen.grad(loss, model.parameters()))",
    "float": "nothing: layers are float32 unless dtype says otherwise",
    "modules": "model.named_modules()",
    "predict": "model.eval(), then model(x)",
    "register_buffer": "buffers = ('name',) in the class, and self.name = array in __init__",
    "register_parameter": "self.name = tinygen.Parameter(array) in __init__",
    "requires_grad_": "tinygen.grad and an optimizer with only the parameters that train",
    "to": CPU,
    "zero_grad": "opt.zero_grad(); what tinygen.grad returns is new each time",
}

# Settings that have another name here.
KEYWORDS = {
    "dim": "axis",
    "dims": "axes",
    "keepdim": "keepdims",
    "learning_rate": "lr",
    "max": "high",
    "min": "low",
    "num_classes": "classes",
    "size": "shape",
    "use_bias": "bias",
}

DATA = {
    "CIFAR10": 'data.load_folder("pictures/", size=32, channels=3)',
    "DataLoader": "data.Batches((images, labels), batch_size, rng)",
    "ImageFolder": 'data.load_folder("pictures/")',
    "MNIST": 'data.load("mnist")',
    "TensorDataset": "data.Batches((images, labels), batch_size, rng)",
}

_TABLES = {
    "tinygen.nn": LAYERS,
    "tinygen.optim": OPTIMIZERS,
    "tinygen.data": DATA,
    "Module": MODULES,
}  # FUNCTIONS for any other owner
_PLACES = ("tinygen", "tinygen.nn", "tinygen.optim", "tinygen.functional")  # where a name may be instead


# -- names -------------------------------------------------------------------------------------------------------------


def missing(owner: Any, name: str, *, kind: str = "") -> AttributeError:
    """The error for `owner.name`, which says what to write where that is known; `kind` chooses the table."""
    label = owner.__name__ if isinstance(owner, ModuleType) else type(owner).__name__
    hint = "" if name.startswith("__") else instead(name, kind or label)  # Python itself asks for names in __
    return AttributeError(f"{label} has no {name!r}" + (f": write {hint}" if hint else ""), name=name, obj=owner)


def instead(name: str, kind: str = "") -> str:
    """What to write instead of a name; "" if that is not known."""
    for table in (_TABLES.get(kind, FUNCTIONS), FUNCTIONS, LAYERS, OPTIMIZERS):
        if name in table:
            return table[name]
    for place in _PLACES:
        if place in sys.modules and callable(vars(sys.modules[place]).get(name)):
            return f"{place}.{name}"
    if name.endswith("_"):
        return "y = ..., a new Tensor: a Tensor never changes"
    if kind.startswith("tinygen") and importlib.util.find_spec(f"tinygen.{name}"):
        return f"`from tinygen import {name}`"
    return ""


def leaves_the_graph(name: str) -> TypeError:
    """The error for NumPy's function `name` of a Tensor."""
    hint = instead(name) or "a tinygen function"
    return TypeError(f"np.{name} doesn't know about gradients: write {hint}, or pass tensor.numpy()")


def in_place(operator: str) -> TypeError:
    """The error for `w -= step` and `w.data -= step`."""
    return TypeError(
        f"{operator}: variables and their data are read-only, got an assignment in place: call opt.step(grads), "
        "or write w.data = w.data - lr * g"
    )


@cache
def mention_float64() -> None:
    """A warning, once, when a float32 layer gets float64 data, which makes all that follows float64."""
    warnings.warn(
        "a float32 layer got float64 data, so the model computes in float64, several times slower: "
        "pass x.astype(np.float32), or make the layers with dtype=np.float64",
        stacklevel=3,
    )


class Elsewhere:
    """A method of PyTorch or NumPy that a class lacks: reading it is an AttributeError that says what to write.

    One such attribute for each name costs nothing where a name is found; a `__getattr__` would slow every other one.
    """

    def __init__(self, name: str, kind: str):
        self.name, self.kind = name, kind

    def __get__(self, instance: Any, owner: type):
        raise missing(instance if instance is not None else owner, self.name, kind=self.kind)


def point_elsewhere(owner: type, names: Iterable[str], kind: str = "") -> None:
    """Let each of the names that a class lacks say what to write instead; `dir` of an instance leaves them out."""
    for name in names:
        if not hasattr(owner, name):
            setattr(owner, name, Elsewhere(name, kind))
    owner.__dir__ = lambda self: [name for name in object.__dir__(self) if type(_entry(self, name)) is not Elsewhere]


def _entry(instance: Any, name: str) -> Any:
    return next((vars(cls)[name] for cls in type(instance).__mro__ if name in vars(cls)), None)


class NoFunction(ModuleType):
    """A module of the package that is named like a function of PyTorch: calling it says what to write."""

    def __call__(self, *args, **settings):
        name = self.__name__.rpartition(".")[2]
        raise TypeError(f"{self.__name__} is a module, not a function: write {FUNCTIONS[name]}")
