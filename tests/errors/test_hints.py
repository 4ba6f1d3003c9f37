"""The errors of lines that users of other libraries type first say what to write instead."""

import re

import numpy as np
import pytest
from helpers.first_lines import Foreign, dense, loss, rng, vector, weight

import tinygen as tg
from tinygen import data, functional, models, nn, optim
from tinygen.distributions import Normal
from tinygen.errors import hints

KERNEL = np.zeros((3, 3, 3, 4), np.float32)


def unet(size):
    model = models.UNet(rng=np.random.default_rng(0), channels=16)
    return model(np.zeros((1, size, size, 1), np.float32), np.zeros(1, int))


def in_place():
    for w in [weight()]:
        w -= 0.1 * vector()


def data_in_place():
    w = weight()
    w.data -= 0.1 * vector()


@tg.op
def first_steps_mask(x):
    return x.data, lambda g: g * (x.data > 0)


tg.OPS.pop("first_steps_mask")

ERRORS = [
    (lambda: f"{weight():.3f}", "a tensor of shape (3,) is not one number: sum or index it first"),
    (lambda: int(weight()), "a tensor of shape (3,) is not one number"),
    (
        in_place,
        "-=: variables and their data are read-only, got an assignment in place: call opt.step(grads), or write",
    ),
    (data_in_place, "or write w.data = w.data - lr * g"),
    (lambda: tg.tensor([1, 2]), "tinygen.tensor is a module, not a function: write tinygen.Tensor(array)"),
    (lambda: tg.zeros(3), "tinygen has no 'zeros': write tinygen.Tensor(np.zeros(shape, np.float32))"),
    (lambda: hints.instead("plot", "tinygen") and tg.plots, "tinygen has no 'plots'"),
    (lambda: tg.Adam, "tinygen has no 'Adam': write tinygen.optim.Adam"),
    (lambda: tg.gaussian_kl, "write tinygen.functional.gaussian_kl"),
    (lambda: tg.Linear, "write nn.Dense(in_features, out_features, rng=rng)"),
    (
        lambda: np.concatenate([vector(), weight()]),
        "np.concatenate: expected arrays, got a Tensor, whose gradient would be lost: write tinygen.concat(",
    ),
    (lambda: np.mean(weight()), "write tinygen.mean, or pass tensor.numpy()"),
    (lambda: np.linalg.norm(weight()), "write tinygen.norm, or pass tensor.numpy()"),
    (lambda: np.square(weight()), "write x * x, or pass tensor.numpy()"),
    (
        lambda: np.allclose(weight(), 0),
        "whose gradient would be lost: pass tensor.numpy() where no gradient is needed",
    ),
    (lambda: nn.Linear(3, 4), "tinygen.nn has no 'Linear': write nn.Dense(in_features, out_features, rng=rng)"),
    (lambda: nn.BatchNorm2d(3), "tinygen.nn has no 'BatchNorm2d': write nn.BatchNorm(channels)"),
    (lambda: nn.MSELoss(), 'write tinygen.functional.mse(x, target, reduction="mean")'),
    (lambda: nn.CrossEntropyLoss(), "write tinygen.functional.cross_entropy(logits, labels)"),
    (lambda: nn.functional, "write `from tinygen import functional`"),
    (lambda: nn.Parameter([1.0]), "write tinygen.Parameter"),
    (lambda: functional.mse_loss(vector(), vector()), 'write tinygen.functional.mse(x, target, reduction="mean")'),
    (lambda: functional.relu(vector()), "write tinygen.relu"),
    (lambda: optim.lr_scheduler, "write optim.cosine, optim.step_decay or optim.warmup"),
    (
        lambda: optim.Adam(dense()),
        "Adam: expected params to be a list of Parameters, got a Dense: write model.parameters()",
    ),
    (
        lambda: optim.SGD(nn.Sequential(dense()), 0.1),
        "SGD: expected params to be a list of Parameters, got a Sequential",
    ),
    (lambda: optim.EMA(dense()), "EMA: expected params to be a list of Parameters, got a Dense: write"),
    (lambda: tg.grad(loss(), dense()), "xs[0] is a Module; write model.parameters()"),
    (
        lambda: optim.SGD([weight()], 0.1, 0.9),
        "SGD: expected 2 positional arguments (params, lr), got 3: settings go by name, as",
    ),
    (
        lambda: nn.Dense(3, 4),
        "Dense: expected rng, got nothing: write Dense(in_features, out_features, rng=np.random.def",
    ),
    (lambda: nn.Dense(3, 4, rng), "settings go by name, as in Dense(in_features, out_features, rng=rng)"),
    (lambda: nn.ReLU(inplace=True), "ReLU: expected no arguments, got inplace=True: write ReLU()"),
    (lambda: tg.softmax(vector(), dim=0), "expected arguments among x, axis, got dim=0: write axis=0"),
    (lambda: vector().sum(dim=0), "sum: expected arguments among axis, keepdims, got dim=0: write axis=0"),
    (lambda: vector().mean(0, keepdim=True), "got keepdim=True: write keepdims=True"),
    (lambda: functional.one_hot([0], num_classes=3), "got num_classes=3: write classes=3"),
    (lambda: vector().softmax(0), "Tensor has no 'softmax': write tinygen.softmax"),
    (lambda: vector().clamp(0, 1), "Tensor has no 'clamp': write tinygen.clip(x, low=low, high=high)"),
    (lambda: vector().norm(), "Tensor has no 'norm': write tinygen.norm"),
    (lambda: tg.backward, "write tinygen.grad(loss, parameters)"),
    (lambda: tg.random, "write rng = np.random.default_rng(seed)"),
    (lambda: optim.clip_grad_norm_, "write tinygen.optim.clip_by_norm(grads, limit)"),
    (lambda: optim.Adam(dense().parameters), "got a method: write model.parameters()"),
    (lambda: optim.Adam(dense().named_parameters()), "got a tuple as params[0]: write model.parameters()"),
    (lambda: optim.Adam([weight()], betas=0.9), "Adam: expected betas to be a pair of numbers, got 0.9"),
    (lambda: dense().summary(3), "summary: expected the shape of one example, got 3: write summary((3,))"),
    (lambda: nn.Conv2d(3, 4, 3), "Conv2d: expected rng, got nothing: write Conv2d("),
    (lambda: nn.ConvTranspose2d(3, 4, 3), "ConvTranspose2d: expected rng, got nothing: write"),
    (lambda: nn.Dropout(0.5), "Dropout: expected rng, got nothing: write Dropout(p, rng=np.random.default_rng(0))"),
    (
        lambda: nn.Conv2d(3, 4, 3, 2, 1, rng=rng),
        "as in Conv2d(in_channels, out_channels, kernel_size, stride=2, padding=1)",
    ),
    (
        lambda: nn.ConvTranspose2d(1, 4, 3, 2, 1),
        "as in ConvTranspose2d(in_channels, out_channels, kernel_size, stride=2, padding=1)",
    ),
    (lambda: nn.Dense(3, 4, init="he", rng=rng), "or a function, got 'he': write init=\"he_normal\""),
    (
        lambda: dense().load_state_dict(dense()),
        "Dense: expected a dict of arrays by name, got a Dense: write load_state_dict(other.state_dict())",
    ),
    (
        lambda: optim.cosine(0, 10),
        "cosine: expected 1 positional argument (lr), got 2: settings go by name, as in cosine(",
    ),
    (lambda: nn.InstanceNorm2d(3), "tinygen.nn has no 'InstanceNorm2d': write nn.InstanceNorm(channels)"),
    (lambda: nn.UpSampling2D(2), "tinygen.nn has no 'UpSampling2D': write nn.Upsample(2)"),
    (lambda: optim.Adam([weight()]).param_groups, "Adam has no 'param_groups': write opt.params for the parameters"),
    (lambda: dense().load_state_dict("a.npz"), "expected a dict of arrays by name, got a str: write load(path)"),
    (lambda: nn.Dense(3, 4, rng=rng, use_bias=False), "init, dtype, got use_bias=False: write bias=False"),
    (
        lambda: tg.leaky_relu(vector(), 0.2),
        "expected 1 positional argument (x), got 2: settings go by name, as in leaky_relu(x, negative_slope=0.2)",
    ),
    (lambda: tg.clip(vector(), 0, 1), "as in clip(x, low=0, high=1)"),
    (lambda: tg.reshape(vector(), (3, 1)), "as in reshape(x, shape=(3, 1))"),
    (lambda: tg.sum(vector(), 0), "as in sum(x, axis=0)"),
    (lambda: tg.softmax(vector(), 0), "as in softmax(x, axis=0)"),
    (lambda: functional.mse(vector(), vector(), "mean"), "as in mse(x, target, reduction='mean')"),
    (
        lambda: tg.grad(first_steps_mask(w := weight()).sum(), w),
        "expected float32 or float64, got bool: write mask.astype(np.float32)",
    ),
    (
        lambda: tg.grad(first_steps_mask(w := weight()).sum(), w),
        "write mask.astype(np.float32), or tinygen.where(mask, a, b)",
    ),
    (lambda: vector().view(3, 1), "Tensor has no 'view': write x.reshape(shape)"),
    (lambda: vector().cuda(), "leave it out: tinygen computes on the CPU"),
    (lambda: vector().exp(), "Tensor has no 'exp': write tinygen.exp"),
    (lambda: weight().add_(1), "a Tensor never changes"),
    (lambda: weight().grad_fn, "write tinygen.graph.text(x)"),
    (lambda: vector().unsqueeze(0), "write x[:, None]"),
    (lambda: dense().to("cpu"), "Dense has no 'to': leave it out: tinygen computes on the CPU"),
    (lambda: dense().zero_grad(), "write opt.zero_grad()"),
    (
        lambda: data.DataLoader,
        "tinygen.data has no 'DataLoader': write data.Batches((images, labels), batch_size, rng)",
    ),
    (lambda: data.MNIST, 'write data.load("mnist")'),
    (
        lambda: dense()([[1.0, 2.0, 3.0]]),
        "Dense: expected a Tensor or an array, got [[1.0, 2.0, 3.0]]: write np.array(x",
    ),
    (lambda: nn.Sequential(dense())(None), "expected a Tensor or an array, got None"),
    (
        lambda: tg.conv2d(np.zeros((8, 8, 3), np.float32), KERNEL),
        "got shape (8, 8, 3): x[None] adds the batch axis, x[..., None] the",
    ),
    (lambda: tg.conv2d(np.zeros((8, 8), np.float32), KERNEL), "got shape (8, 8): x[None, ..., None] adds the others"),
    (lambda: Normal(0.0), "Normal: expected log_var, got nothing: write Normal(mu, log_var=...)"),
    (lambda: Normal(0.0, 1.0), "Normal: expected 1 positional argument (mu), got 2: settings go by name"),
    (lambda: optim.SGD([weight()], 0.1).step(loss()), "SGD: expected a list of gradients, got one Tensor: write step("),
    (
        lambda: optim.SGD([weight()], 0.1).step(3),
        "SGD: expected a list of gradients, got 3: write step(grad(loss, params))",
    ),
    (lambda: unet(27), "UNet: expected x with H and W divisible by 4, got 27x27: pad or crop the images"),
    (lambda: vector().item(), "a tensor of shape (3,) is not one number"),
    (lambda: tg.Tensor(Foreign(np.int64)), "expected float32 or float64, got int64: write array.astype(np.float32)"),
    (lambda: tg.Tensor(np.array([1, 2])), "expected float32 or float64, got int64: write array.astype(np.float32)"),
    (lambda: tg.grad(weight() * 2.0, weight()), "sum it, or pass gy of that shape"),
    (lambda: tg.Tensor(1.0, dtype=np.float64), "Tensor: expected arguments among data, requires_grad, got dtype="),
    (lambda: tg.Tensor(), "Tensor: expected data, got nothing: write Tensor(data)"),
    (lambda: tg.Parameter(3, 4), "Parameter: expected 1 positional argument (data), got 2: write Parameter(data)"),
    (lambda: tg.grad(weight().sum()), "grad: expected xs, got nothing: write grad(y, xs)"),
    (lambda: tg.grad(tg.exp, weight()), "grad: expected a Tensor y, got a function: write grad(f(x), x)"),
    (lambda: tg.grad(weight().sum(), inputs=weight()), "grad: expected arguments among y, xs, gy, create_graph"),
    (lambda: tg.where(weight() > 0), "where: expected a, b, got nothing: write where(condition, a, b)"),
    (
        lambda: tg.upsample(weight(), size=3),
        "upsample: expected arguments among x, scale_factor, mode, align_corners, got size",
    ),
    (lambda: weight()[tg.Tensor(0.0)], "getitem: expected an index of numbers, got a Tensor: write x.numpy()"),
    (lambda: weight().__setitem__(0, 1.0), "a Tensor is an immutable value: build the new one with"),
    (
        lambda: tg.conv2d(np.zeros((1, 3, 8, 8), np.float32), np.zeros((3, 3, 3, 4), np.float32)),
        "images are (N, H, W, C)",
    ),
    (lambda: dense()(tg.Tensor(np.zeros((2, 5), np.float32))), "Dense: expected x (..., 3), got (2, 5)"),
    (lambda: tg.concat([vector(), vector()]), "got a list of Tensors: write tinygen.concat(*tensors) or"),
    (lambda: tg.Tensor([[1], [1, 2]]), "Tensor: expected nested lists with rows of one length, got different lengths"),
    (lambda: tg.Tensor("abc"), "Tensor: expected float32 or float64, got <U3: write numbers or one array"),
    (lambda: vector() + None, "Tensor: expected float32 or float64, got object: write numbers or one array"),
    (lambda: tg.linear(vector(), weight()), "tinygen has no 'linear': write x @ w + b"),
    (lambda: functional.dropout(vector(), 0.5), "tinygen.functional has no 'dropout': write nn.Dropout(p, rng=rng)"),
    (lambda: functional.normalize(vector()), "write x / tinygen.norm(x, axis=-1, keepdims=True)"),
    (lambda: functional.one_hot([0], 3, dtype=int), "one_hot: expected dtype to be np.float32 or np.float64, got int"),
    (lambda: functional.mse(vector(), vector(), reduction="meen"), "reduction to be one of 'batchmean', 'mean', 'sum'"),
    (lambda: functional.cross_entropy(np.zeros((2, 3)), np.eye(2, 3)), "of one-hot rows take .argmax(axis=1)"),
    (lambda: tg.set_grad_enabled(False), "write `with tinygen.no_grad():`"),
    (lambda: tg.log2(vector()), "write tinygen.log(x) / np.log(2)"),
    (
        lambda: np.log2(vector()),
        "np.log2: expected arrays, got a Tensor, whose gradient would be lost: write",
    ),
    (lambda: vector().cumsum(0), "write x @ np.triu(np.ones((n, n), np.float32))"),
    (lambda: tg.jacobian(weight(), vector()), "jacobian: expected f to be a function, got a Parameter of shape (3,)"),
    (
        lambda: tg.jacobian(lambda x: x.numpy(), vector()),
        "expected f to return a Tensor, got an array of shape (3,)",
    ),
    (lambda: tg.hvp(lambda x: x.sum(), vector()), "hvp: expected v, got nothing: write hvp(f, x, v)"),
    (
        lambda: tg.hessian(tg.exp, vector()),
        "hessian: expected f to return one number, got shape (3,): sum it, or",
    ),
    (lambda: tg.jvp(tg.exp, vector(), vector()), "jvp: expected xs and ts to be lists, got a Tensor of shape (3,)"),
]

OF_JAX_KERAS_AND_MICROGRAD = [
    (lambda: tg.value_and_grad, "write loss = f(x), then tinygen.grad(loss, x)"),
    (lambda: tg.jacrev, "write tinygen.jacobian(f, x)"),
    (lambda: tg.jit, "tinygen has no 'jit': leave it out: the kernels are compiled already"),
    (lambda: tg.vmap, "write f for a whole batch"),
    (lambda: tg.nn.relu, "write tinygen.relu"),
    (lambda: weight().stop_gradient, "write x.detach()"),
    (lambda: tg.GradientTape, "write tinygen.grad(loss, parameters)"),
    (lambda: tg.Variable(3.0), "write tinygen.Parameter(array)"),
    (lambda: tg.constant(3.0), "write tinygen.Tensor(array)"),
    (lambda: tg.reduce_mean(vector()), "write tinygen.mean(x)"),
    (lambda: tg.layers, "write tinygen.nn"),
    (lambda: nn.Conv2D(4, 3), "write nn.Conv2d(in_channels, out_channels, kernel_size, rng=rng)"),
    (lambda: nn.MaxPooling2D(), "write nn.MaxPool2d(2)"),
    (lambda: nn.BatchNormalization(), "write nn.BatchNorm(features)"),
    (lambda: nn.Input, "leave it out: the first layer has the input size as an argument"),
    (lambda: nn.Sequential().add(dense()), "write nn.Sequential(*model, layer)"),
    (lambda: dense().fit(vector(), vector()), "write a loop: opt.step(tinygen.grad(loss, model.parameters()))"),
    (lambda: dense().trainable_variables, "write model.parameters()"),
    (lambda: dense().save_weights("w"), "write model.save(path)"),
    (lambda: dense().count_params(), "write sum(p.size for p in model.parameters())"),
    (lambda: nn.LeakyReLU(alpha=0.2), "got alpha=0.2: write negative_slope=0.2"),
    (lambda: functional.mean_squared_error, 'write tinygen.functional.mse(x, target, reduction="mean")'),
    (lambda: functional.to_categorical, "write tinygen.functional.one_hot(labels, classes)"),
    (lambda: tg.Value(2.0), "write tinygen.Parameter(2.0)"),
    (lambda: nn.MLP(3, [4, 4, 1]), "write nn.Sequential(nn.Dense(3, 16, rng=rng), nn.ReLU(), nn.Dense(16, 1"),
    (lambda: nn.Neuron(3), "write nn.Dense(in_features, 1, rng=rng)"),
    (lambda: tg.draw_dot(loss()), "write tinygen.graph.text(loss), tinygen.graph.svg(loss) or"),
    (lambda: tg.graph(loss()), "tinygen.graph is a module, not a function: write tinygen.graph.text(loss)"),
    (
        lambda: tg.gradcheck(tg.exp, vector()),
        "is a module, not a function: write tinygen.check(f, x)",
    ),
]


@pytest.mark.parametrize(
    "call, words", [pytest.param(*row, id=row[1][:50]) for row in ERRORS + OF_JAX_KERAS_AND_MICROGRAD]
)
def test_the_error_says_what_to_write(call, words):
    with pytest.raises((TypeError, ValueError, AttributeError), match=re.escape(words)) as caught:
        call()
    assert "\n" not in str(caught.value)
