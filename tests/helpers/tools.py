"""Tools that a test may need: it is skipped, with the reason, where one isn't installed."""

from importlib.metadata import PackageNotFoundError, distribution

import pytest


def requires(*packages: str) -> pytest.MarkDecorator:
    """Skip a test unless these packages are installed: `@requires("pyright")`."""
    missing = [package for package in packages if not _is_installed(package)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)}: not installed")


def _is_installed(package: str) -> bool:
    try:
        distribution(package)  # not find_spec: a folder `build` would be taken for the package
    except PackageNotFoundError:
        return False
    return True
