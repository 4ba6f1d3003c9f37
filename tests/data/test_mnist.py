"""MNIST: where its files are looked for, what happens if one is missing or damaged, and what they contain.

Most tests run on small substitutes with the same file names, and a mirror on this machine. The tests of the real files
need the folder TINYGEN_DATA.
"""

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from helpers.data_files import idx_bytes

from tinygen.data import DataError, load, load_mnist, mnist, read_idx
from tinygen.io import files

TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # of the digits 0 to 9
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture
def contents(monkeypatch, tmp_path):
    """Small substitutes for the files, content by file name; none is on this machine yet, and there are no mirrors."""
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(256, size=(5, 28, 28), dtype=np.uint8),
        "train-labels-idx1-ubyte": rng.integers(10, size=5, dtype=np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(256, size=(2, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(10, size=2, dtype=np.uint8),
    }
    files = {name: (a.shape, hashlib.sha256(idx_bytes(a)).hexdigest()) for name, a in arrays.items()}
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.setattr(mnist, "cache_folder", lambda: tmp_path / "cache" / "mnist")
    monkeypatch.delenv("TINYGEN_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return {name: idx_bytes(a) for name, a in arrays.items()}


@pytest.fixture
def mirror(tmp_path):
    """A web server for the folder tmp_path/mirror; yields the folder and its address."""
    folder = tmp_path / "mirror"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def put(folder, contents, *, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


def assert_is(dataset, contents):
    pixels, labels, test_pixels, test_labels = contents.values()
    expected = np.frombuffer(pixels, np.uint8, offset=16).reshape(5, 28, 28, 1) / np.float32(255)
    assert dataset.train_images.dtype == np.float32 and np.array_equal(dataset.train_images, expected)
    assert dataset.train_labels.tolist() == list(labels[8:])
    assert dataset.test_images.shape == (2, 28, 28, 1)
    assert np.array_equal(dataset.test_images.ravel() * 255, list(test_pixels[16:]))
    assert dataset.test_labels.tolist() == list(test_labels[8:])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("subfolder", ["mnist", "."])
def test_files_are_found_in_the_data_folder(contents, monkeypatch, tmp_path, subfolder, zipped):
    put(tmp_path / "data" / subfolder, contents, zipped=zipped)
    assert not mnist.mnist_is_present()
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / "data"))
    assert mnist.mnist_is_present()
    assert_is(load("mnist", quiet=True), contents)
    assert not (tmp_path / "cache").exists()


def test_the_data_folder_comes_before_the_cache(contents, monkeypatch, tmp_path):
    put(tmp_path / "data", contents)
    put(mnist.cache_folder(), dict.fromkeys(contents, b"something else"))
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / "data"))
    assert_is(load_mnist(quiet=True), contents)


def test_a_cached_file_is_hashed_again(contents):
    put(mnist.cache_folder(), contents)
    assert_is(load_mnist(quiet=True), contents)
    changed = {name: content[:-1] + bytes([content[-1] ^ 1]) for name, content in contents.items()}
    put(mnist.cache_folder(), changed)
    name, content = next(iter(changed.items()))
    with pytest.raises(DataError, match=f"(?s){name}.*expected SHA-256.*{hashlib.sha256(content).hexdigest()}.*delete"):
        load_mnist(quiet=True)


def test_a_file_is_downloaded_once(contents, mirror, monkeypatch, capsys):
    folder, address = mirror
    put(folder, contents)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    assert_is(load_mnist(), contents)
    assert f"downloading {address}train-images-idx3-ubyte.gz" in capsys.readouterr().err
    assert {path.name for path in mnist.cache_folder().iterdir()} == {f"{name}.gz" for name in contents}
    monkeypatch.setattr(mnist, "MIRRORS", ())
    assert_is(load_mnist(), contents)


def test_quiet_prints_nothing(contents, mirror, monkeypatch, capsys):
    folder, address = mirror
    put(folder, contents)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    load_mnist(quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("wrong", [None, b"another file", "truncated"])
def test_a_mirror_without_the_right_file_is_skipped(contents, mirror, monkeypatch, wrong):
    folder, address = mirror
    put(folder / "good", contents)
    for name, content in contents.items():
        if wrong is not None:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content)[:-9] if wrong == "truncated" else wrong)
    monkeypatch.setattr(mnist, "MIRRORS", (address, f"{address}good/"))
    assert_is(load_mnist(quiet=True), contents)


def test_a_failed_download_tells_the_reasons_and_leaves_no_file(contents, mirror, monkeypatch):
    folder, address = mirror
    put(folder, dict.fromkeys(contents, b"an error page"))
    monkeypatch.setattr(mnist, "MIRRORS", (address, f"{address}nowhere/"))
    with pytest.raises(ConnectionError, match=r"(?s)expected an IDX file.*nowhere/: 404.*TINYGEN_DATA"):
        load_mnist(quiet=True)
    assert not mnist.cache_folder().exists()


def test_a_download_that_is_killed_leaves_nothing_behind(contents, mirror, monkeypatch):
    folder, address = mirror
    put(folder, contents)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    cache = mnist.cache_folder()
    cache.mkdir(parents=True)
    (cache / f".tinygen-{files.HOST}-{dead.stdout.strip()}-00000000.tmp").write_bytes(b"killed while it was written")
    monkeypatch.setattr(mnist, "parse_idx_gz", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        load_mnist(quiet=True)
    monkeypatch.undo()
    monkeypatch.setattr(mnist, "cache_folder", lambda: cache)
    mnist.files.replace(cache / "next.gz", b"")
    assert [path.name for path in cache.iterdir()] == ["next.gz"]


def test_without_a_connection_the_error_has_no_text_of_the_library(contents, monkeypatch, capfd):
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:1/", "http://127.0.0.1:2/"))
    with pytest.raises(ConnectionError) as caught:
        load_mnist()
    reasons = "http://127.0.0.1:1/: no connection (ConnectionError); http://127.0.0.1:2/: no connection"
    assert f"could not be downloaded ({reasons}" in str(caught.value) and "Pool" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [line.split()[0] for line in capfd.readouterr().err.splitlines()] == ["downloading", "downloading"]


@pytest.mark.parametrize("name", ["nowhere", "a_file"])
def test_a_data_folder_that_does_not_exist_is_an_error(contents, monkeypatch, tmp_path, name):
    (tmp_path / "a_file").touch()
    put(mnist.cache_folder(), contents)
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / name))
    monkeypatch.setattr(mnist, "_fetch", lambda *_, **__: pytest.fail("it tried a download"))
    for ask in (load_mnist, mnist.mnist_is_present):
        with pytest.raises(NotADirectoryError, match=f"^TINYGEN_DATA: expected a folder, got .*{name}: create it, "):
            ask()


def test_without_download_the_error_names_the_folders(contents, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        load_mnist(download=False)
    for place in (tmp_path / "data" / "mnist", tmp_path / "data", mnist.cache_folder()):
        assert str(place) in str(caught.value)


def test_the_mirrors_use_https():
    assert len(mnist.MIRRORS) == 2 and all(mirror.startswith("https://") for mirror in mnist.MIRRORS)


def real_file(name):
    """The real file below TINYGEN_DATA, or a skip."""
    if not os.environ.get("TINYGEN_DATA"):
        pytest.skip("set TINYGEN_DATA to a folder with the MNIST files")
    path = mnist._find(name)
    if path is None:
        pytest.skip("the MNIST files are not below TINYGEN_DATA")
    return path


def test_the_real_digits_have_the_published_statistics():
    for name in mnist.FILES:
        real_file(name)
    dataset = load_mnist(download=False)
    assert dataset.train_images.shape == (60000, 28, 28, 1) and dataset.test_images.shape == (10000, 28, 28, 1)
    assert np.bincount(dataset.train_labels).tolist() == TRAIN_COUNTS
    assert np.bincount(dataset.test_labels).tolist() == TEST_COUNTS
    # The mean and standard deviation that PyTorch's examples normalise MNIST with, to the digits given there.
    assert round(dataset.train_images.mean(dtype=np.float64), 4) == 0.1307
    assert round(dataset.train_images.std(dtype=np.float64), 4) == 0.3081


@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_thousand_corruptions_of_a_real_file_are_refused_or_exact(name, tmp_path):
    source = real_file(name)
    shape, sha256 = mnist.FILES[name]
    expected = read_idx(source, shape=shape, sha256=sha256)
    whole = np.frombuffer(source.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    path = Path(tmp_path, source.name)
    refused = 0
    for trial in range(1000):
        damaged = whole[: rng.integers(len(whole))] if trial % 4 == 0 else whole.copy()
        if trial % 4:  # one bit to four bytes
            where = rng.choice(len(whole), rng.integers(1, 5), replace=False)
            damaged[where] ^= rng.integers(1, 256, len(where), dtype=np.uint8)
        path.write_bytes(damaged.tobytes())
        try:
            assert np.array_equal(read_idx(path, shape=shape, sha256=sha256), expected)
        except DataError:
            refused += 1
    assert refused > 980  # a few bytes of a gzip header have no meaning
