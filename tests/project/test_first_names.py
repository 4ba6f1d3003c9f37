"""The sixty names that a user meets first: what their docstrings say, and that the examples in them are true."""

import doctest
import inspect
import re

import numpy as np
import pytest
from helpers.paths import ROOT
from helpers.registries import kept_registries

import tinygen as tg
from tinygen import claims, data, distributions, functional, models, nn, optim, plot, runs

NAMES = {
    tg: "Tensor Parameter op grad no_grad check exp where relu sum matmul concat conv2d jacobian softmax",
    functional: "mse bce_with_logits cross_entropy one_hot",
    nn: "Module Sequential Dense Conv2d ConvTranspose2d MaxPool2d Upsample BatchNorm GroupNorm LayerNorm Dropout "
    "Embedding ReLU Flatten Reshape",
    optim: "SGD Adam AdamW RMSprop EMA cosine clip_by_norm",
    models: "Autoencoder VAE GAN Diffusion NoiseSchedule",
    distributions: "Normal kl_divergence",
    data: "load Dataset Batches",
    plot: "show image_grid reconstructions loss_curves latent_map film",
    claims: "claim",
    runs: "open_run progress",
}
FIRST = {
    f"{m.__name__.removeprefix('tinygen.')}.{n}": getattr(m, n) for m, names in NAMES.items() for n in names.split()
}
INTERNAL = {"op": {"definition"}}  # parameters that the first sentence shows as a call
ENGINE = ["tensor.py", "op.py", "grad.py"] + [
    f"ops/{name}.py" for name in "shape elementwise activation reduce linalg conv norm pool resample".split()
]


def parameters(thing) -> set[str]:
    return {p.name for p in inspect.signature(thing).parameters.values()} - {"self"}


def test_there_are_sixty():
    assert len(FIRST) == 60


@pytest.mark.parametrize("name", FIRST)
def test_a_docstring_is_complete(name):
    text = inspect.getdoc(FIRST[name]) or ""
    sentence = text.split("\n\n")[0].replace("\n", " ")
    assert re.search(r"\w|[∂ˣ]", sentence) and len(sentence) <= 240, "one sentence says what it is"
    missing = {p for p in parameters(FIRST[name]) if not re.search(rf"(?<!\w){p}(?!\w)", text)}
    assert missing == set(), "every argument is explained"
    assert "Args:" in text or len(parameters(FIRST[name])) <= 5, "many arguments have a list"
    assert ">>> " in text, "there is an example"


@pytest.mark.parametrize("name", [n for n, thing in FIRST.items() if "\nArgs:" in (inspect.getdoc(thing) or "")])
def test_a_list_of_arguments_has_each_of_them_and_no_other(name):
    listed = re.search(r"\nArgs:\n((?: {4}.*\n?|\n(?= {4}))+)", inspect.getdoc(FIRST[name]) or "")
    assert listed is not None
    found = re.findall(r"^ {4}(\w+): \S", listed[1], re.M)
    assert len(found) == len(set(found)) and set(found) == parameters(FIRST[name])


@pytest.mark.parametrize("name", FIRST)
def test_the_example_prints_what_it_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with kept_registries():
        names = {"np": np, "tg": tg, "F": functional, "claim": claims.claim}
        test = doctest.DocTestParser().get_doctest(inspect.getdoc(FIRST[name]) or "", names, name, None, 0)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(test)
        assert runner.tries and not runner.failures, "a printed result differs, see the output"


def test_the_engine_that_a_learner_reads_stays_short():
    """tensor, op, grad and the files of plain rules, docstrings and examples included."""
    lines = {path: len((ROOT / "tinygen" / path).read_text("utf-8").splitlines()) for path in ENGINE}
    assert sum(lines.values()) < 1400, lines
