"""The ops that a test defines are gone after it."""

import pytest

from tinygen import OPS


@pytest.fixture(autouse=True)
def registry():
    """Remove the ops of a test from `OPS` after it."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)
