"""IDX files: every whole one is read exactly, every other one is refused in words, and none costs memory by lying."""

import gzip
import hashlib
import math
import struct
import tempfile
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinygen.data import DataError, read_idx

ARRAYS = arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=6))
SUFFIXES = st.sampled_from(["", ".gz"])


def encode(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@contextmanager
def file_with(content, suffix=""):
    """A file that holds `content`, gzipped first where the suffix says so."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"some-idx-ubyte{suffix}")
        path.write_bytes(gzip.compress(content, mtime=0) if suffix == ".gz" else content)
        yield path


def peak_memory_of(f):
    tracemalloc.start()
    try:
        f()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(ARRAYS, SUFFIXES)
def test_a_whole_file_is_read_exactly(array, suffix):
    content = encode(array)
    with file_with(content, suffix) as path:
        read = read_idx(path, shape=array.shape, sha256=hashlib.sha256(content).hexdigest())
    assert read.dtype == np.uint8 and read.shape == array.shape
    assert np.array_equal(read, array)


@given(ARRAYS, SUFFIXES, st.data())
def test_a_truncated_file_is_refused(array, suffix, data):
    content = encode(array)
    cut = data.draw(st.integers(0, len(content) - 1))
    with (
        file_with(content[:cut], suffix) as path,
        pytest.raises(DataError, match=r"truncated|too few|inside its header"),
    ):
        read_idx(path)


@given(ARRAYS, st.data())
def test_a_truncated_archive_is_refused(array, data):
    with file_with(encode(array), ".gz") as path:
        archive = path.read_bytes()
        path.write_bytes(archive[: data.draw(st.integers(0, len(archive) - 1))])
        with pytest.raises(DataError):
            read_idx(path)


@given(ARRAYS, SUFFIXES, st.binary(min_size=1, max_size=30))
def test_trailing_bytes_are_refused(array, suffix, rest):
    with file_with(encode(array) + rest, suffix) as path, pytest.raises(DataError, match="bytes are left"):
        read_idx(path)


@given(st.binary(max_size=24), SUFFIXES)
def test_arbitrary_bytes_are_refused_or_a_legal_file(content, suffix):
    with file_with(content, suffix) as path:
        try:
            read = read_idx(path)
        except DataError:
            return
    assert encode(read) == content


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4), st.binary(max_size=40), SUFFIXES)
def test_a_header_that_lies_is_refused_without_the_memory_it_asks_for(sizes, body, suffix):
    content = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + body

    def read():
        try:
            read_idx(path)
        except DataError:
            return
        assert math.prod(sizes) == len(body)

    with file_with(content, suffix) as path:
        assert peak_memory_of(read) < 2**22  # two chunks of 1 MiB and what gzip keeps


def test_a_gzip_bomb_is_cut_off_where_the_header_ends_it():
    bomb = encode(np.zeros(16, np.uint8)) + bytes(2**26)
    with file_with(bomb, ".gz") as path:

        def read():
            with pytest.raises(DataError, match="bytes are left"):
                read_idx(path)

        assert peak_memory_of(read) < 2**20


def test_a_sparse_file_does_not_pass_for_its_size():
    size = 2**26
    with file_with(bytes([0, 0, 8, 1]) + struct.pack(">I", size)) as path:
        with path.open("r+b") as file:
            file.truncate(8 + size)  # all holes: it takes no room on most disks, and says 64 MiB

        def read():
            with pytest.raises(DataError, match="expected 1 to 1048576"):
                read_idx(path, max_bytes=2**20)

        assert peak_memory_of(read) < 2**20


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_thousand_corruptions_are_refused_or_exact(suffix):
    rng = np.random.default_rng(0)
    array = rng.integers(256, size=(5, 7, 6), dtype=np.uint8)
    content = encode(array)
    sha256 = hashlib.sha256(content).hexdigest()
    refused = 0
    with file_with(content, suffix) as path:
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(1000):
            damaged = whole.copy()
            where = rng.choice(len(whole), rng.integers(1, 5), replace=False)
            damaged[where] ^= rng.integers(1, 256, len(where), dtype=np.uint8)
            path.write_bytes(damaged.tobytes())
            try:
                assert np.array_equal(read_idx(path, sha256=sha256), array)
            except DataError:
                refused += 1
    # Raw, every byte counts; of the archive, the header's time stamp and system do not (6 of some 240 bytes).
    assert refused == 1000 if suffix == "" else refused > 900


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes are too few"),
        (b"\x00\x00\x08", "3 bytes are too few"),
        (b"\x00\x01\x08\x01\x00\x00\x00\x01\x07", "starts with 00 01 08 01 instead of 00 00"),
        (gzip.compress(b"x", mtime=0), r"gzip data, give the file a name in \.gz"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x07", "type 0x0d"),
        (b"\x00\x00\x08\x00\x07", "rank 0; expected 1 to 4"),
        (b"\x00\x00\x08\x05" + bytes(20), "rank 5; expected 1 to 4"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x01", "ends inside its header"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x00", r"claims \(0,\), 0 bytes"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x03\x07\x07", r"2 bytes follow the header; its sizes \(3,\) need 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else len(value),  # bytes make ids that no terminal prints
)
def test_the_error_says_what_is_wrong(content, message):
    with file_with(content) as path, pytest.raises(DataError, match=message):
        read_idx(path)


def test_what_is_known_of_a_file_is_checked():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    with file_with(encode(array)) as path:
        with pytest.raises(DataError, match=r"expected an array \(3, 2\), but the header says \(2, 3\)"):
            read_idx(path, shape=(3, 2))
        with pytest.raises(DataError, match=f"expected SHA-256 {'0' * 64}.*delete it"):
            read_idx(path, sha256="0" * 64)
    with pytest.raises(FileNotFoundError):
        read_idx(path)


def test_a_name_in_gz_needs_a_gzip_file():
    with file_with(b"") as path:
        path = path.rename(path.with_name("plain.gz"))
        path.write_bytes(encode(np.ones(3, np.uint8)))
        with pytest.raises(DataError, match="not a whole gzip file"):
            read_idx(path)
