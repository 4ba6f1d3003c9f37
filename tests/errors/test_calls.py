"""A call that does not fit a signature: every layer, optimizer and op shows how to write it."""

import inspect

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim
from tinygen.distributions import Bernoulli, Normal


def test_every_layer_and_optimizer_explains_a_call_without_arguments():
    classes = [value for space in (nn, optim) for value in vars(space).values() if isinstance(value, type)]
    for kind in [*classes, Normal, Bernoulli]:
        needed = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
        if needed and needed[0].kind not in (needed[0].VAR_POSITIONAL, needed[0].VAR_KEYWORD):
            with pytest.raises(TypeError, match=f"^{kind.__name__}: expected {needed[0].name}.*, got nothing: write "):
                kind()


def test_every_op_with_settings_explains_them_by_position():
    for name, op in tg.OPS.items():
        parameters = inspect.signature(op).parameters.values()
        inputs = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        if named and len(inputs) == len(list(parameters)) - len(named):
            with pytest.raises(TypeError, match=rf"^{name}: .* as in {name}\(.*{named[0].name}=2"):
                op(*[np.ones((2, 2), np.float32)] * len(inputs), 2)
