"""Which tests a profile changes."""

from hypothesis import is_hypothesis_test


def grows(item) -> bool:
    """Whether a test asks for the profile, or hypothesis does in its place."""
    return "profile" in item.fixturenames or is_hypothesis_test(item.obj)
