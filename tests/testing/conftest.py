"""The ops that a test defines are gone after it."""

import pytest
from helpers.registries import kept_registries


@pytest.fixture(autouse=True)
def registries():
    with kept_registries():
        yield
