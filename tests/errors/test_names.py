"""The tables of names from other libraries: every hint names what exists."""

import pydoc
import re

import numpy as np
import pytest

import tinygen as tg
from tinygen import data, distributions, functional, models, nn, optim, plot, runs
from tinygen.errors import hints, names

OWNERS = {
    "tinygen.nn": nn,
    "tinygen.data": data,
    "tinygen.optim": optim,
    "Module": nn.Module,
    "Optimizer": optim.Optimizer,
}
ROWS = [(owner, name, hint) for owner, table in hints.TABLES.items() for name, hint in table.items()]


@pytest.mark.parametrize("owner, name, hint", [*ROWS, *(("", *row) for row in names.FUNCTIONS.items())])
def test_every_hint_names_what_exists(owner, name, hint):
    """And no name with a hint exists itself, because then its hint could never be shown."""
    elsewhere = hints.Elsewhere(name, owner)
    assert not owner or isinstance(vars(OWNERS[owner]).get(name, elsewhere), hints.Elsewhere)
    for place, path in (("tinygen.", tg), ("nn.", nn), ("optim.", optim), ("data.", data), ("np.", np)):
        for dotted in re.findall(rf"(?<![\w.]){re.escape(place)}([\w.]+)", hint):
            value = path
            for part in dotted.rstrip(".").split("."):
                value = getattr(value, part)
    for method in re.findall(r"\bmodel\.(\w+)", hint):
        assert hasattr(nn.Module, method)


def test_a_name_with_a_hint_is_not_listed_and_free_to_use():
    assert not {"view", "cuda", "exp", "add_"} & set(dir(tg.Tensor([1.0])))
    assert "fit" not in dir(nn.ReLU()) and not hasattr(nn.ReLU(), "fit")

    class Own(nn.Module):
        def __init__(self):
            self.device = 3

        def fit(self):
            return self.device

    assert Own().fit() == 3 and "fit" in dir(Own())


@pytest.mark.parametrize("kind", [nn.Module, nn.Dense, models.VAE, optim.Adam, tg.Tensor, tg.Parameter])
def test_help_lists_only_what_exists(kind):
    text = pydoc.render_doc(kind, renderer=pydoc.plaintext)
    listed = {line.split("=")[0].split("(")[0].strip(" |") for line in text.splitlines()}
    hidden = {name for cls in kind.__mro__ for name, entry in vars(cls).items() if isinstance(entry, hints.Elsewhere)}
    assert len(hidden) >= 5 and not hidden & {*listed, *dir(kind)}
    assert {"shape", "parameters", "step"} & listed & set(dir(kind))


def test_a_name_that_a_module_imports_for_its_own_use_is_no_hint():
    assert hints.instead("as_tensors", "tinygen") == hints.instead("array_of", "tinygen") == ""
    assert hints.instead("mse", "tinygen") == "tinygen.functional.mse"
    assert hints.instead("exp", "tinygen.functional") == "tinygen.exp"


@pytest.mark.parametrize(
    "module, typed, meant",
    [
        (tg, "sigmiod", "sigmoid"),
        (optim, "SDG", "SGD"),
        (nn, "Dens", "Dense"),
        (functional, "crosentropy", "cross_entropy"),
        (models, "VEA", "VAE"),
        (distributions, "Normale", "Normal"),
        (plot, "imagegrid", "image_grid"),
        (runs, "openrun", "open_run"),
    ],
)
def test_a_mistyped_name_gets_a_suggestion(module, typed, meant):
    with pytest.raises(AttributeError, match=rf"^{module.__name__} has no '{typed}' \(did you mean {meant}") as caught:
        getattr(module, typed)
    assert caught.value.obj is None, "Python would add a second suggestion"


def test_a_name_like_no_other_gets_none():
    with pytest.raises(AttributeError, match=r"^tinygen\.optim has no 'xyzzy'$"):
        getattr(optim, "xyzzy")  # noqa: B009  (type checkers know that it is not there)


@pytest.mark.parametrize("module", [tg.tensor, tg.graph, tg.gradcheck])
def test_a_module_with_the_name_of_a_function_says_what_to_write(module):
    with pytest.raises(TypeError, match=r"^tinygen\.\w+ is a module, not a function: write tinygen\."):
        module(1.0)
    with pytest.raises(AttributeError, match=rf"^{module.__name__} has no 'draw_dot': write tinygen\.graph\.text"):
        module.draw_dot(1.0)
