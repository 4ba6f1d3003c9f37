"""JSON as programs in other languages read it, and random names for its entries."""

import json

from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True).filter(lambda name: name not in ("self", "step"))


def strict(text):
    """Parse JSON as every other reader would: without Python's NaN and Infinity."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)
