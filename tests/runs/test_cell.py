"""A cell of a notebook that is interrupted and run again: `resume="auto"` starts a run or continues it."""

import signal
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest

import tinygen as tg
from tinygen import optim
from tinygen.data import Batches
from tinygen.runs import RunError, open_run

CELL = """
run = open_run(folder, {"lr": 0.1}, resume="auto", quiet=True)
rng = np.random.default_rng(0)
w = tg.Parameter(np.ones(3))
opt = optim.Adam([w], 0.1)
batches, steps = Batches(rng.normal(size=(12, 3)), 4, rng), []
average = optim.EMA([w])
loop = run.loop(opt=opt, w=average, batches=batches, rng=rng, steps=steps)
w.data = average.averages[0]
for epoch in loop.epochs(epochs):
    for batch in loop.steps(batches):
        opt.step(tg.grad(((w * batch - rng.normal(size=3)) ** 2).sum(), [w]))
        average.averages[0][:] = w.data
        steps.append(float(w.data.sum()))
        after_a_step()
run.finish({"last": steps[-1]})
"""


def notebook(folder, epochs=4, after_a_step: Callable = lambda: None) -> dict[str, Any]:
    """The variables of a notebook, which stay from one execution of a cell to the next."""
    names = dict(np=np, tg=tg, optim=optim, Batches=Batches, open_run=open_run)
    return {"__name__": "__main__", "folder": folder, "epochs": epochs, "after_a_step": after_a_step} | names


@pytest.mark.parametrize("stops", [[1], [3], [5, 6], [11]])
def test_an_interrupted_cell_that_runs_again_gives_the_same_bits(tmp_path, stops):
    whole = notebook(tmp_path / "whole")
    exec(CELL, whole)
    number = count(1)

    def interrupt():
        if next(number) in stops:
            signal.raise_signal(signal.SIGINT)

    names = notebook(tmp_path / "interrupted", after_a_step=interrupt)
    for _ in stops:
        with pytest.raises(KeyboardInterrupt, match="stopped after") as stopped:
            exec(CELL, names)  # the variables of the first time, and so the lock, are still there
        assert "run this cell again" in stopped.value._render_traceback_()[1]
    exec(CELL, names)
    assert names["steps"] == whole["steps"] and len(whole["steps"]) == 12
    assert np.array_equal(names["w"].data, whole["w"].data)


def test_a_second_interrupt_stops_at_once_and_the_cell_can_still_run_again(tmp_path):
    twice = iter([True])

    def interrupt():
        if next(twice, False):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    whole, names = notebook(tmp_path / "whole"), notebook(tmp_path / "interrupted", after_a_step=interrupt)
    exec(CELL, whole)
    with pytest.raises(KeyboardInterrupt):
        exec(CELL, names)
    exec(CELL, names)
    assert names["steps"] == whole["steps"]


def test_a_finished_cell_trains_nothing_and_more_epochs_only_the_new_ones(tmp_path):
    steps = []
    names = notebook(tmp_path, epochs=2, after_a_step=lambda: steps.append(1))
    exec(CELL, names)
    exec(CELL, names)
    assert len(steps) == 6
    exec(CELL, names | {"epochs": 3})
    assert len(steps) == 9


def test_other_arguments_are_refused_and_so_are_other_words(tmp_path):
    open_run(tmp_path, {"lr": 0.1}, resume="auto", quiet=True)
    with pytest.raises(RunError, match="other arguments"):
        open_run(tmp_path, {"lr": 0.2}, resume="auto")
    with pytest.raises(ValueError, match="expected resume to be True, False or \"auto\", got 'yes'"):
        open_run(tmp_path, {"lr": 0.1}, resume="yes")  # pyright: ignore[reportArgumentType]
