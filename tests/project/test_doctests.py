"""Every example in a docstring of tinygen is run."""

import doctest
import importlib
import re

import numpy as np
import pytest
from helpers.paths import ROOT

import tinygen as tg

PATHS = [
    path for path in sorted((ROOT / "tinygen").rglob("*.py")) if re.search(r"^ *>>> ", path.read_text("utf-8"), re.M)
]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in PATHS]
FIRST = [
    "mse",
    "l1",
    "huber",
    "bce_with_logits",
    "cross_entropy",
    "gaussian_kl",
    "softmax",
    "log_softmax",
    "norm",
    "one_hot",
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_print_what_they_show(module):
    names = {"np": np, "tg": tg, "F": tg.functional}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module), extraglobs=names):
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0, "a printed result differs, see the output"


def test_the_losses_that_users_meet_first_have_an_example():
    assert [name for name in FIRST if ">>> " not in getattr(tg.functional, name).__doc__] == []
