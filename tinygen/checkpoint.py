"""Named arrays in one `.npz` file that loads exactly or is refused, and is never half written.

A checkpoint is a zip archive without compression: a member `NAME.npy` for each array, and `manifest.json`, which holds
the SHA-256 of every member, a few facts of the caller's, and no code. `np.load` opens it too. The archive's comment is
the SHA-256 of the manifest, so that every byte that matters is under a digest (the zip directory itself has none).
"""

import hashlib
import io
import json
import os
import re
import shutil
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

VERSION = 1  # of the format; a later one may read earlier files, and refuses those from its own future
_MANIFEST = "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9_.]+")
_DTYPES = {"b1", *(f"{kind}{n}" for kind in "iu" for n in (1, 2, 4, 8)), "f2", "f4", "f8"}  # none needs code to be read
_MAX_BYTES = 2**32 - 1  # what a zip file holds without its 64-bit extension
_MAX_INDEX = 2**20  # bytes of zip directory and of manifest: bounds what reading them may cost


class CheckpointError(Exception):
    """This file is damaged, foreign or from a later version; nothing was loaded from it."""


# -- writing -----------------------------------------------------------------------------------------------------------


def save(path: str | Path, arrays: Mapping[str, np.ndarray], info: Mapping[str, Any] | None = None) -> None:
    """Write `arrays` and `info` (anything that JSON holds) to `path`; what was there stays until the new file is whole.

    Raises ValueError or TypeError for names, arrays or facts that a checkpoint can't hold, OSError if the disk fails,
    CheckpointError if what was written does not read back.
    """
    members = {f"{_checked_name(name)}.npy": _npy_bytes(name, array) for name, array in arrays.items()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    contents = {"format": "tinygen", "version": VERSION, "sha256": digests, "info": dict(info or {})}
    manifest = json.dumps(contents, indent=1, allow_nan=False).encode()
    path = Path(path).resolve()
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # of a process that was killed while it saved
    try:
        with open(temporary, "xb") as file:
            _write_zip(file, members, manifest)
            file.flush()
            os.fsync(file.fileno())
        load(temporary)  # what can't be read back must not replace what can
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"checkpoint: array names are made of letters, digits, '_' and '.', got {name!r}")
    return name


def _npy_bytes(name: str, array: np.ndarray) -> bytes:
    array = np.asarray(array)
    if array.dtype.str[1:] not in _DTYPES:
        raise TypeError(f"checkpoint: {name} has dtype {array.dtype}; only booleans, integers and floats can be saved")
    file = io.BytesIO()
    little_endian = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    np.lib.format.write_array(file, little_endian, version=(1, 0), allow_pickle=False)
    return file.getvalue()


def _write_zip(file: BinaryIO, members: Mapping[str, bytes], manifest: bytes) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name, content in [*members.items(), (_MANIFEST, manifest)]:
            archive.writestr(zipfile.ZipInfo(name), content)  # ZipInfo's fixed date: equal states are equal bytes
        archive.comment = hashlib.sha256(manifest).hexdigest().encode()


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where a folder can be synced at all."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# -- reading -----------------------------------------------------------------------------------------------------------


def load(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The `(arrays, info)` that `save` was given, bit for bit.

    Nothing in the file is believed before it is checked, and no size in it allocates more than the file is long. Raises
    CheckpointError for anything but a whole, unchanged checkpoint, and OSError if the file can't be opened.
    """
    with open(path, "rb") as file:
        try:
            return _read(file)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None
        except Exception as error:  # zipfile and NumPy answer damage with a dozen kinds of error
            raise CheckpointError(f"{path}: not a readable checkpoint ({type(error).__name__}: {error})") from error


def _read(file: BinaryIO) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    size = file.seek(0, os.SEEK_END)
    _check_end_record(file, size)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        _check_directory(infos, size)
        manifest = _read_manifest(archive)
        digests = manifest["sha256"]
        names = {info.filename for info in infos} - {_MANIFEST}
        _need(names == set(digests), f"members {sorted(names ^ set(digests))} and the manifest don't match")
        arrays = {}
        for name, digest in digests.items():
            content = archive.read(name)
            _need(hashlib.sha256(content).hexdigest() == digest, f"{name} is damaged: its SHA-256 differs")
            arrays[_checked_name(name.removesuffix(".npy"))] = _array_of_npy(name, content)
    return arrays, manifest["info"]


def _check_end_record(file: BinaryIO, size: int) -> None:
    """The last 22 + 64 bytes: that this can be one of our archives, and that its directory is small."""
    _need(100 < size <= _MAX_BYTES, f"{size} bytes are no checkpoint: it is cut off, or something else")
    file.seek(size - 86)
    magic, *_, directory_size, offset, comment_size = struct.unpack("<4s4HIIH", file.read(22))
    _need(magic == b"PK\x05\x06" and comment_size == 64, "it is cut off, or not a tinygen checkpoint")
    _need(directory_size <= _MAX_INDEX, f"its directory of {directory_size} bytes is too large")
    _need(offset + directory_size + 86 == size, "its directory is not where it should be")


def _check_directory(infos: list[zipfile.ZipInfo], size: int) -> None:
    """Stored members only, each once, no larger together than the file: so no name misleads and no bomb can exist."""
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
    _need(version == VERSION, f"it has format version {version}, and this tinygen reads {VERSION}")
    _need(isinstance(manifest["sha256"], dict) and isinstance(manifest["info"], dict), "its manifest is incomplete")
    return manifest


def _array_of_npy(name: str, content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    _need(np.lib.format.read_magic(file) == (1, 0), f"{name} is no array in .npy format 1.0")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    known = dtype.str[0] in "<|" and dtype.str[1:] in _DTYPES and not fortran_order
    _need(known, f"{name} has dtype {dtype}, or its axes reversed")
    count, start = 1, file.tell()
    for length in shape:
        count *= length  # Python's integers don't overflow
    _need(len(content) - start == count * dtype.itemsize, f"{name} has {len(content) - start} bytes for shape {shape}")
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise CheckpointError(otherwise)


# -- what a file holds against what a model expects --------------------------------------------------------------------


def check_state(who: str, expected: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray], *, strict=True) -> None:
    """Raise one ValueError that lists every array missing, unexpected, or of another shape or dtype than expected.

    `strict=False` allows the missing and the unexpected, never another shape or dtype.
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
