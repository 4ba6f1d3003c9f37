"""A fork, an exit, several threads, an empty cache, at any moment: none of them stops the process, or changes a bit."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")

TRAIN = """
import hashlib, os, random, signal, sys, threading, time, warnings
import numpy as np
from tinygen import grad, kernels, optim
from tinygen.models import Autoencoder

warnings.simplefilter("ignore")  # Python says that forking with threads is risky: this is what is tested
signal.alarm({seconds})  # a process that hangs is killed


def train(seed=0, steps=2):
    rng = np.random.default_rng(seed)
    model = Autoencoder.conv((8, 8, 1), rng=rng)
    params = model.parameters()
    opt = optim.Adam(params)
    for _ in range(steps):
        opt.step(grad(model.loss(rng.random((32, 8, 8, 1), dtype=np.float32)), params))
    return hashlib.sha256(b"".join(p.numpy().tobytes() for p in params)).hexdigest()


def pause():
    time.sleep(random.choice([0, 1e-4, 1e-3, 1e-2]))  # in which helpers look out for work, or fall asleep


def fork(work):
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # one's own: a child inherits none
        os._exit(0 if work() else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, f"a child ended with {{code}}"
"""
FORKS = """
expected = train()
for _ in range({runs}):
    train(steps=1)
    pause()
    fork(lambda: train() == expected)
assert train() == expected
"""
FORKS_BESIDE_A_THREAD = """
expected, going = train(), True

def other():
    while going:
        train(seed=1, steps=1)

thread = threading.Thread(target=other)
thread.start()
try:
    for _ in range({runs}):
        pause()
        fork(lambda: train() == expected)
finally:
    going = False
    thread.join()
"""
FORKS_BESIDE_LARGE_ARRAYS = """
from tinygen.kernels.machine import memory

going = True

def make():
    while going:
        memory.empty((1 << 20,), np.float32)

thread = threading.Thread(target=make)
thread.start()
try:
    for _ in range(10):
        fork(lambda: memory.empty((1 << 20,), np.float32).size)
finally:
    going = False
    thread.join()
"""
GRANDCHILDREN = """
expected = train()

def parent():
    fork(lambda: train() == expected)
    return train() == expected

for _ in range({runs}):
    fork(parent)
"""
THREADS = """
expected, found = [train(seed) for seed in range(3)], [None] * 3

def work(seed):
    found[seed] = train(seed)

for _ in range({runs}):
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
"""
EXIT = """
train(steps=1)
pause()
{how}
"""
COLD = """
x = np.random.default_rng(0).normal(size=(64, 28, 28, 3)).astype(np.float32)
results = [None] * 3

def work(i):
    results[i] = kernels.sum_along(x, (0, 1, 2)), kernels.relu(x)

threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(hashlib.sha256(b"".join(a.tobytes() for result in results for a in result)).hexdigest())
"""


def run(script: str, seconds=200, environment=(), **values) -> str:
    code = TRAIN.format(seconds=seconds) + script.format(**values)
    environment = {**os.environ, "TINYGEN_NUM_THREADS": "3", **dict(environment)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, f"ended with {done.returncode}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("script", [FORKS_BESIDE_A_THREAD, FORKS, GRANDCHILDREN], ids=["beside", "alone", "grandchild"])
def test_children_train_like_their_parent(script, profile):
    if profile == "quick" and script != FORKS_BESIDE_A_THREAD:
        pytest.skip("the easier ways to fork: in the profiles full and long")
    run(script, runs={"quick": 4, "full": 70, "long": 70}[profile])


def test_a_child_takes_memory_though_a_thread_of_its_parent_was_taking_some():
    run(FORKS_BESIDE_LARGE_ARRAYS)


def test_several_python_threads_train_at_once_as_each_does_alone(profile):
    run(THREADS, runs={"quick": 2, "full": 30, "long": 200}[profile])


@pytest.mark.parametrize("how", ["", "threading.Thread(target=train).start()", "sys.exit(0)", "os._exit(0)"])
def test_an_exit_while_helpers_look_out_for_work_is_clean(how, profile):
    if profile == "quick" and "exit" in how:
        pytest.skip("the easier ways out: in the profiles full and long")
    for _ in range({"quick": 1, "full": 5, "long": 50}[profile]):
        run(EXIT, how=how)


def test_processes_and_threads_may_all_be_the_first_to_compile(tmp_path, profile):
    for attempt in range({"quick": 1, "full": 3, "long": 20}[profile]):
        cache = {"NUMBA_CACHE_DIR": str(tmp_path / str(attempt))}
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda _: run(COLD, environment=cache), range(2)))  # noqa: B023  the pool ends here
        assert found[0] == found[1]
