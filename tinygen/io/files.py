"""Replace a file in one step: it is written under a temporary name and then moved into place."""

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep, time
from typing import Any, BinaryIO

HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # process ids are valid on one machine only
_TEMPORARY = re.compile(r"\.tinygen-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.tmp")
_OLD = 24 * 3600.0  # seconds after which a temporary file is deleted, from any process


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A new binary file, which replaces `path` when the block ends without an error.

    Until then `path` stays as it was, so readers see the old file or the new one. Several threads and processes may
    replace a file at once; the last one wins. Raises OSError if the file can't be written.
    """
    path = real(path)  # the target of a link is replaced, not the link
    temporary = path.with_name(f".tinygen-{HOST}-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        if path.exists() and not path.is_file():  # root could replace /dev/null itself
            raise OSError(errno.EINVAL, "it is not a regular file")
        _delete_abandoned(path.parent)
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):  # there may be no old file
            shutil.copymode(path, temporary)
        _move(temporary, path)
    except OSError as error:
        raise OSError(error.errno, f"{path} can't be written ({error.strerror or error}); it did not change") from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def real(path: str | Path) -> Path:
    """The path with all links resolved; unlike `Path.resolve`, a circle of links raises nothing."""
    return Path(os.path.realpath(path))


def replace(path: str | Path, content: bytes) -> None:
    """Replace the content of a file in one step."""
    with replacing(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON to a file, and create its folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, (json.dumps(value, indent=2) + "\n").encode())


def _delete_abandoned(folder: Path) -> None:
    """Delete the temporary files of killed processes."""
    for path in folder.glob(".tinygen-*.tmp"):
        found = _TEMPORARY.fullmatch(path.name)
        with suppress(OSError):  # another process may delete it first
            if found and (_has_ended(*found.groups()) or time() - path.stat().st_mtime > _OLD):
                path.unlink()


def _has_ended(host: str, process: str) -> bool:
    """Whether a process is known to have ended; False if it is unknown."""
    if os.name != "posix" or host != HOST:
        return False
    try:
        os.kill(int(process), 0)  # signal 0 only checks
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # of another user
        return False
    return False


def _move(temporary: Path, path: Path) -> None:
    for seconds in (
        (0.01, 0.1, 1.0) if os.name == "nt" else ()
    ):  # Windows refuses while another process reads the old file
        with suppress(PermissionError):
            return os.replace(temporary, path)
        sleep(seconds)
    return os.replace(temporary, path)


def _sync(folder: Path) -> None:
    """Sync a folder, so that a new file survives a power cut; not all systems can."""
    if os.name != "posix":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def printable(name: object) -> str:
    r"""A file name (or a text with one) for messages: undecodable bytes and control characters are escaped as \xe9."""
    text = os.fsencode(str(name)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
