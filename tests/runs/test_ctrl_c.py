"""Ctrl-C and `kill`: the current step ends, a checkpoint is written, and a line explains how to continue."""

import os
import signal
import subprocess
import sys
import threading
from time import monotonic, sleep

import pytest
from helpers.pages import blocks
from helpers.paths import ROOT

from tinygen.io import checkpoint
from tinygen.io.progress import progress
from tinygen.runs.run import open_run

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def mine(*_):
    """A handler of the user."""


@pytest.fixture
def own_handler(number):
    before = signal.signal(number, mine)
    yield
    signal.signal(number, before)


@BOTH
@pytest.mark.usefixtures("own_handler")
def test_the_handler_is_installed_for_the_loop_only(tmp_path, number):
    def now():
        return signal.getsignal(number)

    loop = open_run(tmp_path, {}).loop()
    epochs = loop.epochs(2)
    assert now() is mine
    for _ in epochs:
        assert now() is not mine
        for _ in loop.steps(range(2)):
            assert now() is not mine
        assert now() is not mine
    assert now() is mine
    for _ in open_run(tmp_path / "b", {}).loop().steps(range(3)):
        break
    assert now() is mine
    try:
        for _ in progress(open_run(tmp_path / "c", {}).loop().steps(range(3)), quiet=True):
            1 / 0  # noqa: B018
    except ZeroDivisionError:
        assert now() is mine


@BOTH
def test_the_first_signal_waits_for_the_end_of_the_step_and_the_second_does_not(tmp_path, number):
    run, done = open_run(tmp_path, {}), []
    loop = run.loop(done=done)
    with pytest.raises(
        KeyboardInterrupt,
        match=r"stopped after 1 epoch and 2 steps: continue with the same arguments and resume=True \(--resume in",
    ):
        for epoch in loop.epochs(3):
            for step in loop.steps(range(3)):
                if (epoch, step) == (2, 1):
                    signal.raise_signal(number)
                done.append(step)
    assert done == [0, 1, 2, 0, 1] and loop.path.exists()
    with pytest.raises(KeyboardInterrupt) as at_once:
        for _ in open_run(tmp_path / "b", {}).loop().steps(range(3)):
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("never")
    assert "never" not in done and str(at_once.value) == ""
    assert not list((tmp_path / "b").glob("*.npz"))


def test_ctrl_c_between_the_steps_of_two_epochs_waits_for_the_end_of_the_epoch(tmp_path):
    run, log = open_run(tmp_path, {}), []
    with pytest.raises(KeyboardInterrupt, match="stopped after 1 epoch:"):
        for epoch in run.loop(log=log).epochs(3):
            signal.raise_signal(signal.SIGINT)
            log.append(epoch)
    assert log == [1]


@BOTH
def test_an_ignored_signal_stays_ignored(tmp_path, number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        for _ in open_run(tmp_path, {}).loop().steps(range(2)):
            signal.raise_signal(number)
            assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_loop_in_another_thread_leaves_signals_alone(tmp_path):
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        for step in open_run(tmp_path, {}).loop().steps(range(2)):
            seen.append((step, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, before), (1, before)]


def stopped_after_an_epoch(script, folder, *flags, **options):
    """The lines on stderr of a script that gets Ctrl-C after its first epoch."""
    command = [sys.executable, str(script), f"--out={folder}", *flags]
    command += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    ignoring = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child inherits that it is ignored
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    signal.signal(signal.SIGINT, ignoring)
    began = monotonic()
    while not (folder / "log.jsonl").exists() or not (folder / "log.jsonl").read_bytes():
        assert run.poll() is None and monotonic() - began < 120
        sleep(0.01)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=120)
    assert (run.returncode, out) == (130, ""), err
    return err


@pytest.mark.skipif(os.name != "posix", reason="only there can a test press Ctrl-C in another process")
def test_the_script_on_the_page_stops_as_the_page_says(tmp_path):
    """The first block of docs/runs.md, without its last line, and the one that ends a script."""
    page = [code for _, code in blocks(ROOT / "docs" / "runs.md")]
    train, call = page[0].rstrip().rsplit("\n", 1)
    end = next(code for code in page if "cli.start(main)" in code)
    (tmp_path / "small.py").write_text(f"{train}\n{end}", encoding="utf-8")
    err = stopped_after_an_epoch(tmp_path / "small.py", tmp_path / "run", epochs=100_000)
    *pressed, last = [line for line in err.splitlines() if line]
    assert call == 'train("runs/small")' and pressed == ["stopping after this step; press again to stop at once"]
    assert last.startswith("small.py: stopped after ") and last.endswith("with the same arguments and --resume")


@pytest.mark.skipif(os.name != "posix", reason="only there can a test press Ctrl-C in another process")
def test_an_example_stops_with_a_checkpoint_and_explains_how_to_continue(tmp_path):
    options = dict(data="digits", epochs=40, batch_size=16, limit=16)
    err = stopped_after_an_epoch(ROOT / "examples" / "mnist" / "conv_autoencoder.py", tmp_path, "--quiet", **options)
    assert ": continue with the same arguments and --resume" in err.splitlines()[-1] and "Traceback" not in err
    _, info = checkpoint.load(tmp_path / "checkpoint.npz")
    assert f"stopped after {info['epoch']} epoch" in err and 1 <= info["epoch"] < 40


@pytest.mark.skipif(os.name != "posix", reason="only there can a test press Ctrl-C in another process")
@pytest.mark.parametrize("seconds", [0.2, 1.5])
@pytest.mark.parametrize(
    "command", [["check"], ["bench", "mlp_ddpm_2d"], ["warm"], ["data", "mnist"]], ids=lambda c: c[0]
)
@pytest.mark.usefixtures("not_quick")
def test_a_command_stops_without_a_traceback(command, seconds):
    """As a terminal sends the signal: to the process and to all that it started."""
    ignoring = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child inherits that it is ignored
    run = subprocess.Popen(
        [sys.executable, "-m", "tinygen", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, ignoring)
    sleep(0.5 + seconds)  # NumPy is imported by then
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=60)
    interrupted = (130, -signal.SIGINT)  # a shell reports 130 for both; during an import, Python may choose the second
    assert run.returncode in (*interrupted, 0) and "Traceback" not in err, err
    assert seconds < 1 or run.returncode != 130 or err.splitlines()[-1] == f"{command[0]}: stopped"
