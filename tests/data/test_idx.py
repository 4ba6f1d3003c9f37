"""IDX files: complete ones are read exactly, all others are refused, and no header costs memory by its sizes."""

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
from helpers.data_files import idx_bytes
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tinygen.data import DataError, read_idx

ARRAYS = arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=6))
SUFFIXES = st.sampled_from(["", ".gz"])


@contextmanager
def file_with(content, suffix=""):
    """A file with this content, compressed if the suffix is .gz."""
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
def test_a_complete_file_is_read_exactly(array, suffix):
    content = idx_bytes(array)
    with file_with(content, suffix) as path:
        read = read_idx(path, shape=array.shape, sha256=hashlib.sha256(content).hexdigest())
    assert read.dtype == np.uint8 and read.shape == array.shape
    assert np.array_equal(read, array)


@given(ARRAYS, SUFFIXES, st.data())
def test_a_truncated_file_is_refused(array, suffix, data):
    content = idx_bytes(array)
    cut = data.draw(st.integers(0, len(content) - 1))
    with (
        file_with(content[:cut], suffix) as path,
        pytest.raises(DataError, match=r"truncated|expected an IDX file, got"),
    ):
        read_idx(path)


@given(ARRAYS, st.data())
def test_a_truncated_archive_is_refused(array, data):
    with file_with(idx_bytes(array), ".gz") as path:
        archive = path.read_bytes()
        path.write_bytes(archive[: data.draw(st.integers(0, len(archive) - 1))])
        with pytest.raises(DataError):
            read_idx(path)


@given(ARRAYS, SUFFIXES, st.binary(min_size=1, max_size=30))
def test_trailing_bytes_are_refused(array, suffix, rest):
    with (
        file_with(idx_bytes(array) + rest, suffix) as path,
        pytest.raises(DataError, match="got more"),
    ):
        read_idx(path)


@given(st.binary(max_size=24), SUFFIXES)
def test_arbitrary_bytes_are_refused_or_a_valid_file(content, suffix):
    with file_with(content, suffix) as path:
        try:
            read = read_idx(path)
        except DataError:
            return
    assert idx_bytes(read) == content


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4), st.binary(max_size=40), SUFFIXES)
def test_a_header_with_false_sizes_is_refused_without_allocating_them(sizes, body, suffix):
    content = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + body

    def read():
        try:
            read_idx(path)
        except DataError:
            return
        assert math.prod(sizes) == len(body)

    with file_with(content, suffix) as path:
        assert peak_memory_of(read) < 2**22  # two chunks of 1 MiB and the buffers of gzip


def test_a_gzip_bomb_is_read_no_further_than_the_header_allows():
    bomb = idx_bytes(np.zeros(16, np.uint8)) + bytes(2**26)
    with file_with(bomb, ".gz") as path:

        def read():
            with pytest.raises(DataError, match="got more"):
                read_idx(path)

        assert peak_memory_of(read) < 2**20


def test_a_sparse_file_is_refused_by_its_size():
    size = 2**26
    with file_with(bytes([0, 0, 8, 1]) + struct.pack(">I", size)) as path:
        with path.open("r+b") as file:
            file.truncate(8 + size)  # a sparse file: it takes no room on most disks, and its size is 64 MiB

        def read():
            with pytest.raises(DataError, match="expected 1 to 1048576 entries, got the header"):
                read_idx(path, max_bytes=2**20)

        assert peak_memory_of(read) < 2**20


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_thousand_corruptions_are_refused_or_exact(suffix):
    rng = np.random.default_rng(0)
    array = rng.integers(256, size=(5, 7, 6), dtype=np.uint8)
    content = idx_bytes(array)
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
    # Without compression every byte counts; the time stamp and the system in a gzip header don't (6 of 240 bytes).
    assert refused == 1000 if suffix == "" else refused > 900


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an IDX file, got 0 bytes"),
        (b"\x00\x00\x08", "expected an IDX file, got 3 bytes"),
        (b"\x00\x01\x08\x01\x00\x00\x00\x01\x07", "starts with 00 00, got 00 01 08 01"),
        (gzip.compress(b"x", mtime=0), r"this is gzip data, add \.gz to the file name"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x07", r"unsigned bytes \(IDX type 0x08\), got type 0x0d"),
        (b"\x00\x00\x08\x00\x07", "rank 1 to 4, got rank 0"),
        (b"\x00\x00\x08\x05" + bytes(20), "rank 1 to 4, got rank 5"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x01", "expected 2 sizes in the header, got the end of the file"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x00", r"got the header of \(0,\), 0 entries"),
        (
            b"\x00\x00\x08\x01\x00\x00\x00\x03\x07\x07",
            r"expected 3 bytes after the header of \(3,\), got 2",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else len(value),  # bytes as ids could not be printed
)
def test_errors(content, message):
    with file_with(content) as path, pytest.raises(DataError, match=message):
        read_idx(path)


def test_shape_and_hash_are_checked():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    with file_with(idx_bytes(array)) as path:
        with pytest.raises(DataError, match=r"expected an array of shape \(3, 2\), got the header of \(2, 3\)"):
            read_idx(path, shape=(3, 2))
        with pytest.raises(DataError, match=f"expected SHA-256 {'0' * 64}.*delete it"):
            read_idx(path, sha256="0" * 64)
    with pytest.raises(FileNotFoundError):
        read_idx(path)


def test_the_suffix_gz_requires_a_gzip_file():
    with file_with(b"") as path:
        path = path.rename(path.with_name("plain.gz"))
        path.write_bytes(idx_bytes(np.ones(3, np.uint8)))
        with pytest.raises(DataError, match="expected a complete gzip file, got a damaged one"):
            read_idx(path)
