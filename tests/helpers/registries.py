"""The registries of ops and of models, kept as they are: a test or an example may add to them."""

from collections.abc import Iterator
from contextlib import contextmanager

from tinygen import OPS
from tinygen.models.registry import BUILDERS


@contextmanager
def kept_registries() -> Iterator[None]:
    """Remove what is added inside."""
    before = [(registry, dict(registry)) for registry in (OPS, BUILDERS)]
    try:
        yield
    finally:
        for registry, entries in before:
            registry.clear()
            registry.update(entries)
