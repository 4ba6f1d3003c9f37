"""The mode in which a gradient check runs: everything is recorded, and nothing that a rule returns is refused."""

from collections.abc import Iterator
from contextlib import contextmanager

from tinygen.op import mode


@contextmanager
def examining() -> Iterator[None]:
    """Inside, ops are recorded even within `no_grad`, and `grad` returns what derivative rules return, right or not."""
    before = mode.recording, mode.trusting
    mode.recording = mode.trusting = True
    try:
        yield
    finally:
        mode.recording, mode.trusting = before
