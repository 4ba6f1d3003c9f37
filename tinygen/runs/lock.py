"""One process at a time in the folder of a run: a lock that the operating system releases when the process ends.

So a killed process leaves no lock behind. The file contains the process id, for the error message only.
"""

import errno
import os
import weakref
from contextlib import suppress
from pathlib import Path

from tinygen.io.files import real
from tinygen.runs.record import ELSEWHERE, RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".tinygen.lock"
FLAGS = (
    os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
)  # a link with that name could point to another user's file
_FAR = 2**30  # the byte that Windows locks: beyond the end of the file, because a locked byte can't be read
_HELD: weakref.WeakValueDictionary[Path, "Lock"] = weakref.WeakValueDictionary()  # of this process


def hold(folder: Path) -> "Lock":
    """The lock of this folder, held until the last reference to it is deleted; RunError if another process holds it.

    A process has one lock per folder, so a notebook may start a new run where an earlier cell left a run open.
    """
    path = real(folder) / NAME
    lock = _HELD.get(path) or Lock(path)
    return _HELD.setdefault(path, lock)


class Lock:
    """A lock file, locked as long as this object exists."""

    def __init__(self, path: Path):
        self.descriptor = _acquire(path)
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, str(os.getpid()).encode())
        self.release = weakref.finalize(self, _release, self.descriptor, path)  # also at exit


def _acquire(path: Path) -> int:
    while True:
        descriptor = os.open(path, FLAGS, 0o666)
        if not _try_lock(descriptor):
            os.lseek(descriptor, 0, os.SEEK_SET)
            holder = os.read(descriptor, 20).decode(errors="replace")
            os.close(descriptor)
            who = f"process {holder}" if holder else "another process"
            raise RunError(f"{path.parent} is used by {who}: wait until it ends, or {ELSEWHERE}")
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
        os.close(descriptor)  # its holder finished and deleted it after it was opened here: try again


def _try_lock(descriptor: int) -> bool:
    """Whether an open file could be locked; also True on a file system without locks."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]  # on Windows
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def _release(descriptor: int, path: Path) -> None:
    """Delete the file while it is locked, so that no other process locks a deleted file; then unlock it."""
    if fcntl:
        path.unlink(missing_ok=True)
    os.close(descriptor)
    if not fcntl:  # Windows can't delete an open file, so a file that the next process has locked stays
        with suppress(OSError):
            path.unlink()


def _detach() -> None:
    """In a forked child: the parent keeps the lock."""
    for lock in list(_HELD.values()):
        lock.release.detach()
        os.close(lock.descriptor)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_detach)
