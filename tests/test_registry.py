"""A trained model is made again from what its run wrote down, and draws the same; anything else is said in one line."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinygen import __main__, models
from tinygen.checkpoint import CheckpointError
from tinygen.models.registry import BUILDERS
from tinygen.run import RunError, open_run

SMALL = {
    "ConvAutoencoder": dict(image_size=8, maps=(2, 3), code=4),
    "DenseAutoencoder": dict(image_shape=(8, 8, 1), widths=(5, 3)),
    "VAE.dense": dict(image_shape=(8, 8, 1), widths=(5,), latent=3),
    "DenseGAN": dict(coordinates=2, widths=(8,), latent=3),
    "DCGAN": dict(image_size=8, maps=(2, 4), latent=3),
    "Diffusion.unet": dict(image_shape=(8, 8, 1), channels=16, multiples=(1, 2), middle=2, overview=True),
}
SAMPLERS = [name for name in SMALL if "Autoencoder" not in name]


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
    monkeypatch.setattr(type(sys.stdout), "reconfigure", lambda *_, **__: None, raising=False)
    try:
        __main__.main()
    except SystemExit as stop:
        return str(stop.code)
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
    printed = sample(monkeypatch, capsys, tmp_path, "-n", 5, "--seed", 3)
    assert printed.startswith("5 samples: ") and "drawn.png and drawn.npy" in printed
    drawn, expected = np.load(tmp_path / "drawn.npy", allow_pickle=False), model.sample(5, np.random.default_rng(3))
    if name == "Diffusion.unet":
        expected = np.clip((expected + 1) / 2, 0, 1)
    if drawn.ndim == 4:
        assert drawn.dtype == np.uint8 and np.abs(drawn - 255.0 * expected).max() <= 0.5
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


def test_an_autoencoder_says_that_it_cannot(tmp_path, monkeypatch, capsys):
    trained(tmp_path, "ConvAutoencoder")
    assert sample(monkeypatch, capsys, tmp_path).startswith("sample: an autoencoder can't sample: it makes images of")
    assert not (tmp_path / "drawn.png").exists()


def test_what_is_not_such_a_folder_is_said_in_one_line(tmp_path, monkeypatch, capsys):
    def says(*arguments):
        return sample(monkeypatch, capsys, tmp_path, *arguments)

    assert says().endswith("no run has been here, for there is no config.json")
    open_run(tmp_path, {})
    assert "doesn't say which model was trained" in says()
    open_run(tmp_path, {}, model={"VAE.dense": SMALL["VAE.dense"]}, overwrite=True)
    assert "there is no model.npz yet; the run has to be through" in says()
    trained(tmp_path, "VAE.dense")
    assert says("-n", 0).startswith("sample: draw: expected n to be a whole number of at least 1")
    content = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "model.npz").write_bytes(content[:-50])
    assert "model.npz" in says() and "cut off" in says()
    models.build({"DCGAN": SMALL["DCGAN"]}, np.random.default_rng(0)).save(tmp_path / "model.npz")
    with pytest.raises(
        CheckpointError, match=r"model\.npz is not of the model that config.json describes: VAE: the state"
    ):
        models.load_run(tmp_path)
    assert not (tmp_path / "drawn.png").exists()


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
    open_run(folder, {})
    record = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(record | {"model": described}), encoding="utf-8")
    with pytest.raises(RunError, match=r"build: |there is no model\.npz yet"):
        models.load_run(folder)
