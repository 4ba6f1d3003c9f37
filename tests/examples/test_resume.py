"""Examples that are stopped in an epoch and resumed write the same files as examples that are not stopped.

They also train on a folder of pictures with any number of classes, shapes and colours.
"""

import numpy as np
import pytest
from helpers.examples import EXAMPLES, example
from PIL import Image

from tinygen import nn, plot
from tinygen.runs import loop

OPTIONS = {  # of a short run, with the number of calls of its guarded loss
    "anomaly_one_class": (10, dict(data="digits", epochs=1, batch_size=100, width=8, repeats=1, limit=200)),
    "conv_autoencoder": (8, dict(data="digits", epochs=2, batch_size=16, limit=64)),
    "dcgan": (6, dict(data="digits", epochs=2, channels=8, batch_size=32, samples=5, limit=96, classifiers=0)),
    "deep_autoencoder": (8, dict(data="digits", epochs=2, batch_size=16, latent=10, shift=1, limit=64)),
    "denoising_autoencoder": (12, dict(data="digits", epochs=2, batch_size=32, limit=64)),
    "diffusion_digits": (8, dict(data="digits", epochs=2, batch_size=32, samples=5, limit=96, classifiers=0)),
    "scoreboard": (20, dict(data="digits", epochs=2, batch_size=32, latent=16, limit=64)),
    "iwae": (8, dict(data="digits", epochs=2, batch_size=16, draws=2, limit=64, classifiers=0)),
    "vae": (20, dict(data="digits", epochs=2, map_epochs=2, batch_size=16, k=2, limit=64, classifiers=0)),
    "vae_with_labels": (8, dict(data="digits", epochs=2, batch_size=16, k=2, draws=3, limit=64, classifiers=0)),
}
ON_PICTURES = {  # options of a run on a folder
    "anomaly_one_class": dict(epochs=1, width=8, repeats=1),
    "conv_autoencoder": dict(epochs=1, batch_size=8),
    "dcgan": dict(epochs=1, channels=8, batch_size=8, samples=5, classifiers=0),
    "deep_autoencoder": dict(epochs=1, latent=10, batch_size=8),
    "denoising_autoencoder": dict(epochs=1, batch_size=8),
    "diffusion_digits": dict(epochs=1, channels=16, batch_size=16, samples=5, classifiers=0),
    "scoreboard": dict(epochs=1, batch_size=8, latent=16),
    "iwae": dict(epochs=1, batch_size=8, draws=2, classifiers=0),
    "vae": dict(epochs=1, map_epochs=1, batch_size=8, k=2, classifiers=0),
    "vae_with_labels": dict(epochs=1, batch_size=8, draws=2, classifiers=0),
}


class Killed(BaseException):
    """A process that is killed."""


QUICK = "vae"  # the others take longer, and tests/runs/test_resume.py has their families


def test_every_example_that_can_be_resumed_is_here():
    found = {path.stem for path in EXAMPLES if "resume: bool" in path.read_text(encoding="utf-8")}
    assert found == OPTIONS.keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_an_example_continues_where_it_was_killed(tmp_path, monkeypatch, profile, name):
    if profile == "quick" and name != QUICK:
        pytest.skip("left to the full profile: TINYGEN_PROFILE=full")
    module, (total, options) = example(name), OPTIONS[name]
    monkeypatch.setattr(plot, "save", lambda *_, **__: None)
    for pictures in ("pictures", "write_page"):  # slower than the rest
        monkeypatch.setattr(module, pictures, lambda *_, **__: None, raising=False)
    count, stop, finite = [0], [None], nn.finite

    def counted(f, **given):
        guarded = finite(f, **given)

        def call(*args, **options):
            count[0] += 1
            if count[0] == stop[0]:
                raise Killed
            return guarded(*args, **options)

        return call

    def main(out, *, kill=None, resume=False):
        count[0], stop[0] = 0, kill
        return module.main(out=tmp_path / out, quiet=True, resume=resume, **options)

    monkeypatch.setattr(nn, "finite", counted)
    whole = main("whole")
    after = int(name == "vae")  # losses that are computed after the training
    assert count[0] == total + after
    monkeypatch.setattr(loop, "monotonic", lambda: 100.0 * count[0])  # so that each step writes a checkpoint
    with pytest.raises(Killed):
        main("run", kill=total - 1)
    assert main("run", resume=True) == whole and count[0] == 2 + after
    compare(tmp_path / "whole", tmp_path / "run")
    assert main("run", resume=True) == whole and count[0] == after  # a finished run is not trained
    compare(tmp_path / "whole", tmp_path / "run")


def compare(whole, run):
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in run.iterdir())
    for name in names:
        assert (whole / name).read_bytes() == (run / name).read_bytes(), name


@pytest.mark.parametrize("name", ON_PICTURES)
def test_an_example_trains_on_a_folder_of_pictures(tmp_path, monkeypatch, profile, name):
    if profile == "quick" and name != "conv_autoencoder":
        pytest.skip("left to the full profile: TINYGEN_PROFILE=full")
    rng = np.random.default_rng(0)
    for i in range(36):  # twelve classes; wide and high, grey and in colour
        picture = rng.integers(256, size=(20 + i, 50 - i, 3) if i % 2 else (20 + i, 50 - i), dtype=np.uint8)
        (tmp_path / "pictures" / f"kind {i % 12}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "pictures" / f"kind {i % 12}" / f"{i}.png")
    options = dict(data=str(tmp_path / "pictures"), out=tmp_path / "run", quiet=True)
    figures = example(name).main(**options, **ON_PICTURES[name])
    assert np.isfinite(list(figures.values())).all()
    assert len(list((tmp_path / "run").glob("*.png"))) >= 3
