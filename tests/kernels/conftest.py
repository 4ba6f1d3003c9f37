"""The fixture that sends small convolutions through Winograd's algorithm."""

import pytest


@pytest.fixture(scope="module")
def small_images_are_enough():
    """In use they go by other ways, which are faster for them; but whatever an algorithm does wrong, it does there."""
    from helpers.convolutions import ENOUGH, winograd

    with pytest.MonkeyPatch.context() as patch:
        for name in ENOUGH:
            patch.setattr(winograd, name, 0)
        yield
