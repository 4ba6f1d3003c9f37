"""Reading an IDX file (the format of MNIST) without trusting a byte of it.

The format, http://yann.lecun.com/exdb/mnist: two zero bytes, one for the type of an entry (8: unsigned byte), one for
the rank, then each size as a big-endian 32-bit number, then the entries, row by row. A file of sixteen bytes can so
claim to hold terabytes: everything it says is checked before anything of that size is made.
"""

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path

import numpy as np

from tinygen.data.dataset import DataError

UINT8 = 0x08
MAX_RANK = 4
MAX_BYTES = 2**30  # far above any data set one would keep in this format, and still harmless
CHUNK = 2**20


def read_idx(
    path: str | os.PathLike,
    *,
    shape: tuple[int, ...] | None = None,
    sha256: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> np.ndarray:
    """The uint8 array in an IDX file; a name that ends in `.gz` is decompressed on the way.

    `shape` and `sha256` (of the decompressed file) are what the file must hold, where that is known.
    Raises DataError for anything but a whole, exact IDX file of 1 to `max_bytes` entries, and OSError as `open` does.
    """
    path = Path(path)
    try:
        with _open(path) as file:
            header, sizes = _read_header(path, file)
            count = math.prod(sizes)  # Python integers: no overflow
            if shape is not None and sizes != tuple(shape):
                raise DataError(f"{path}: expected an array {tuple(shape)}, but the header says {sizes}")
            if not 1 <= count <= max_bytes:
                raise DataError(f"{path}: the header claims {sizes}, {count} bytes; expected 1 to {max_bytes}")
            if path.suffix != ".gz":  # the true size is known before a byte is read
                _check_count(path, sizes, os.fstat(file.fileno()).st_size - len(header))
            data = _read_at_most(file, count + 1)  # one more, to see whether the file ends where it should
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: not a whole gzip file ({error}): get it again") from error
    _check_count(path, sizes, len(data))
    if sha256 is not None:
        _check_hash(path, sha256, header, data)
    return np.frombuffer(data, np.uint8).reshape(sizes)


def _open(path):
    return gzip.open(path) if path.suffix == ".gz" else open(path, "rb")


def _read_header(path, file):
    magic = file.read(4)
    if len(magic) < 4:
        raise DataError(f"{path}: {len(magic)} bytes are too few for an IDX file")
    zeros, dtype, rank = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0":
        hint = ": gzip data, give the file a name in .gz" if zeros == b"\x1f\x8b" else ""
        raise DataError(f"{path}: not an IDX file, it starts with {magic.hex(' ')} instead of 00 00{hint}")
    if dtype != UINT8:
        raise DataError(f"{path}: entries of IDX type 0x{dtype:02x}; only unsigned bytes, 0x08, are read")
    if not 1 <= rank <= MAX_RANK:
        raise DataError(f"{path}: an array of rank {rank}; expected 1 to {MAX_RANK}")
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise DataError(f"{path}: the file ends inside its header")
    return magic + sizes, tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * rank, 4))


def _read_at_most(file, limit):
    # Grows with what the file really holds, so that an empty promise costs nothing.
    data = bytearray()
    while len(data) < limit and (chunk := file.read(min(CHUNK, limit - len(data)))):
        data += chunk
    return data


def _check_count(path, sizes, count):
    expected = math.prod(sizes)
    if count < expected:
        raise DataError(f"{path}: truncated, {count} bytes follow the header; its sizes {sizes} need {expected}")
    if count > expected:
        raise DataError(f"{path}: bytes are left after the {expected} that the sizes {sizes} announce")


def _check_hash(path, expected, header, data):
    digest = hashlib.sha256(header)
    digest.update(data)
    if digest.hexdigest() != expected:
        raise DataError(
            f"{path}: expected SHA-256 {expected} (of the decompressed file), got {digest.hexdigest()}: "
            "this is another file or a damaged one; delete it and get it again"
        )
