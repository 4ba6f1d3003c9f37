"""A training that is stopped anywhere and resumed ends with the same bits as an uninterrupted one."""

import signal

import numpy as np
import pytest
from helpers.training_steps import EPOCHS, FAMILIES, IMAGES, STEPS, vae
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygen.data import Batches
from tinygen.io.progress import progress
from tinygen.runs import loop as module
from tinygen.runs.loop import snapshot
from tinygen.runs.run import open_run


class Killed(BaseException):
    """Like a power cut."""


class Clock:
    """A clock that only the test moves."""

    def __init__(self, patch):
        self.now = 0.0
        patch.setattr(module, "monotonic", lambda: self.now)


def train(family, out, *, resume=False, stop=None, how="kill", wait=lambda step: None):
    """One run, which is stopped in step `stop`; returns the state of its loop."""
    run = open_run(out, {"family": family.__name__}, data={"digits": "ab12"}, resume=resume, quiet=True)
    rng = np.random.default_rng(0)
    state, step = family(rng)
    batches, losses, tests = Batches(IMAGES, 8, rng), [], []
    state |= dict(batches=batches, rng=rng, history=dict(losses=losses, tests=tests))
    loop = run.loop(**state)
    for epoch in loop.epochs(EPOCHS):
        for batch in loop.steps(batches):
            if len(losses) == stop:
                if how == "kill":
                    raise Killed
                signal.raise_signal(signal.SIGINT)
            losses.append(step(batch, rng))
            wait(len(losses))
        tests.append(np.mean(losses[-3:]) + rng.random())
        run.log(len(losses), epoch=epoch, test=tests[-1])
    run.finish({"test": tests[-1]})
    return state


def bits(state, out):
    """Everything that has to be the same, as bytes and plain numbers."""
    arrays, facts = snapshot(state)
    files = {name: (out / name).read_bytes() for name in ("log.jsonl", "config.json", "figures.json")}
    return {name: (a.shape, a.dtype.str, a.tobytes()) for name, a in arrays.items()} | facts | files


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The bits of a run of each family that was not stopped and wrote only the last checkpoint."""
    found = {}
    for family in FAMILIES:
        out = tmp_path_factory.mktemp("whole")
        found[family] = bits(train(family, out), out)
    return found


# -- epochs of batches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=6)
@given(st.data())
def test_a_resumed_run_ends_with_the_same_bits(family, uninterrupted, tmp_path_factory, data):
    """Stopped twice, at any step, by a kill some steps after a checkpoint or by Ctrl-C."""
    out = tmp_path_factory.mktemp("run")
    saves = data.draw(st.sets(st.integers(1, STEPS - 1), min_size=1), "steps after which a checkpoint is due")
    stops = sorted(data.draw(st.sets(st.integers(min(saves), STEPS - 1), min_size=1, max_size=2), "stops"))
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)

        def wait(step):
            clock.now += 100 if step in saves else 1

        for i, stop in enumerate(stops):
            how = data.draw(st.sampled_from(["kill", "ctrl-c"]))
            with pytest.raises(Killed if how == "kill" else KeyboardInterrupt):
                train(family, out, resume=i > 0, stop=stop, how=how, wait=wait)
        assert bits(train(family, out, resume=True, wait=wait), out) == uninterrupted[family]


def test_checkpoints_change_nothing(uninterrupted, tmp_path, monkeypatch):
    clock = Clock(monkeypatch)

    def wait(step):
        clock.now += 100

    assert bits(train(vae, tmp_path, wait=wait), tmp_path) == uninterrupted[vae]


@given(st.integers(1, 4))
@settings(max_examples=4)
def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(uninterrupted, tmp_path_factory, nth):
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        clock, count, sync = Clock(patch), [0], module.checkpoint.os.fsync

        def wait(step):
            clock.now += 100

        def fails(descriptor):
            count[0] += 1
            if count[0] == 2 * nth + 1:  # the file, then the folder
                raise Killed
            sync(descriptor)

        patch.setattr(module.checkpoint.os, "fsync", fails)
        with pytest.raises(Killed):
            train(vae, out, wait=wait)
        assert bits(train(vae, out, resume=True), out) == uninterrupted[vae]


# -- other loops -------------------------------------------------------------------------------------------------------


def test_a_loop_without_epochs_counts_its_steps(tmp_path, monkeypatch):
    clock, images = Clock(monkeypatch), Batches(IMAGES, 8, np.random.default_rng(1))

    def main(out, resume=False, stop=None):
        rng, sums = np.random.default_rng(2), []
        batches = Batches(IMAGES, 8, rng)
        loop, stream = open_run(out, {}, resume=resume, quiet=True).loop(batches=batches, rng=rng, sums=sums), None
        steps = loop.steps(range(10))
        assert len(steps) == 10 - len(sums)
        stream = batches.forever()
        for step in progress(steps, quiet=True):
            if step == stop:
                raise Killed
            sums.append(step + float(next(stream).sum()) * rng.random())
            clock.now += 30
        return sums

    assert len(images) == 3
    whole = main(tmp_path / "whole")
    with pytest.raises(Killed):
        main(tmp_path / "run", stop=7)
    assert main(tmp_path / "run", resume=True) == whole and len(whole) == 10
    assert main(tmp_path / "run", resume=True) == whole  # nothing is left to do


def test_loops_after_one_another_have_a_file_each(tmp_path):
    def main(out, resume=False, stop=None):
        run, rng = open_run(out, {}, resume=resume, quiet=True), np.random.default_rng(0)
        both = []
        for part in range(2):
            draws = []
            loop = run.loop(rng=rng, draws=draws)
            for epoch in loop.epochs(2):
                if (part, epoch) == stop:
                    raise Killed
                draws.append(rng.random())
            run.log(part, last=draws[-1] + rng.random())
            both += draws
        return both, run.path("log.jsonl").read_bytes()

    whole = main(tmp_path / "whole")
    with pytest.raises(Killed):
        main(tmp_path / "run", stop=(1, 1))
    assert sorted(path.name for path in (tmp_path / "run").glob("*.npz")) == ["checkpoint.npz"]
    assert main(tmp_path / "run", resume=True) == whole
    assert (tmp_path / "run" / "checkpoint_2.npz").exists()
    assert main(tmp_path / "run", resume=True) == whole
