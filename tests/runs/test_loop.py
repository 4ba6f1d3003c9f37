"""A loop that is stopped anywhere and resumed ends with the same bits as an uninterrupted one."""

import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygen as tg
from tinygen import models, nn, optim
from tinygen.data import Batches, load
from tinygen.io.checkpoint import CheckpointError
from tinygen.io.progress import progress
from tinygen.models import non_saturating
from tinygen.runs import loop as module
from tinygen.runs.loop import restore, snapshot
from tinygen.runs.run import open_run

IMAGES = load("digits").train_images[:22]  # three batches, the last one smaller
EPOCHS, STEPS = 3, 9

# -- model families: the state of each, and its training step ----------------------------------------------------------


def autoencoder(rng):
    """With BatchNorm, whose statistics change, and Dropout, which has its own generator."""
    encoder = nn.Sequential(
        nn.Flatten(), nn.Dense(64, 12, rng=rng), nn.BatchNorm(12), nn.Dropout(0.3, rng=np.random.default_rng(5))
    )
    decoder = nn.Sequential(nn.Dense(12, 64, rng=rng), nn.Reshape((8, 8, 1)))
    model = models.Autoencoder(encoder, decoder)
    params = model.parameters()
    opt = optim.Adam(params, 1e-2)
    schedule = optim.warmup(optim.cosine(1e-2, total=STEPS), steps=3)

    def step(batch, rng):
        opt.lr = schedule(opt.steps)
        loss = nn.finite(model.loss)(batch)
        opt.step(tg.grad(loss, params))
        return loss.item()

    return dict(model=model, opt=opt), step


def vae(rng):
    model = models.VAE.dense((8, 8, 1), (10,), 3, rng=rng)
    params = model.parameters()
    opt = optim.RMSprop(params, 1e-2)

    def step(batch, rng):
        loss = nn.finite(model.loss)((rng.random(batch.shape) < batch).astype(np.float32), rng)
        opt.step(tg.grad(loss, params))
        return loss.item()

    return dict(model=model, opt=opt), step


def diffusion(rng):
    """With averaged weights."""
    model = models.Diffusion(models.PointDenoiser(rng=rng, coordinates=64, hidden=16), models.cosine_schedule(), (64,))
    params = model.parameters()
    opt, average = optim.AdamW(params, 1e-2), optim.EMA(params, 0.9)

    def step(batch, rng):
        loss = nn.finite(model.loss)(2 * batch.reshape(-1, 64) - 1, rng)
        opt.step(tg.grad(loss, params))
        average.update()
        return loss.item()

    return dict(model=model, opt=opt, average=average), step


def gan(rng):
    """With two optimizers, and BatchNorm in the generator."""
    model = models.GAN.conv((8, 8, 1), (2, 4), 3, rng=rng)
    g_params, d_params = model.generator.parameters(), model.discriminator.parameters()
    g_opt, d_opt = optim.Adam(g_params, 1e-2), optim.SGD(d_params, 1e-2, momentum=0.5)

    def step(batch, rng):
        fake = model.generator(model.noise(len(batch), rng))
        d_loss = non_saturating.d_loss(model.discriminator(batch), model.discriminator(fake.detach()))
        d_opt.step(tg.grad(d_loss, d_params))
        g_loss = non_saturating.g_loss(model.discriminator(fake))
        g_opt.step(tg.grad(g_loss, g_params))
        return d_loss.item() - g_loss.item()

    return dict(model=model, g_opt=g_opt, d_opt=d_opt), step


FAMILIES = [autoencoder, vae, diffusion, gan]


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


# -- all or nothing ----------------------------------------------------------------------------------------------------


def some():
    """A state with values of each kind."""
    state, _ = autoencoder(np.random.default_rng(3))
    batches = Batches(IMAGES, 8, np.random.default_rng(4))
    return state | dict(batches=batches, rng=np.random.default_rng(6), losses=[1.0, 2.0])


def same(a, b):
    return a[1] == b[1] and a[0].keys() == b[0].keys() and all(np.array_equal(a[0][k], b[0][k]) for k in a[0])


GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]


@settings(max_examples=12)
@given(st.sampled_from(GENERATORS), st.integers(0, 2**64), st.integers(0, 5))
def test_generators_of_every_kind_continue_where_they_were(tmp_path_factory, kind, seed, draws):
    rng = np.random.Generator(kind(seed))
    rng.random(draws), rng.integers(10, dtype=np.int32)
    loop = open_run(tmp_path_factory.mktemp("run"), {}).loop(rng=rng)
    loop.save()
    ahead = rng.random(3), rng.integers(10, size=3, dtype=np.int32)
    loop.load()
    assert (rng.random(3) == ahead[0]).all() and (rng.integers(10, size=3, dtype=np.int32) == ahead[1]).all()


@settings(max_examples=12)
@given(
    st.lists(st.floats()) | st.lists(st.integers(-(2**62), 2**62)) | st.just([np.ones((2, 1)), np.zeros((2, 1))]),
)
def test_lists_are_restored(tmp_path_factory, values):
    state = dict(values=list(values))
    loop = open_run(tmp_path_factory.mktemp("run"), {}).loop(**state)
    loop.save()
    state["values"][:] = [0.5, 0.25]
    loop.load()
    assert len(state["values"]) == len(values)
    assert all(type(a) is type(b) and np.array_equal(a, b, equal_nan=True) for a, b in zip(state["values"], values))


@settings(max_examples=15)
@given(st.data())
def test_a_damaged_checkpoint_changes_nothing(tmp_path_factory, data):
    out = tmp_path_factory.mktemp("run")
    run, state = open_run(out, {}), some()
    loop = run.loop(**state)
    loop.save()
    content = bytearray(loop.path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(len(content) - 3000, len(content) - 1))] ^= 1
    loop.path.write_bytes(content)
    run.log(1, loss=2)
    state["losses"].append(3.0)
    before, log = snapshot(state), run.path("log.jsonl").read_bytes()
    try:
        loop.load()
    except CheckpointError:
        assert same(snapshot(state), before) and run.path("log.jsonl").read_bytes() == log
    else:
        assert state["losses"] == [1.0, 2.0]  # an unused bit of the zip directory


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda state: state.pop("opt"), "unexpected  opt.m.0"),
        (lambda state: state.pop("losses"), "unexpected  losses"),
        (lambda state: state.update(more=[1.0]), "only one of checkpoint and program has more"),
        (lambda state: state.update(rng2=np.random.default_rng(0)), "only one of checkpoint and program has rng2"),
        (lambda state: state.update(opt=optim.SGD(state["model"].parameters(), 0.1)), "missing|unexpected"),
        (lambda state: state.update(batches=Batches(IMAGES, 7, np.random.default_rng(0))), "batch_size 8"),
        (lambda state: state.update(rng=np.random.Generator(np.random.MT19937(0))), "rng was a PCG64, is a MT19937"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, says):
    stored, state = snapshot(some()), some()
    change(state)
    if "model" in state:
        for p in state["model"].parameters():
            p.data = p.numpy() + 1
    before = snapshot(state)
    with pytest.raises(ValueError, match=says):
        restore(state, *stored)
    assert same(snapshot(state), before)


ODD = {
    "a list of words": (dict(notes=["a"]), TypeError, "expected booleans, integers or floats in notes, got dtype <U1"),
    "a ragged list": (dict(pairs=[[1], [1, 2]]), ValueError, "expected entries of one shape in the list pairs"),
    "a name": ({"conv-1": [1.0]}, ValueError, "run.loop: expected names of .* got 'conv-1': write 'conv_1'"),
    "a name inside": (dict(a={"b c": [1.0]}), ValueError, "got 'a.b c': write 'a.b_c'"),
    "two of one name": ({"a.b": [1.0], "a": {"b": [2.0]}}, ValueError, r"got 'a.b' twice: rename one"),
    "the log's name": (dict(log={"jsonl": [1.0]}), ValueError, r"got 'log.jsonl' twice"),
    "too many": (dict(many={f"a{i}": [0.0] for i in range(200)}), ValueError, "at most 16,384 bytes"),
}


@pytest.mark.parametrize("what", ODD)
def test_a_state_that_no_checkpoint_can_hold_is_refused_at_once(tmp_path, monkeypatch, what):
    monkeypatch.setattr(module.checkpoint, "_MAX_INDEX", 2**14)
    state, kind, words = ODD[what]
    with pytest.raises(kind, match=words):
        open_run(tmp_path, {}).loop(**state)


class Named(nn.Module):
    """A part whose name is allowed in a dict but not in a file."""

    def __init__(self, name):
        self.parts = {name: nn.Dense(2, 2, rng=np.random.default_rng(0))}


@pytest.mark.parametrize("name, instead", [("conv-1", "conv_1"), ("a b", "a_b"), ("ä", "_"), ("x/y", "x_y")])
def test_a_module_with_such_a_name_is_refused_at_once(tmp_path, name, instead):
    model = Named(name)
    for refuse in (lambda: open_run(tmp_path / "run", {}).loop(model=model), lambda: model.save(tmp_path / "a.npz")):
        with pytest.raises(ValueError, match=rf"parts\.{name}\.weight': write '(model\.)?parts\.{instead}\.weight'"):
            refuse()
    assert not (tmp_path / "a.npz").exists()


# -- weights that are not finite ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_checkpoint_holds_weights_that_are_not_finite(tmp_path, family, bad):
    """Each array in the state: parameters, running statistics, optimizer states, averages."""
    state, _ = family(np.random.default_rng(0))
    loop = open_run(tmp_path, {}).loop(**state, losses=[np.nan, np.inf])  # losses may be infinite
    loop.save()
    good = loop.path.read_bytes()
    for name, value in state.items():
        good_state = value.state_dict()
        for key, array in good_state.items():
            if array.dtype.kind != "f" or key == "lr":
                continue
            worse = array.copy()
            worse.reshape(-1)[-1] = bad
            value.load_state_dict(good_state | {key: worse})
            with pytest.raises(FloatingPointError, match=f"got NaN or infinity in {name}.{key}.* last good file stays"):
                loop.save()
            if isinstance(value, nn.Module):
                with pytest.raises(FloatingPointError, match=f"NaN or infinity in {key}"):
                    value.save(tmp_path / "model.npz")
        value.load_state_dict(good_state)
    assert loop.path.read_bytes() == good and not (tmp_path / "model.npz").exists()
    loop.save()


def test_other_states_are_refused_at_once(tmp_path):
    run = open_run(tmp_path, {})
    with pytest.raises(TypeError, match=r"expected history.best to have a state_dict, or to be .*; got float"):
        run.loop(history=dict(best=1.0))
    batches = Batches(IMAGES, 8, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"expected Batches in the state of the loop: run.loop\(..., batches="):
        run.loop().steps(batches)
    with pytest.raises(TypeError, match=r"expected Batches, or a sequence such as range\(1000\); got generator"):
        run.loop(batches=batches).steps(batches.forever())
    model = nn.Dense(2, 2, rng=np.random.default_rng(0))
    loop = run.loop(model=model)
    model.save(loop.path)
    with pytest.raises(CheckpointError, match="expected the checkpoint of a loop, got another file of arrays"):
        loop.load()
    other = open_run(tmp_path / "b", {"lr": 1}).loop(model=model)
    other.save()
    loop.path.write_bytes(other.path.read_bytes())
    with pytest.raises(CheckpointError, match="belongs to another run"):
        loop.load()
