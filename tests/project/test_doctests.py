"""Every example in a docstring of tinygen is run."""

import doctest
import importlib
import inspect
import re

import numpy as np
import pytest
from helpers.paths import ROOT
from helpers.registries import kept_registries

import tinygen as tg
from tinygen import derivatives

PATHS = [
    path for path in sorted((ROOT / "tinygen").rglob("*.py")) if re.search(r"^ *>>> ", path.read_text("utf-8"), re.M)
]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in PATHS]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_print_what_they_show(module):
    if module == "tinygen.models.sklearn":
        pytest.importorskip("sklearn", reason="scikit-learn isn't installed")
    names = {"np": np, "tg": tg, "F": tg.functional}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    with kept_registries():
        for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module), extraglobs=names):
            runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0, "a printed result differs, see the output"


@pytest.mark.parametrize("module", [tg.functional, derivatives])
def test_every_function_has_an_example(module):
    functions = {n: f for n, f in vars(module).items() if getattr(f, "__module__", "") == module.__name__}
    public = {name: f for name, f in functions.items() if inspect.isfunction(f) and not name.startswith("_")}
    assert len(public) >= 6
    assert [name for name, f in public.items() if ">>> " not in f.__doc__] == []
