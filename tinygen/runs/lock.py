"""One process at a time in the folder of a run: a lock that the operating system drops when the process ends.

So no lock is left behind, however the process ends. The file holds the process id, which only the message needs.
"""

import errno
import os
import weakref
from contextlib import suppress
from pathlib import Path

from tinygen.io.files import real
from tinygen.runs.record import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".tinygen.lock"
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)  # a link of that name could lead to another user's file
_FAR = 2**30  # the byte that Windows locks; it can't be read, so it is beyond the end of the file
_HELD: weakref.WeakValueDictionary[Path, "Lock"] = weakref.WeakValueDictionary()  # of this process


def hold(folder: Path) -> "Lock":
    """The lock of this folder, held until the last reference to it is gone; RunError if another process holds it.

    Within a process it is one lock: a notebook may start a run in a folder where an earlier cell left one.
    """
    path = real(folder) / NAME
    lock = _HELD.get(path) or Lock(path)
    return _HELD.setdefault(path, lock)


class Lock:
    """A lock file that is held as long as this object lives."""

    def __init__(self, path: Path):
        self.descriptor = _acquire(path)
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, str(os.getpid()).encode())
        self.release = weakref.finalize(self, _release, self.descriptor, path)  # at the end of the process too


def _acquire(path: Path) -> int:
    while True:
        descriptor = os.open(path, FLAGS, 0o666)
        if not _seize(descriptor):
            os.lseek(descriptor, 0, os.SEEK_SET)
            holder = os.read(descriptor, 20).decode(errors="replace")
            os.close(descriptor)
            who = f"process {holder}" if holder else "another process"
            raise RunError(f"{path.parent} is in use by {who}: wait until it ends, or choose another folder with --out")
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
        os.close(descriptor)  # it was deleted between the two lines: its holder had just finished


def _seize(descriptor: int) -> bool:
    """Whether an open file could be locked; True without a lock on a file system that has no locks."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def _release(descriptor: int, path: Path) -> None:
    """Delete the file while it is still locked, so that no process locks a deleted file; then unlock it."""
    if fcntl:
        path.unlink(missing_ok=True)
    os.close(descriptor)
    if not fcntl:  # Windows can't delete an open file, so this spares one that the next process has locked
        with suppress(OSError):
            path.unlink()


def _disown() -> None:
    """In a forked child: the lock stays with the parent, and ends with it."""
    for lock in list(_HELD.values()):
        lock.release.detach()
        os.close(lock.descriptor)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)
