"""The number of threads changes the time that a result takes, and not one bit of it."""

import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tinygen import kernels
from tinygen.kernels import threads

STEPS = """
import hashlib
import numpy as np
from tinygen import grad, optim
from tinygen.models import ConvAutoencoder

rng = np.random.default_rng(0)
model = ConvAutoencoder(rng=rng)
params = model.parameters()
opt = optim.Adam(params)
for _ in range(2):
    opt.step(grad(model.loss(rng.random((32, 28, 28, 1), dtype=np.float32)), params))
print(hashlib.sha256(b"".join(p.numpy().tobytes() for p in params)).hexdigest())
"""


def train(**environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", STEPS], capture_output=True, text=True, timeout=240, env={**os.environ, **environment}
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_training_gives_the_same_bytes_on_one_two_and_three_threads():
    one, two, three = (train(TINYGEN_NUM_THREADS=n) for n in "123")
    assert one == two == three


def test_training_does_not_depend_on_the_threads_of_blas():
    assert train(OPENBLAS_NUM_THREADS="1") == train(OPENBLAS_NUM_THREADS="2")


def test_a_setting_that_is_no_number_is_refused(monkeypatch):
    for wrong in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("TINYGEN_NUM_THREADS", wrong)
        with pytest.raises(ValueError, match="TINYGEN_NUM_THREADS must be a whole number >= 1"):
            threads.num_threads()


def test_the_users_blas_threads_are_set_back():
    with threadpool_limits(limits=2, user_api="blas"):
        before = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
        with threads.one_blas_thread(), threads.one_blas_thread():
            inside = {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}
        after = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    assert inside == {1} and after == before


def test_an_error_in_a_block_reaches_the_caller():
    def kernel(start, stop):
        raise RuntimeError(f"block {start}")

    with pytest.raises(RuntimeError, match="block"):
        threads.run_blocks(kernel, 4, threads.SMALL)


def test_every_block_is_done_once_however_often_and_from_wherever_it_is_asked_for(monkeypatch):
    """Helpers awake and asleep, more helpers than parts, several callers, callers within callers."""
    monkeypatch.setenv("TINYGEN_NUM_THREADS", "4")

    def count(blocks, deep, done, start, stop):
        for block in range(start, stop):
            if deep:
                inner = []
                threads.share(count, 3, 3, False, inner)
                assert sorted(inner) == [0, 1, 2]
            done.append(block)
        if not deep and start:
            time.sleep(1e-4)

    def many(seed):
        rng = np.random.default_rng(seed)
        for _ in range(50):
            blocks, done = int(rng.integers(1, 9)), []
            threads.share(count, blocks, blocks, bool(rng.integers(2)), done)
            assert sorted(done) == list(range(blocks))
            time.sleep(float(rng.choice([0, 0, 1e-3])))  # in which helpers fall asleep

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(many, range(3)))


def test_a_helper_keeps_nothing_of_a_job_that_is_done(monkeypatch):
    monkeypatch.setenv("TINYGEN_NUM_THREADS", "2")
    array, both = np.zeros(10), threading.Barrier(2)
    gone = weakref.ref(array)
    threads.share(lambda array, start, stop: both.wait(60), 2, array)
    del array
    for _ in range(1000):
        if gone() is None:
            break
        time.sleep(1e-3)
    assert gone() is None


def test_several_python_threads_may_call_kernels_at_once():
    rng = np.random.default_rng(0)
    x, w, form = rng.normal(size=(8, 20, 20, 8)), rng.normal(size=(3, 3, 8, 8)), ((1, 1), (1, 1), (1, 1))
    expected = kernels.conv2d(x, w, *form)
    with ThreadPoolExecutor(8) as pool:
        for y in pool.map(lambda _: kernels.conv2d(x, w, *form), range(100)):
            np.testing.assert_array_equal(y, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
def test_a_forked_child_computes_what_its_parent_does():
    code = """
import os, sys, warnings
import numpy as np
from tinygen import kernels
warnings.simplefilter("ignore")  # Python says that forking with threads is risky: this is what is tested
x, w = np.ones((8, 30, 30, 8)), np.ones((3, 3, 8, 8))
expected = kernels.conv2d(x, w, (1, 1), (1, 1), (1, 1))
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(kernels.conv2d(x, w, (1, 1), (1, 1), (1, 1)), expected) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
