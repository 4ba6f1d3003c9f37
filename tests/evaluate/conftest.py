"""Fixtures of the tests of classifiers and scores."""

import pytest

from tinygen.evaluate import classifier as module


@pytest.fixture
def short(monkeypatch, tmp_path):
    """Train classifiers for a step or two, and keep them in a folder of this test."""
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "STEPS", 1)
    monkeypatch.setattr(module, "classifiers_folder", lambda: tmp_path / "classifiers")
    return tmp_path / "classifiers"
