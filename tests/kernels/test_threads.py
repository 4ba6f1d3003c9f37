"""The number of threads changes the time that a result takes, and not one bit of it."""

import os
import subprocess
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import config
from threadpoolctl import threadpool_info, threadpool_limits

from tinygen import kernels
from tinygen.kernels.machine import threads
from tinygen.kernels.machine.jit import kernel
from tinygen.kernels.machine.team import load_acquire, store_release

STEPS = """
import hashlib
import numpy as np
from tinygen import grad, optim
from tinygen.models import Autoencoder

rng = np.random.default_rng(0)
model = Autoencoder.conv((28, 28, 1), rng=rng)
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
    for wrong in ("0", "-1", "two", "1.5", "²", "1025", "9" * 5000):
        monkeypatch.setenv("TINYGEN_NUM_THREADS", wrong)
        with pytest.raises(ValueError, match="TINYGEN_NUM_THREADS: expected a whole number from 1 to 1024"):
            threads.num_threads()


def test_no_kernel_needs_blas_or_changes_how_many_threads_the_user_gave_it():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 300)), rng.normal(size=(300, 300))
    results = set()
    for limit in (1, 2):
        with threadpool_limits(limits=limit, user_api="blas"):
            before = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
            results.add(kernels.matmul(a, b).tobytes())
            after = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
        assert after == before
    assert len(results) == 1


@kernel
def count(done, slow, start, stop):
    for block in range(start, stop):
        done[block] += 1
        for i in range(slow[block]):  # what LLVM can't leave out
            done[-1] = (done[-1] * 5 + i) % 7


@kernel
def fail(last, start, stop):
    if stop == last:
        raise ValueError


@kernel
def meet(here, met, start, stop):
    store_release(here, start, 1)
    for _ in range(1 << 18):
        if load_acquire(here, 1 - start):
            met[start] = 1
            return


@pytest.mark.parametrize("threads_in_all", ["1", "2"])
def test_a_kernel_that_fails_in_any_part_is_an_error(threads_in_all, monkeypatch):
    """None of ours raises; but memory for what a block needs may be lacking."""
    monkeypatch.setenv("TINYGEN_NUM_THREADS", threads_in_all)
    with pytest.raises((MemoryError, ValueError)):
        threads.share(fail, 4, 4)
    threads.share(fail, 4, 5)


def test_every_block_is_done_once_however_often_and_from_wherever_it_is_asked_for(monkeypatch):
    """Helpers awake and asleep, more helpers than blocks, several callers."""
    monkeypatch.setenv("TINYGEN_NUM_THREADS", "4")

    def many(seed):
        rng = np.random.default_rng(seed)
        for _ in range(300):
            blocks = int(rng.integers(1, 9))
            done, slow = np.zeros(blocks + 1, np.int64), rng.choice([0, 0, 100, 3000], blocks)
            threads.share(count, blocks, done, slow)
            assert done[:blocks].tolist() == [1] * blocks
            if rng.integers(10) == 0:
                time.sleep(float(rng.choice([0, 1e-3])))  # in which helpers fall asleep

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(many, range(3)))


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled, and plain Python stays on one thread")
def test_helpers_take_part(monkeypatch):
    """Or all else here would hold, and nothing be won."""
    monkeypatch.setenv("TINYGEN_NUM_THREADS", "2")
    for _ in range(1000):
        here, met = np.zeros(2, np.int64), np.zeros(2, np.int64)
        threads.share(meet, 2, here, met)
        if met.all():
            return
    pytest.fail("no helper came in a thousand jobs")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or config.DISABLE_JIT, reason="Linux, and compiled kernels")
def test_a_helper_that_slept_wakes_on_another_processor_than_its_caller(monkeypatch):
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("there is one processor only")
    monkeypatch.setenv("TINYGEN_NUM_THREADS", "2")
    x = np.ones((300, 1000), np.float32)
    kernels.relu(x)
    time.sleep(5 * threads.PAUSE)
    kernels.relu(x)
    (worker,) = threads._team(1).parked
    assert len(allowed - os.sched_getaffinity(worker.native_id)) == 1
    assert os.sched_getaffinity(0) == allowed  # the caller itself may run anywhere, as before


def test_a_helper_keeps_nothing_of_a_job_that_is_done(monkeypatch):
    monkeypatch.setenv("TINYGEN_NUM_THREADS", "2")
    array = np.zeros(3, np.int64)
    gone = weakref.ref(array)
    for _ in range(100):
        threads.share(count, 2, array, np.zeros(2, np.int64))
    del array
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
