"""Checkpoints: named arrays in one `.npz` file, which loads exactly or raises, and is never half written.

A checkpoint is an uncompressed zip archive with one member `NAME.npy` per array and a `manifest.json`, which contains
the SHA-256 of each member and the caller's `info`. It contains no code, and `np.load` can read it too. The comment of
the archive is the SHA-256 of the manifest, so a digest covers every byte that matters; the zip directory has none.
"""

import hashlib
import io
import json
import os
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tinygen.io.files import replacing

VERSION = 1  # of the format; later versions read earlier files
COPY = "restore it from a copy"  # what to do about a damaged file
_MANIFEST = "manifest.json"
_NAME, _MEMBER = re.compile(r"[A-Za-z0-9_.]+"), re.compile(r"[A-Za-z0-9_.]+\.npy")
_DTYPES = {
    "b1",
    *(f"{kind}{n}" for kind in "iu" for n in (1, 2, 4, 8)),
    "f2",
    "f4",
    "f8",
}  # reading them executes no code
_MAX_INDEX = (
    2**24
)  # bytes of the manifest, which is never shorter than the zip directory: bounds the memory for reading


class CheckpointError(Exception):
    """A file is damaged, has another format or is from a later version; nothing was loaded."""


# -- writing -----------------------------------------------------------------------------------------------------------


def save(path: str | Path, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any] | None = None) -> None:
    """Write `arrays` and `info` (any JSON) to `path`; an old file stays until the new one is complete.

    Raises ValueError or TypeError for names, arrays or info that a checkpoint can't contain, OSError if the file can't
    be written, CheckpointError if the written file can't be read back.
    """
    check_savable("checkpoint", arrays, info)
    members = {f"{name}.npy": _npy_bytes(array) for name, array in arrays.items()}
    manifest = _manifest({name: hashlib.sha256(content).hexdigest() for name, content in members.items()}, info)
    with replacing(path) as file:
        _write_zip(file, members, manifest)
        file.flush()
        _load(file, path)  # an unreadable file must not replace a readable one


def check_savable(who: str, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any] | None = None) -> None:
    """Raise ValueError or TypeError for names, arrays or info that `save` can't write."""
    for name, array in arrays.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            allowed, instead = "letters, digits, '_' and '.'", re.sub(r"[^A-Za-z0-9_.]", "_", str(name))
            hint = f": write {instead!r}" if instead else ""
            raise ValueError(f"{who}: expected names of {allowed}, got {name!r}{hint}")
        dtype = np.asarray(array).dtype
        if dtype.str[1:] not in _DTYPES:
            raise TypeError(f"{who}: expected booleans, integers or floats in {name}, got dtype {dtype}")
    size = len(_manifest({f"{name}.npy": "0" * 64 for name in arrays}, info))
    if size > _MAX_INDEX:
        raise ValueError(
            f"{who}: expected names and info of at most {_MAX_INDEX:,} bytes (about 100,000 arrays), got {size:,} for "
            f"{len(arrays):,} arrays: combine small arrays"
        )


def _manifest(digests: Mapping[str, str], info: Mapping[str, Any] | None) -> bytes:
    contents = {"format": "tinygen", "version": VERSION, "sha256": digests, "info": dict(info or {})}
    return json.dumps(contents, indent=1, allow_nan=False).encode()


def _npy_bytes(array: np.ndarray) -> bytes:
    array, file = np.asarray(array), io.BytesIO()
    little_endian = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    np.lib.format.write_array(file, little_endian, version=(1, 0), allow_pickle=False)
    return file.getvalue()


def _write_zip(file: BinaryIO, members: Mapping[str, bytes], manifest: bytes) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in [*members.items(), (_MANIFEST, manifest)]:
            archive.writestr(zipfile.ZipInfo(name), content)  # ZipInfo's fixed date: equal states are equal bytes
        archive.comment = hashlib.sha256(manifest).hexdigest().encode()


# -- reading -----------------------------------------------------------------------------------------------------------


def load(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The `(arrays, info)` of a checkpoint, bit for bit.

    Everything in the file is checked before it is used, and no size in it allocates more memory than the file is long.
    Raises CheckpointError for anything but a complete, unchanged checkpoint, and OSError if the file can't be opened.
    """
    with open(path, "rb") as file:
        return _load(file, path)


def _load(file: BinaryIO, path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        return _read(file)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except Exception as error:  # zipfile and NumPy report damage by a dozen kinds of error
        reason = str(error) or type(error).__name__
        raise CheckpointError(f"{path}: it is damaged, or not a tinygen checkpoint ({reason}): {COPY}") from error


def _read(file: BinaryIO) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    size = file.seek(0, os.SEEK_END)
    _check_end_record(file, size)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        _check_directory(infos, size)
        manifest = _read_manifest(archive)
        digests = manifest["sha256"]
        names = {info.filename for info in infos} - {_MANIFEST}
        _need(names == set(digests), f"members {sorted(names ^ set(digests))[:3]} and the manifest don't match")
        arrays = {}
        for name, digest in digests.items():
            content = archive.read(name)
            _need(hashlib.sha256(content).hexdigest() == digest, f"{name} is damaged: its SHA-256 differs")
            _need(_MEMBER.fullmatch(name) is not None, f"{name!r} is not the name of an array")
            arrays[name.removesuffix(".npy")] = _array_of_npy(name, content)
    return arrays, manifest["info"]


def _check_end_record(file: BinaryIO, size: int) -> None:
    """Check the last bytes: the format of the archive, and the size and the position of its directory.

    The end record has 22 bytes and the comment 64. A file of more than 2 GiB or 65,535 members has two more records
    before these, of 56 and 20 bytes, for larger numbers (the 64-bit extension of zip).
    """
    _need(size > 100, f"{size} bytes are too short for a checkpoint")
    file.seek(max(0, size - 162))
    tail = file.read()
    magic, *_, length, offset, comment_size = struct.unpack("<4s4HIIH", tail[-86:-64])
    _need(magic == b"PK\x05\x06" and comment_size == 64, "it is truncated, or not a tinygen checkpoint")
    records = 86
    if tail[-106:-102] == b"PK\x06\x07" and tail[-162:-158] == b"PK\x06\x06":
        length, offset = struct.unpack("<QQ", tail[-122:-106])
        records = 162
    _need(length <= _MAX_INDEX, f"its directory of {length} bytes is too large")
    _need(offset + length + records == size, "its directory is in the wrong place")


def _check_directory(infos: list[zipfile.ZipInfo], size: int) -> None:
    """Only uncompressed members, each once, together no larger than the file: this excludes zip bombs."""
    names = [info.filename for info in infos]
    _need(len(set(names)) == len(names), "it has two members of one name")
    for info in infos:
        plain = info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size
        _need(plain and not info.flag_bits, f"{info.filename} is compressed or encrypted")
    _need(sum(info.file_size for info in infos) < size, "its members claim more bytes than it has")


def _read_manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    _need(archive.getinfo(_MANIFEST).file_size <= _MAX_INDEX, "its manifest is too large")
    text = archive.read(_MANIFEST)
    _need(hashlib.sha256(text).hexdigest().encode() == archive.comment, "its manifest is damaged: its SHA-256 differs")
    manifest = json.loads(text)
    _need(isinstance(manifest, dict) and manifest.get("format") == "tinygen", "it is not a tinygen checkpoint")
    version = manifest.get("version")
    newer = f"it has format version {version}, and this tinygen reads {VERSION}"
    _need(version == VERSION, newer, hint="read it with the version of tinygen that wrote it")
    _need(isinstance(manifest["sha256"], dict) and isinstance(manifest["info"], dict), "its manifest is incomplete")
    return manifest


def _array_of_npy(name: str, content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    _need(np.lib.format.read_magic(file) == (1, 0), f"{name} is not an array in .npy format 1.0")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    known = dtype.str[0] in "<|" and dtype.str[1:] in _DTYPES and not fortran_order
    _need(known, f"{name} has dtype {dtype}, or Fortran order")
    count, start = 1, file.tell()
    for length in shape:
        count *= length  # Python integers don't overflow
    _need(len(content) - start == count * dtype.itemsize, f"{name} has {len(content) - start} bytes for shape {shape}")
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _need(condition: bool, otherwise: str, *, hint: str = COPY) -> None:
    if not condition:
        raise CheckpointError(f"{otherwise}: {hint}")


def check_finite(who: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise FloatingPointError, and name the arrays, if any of them holds NaN or infinity."""
    found = [name for name, array in arrays.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise FloatingPointError(
            f"{who}: expected finite numbers, got NaN or infinity in {', '.join(found[:3])}{more}: nothing was saved "
            "or loaded, and the last good file stays"
        )


# -- the arrays of a file compared with those of a model ---------------------------------------------------------------


def check_state(
    who: str, expected: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray], *, strict: bool = True
) -> None:
    """Raise one ValueError that lists each array that is missing, unexpected, or of another shape or dtype.

    `strict=False` allows missing and unexpected arrays.
    """
    problems = []
    if strict:
        problems += [f"missing     {name} {a.shape} {a.dtype}" for name, a in expected.items() if name not in given]
        problems += [f"unexpected  {name} {np.shape(a)}" for name, a in given.items() if name not in expected]
    for name, a in expected.items():
        b = np.asarray(given[name]) if name in given else a
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            problems.append(f"different   {name}: expected {a.shape} {a.dtype}, got {b.shape} {b.dtype}")
    if problems:
        raise ValueError(f"{who}: the state doesn't fit, and nothing was changed:\n  " + "\n  ".join(problems))
