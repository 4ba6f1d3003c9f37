"""A trained model is made again from what its run wrote down, and draws the same; anything else is said in one line."""

import json
import sys
import tracemalloc
from functools import cache

import numpy as np
import pytest
from helpers.small_models import SMALL
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinygen import __main__, models, nn
from tinygen.data import Batches
from tinygen.io import checkpoint
from tinygen.io.checkpoint import CheckpointError
from tinygen.models import registry
from tinygen.models.registry import BUILDERS
from tinygen.runs.run import RunError, open_run

SAMPLERS = [name for name in SMALL if "Autoencoder" not in name or name.startswith("Wasserstein")]


def trained(folder, name):
    """The folder of a run that kept this model, as an example leaves it."""
    run = open_run(folder, {}, model={name: SMALL[name]}, overwrite=True)
    model = models.build({name: SMALL[name]}, np.random.default_rng(7))
    for p in model.parameters():  # not as any seed makes them
        p.data = p.numpy() * 1.5 + 0.01
    model.save(run.path("model.npz"))
    return model


def sample(monkeypatch, capsys, *arguments):
    """`python -m tinygen sample ...` in this process: what it prints, or the line that it ends with."""
    monkeypatch.setattr(sys, "argv", ["tinygen", "sample", *map(str, arguments)])
    try:
        __main__.main()
    except SystemExit:
        return capsys.readouterr().err.removesuffix("\n")
    return capsys.readouterr().out


def test_every_name_has_a_small_example_here():
    assert SMALL.keys() == BUILDERS.keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_model_comes_back_from_its_folder(tmp_path, name):
    model, again = trained(tmp_path, name), models.load_run(tmp_path)
    assert type(again) is type(model) and not again.training
    state = again.state_dict()
    assert all(np.array_equal(state[key], array) for key, array in model.state_dict().items())


@pytest.mark.parametrize("name", SAMPLERS)
def test_sample_writes_a_picture_and_the_samples(tmp_path, monkeypatch, capsys, name):
    model = trained(tmp_path, name).eval()
    printed = " ".join(sample(monkeypatch, capsys, tmp_path, "-n", 5, "--seed", 3).split())  # a long path wraps
    assert printed.startswith("5 samples: ") and "drawn.png and drawn.npy" in printed
    given = np.arange(5) % model.classes if name.startswith("Conditional") else 5
    drawn, expected = np.load(tmp_path / "drawn.npy", allow_pickle=False), model.sample(given, np.random.default_rng(3))
    if name == "Diffusion.unet":
        expected = np.clip((expected + 1) / 2, 0, 1)
    if drawn.ndim == 4:
        assert drawn.dtype == np.uint8 and np.abs(drawn - 255.0 * expected.clip(0, 1)).max() <= 0.5
    else:
        assert np.array_equal(drawn, expected)
    with Image.open(tmp_path / "drawn.png") as picture:
        assert min(picture.size) > 20


def test_the_same_seed_draws_the_same_wherever_it_goes(tmp_path, monkeypatch, capsys):
    trained(tmp_path, "VAE.dense")
    for seed, name in ((3, "a"), (3, "b"), (4, "c")):
        sample(monkeypatch, capsys, tmp_path, "-n", 5, "--seed", seed, "--out", tmp_path / "other" / f"{name}.png")
    a, b, c = ((tmp_path / "other" / f"{name}.npy").read_bytes() for name in "abc")
    assert a == b != c


class Spiral(nn.Module):
    """A class that tinygen doesn't know."""

    def __init__(self, size: int, *, rng):
        self.table = nn.Embedding(size, 2, rng=rng)

    def sample(self, n, rng):
        return self.table(rng.integers(self.table.num_embeddings, size=n)).numpy()


@pytest.fixture
def no_more_kinds(monkeypatch):
    monkeypatch.setattr(registry, "BUILDERS", dict(BUILDERS))


def test_a_class_of_the_user_is_loaded_and_sampled_from(tmp_path, no_more_kinds):
    model, seed = Spiral(9, rng=np.random.default_rng(1)), np.random.default_rng
    run = open_run(tmp_path, {}, model={"Spiral": {"size": 9}})
    model.save(run.path("model.npz"))
    with pytest.raises(CheckpointError, match=r"got 'Spiral': for a class of yours, call models\.add_kind first"):
        models.load_run(tmp_path)
    models.add_kind("Spiral", Spiral)
    again = models.load_run(tmp_path)
    assert type(again) is Spiral and not again.training
    assert np.array_equal(models.sample(again, 5, seed(2)), model.sample(5, seed(2)))
    models.add_kind("Spiral", lambda size, *, rng: Spiral(size + 1, rng=rng))  # in a notebook: a new version
    with pytest.raises(CheckpointError, match="more weights than the file holds"):
        models.load_run(tmp_path)
    models.add_kind("Spiral", lambda size, *, rng: size)
    with pytest.raises(CheckpointError, match="expected the builder of Spiral to return a module, got 9"):
        models.load_run(tmp_path)


@pytest.mark.parametrize(
    "name, builder, error, says",
    [
        ("VAE.dense", Spiral, ValueError, "expected a new name, got 'VAE.dense', which is one of tinygen's own"),
        ("", Spiral, ValueError, "expected name to be a printable text, got ''"),
        ("a\nb", Spiral, ValueError, "expected name to be a printable text"),
        (Spiral, "Spiral", ValueError, "expected name to be a printable text"),
        ("Spiral", "Spiral", TypeError, "expected builder to be a class or a function, got"),
        (
            "Spiral",
            lambda size: size,
            TypeError,
            r"expected builder to have a keyword rng, got Spiral\(size\): add rng",
        ),
    ],
)
def test_kinds_that_are_refused(no_more_kinds, name, builder, error, says):
    with pytest.raises(error, match=f"^add_kind: {says}"):
        models.add_kind(name, builder)
    assert registry.BUILDERS == BUILDERS


def test_an_autoencoder_says_that_it_cannot(tmp_path, monkeypatch, capsys):
    trained(tmp_path, "Autoencoder.conv")
    assert sample(monkeypatch, capsys, tmp_path).startswith(
        "sample: expected a model that can sample, got Autoencoder: its"
    )
    assert not (tmp_path / "drawn.png").exists()


def test_what_is_not_such_a_folder_is_said_in_one_line(tmp_path, monkeypatch, capsys):
    def says(*arguments):
        return sample(monkeypatch, capsys, tmp_path, *arguments)

    assert "expected the folder of a run with a model, got " in says()
    open_run(tmp_path, {})
    assert "doesn't say which model was trained" in says()
    open_run(tmp_path, {}, model={"VAE.dense": SMALL["VAE.dense"]}, overwrite=True)
    assert "expected model.npz, got none yet: finish the run with --resume" in says()
    trained(tmp_path, "VAE.dense")
    assert says("-n", 0).startswith("sample: expected --n to be a whole number of at least 1")
    content = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "model.npz").write_bytes(content[:-50])
    assert "model.npz" in says() and "truncated" in says()
    for name, says in (
        ("GAN.conv", "VAE.dense can't be built .* more weights"),
        ("Diffusion.unet", "VAE: the state doesn't"),
    ):
        models.build({name: SMALL[name]}, np.random.default_rng(0)).save(tmp_path / "model.npz")
        with pytest.raises(CheckpointError, match=rf"model\.npz is not of the model .* describes: .*{says}") as error:
            models.load_run(tmp_path)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "drawn.png").exists()


def test_weights_that_are_not_finite_are_not_loaded(tmp_path):
    trained(tmp_path, "VAE.dense")
    arrays, _ = checkpoint.load(tmp_path / "model.npz")
    checkpoint.save(tmp_path / "model.npz", arrays | {"decoder.0.bias": arrays["decoder.0.bias"] * np.nan})
    with pytest.raises(CheckpointError, match=r"VAE: expected finite numbers, got NaN or infinity in decoder\.0\.bias"):
        models.load_run(tmp_path)


def test_the_model_of_an_earlier_run_is_not_that_of_a_new_one(tmp_path):
    trained(tmp_path, "VAE.dense")
    open_run(tmp_path, {"lr": 1}, model={"VAE.dense": SMALL["VAE.dense"]}, overwrite=True)
    with pytest.raises(RunError, match=r"expected model\.npz, got none yet"):
        models.load_run(tmp_path)


def described(folder, change):
    """Write what `change` makes of the text of config.json."""
    path = folder / "config.json"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def numbers(value):
    """Where the whole numbers of a nested setting are: the path to each."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return [[key, *rest] for key, each in inner for rest in numbers(each)]
    return [[]] if isinstance(value, int) and not isinstance(value, bool) else []


SIZES = [(name, path) for name, settings in SMALL.items() for path in numbers(json.loads(json.dumps(settings)))]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """For each name the folder of a trained model, and the text of its config.json."""

    @cache
    def kept(name):
        folder = tmp_path_factory.mktemp("run")
        trained(folder, name)
        return folder, (folder / "config.json").read_text(encoding="utf-8")

    return kept


@pytest.mark.parametrize("name, path", SIZES, ids=str)
@given(st.sampled_from([16, 10_000, 2**62, 10**30]))
def test_a_size_is_believed_only_as_far_as_the_weights_go(kept, name, path, factor):
    """Each number of each model's settings, made larger: the model as it was, or one line, and little memory."""
    folder, text = kept(name)
    record = json.loads(text)
    *way, last = path
    inner = record["model"][name]
    for key in way:
        inner = inner[key]
    inner[last] *= factor
    (folder / "config.json").write_text(json.dumps(record), encoding="utf-8")
    limit = 30 * (folder / "model.npz").stat().st_size + 2**20
    tracemalloc.start()
    try:
        models.sample(models.load_run(folder), 2, np.random.default_rng(0))
    except (ValueError, CheckpointError) as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < limit


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda text: "[" * 100_000, "config.json is damaged"),
        (lambda text: text.replace('"model": {', '"model": {"x": ' + "[" * 900 + "]" * 900 + ", "), "got 2 of them"),
        (lambda text: text.replace("[\n        5\n      ]", "[" * 300 + "5" + "]" * 300), "can't be built from"),
        (lambda text: text + " " * 2**20, "it has more than 1,048,576 bytes"),
        (lambda text: text.replace('"latent": 3', f'"latent": {"9" * 5000}'), "config.json is damaged"),
        (lambda text: "\0" * 100, "config.json is damaged"),
    ],
)
def test_a_config_of_any_other_kind_is_one_line(tmp_path, monkeypatch, capsys, change, says):
    trained(tmp_path, "VAE.dense")
    described(tmp_path, change)
    said = sample(monkeypatch, capsys, tmp_path)
    assert says in said and "\n" not in said and len(said) < 1000


@pytest.mark.parametrize("shape", [(100_000, 100_000, 1), (2**40, 4, 1)])
def test_no_image_is_drawn_that_no_memory_has_room_for(shape):
    model = models.Diffusion.unet((8, 8, 1), rng=np.random.default_rng(0), channels=16)
    model.shape = shape
    with pytest.raises(ValueError, match=r"expected images of at most 1,048,576 values, got \("):
        models.sample(model, 1, np.random.default_rng(0))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.floats(-2, 2) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from([*BUILDERS, "eval", "os.system", "__import__", ""])
ARGUMENTS = st.sampled_from(sorted({key for arguments in SMALL.values() for key in arguments}))


@given(st.dictionaries(NAMES, JSON | st.dictionaries(ARGUMENTS, JSON, max_size=4), min_size=1, max_size=2))
def test_whatever_a_config_asks_for_it_is_a_model_or_one_clear_error(tmp_path_factory, described):
    folder = tmp_path_factory.mktemp("run")
    trained(folder, "VAE.dense")
    record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(record | {"model": described}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json describes: (build: |VAE: the state)"):
        models.load_run(folder)


@given(st.data())
def test_whatever_a_checkpoint_says_it_is_loaded_or_refused_whole(tmp_path_factory, data):
    """A checkpoint of this very run, but for any of its facts and arrays: one error, and nothing has changed."""
    folder = tmp_path_factory.mktemp("run")
    rng, losses = np.random.default_rng(0), [1.0]
    batches = Batches(np.zeros((6, 2), np.float32), 2, rng)
    loop = open_run(folder, {}).loop(rng=rng, losses=losses, batches=batches)
    loop.save()
    arrays, info = checkpoint.load(loop.path)
    facts = [info, info["kept"], info["kept"]["rng"], info["kept"]["rng"]["state"]]
    place = data.draw(st.sampled_from(facts))
    place[data.draw(st.sampled_from([key for key in place if key != "run"]))] = data.draw(JSON)
    if data.draw(st.booleans()):
        arrays["losses"] = data.draw(st.sampled_from([np.array(3.0), np.zeros((2, 0)), np.array([True])]))
    checkpoint.save(loop.path, arrays, info)
    before = rng.bit_generator.state, [*losses], batches.state_dict(), loop.epoch, loop.step
    try:
        loop.load()
    except (ValueError, CheckpointError):
        assert before == (rng.bit_generator.state, losses, batches.state_dict(), loop.epoch, loop.step)
