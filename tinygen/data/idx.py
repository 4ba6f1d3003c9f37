"""Reading IDX files, the format of MNIST, without trusting any byte of them.

The format, http://yann.lecun.com/exdb/mnist: two zero bytes, one byte for the type of the entries (8: unsigned byte),
one for the rank, then each size as a big-endian 32-bit integer, then the entries, row by row. A file of sixteen bytes
can thus claim to hold terabytes, so the header is checked before memory of that size is allocated.
"""

import gzip
import hashlib
import io
import math
import os
import zlib
from pathlib import Path

import numpy as np

from tinygen.data.dataset import DataError

UINT8 = 0x08
MAX_RANK = 4
MAX_BYTES = 2**30  # far above any data set in this format, and still harmless
CHUNK = 2**20  # bytes
ERRORS = (EOFError, zlib.error, gzip.BadGzipFile)  # of a damaged archive


def read_idx(
    path: str | os.PathLike,
    *,
    shape: tuple[int, ...] | None = None,
    sha256: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> np.ndarray:
    """The uint8 array in an IDX file; a file with the suffix `.gz` is decompressed.

    `shape` and `sha256` (of the decompressed file) are the expected ones, if known.
    Raises DataError unless the file is a complete IDX file of 1 to `max_bytes` entries, and OSError as `open` does.
    """
    path, size = Path(path), None
    try:
        with _open(path) as file:
            if path.suffix != ".gz":  # the size is known before the entries are read
                size = os.fstat(file.fileno()).st_size
            return _read(str(path), file, size, shape, sha256, max_bytes)
    except ERRORS as error:
        raise DataError(f"{path}: expected a complete gzip file, got a damaged one ({error}): get it again") from error


def parse_idx_gz(name: str, content: bytes, *, shape: tuple[int, ...], sha256: str) -> np.ndarray:
    """The array in the bytes of a compressed IDX file, as `read_idx` reads it; `name` is for the error messages."""
    try:
        with gzip.open(io.BytesIO(content)) as file:
            return _read(name, file, None, shape, sha256, MAX_BYTES)
    except ERRORS as error:
        raise DataError(f"{name}: expected a complete gzip file, got a damaged one ({error})") from error


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")


def _read(name, file, file_size, shape, sha256, max_bytes):
    header, sizes = _read_header(name, file)
    count = math.prod(sizes)  # of Python integers, which don't overflow
    if shape is not None and sizes != tuple(shape):
        raise DataError(f"{name}: expected an array of shape {tuple(shape)}, got the header of {sizes}")
    if not 1 <= count <= max_bytes:
        raise DataError(f"{name}: expected 1 to {max_bytes} entries, got the header of {sizes}, {count} entries")
    if file_size is not None:
        _check_count(name, sizes, file_size - len(header))
    data = _read_at_most(file, count + 1)  # one byte more, to notice bytes after the end
    _check_count(name, sizes, len(data))
    if sha256 is not None:
        _check_hash(name, sha256, header, data)
    return np.frombuffer(data, np.uint8).reshape(sizes)


def _read_header(name, file):
    magic = file.read(4)
    if len(magic) < 4:
        raise DataError(f"{name}: expected an IDX file, got {len(magic)} bytes")
    zeros, dtype, rank = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0":
        hint = ": this is gzip data, add .gz to the file name" if zeros == b"\x1f\x8b" else ""
        raise DataError(f"{name}: expected an IDX file, which starts with 00 00, got {magic.hex(' ')}{hint}")
    if dtype != UINT8:
        raise DataError(f"{name}: expected unsigned bytes (IDX type 0x08), got type 0x{dtype:02x}")
    if not 1 <= rank <= MAX_RANK:
        raise DataError(f"{name}: expected an array of rank 1 to {MAX_RANK}, got rank {rank}")
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(f"{name}: expected {rank} sizes in the header, got the end of the file: it is truncated")
    return magic + sizes, tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * rank, 4))


def _read_at_most(file, limit):
    # In chunks, so that memory grows with the real content of the file and not with the sizes in its header.
    data = bytearray()
    while len(data) < limit and (chunk := file.read(min(CHUNK, limit - len(data)))):
        data += chunk
    return data


def _check_count(name, sizes, count):
    expected = math.prod(sizes)
    if count < expected:
        raise DataError(f"{name}: expected {expected} bytes after the header of {sizes}, got {count}: it is truncated")
    if count > expected:
        raise DataError(f"{name}: expected {expected} bytes after the header of {sizes}, got more")


def _check_hash(name, expected, header, data):
    digest = hashlib.sha256(header)
    digest.update(data)
    if (found := digest.hexdigest()) != expected:
        hint = "this file is damaged or a different one: delete it and get it again"
        raise DataError(f"{name}: expected SHA-256 {expected} (of the decompressed file), got {found}: {hint}")
