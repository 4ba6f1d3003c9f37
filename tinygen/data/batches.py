"""Batches in a random order, with a position that can be saved and resumed exactly."""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar, cast, overload

import numpy as np

from tinygen.errors import arguments
from tinygen.io import html

Batch = TypeVar("Batch", np.ndarray, tuple[np.ndarray, ...])


class Batches(Generic[Batch]):
    """The rows of one or several arrays in batches; each pass of a `for` loop is one epoch, in a new random order.

    A single number is drawn from `rng`, in the constructor. The order of an epoch depends on this number and on the
    number of the epoch, so three integers are the whole state. After a `break`, the next loop continues in the epoch.

    Args:
        arrays: one array (N, ...), or several arrays with the same N, whose batches are tuples of matching rows.
        batch_size: number of rows in a batch; the last batch of an epoch may have fewer.
        rng: generator for the order; needed unless `shuffle` is false.
        shuffle: whether each epoch has a new random order.
        drop_last: whether to leave out a smaller last batch.

    Raises TypeError or ValueError if the arguments do not fit together or give no batch.

    >>> from tinygen import data
    >>> batches = data.Batches(np.zeros((10, 3)), 4, np.random.default_rng(0))
    >>> [batch.shape for batch in batches]
    [(4, 3), (4, 3), (2, 3)]
    """

    @overload
    def __init__(
        self: "Batches[np.ndarray]",
        arrays: np.ndarray,
        batch_size: int,
        rng: np.random.Generator | None = None,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
    ): ...
    @overload
    def __init__(
        self: "Batches[tuple[np.ndarray, ...]]",
        arrays: Sequence[np.ndarray],
        batch_size: int,
        rng: np.random.Generator | None = None,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
    ): ...
    def __init__(
        self,
        arrays: np.ndarray | Sequence[np.ndarray],
        batch_size: int,
        rng: np.random.Generator | None = None,
        *,
        shuffle: bool = True,
        drop_last: bool = False,
    ):
        self.single = not isinstance(arrays, (tuple, list))
        self.arrays = [np.asarray(array) for array in ([arrays] if self.single else arrays)]
        if not all(array.ndim for array in self.arrays):
            given = ", ".join(type(array).__name__ for array in ([arrays] if self.single else arrays))
            raise TypeError(f"Batches: expected arrays (N, ...), got {given}: write Batches(data.train_images, ...)")
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) != 1:
            raise ValueError(f"Batches: expected arrays with the same number of rows, got {lengths}")
        self.rows = arguments.whole("Batches", "the number of rows", lengths[0], least=1)
        self.batch_size = arguments.whole("Batches", "batch_size", batch_size, least=1)
        if drop_last and self.batch_size > self.rows:
            raise ValueError(f"Batches: drop_last leaves no batch of {self.batch_size} from {self.rows} rows")
        self.shuffle, self.drop_last = shuffle, drop_last
        self.seed = int(arguments.generator("Batches (with shuffle=True)", rng).integers(2**63)) if shuffle else 0
        self.epoch = 0  # epochs finished
        self.position = 0  # batches of the current epoch that were yielded

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(self.rows, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        """The remaining batches of this epoch, each a copy (B, ...) of its rows."""
        order = self._order()
        while self.position < len(self):
            rows = order[self.position * self.batch_size :][: self.batch_size]
            self.position += 1  # before `yield`: a state saved in the loop's body counts this batch as done
            batch = self.arrays[0][rows] if self.single else tuple(array[rows] for array in self.arrays)
            yield cast(Batch, batch)
        self.epoch, self.position = self.epoch + 1, 0

    def forever(self) -> Iterator[Batch]:
        """The batches of one epoch after another, without end, for loops that count steps."""
        while True:
            yield from self

    def state_dict(self) -> dict[str, int | bool]:
        """The position as plain numbers; inside a loop, the current batch counts as done."""
        return {name: getattr(self, name) for name in (*_POSITION, *_SETTINGS)}

    def load_state_dict(self, state: dict[str, int | bool]) -> None:
        """Continue exactly where `state` was saved, in the same order. Don't call it inside a loop over this object.

        Raises ValueError, and changes nothing, if the data or the batch size differ.
        """
        mine = self.state_dict()
        if state.keys() != mine.keys():
            raise ValueError(f"Batches: expected a state with {sorted(mine)}, got {sorted(state)}")
        differences = [f"{name} {state[name]} (here {mine[name]})" for name in _SETTINGS if state[name] != mine[name]]
        if differences:
            raise ValueError(f"Batches: expected a state of the same data and settings, got {', '.join(differences)}")
        self.seed, self.epoch, self.position = (
            arguments.whole("Batches", key, state[key], least=0) for key in _POSITION
        )

    def __repr__(self) -> str:
        shapes = ", ".join(f"{array.shape} {array.dtype}" for array in self.arrays)
        place = f"epoch {self.epoch + 1}, {self.position} of {len(self)} done"
        return f"Batches({shapes}: batches of {self.batch_size}; {place})"

    def _repr_html_(self) -> str:
        arrays = {f"array {i}": f"{array.shape} {array.dtype}" for i, array in enumerate(self.arrays)}
        order = "a new random order in each epoch" if self.shuffle else "the order of the rows"
        last = self.rows - (len(self) - 1) * self.batch_size
        sizes = f"{len(self)} of {self.batch_size} rows" + (f", the last of {last}" if last < self.batch_size else "")
        place = f"epoch {self.epoch + 1}, {self.position} of {len(self)} batches done"
        return html.block("Batches", html.facts(arrays | {"batches": sizes, "order": order, "position": place}))

    def _order(self):
        if not self.shuffle:
            return np.arange(self.rows)
        return np.random.default_rng((self.seed, self.epoch)).permutation(self.rows)


_POSITION = ("seed", "epoch", "position")
_SETTINGS = ("rows", "batch_size", "shuffle", "drop_last")
