"""The sheet of layers: both libraries do the same work in each row, and the rows cover what the sheet promises."""

import re

import numpy as np
import pytest

from tinygen.bench import rows, scaling, words
from tinygen.bench.lessons import LESSONS
from tinygen.bench.rows import ROWS, Row
from tinygen.nn import Module

torch = pytest.importorskip("torch", minversion="2", reason="PyTorch isn't installed: nothing to compare with")
torch_words = pytest.importorskip("tinygen.bench.torch_words")


def smaller(row: Row) -> Row:
    """The row with a batch of two, or matrices and parameters of at most 32 rows."""
    n = row.shapes[0][0]
    least = 2 if row.kind in ("conv", "transpose", "float64", "norm", "resize", "pooling") else 5
    return row._replace(shapes=tuple((min(s[0], least) if s[0] == n else s[0], *s[1:]) for s in row.shapes))


def in_axes_of_torch(row: Row, results: list) -> list[np.ndarray]:
    """The results of tinygen as PyTorch has them: channels first, and the gradients of weights with its axes."""
    count = len(results) if row.kind == "optimizer" else 1 + len(row.shapes)
    moved = [np.moveaxis(y.data, -1, 1) if row.images else y.data for y in results[:count]]
    _, layer = rows.compiled(row, words.words(), {}) if row.text[0].isupper() else (None, None)
    if not isinstance(layer, Module):
        return moved
    names = [name for name, _ in layer.named_parameters()]
    layer.load_state_dict(layer.state_dict() | {name: g.data for name, g in zip(names, results[count:])})
    gradients = layer.to_torch()
    return moved + [gradients[name] for name in names]


def near(ours: list, theirs: list) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind not in ("lesson", "dropout")], ids=str)
def test_both_libraries_compute_the_same(row):
    row = smaller(row)
    ours = in_axes_of_torch(row, words.build(row)[0]())
    for mode in ("nchw", "channels_last")[: 1 + row.layouts]:
        near(ours, [y.detach().numpy() for y in torch_words.build(row, mode)[0]()])


@pytest.mark.parametrize("row", [row for row in ROWS if row.kind == "dropout"], ids=str)
def test_dropout_keeps_half_in_both_libraries(row):
    row = row._replace(shapes=((128, *row.shapes[0][1:]),))
    g = rows.direction(row, row.shapes[0])
    for build in (words.build, lambda row: torch_words.build(row, "nchw")):
        y, of_x = (np.asarray(getattr(t, "data", t)) for t in build(row)[0]())
        kept = y != 0
        assert abs(kept.mean() - 0.5) < 0.01
        np.testing.assert_allclose(y, 2 * kept * rows.variables(row)["x"], rtol=1e-6)
        np.testing.assert_allclose(of_x, 2 * kept * g, rtol=1e-6)


@pytest.mark.parametrize("name", LESSONS)
def test_both_libraries_train_the_network_of_a_lesson(name):
    """The losses of four steps are equal, so the gradients in the first three are; all parts of the network move."""
    lesson = LESSONS[name]
    lesson = lesson._replace(inputs={key: (4, *shape[1:]) for key, shape in lesson.inputs.items()})
    steps = [words.training(lesson), *(torch_words.training(lesson, mode) for mode in ("nchw", "channels_last"))]
    ours, *theirs = ([step() for _ in range(4)] for step in steps)
    for losses in theirs:
        np.testing.assert_allclose(losses, ours, rtol=2e-4)
    assert np.isfinite(ours).all() and len(np.unique(ours)) == np.size(ours)


# -- what the sheet covers ---------------------------------------------------------------------------------------------

# One entry for each value that the sheet has to have: a pattern of "call sizes" that some row matches.
PROMISED = {
    **{f"convolution {k}x{k}": rf"Conv2d\(\d+, \d+, {k}[,)]" for k in (1, 3, 5, 7)},
    **{f"stride {s}": f"Conv2d.*stride={s}" if s > 1 else r"Conv2d\((?!.*stride)" for s in (1, 2)},
    **{f"dilation {d}": f"Conv2d.*dilation={d}" if d > 1 else r"Conv2d\((?!.*dilation)" for d in (1, 2)},
    **{
        f"channels {a}-{b}": rf"Conv2d\({a}, {b},"
        for a, b in ((1, 16), (3, 64), (20, 20), (24, 48), (40, 40), (64, 64), (128, 256))
    },
    **{f"maps of {n}": rf"^Conv2d.* \d+x{n}x{n}x" for n in (7, 14, 28, 32, 64)},
    **{f"batch {n}": f"^Conv2d.* {n}x" for n in (1, 64)},
    **{f"transpose {k}x{k}": rf"ConvTranspose2d\(\d+, \d+, {k}, stride=2" for k in (2, 3, 4, 5)},
    **{f"transpose to {c}": rf"ConvTranspose2d\(\d+, {c}, \d, stride=2" for c in (1, 3, 24, 64)},
    **{f"{k}x{k} from a 1x1 map": rf"ConvTranspose2d\(\d+, \d+, {k}\) \d+x1x1x" for k in (4, 7)},
    **{f"float64 {n}": rf"^{n}.*float64" for n in (r"Conv2d.* 3,", r"Conv2d.* 4,", "ConvTranspose2d")},
    **{f"dense {n}": rf"^Dense\({n}, {n}\)" for n in (32, 2048)},
    **{f"dense, batch {n}": rf"^Dense.*\) {n}x" for n in (1, 32, 256)},
    "batched matmul": r"matmul\(x, y\) \d+x\d+x\d+,",
    **{f"{n}": rf"^{n}Norm\([\d, ]+\) " for n in ("Batch", "Group", "Layer", "Instance")},
    **{f"{n} with activation": rf"^{n}Norm.*activation" for n in ("Batch", "Group", "Layer", "Instance")},
    "nearest": r"Upsample\(2\)",
    **{mode: f"Upsample.*'{mode}'" for mode in ("bilinear", "bicubic", "linear")},
    **{f"{n} pooling 2x2": rf"{n}Pool2d\(2\)" for n in ("Max", "Avg")},
    **{f"{n} pooling 3x3, stride 2": rf"{n}Pool2d\(3, stride=2" for n in ("Max", "Avg")},
    **{name: rf"^{name}\(x\)" for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "softplus", "tanh")},
    **{
        f"{name} over {n}": rf"^{name}\(x.* \d+x{n}$"
        for name in ("softmax", "log_softmax", "logsumexp", "cross_entropy")
        for n in (10, 1000)
    },
    **{name: rf"^{name}\(" for name in ("bce_with_logits", "mse", "l1", "huber", "gaussian_kl")},
    **{f"{f} over axis {i}": rf"^{f}\(x, axis={i}" for f in ("sum", "mean", "var", "max") for i in range(3)},
    **{
        f"broadcast {name} along {axis}": rf"^{name}\(x, y\) .*,{sizes}$"
        for name in ("add", "mul")
        for axis, sizes in {"N": r"\d\d+x1x1x1", "H": r"1x\d\d+x1x1", "W": r"1x1x\d\d+x1", "C": r"1x1x1x\d\d+"}.items()
    },
    **{name: rf"^{name}\(" for name in ("concat", "stack", "pad", "mul_transposed", "Dropout")},
    "slices": r"^middle",
    "slices with a step": r"^every_other",
    "index arrays": r"^rows",
    **{f"{name} over {n}": rf"^{name}\(.* {n}x" for name in ("Adam", "AdamW", "SGD") for n in (10, 100)},
    "SGD with momentum": r"^SGD.*momentum=0",
    **{name: rf"^{name}\(" for name in ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")},
}


@pytest.mark.parametrize("value", PROMISED)
def test_each_value_is_in_some_row(value):
    assert any(re.search(PROMISED[value], str(row)) for row in ROWS), f"no row for {value}: {PROMISED[value]}"


def test_most_kinds_have_rows_within_the_cache_and_beyond_it():
    """The input has at most 2 MB, or 4 to 28 MB."""
    large = {row.kind for row in ROWS if 4e6 <= 4 * np.prod(row.shapes[0]) <= 28e6}
    small = {row.kind for row in ROWS if 4 * np.prod(row.shapes[0]) <= 2e6}
    assert set(rows.KINDS) - large <= {"transpose", "recurrent", "lesson"}
    assert set(rows.KINDS) - small <= {"float64", "loss", "reduce"}


def test_the_sheet_has_at_most_150_different_rows():
    assert len(ROWS) <= 150 and len(set(map(str, ROWS))) == len(ROWS)


def test_the_rows_of_a_kind_are_chosen():
    assert {ROWS[i].kind for i in rows.chosen(("dense", "resize"))} == {"dense", "resize"}
    assert rows.chosen(()) == [*range(len(ROWS))]


# -- scaling -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1, 16, 8), (2, 32, 24)])
def test_both_libraries_train_the_autoencoder_of_any_size(sizes):
    lesson = scaling.lesson(*sizes)
    ours = words.training(lesson)
    for mode in ("nchw", "channels_last"):
        theirs = torch_words.training(lesson, mode)
        np.testing.assert_allclose(words.training(lesson)(), theirs(), rtol=1e-5)
    assert ours() > ours() > ours()
