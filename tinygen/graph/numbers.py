"""Arrays in a few words: small ones in full, large ones as their least, mean and greatest entry."""

import numpy as np
from numpy import ndarray


def number(value: float, digits: int = 4) -> str:
    """A number with at most that many significant digits: 0.5, -1.234, 1.2e-07, nan."""
    return f"{float(value) + 0.0:.{digits}g}"  # + 0.0 turns -0 into 0


def table(array: ndarray, down: int, across: int) -> ndarray | None:
    """The array as a table with at most `down` rows and `across` columns; None if it has more entries, or none."""
    rows = array.reshape(-1, array.shape[-1]) if array.ndim and array.size else array.reshape(1, -1)
    return rows if array.size and rows.shape[0] <= down and rows.shape[1] <= across else None


def summary(array: ndarray) -> list[tuple[str, str]]:
    """Pairs such as ("min", "-1.5"): the least, mean and greatest finite entry, and how many are not finite."""
    finite = array[np.isfinite(array)]
    entries = [("entries", f"{array.size:,}")] if not array.size else []
    if finite.size:
        entries += [(name, number(getattr(finite, name)(**exact))) for name, exact in _STATISTICS]
    if finite.size < array.size:
        entries.append(("nan or inf", f"{array.size - finite.size:,} of {array.size:,}"))
    return entries


_STATISTICS = (("min", {}), ("mean", {"dtype": np.float64}), ("max", {}))


def in_line(array: ndarray | None, most: int = 12) -> str:
    """`[1, 2.5]` for an array of at most `most` entries, else `min -1.5, mean 0.1, max 2`; nothing for None."""
    if array is None:
        return ""
    if array.size > most or not array.size:
        return ", ".join(f"{name} {value}" for name, value in summary(array))
    return _brackets(array)


def _brackets(array: ndarray) -> str:
    if not array.ndim:
        return number(array.item())
    return f"[{', '.join(number(each) if array.ndim == 1 else _brackets(each) for each in array)}]"
