"""An exponential moving average of the weights, which often gives better samples than the weights themselves."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from tinygen import kernels
from tinygen.errors.calls import ExplainedCalls
from tinygen.io import html
from tinygen.io.checkpoint import check_state
from tinygen.optim.optimizer import fraction, parameter_list
from tinygen.tensor import Parameter


class EMA(metaclass=ExplainedCalls):
    """average ← decay · average + (1 - decay) · θ at every `update`, starting from the current θ.

    Averages Parameters only; running statistics (BatchNorm) are averages already.

    Args:
        params: list of Parameters to average, as `model.parameters()` returns it.
        decay: weight of the old average, at least 0 and below 1.

    >>> w = tg.Parameter([1.0])
    >>> ema = tg.optim.EMA([w], decay=0.5)
    >>> w.data = np.array([3.0], np.float32)
    >>> ema.update()
    >>> with ema.applied():
    ...     w.item()
    2.0
    """

    __slots__ = ("averages", "decay", "params")

    def __init__(self, params: Iterable[Parameter], decay: float = 0.999):
        self.decay = fraction(self, "decay", decay)
        self.params = parameter_list("EMA", params)
        self.averages = [np.array(p.data, order="C") for p in self.params]

    def update(self) -> None:
        """Move the averages towards the current weights: call it once after each step of the optimizer."""
        kernels.moving_average(self.averages, [p.data for p in self.params], self.decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the parameters hold the averages; afterwards, even after an error, their own values again."""
        before = [p.data for p in self.params]
        for p, average in zip(self.params, self.averages):
            p.data = average  # a copy of it
        try:
            yield
        finally:
            for p, array in zip(self.params, before):
                p.data = array

    def __repr__(self) -> str:
        return f"EMA({len(self.params)} parameters, decay={self.decay:g})"

    def _repr_html_(self) -> str:
        size = sum(p.size for p in self.params)
        horizon = f"about {1 / (1 - self.decay):,.0f} steps"
        facts = {
            "parameters": f"{html.counted(len(self.params), 'array')}, {html.counted(size, 'number')}",
            "decay": str(self.decay),
        }
        return html.block("EMA", html.facts(facts | {"average over": horizon}))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the averages."""
        return {f"average.{i}": average.copy() for i, average in enumerate(self.averages)}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from the averages in `state`. Raises ValueError, and changes nothing, if they don't fit."""
        check_state("EMA", self.state_dict(), state)
        self.averages = [np.array(state[name], order="C") for name in self.state_dict()]
