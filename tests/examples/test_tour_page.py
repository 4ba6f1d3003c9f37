"""The page of the tour: films, the plane to explore, code and links; its models can be sampled from."""

import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from urllib.parse import unquote

import numpy as np
import pytest
from helpers.axe import faults, needs_axe
from helpers.browser import needs_chromium, overflow, run_in_browser
from helpers.examples import example, pictures_of
from helpers.paths import ROOT
from PIL import Image

from tinygen.models import load_run, sample
from tinygen.runs import RunError

DARK = "--blink-settings=preferredColorScheme=0"


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    out = tmp_path_factory.mktemp("tour") / "run"
    with redirect_stdout(StringIO()) as printed:
        example("tour").main(out=out, quick=True, quiet=True, seed=3)
    assert printed.getvalue() == ""
    return out


@pytest.fixture
def page(tour):
    return (tour / "index.html").read_text(encoding="utf-8")


def test_it_prints_what_is_on_its_page_and_is_reproducible(tour, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # no cell of the tables is wrapped
    figures = example("tour").main(out=tmp_path / "again", quick=True, seed=3)
    page, printed = (tmp_path / "again" / "index.html").read_text(encoding="utf-8"), capsys.readouterr().out
    pictures = pictures_of(tmp_path / "again")
    samples = ["samples_real.png", "samples_VAE.png", "samples_GAN.png", "samples_diffusion.png"]
    assert pictures[:4] == samples and {"gan_loss.png", "diffusion_strip.png"} <= set(pictures)
    assert [name.partition(":")[0] for name in figures] == ["autoencoder", "VAE", "GAN", "diffusion"]
    for name, value in figures.items():
        assert f"{value:.4g}" in printed and f"{value:.4g}" in page and name.partition(": ")[2] in printed
    assert "index.html" in printed
    logs = [(folder / "log.jsonl").read_bytes() for folder in (tour, tmp_path / "again")]
    assert logs[0] == logs[1] and logs[0]


def test_films_and_the_plane_are_in_the_page(tour, page):
    assert page.count('<figure class="film"') == 2 and page.count('<figure class="explorer"') == 1
    assert all((tour / name).stat().st_size > 5000 for name in ("gan_film.html", "diffusion_film.html", "plane.html"))
    assert "http:" not in page and "https:" not in page  # works offline


def test_the_code_on_the_page_is_that_of_the_source(page):
    blocks = [
        re.sub(r"<[^>]+>", "", block) for block in re.findall(r'<pre tabindex="0"><code>(.*?)</code>', page, re.S)
    ]
    names = "autoencoder", "vae", "plane", "gan", "diffusion"
    sources = "".join(
        (ROOT / "examples" / "tour_families" / f"{name}.py").read_text(encoding="utf-8") for name in names
    )
    assert len(blocks) == 5
    for block in blocks:
        lines = block.replace("&quot;", '"').replace("&#x27;", "'").replace("&lt;", "<").splitlines()
        assert 8 <= len(lines) <= 20 and all(line.strip() in sources for line in lines)
        assert max(map(len, lines)) <= 90


def test_links_lead_to_files(tour, page):
    links = [unquote(link) for link in re.findall(r'<a href="([^"]+)"', page)]
    assert all((tour / link).resolve().is_file() for link in links) and len(links) > 25
    linked = {(tour / link).resolve().relative_to(ROOT).as_posix() for link in links if link.endswith((".py", ".md"))}
    assert {"examples/tour_families/vae.py", "docs/gan.md", "tinygen/plot/explorer.py"} <= linked
    assert {"examples/adversarial/gan_ring.py", "examples/backprop/engine_in_40_lines.py"} <= linked


def test_the_models_are_kept_as_runs_that_can_be_sampled_from(tour, page):
    for part in ("vae", "plane", "gan", "diffusion"):
        assert f"python -m tinygen sample {tour / part}" in page
        assert sample(load_run(tour / part), 2, np.random.default_rng(0)).shape == (2, 8, 8, 1)
    codes = load_run(tour / "autoencoder").encode(np.zeros((1, 8, 8, 1), np.float32))
    assert codes.shape == (1, 10)
    command = [sys.executable, "-m", "tinygen", "sample", str(tour / "vae"), "-n", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "4 samples" in done.stdout and (tour / "vae" / "drawn.png").is_file()


def test_a_model_of_another_run_is_not_overwritten(tour, tmp_path):
    (tmp_path / "gan").mkdir()
    (tmp_path / "gan" / "config.json").write_bytes((tour / "gan" / "config.json").read_bytes())
    with pytest.raises(RunError, match=r"gan contains a run: start over with"):
        example("tour").main(out=tmp_path, quick=True, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["gan"]


def test_the_poster_shows_digits_and_has_round_transparent_corners(tour):
    with Image.open(tour / "tour.png") as picture:
        pixels = np.asarray(picture.convert("RGBA"))
    assert pixels[0, 0, 3] == 0 and pixels[len(pixels) // 2, 5, 3] == 255
    digits = pixels[100:-50, 50:350, :3]  # white on the ground
    assert (digits == 255).mean() > 0.05 and (digits < 40).mean() > 0.3


@needs_chromium
def test_the_page_runs_and_is_no_wider_than_a_telephone(tour):
    page = tour / "index.html"
    assert overflow(page, 390) == 0
    model, z = load_run(tour / "plane"), [[0.5, -1.0], [-2.0, 0.25]]
    script = f"const figure = document.querySelector('figure.explorer'); return {z}.map(z => [...figure.decode(z)]);"
    decoded = run_in_browser(page, script)
    np.testing.assert_allclose(decoded, model.decode(np.array(z, np.float32)).reshape(2, -1), atol=1e-5)


@needs_chromium
@needs_axe
@pytest.mark.parametrize("flags", [(), (DARK,)], ids=["light", "dark"])
def test_axe_finds_no_fault(tour, flags):
    assert faults(tour / "index.html", *flags) == []
