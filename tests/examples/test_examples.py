"""Every example runs in seconds on the embedded digits, and does what its docstring says."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.examples import EXAMPLES, FOLDER, example, pictures_of
from PIL import Image

from tinygen.data import load
from tinygen.models import load_run, pca, pca_reconstruct
from tinygen.runs import loop


def test_every_example_has_a_test_here():
    tested = set(re.findall(r'example\("(\w+)"\)', Path(__file__).read_text(encoding="utf-8")))
    assert {path.stem for path in EXAMPLES} == tested


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_docstring_tells_what_you_will_see_and_how_long_it_takes(path):
    docstring = path.read_text(encoding="utf-8").split('"""')[1]
    assert "You will see" in docstring and re.search(r"It takes .* on (one core|two\s+cores)", docstring)


def test_tour_shows_how_the_classifier_scores_each_family():
    tour = example("tour")
    fields = {"name": "GAN", "samples": np.zeros((5, 8, 8, 1)), "density": "no", "encode": "no"}
    families = [tour.Family(**dict.fromkeys(tour.Family._fields) | fields)]
    for found, expected in (
        ({"sure": 0.8, "rarest": 0.01}, "yes"),
        ({"sure": 0.79, "rarest": 0.01}, "too few are clear"),
        ({"sure": 0.9, "rarest": 0.0}, "not all classes"),
    ):
        scores = {"GAN": tour.Scores(found | {"test_sure": 0.97}, [])}
        rows = tour.abilities_table(families, scores).rows
        assert [row[1] for row in rows] == [expected, ""] and rows[1][2] == tour.percent(0.97)
    assert tour.abilities_table(families, {"GAN": tour.Scores({}, [])}).rows[0][1] == "yes, not scored"


@pytest.mark.usefixtures("not_quick")
def test_tour_trains_on_a_folder_of_pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, image in enumerate(load("digits").train_images[:100]):
        Image.fromarray((255 * image[:, :, 0]).astype(np.uint8)).save(folder / f"{i}.png")
    example("tour").main(data=str(folder), out=tmp_path / "tour", quick=True, quiet=True)
    assert (tmp_path / "tour" / "index.html").exists()


def test_conv_autoencoder_beats_pca_on_the_small_digits(tmp_path):
    out = tmp_path / "run"
    figures = example("conv_autoencoder").main(data="digits", epochs=8, batch_size=16, lr=4e-3, out=out, quiet=True)
    assert figures["test"] < figures["pca"]
    assert pictures_of(out) == ["reconstructions.png", "latent.png", "between.png", "loss.png"]
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["config"]["epochs"] == 8
    assert (out / "model.npz").exists()


def test_deep_autoencoder_beats_pca_on_images_held_out(tmp_path, monkeypatch):
    module, out = example("deep_autoencoder"), tmp_path / "run"
    monkeypatch.setattr(module, "WIDTHS", (100, 50))
    options = dict(data="digits", latent=5, epochs=5, batch_size=32, lr=5e-3, shift=0, hold_out=True)
    figures = module.main(**options, out=out, quiet=True)
    assert figures["train"] < figures["test"] < figures["pca"]
    assert pictures_of(out) == ["reconstructions.png", "worst.png", "between.png", "loss.png"]
    assert load_run(out).encode(np.zeros((3, 8, 8, 1), np.float32)).shape == (3, 5)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_deep_autoencoder_shifts_each_image_by_itself(most):
    rng = np.random.default_rng(0)
    images = np.zeros((200, 9, 9, 2), np.float32)
    images[:, 4, 4] = [1, 2]
    moved = example("deep_autoencoder").shifted(images, most, rng)
    places = {tuple(place) for place in np.argwhere(moved[..., 1] == 2)[:, 1:]}
    assert moved.shape == images.shape and moved.sum() == images.sum()
    assert places == {(4 + i, 4 + j) for i in range(-most, most + 1) for j in range(-most, most + 1)}


def test_anomaly_one_class_separates_the_classes(tmp_path):
    out = tmp_path / "run"
    options = dict(data="digits", epochs=3, batch_size=20, lr=8e-3, width=32, sd=0.4, blur=0.5, repeats=1)
    figures = example("anomaly_one_class").main(**options, out=out, quiet=True)
    areas = [value for name, value in figures.items() if name.startswith("AUROC")]
    assert len(areas) == 10 and figures["mean"] == pytest.approx(np.mean(areas)) and figures["worst"] == min(areas)
    assert figures["mean"] > 90 and figures["PCA"] > 90  # 50 by chance
    assert pictures_of(out) == ["areas.png", "restored.png", "own.png", "other.png"]


@pytest.mark.parametrize("blur, factor", [(0.0, 0.3), (0.5, 2.0), (1.0, 7.0)])
def test_anomaly_one_class_scores_by_the_size_of_the_difference(blur, factor):
    size, rng = example("anomaly_one_class").size_of_difference, np.random.default_rng(0)
    images, difference = rng.random((2, 3, 9, 9, 1))
    scores, larger = size(images, images + difference, blur), factor * images
    norms, squares = ((x.reshape(3, -1) ** 2).sum(axis=1) for x in (images, difference))
    np.testing.assert_allclose(size(images, images + difference, 0), squares / np.sqrt(norms))
    np.testing.assert_allclose(size(larger, larger + factor * difference, blur), factor * scores)
    assert (scores <= (1 + 1e-9) * squares / np.sqrt(norms)).all()  # a blur enlarges no norm
    assert (size(images, images, blur) == 0).all() and (size(0 * images, difference, blur) < np.inf).all()


@pytest.mark.usefixtures("not_quick")
def test_scoreboard_compares_each_network_with_pca(tmp_path):
    module, out = example("scoreboard"), tmp_path / "run"
    options = dict(data="digits", epochs=4, batch_size=50, lr=5e-3, latent=20, sparsity=0.02, contraction=0.01)
    figures = module.main(**options, sd=0.3, share=0.2, out=out, quiet=True)
    models = [name.partition(":")[0] for name in figures][:: len(module.MEASURES)]
    assert models == ["PCA", "plain", "sparse", "contractive", "noise", "erasures"]
    assert np.isfinite(list(figures.values())).all() and len(figures) == 6 * len(module.MEASURES)
    assert figures["sparse: sparsity of the code"] > figures["plain: sparsity of the code"]
    assert figures["contractive: sensitivity of the code"] < figures["plain: sensitivity of the code"]
    assert pictures_of(out) == ["scoreboard.png", "noise.png", "erasures.png", "filters.png"]


def test_scoreboard_has_pca_as_an_autoencoder():
    images = load("digits").train_images
    found = pca(images, 7)
    model = example("scoreboard").as_autoencoder(found, images.shape[1:])
    np.testing.assert_allclose(model.reconstruct(images), pca_reconstruct(images, *found[:2]), atol=2e-5)


def test_linear_autoencoder_is_pca_and_is_not(tmp_path):
    out = tmp_path / "run"
    figures = example("linear_autoencoder_is_pca").main(data="digits", latent=8, steps=1500, out=out, quiet=True)
    assert figures["optimum"] <= figures["loss"] + 1e-9
    assert figures["loss"] <= figures["optimum"] * 1.001
    assert figures["overlap"] >= 0.999
    assert figures["encoder"] < 0.9 and figures["decoder"] < 0.9  # the matrices are not the components
    assert figures["reconstructions"] > 0.99 and figures["penalised decoder"] > 0.99
    assert pictures_of(out) == ["encoder.png", "reconstructions.png", "penalised.png"]


def test_diffusion_digits_learns_and_draws(tmp_path):
    out = tmp_path / "run"
    settings = dict(data="digits", epochs=1, samples=64, out=out, quiet=True)
    figures = example("diffusion_digits").main(**settings)
    assert figures["test"] < 0.7  # about 1 for the prediction 0
    assert figures["training"] < figures["samples"] < np.inf
    assert figures["train_R"] < figures["R"] < np.inf  # by the classifier
    assert pictures_of(out) == ["samples.png", "strip.png", "predictions.png", "loss.png"]
    drawn = np.load(out / "samples.npy", allow_pickle=False)
    assert drawn.shape == (64, 8, 8, 1) and drawn.dtype == np.uint8 and drawn.std() > 10
    assert (out / "model.npz").exists()


@pytest.mark.usefixtures("not_quick")
def test_diffusion_digits_has_a_quick_setting(tmp_path, capsys):
    figures = example("diffusion_digits").main(data="digits", out=tmp_path / "run", quick=True)
    assert "Now open" in capsys.readouterr().out and np.isfinite(list(figures.values())).all()


def test_dcgan_is_trained_and_evaluated(tmp_path):
    out = tmp_path / "run"
    options = dict(data="digits", epochs=2, batch_size=32, lr=2e-3, channels=8, samples=200)
    figures = example("dcgan").main(**options, out=out, quiet=True)
    assert figures["generated"] < figures["real"]
    assert figures["train_R"] < figures["R"] < np.inf and 0 <= figures["rarest"] < 0.1
    shown = ["samples.png", "accepted.png", "classes.png", "walk.png", "outputs.png", "losses.png"]
    assert pictures_of(out) == shown
    drawn = np.load(out / "samples.npy", allow_pickle=False)
    assert drawn.shape == (200, 8, 8, 1) and drawn.dtype == np.uint8 and drawn.std() > 10
    model = load_run(out)  # the averaged weights, with statistics of their own
    again = model.rejection_sample(500, np.random.default_rng(0))
    assert abs(again.mean() - drawn.mean() / 255) < 0.02 and abs(again.std() - drawn.std() / 255) < 0.02


@pytest.mark.usefixtures("not_quick")
def test_dcgan_resumes_to_the_same_bits(tmp_path, monkeypatch):
    dcgan, options = example("dcgan"), dict(data="digits", quick=True, quiet=True, resume=False)
    figures = dcgan.main(**options, out=tmp_path / "a")
    monkeypatch.setattr(dcgan.optim.EMA, "update", stop_at(3, dcgan.optim.EMA.update))
    monkeypatch.setattr(loop, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        dcgan.main(**options, out=tmp_path / "b")
    monkeypatch.undo()
    assert dcgan.main(**options | dict(resume=True), out=tmp_path / "b") == figures
    for name in ("model.npz", "samples.npy", "log.jsonl", "film.html", "index.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def stop_at(count: int, update):
    """`update`, but the call after `count` calls is a Ctrl-C."""
    calls = []

    def stopping(self):
        calls.append(0)
        if len(calls) > count:
            raise KeyboardInterrupt
        update(self)

    return stopping


def test_vae_finds_unseen_digits_more_probable_than_independent_pixels_do(tmp_path):
    out = tmp_path / "run"
    options = dict(epochs=8, map_epochs=1, batch_size=32, lr=5e-3, k=50)
    figures = example("vae").main(data="digits", **options, out=out, quiet=True)
    assert -figures["elbo"] > figures["nll"]  # L_50 is the tighter bound
    assert figures["nll"] < figures["independent"] - 2
    assert figures["elbo"] == pytest.approx(-figures["reconstruction"] - figures["kl"], rel=1e-6)
    assert 2 <= figures["active"] <= 50
    assert figures["train_R"] < figures["R"] < np.inf  # by the classifier
    assert pictures_of(out) == ["samples.png", "reconstructions.png", "manifold.png", "loss.png"]
    assert (out / "model.npz").exists() and (out / "model_2d.npz").exists() and (out / "latent.html").exists()


def test_vae_logs_both_terms_and_is_reproducible(tmp_path):
    for name in "ab":
        example("vae").main(data="digits", quick=True, out=tmp_path / name, quiet=True, seed=4)
    logs = [(tmp_path / name / "log.jsonl").read_text(encoding="utf-8") for name in "ab"]
    assert logs[0] == logs[1]
    line = json.loads(logs[0].splitlines()[0])
    assert line["50 latents: reconstruction"] > 0 and line["50 latents: kl"] > 0


def test_iwae_reports_three_bounds_in_their_order(tmp_path):
    out = tmp_path / "run"
    options = dict(epochs=6, batch_size=32, lr=5e-3, k=4, draws=20)
    figures = example("iwae").main(data="digits", **options, out=out, quiet=True)
    assert -figures["elbo"] > figures["bound"] > figures["nll"]
    assert figures["nll"] < figures["independent"] - 2
    assert 2 <= figures["active"] <= 50
    assert figures["train_R"] < figures["R"] < np.inf  # by the classifier
    assert pictures_of(out) == ["samples.png", "reconstructions.png", "loss.png"]
    assert load_run(out).k == 4


def test_vae_with_labels_draws_the_digits_that_were_asked_for(tmp_path):
    out = tmp_path / "run"
    options = dict(epochs=12, batch_size=32, lr=5e-3, k=2, draws=50, samples=500)
    figures = example("vae_with_labels").main(data="digits", **options, out=out, quiet=True)
    assert -figures["elbo"] > figures["nll"]
    assert figures["nll"] < figures["independent"] - 4
    assert figures["agreement"] > 0.8  # 0.1 by chance
    assert pictures_of(out) == ["samples.png", "styles.png", "reconstructions.png", "loss.png"]
    assert load_run(out).prior is not None


def test_denoising_autoencoder_beats_the_best_linear_map_and_the_plain_one(tmp_path):
    out = tmp_path / "run"
    settings = dict(data="digits", epochs=5, batch_size=32, lr=4e-3, sd=0.3, out=out, quiet=True)
    figures = example("denoising_autoencoder").main(**settings)
    for damage in ("noise", "erasures"):
        decibels = {who: figures[f"{damage}: {who}"] for who in ("damaged", "plain", "best linear", "denoising")}
        assert decibels["denoising"] == max(decibels.values()) > decibels["damaged"] + 3
        assert (out / f"{damage}.npz").exists()
    assert pictures_of(out) == ["noise.png", "erasures.png", "between.png", "loss.png"]


def test_every_warm_up_depends_on_the_length_of_the_run():
    """`cosine` shortens its warm-up in a short run; with `warmup`, 100 steps would never end in a run of 90.

    The price beta of a KL term may rise by `warmup`: it is not a learning rate.
    """
    rates = re.compile(r"optim\.warmup\((?!beta\b)")
    found = [path.name for path in FOLDER.rglob("*.py") if rates.search(path.read_text(encoding="utf-8"))]
    assert found == []
