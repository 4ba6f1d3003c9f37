"""Compiled kernels on disk: one file for each kernel and signature, whose digest is checked before the file is used.

numba's own cache trusts its files, so one that a full disk cut short ends every later run; and two processes that
compile at once may both write the file that its index names once. Here there is no index, a damaged file is compiled
again, and a folder that can't be written to costs time but stops nothing.

Everything that touches numba's private interface is in this file. `tests/kernels/test_cache.py` fails if it changes.
"""

import hashlib
import sys
from contextlib import suppress
from pathlib import Path

from numba.core.caching import FunctionCache, IndexDataCacheFile

# A kernel contains the code of its helpers in other files, but numba only checks whether its own file has changed.
KERNELS = Path(__file__).parents[1]
SOURCES = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(KERNELS.rglob("*.py")))).digest()


def keep_on_disk(dispatcher) -> None:
    """Let a kernel look for its machine code on disk before it compiles, and write there what it compiled."""
    try:
        dispatcher._cache = _Cache(dispatcher.py_func)
    except (RuntimeError, OSError):  # numba found no folder that it may write to
        say_once("folder", "no folder for compiled kernels can be written to, so every run compiles them again")


def say_once(about: str, line: str) -> None:
    """The first line about something on stderr, if there is one: a message is no reason for a run to end."""
    if sys.stderr and about not in _said:
        _said.add(about)
        with suppress(OSError, ValueError):
            print(f"tinygen: {line}", file=sys.stderr, flush=True)


_said: set[str] = set()


class _Cache(FunctionCache):
    """numba's cache of one kernel, but a file that can't be read or written never raises."""

    def __init__(self, function):
        super().__init__(function)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def load_overload(self, signature, target):
        try:
            return super().load_overload(signature, target)
        except Exception as error:
            say_once("compiling", f"a compiled kernel can't be used ({error}): compiling it again (seconds)...")
            return None

    def save_overload(self, signature, code):
        try:
            super().save_overload(signature, code)
        except Exception as error:
            say_once("folder", f"compiled kernels can't be kept, so the next run compiles them again: {error}")


class _Files(IndexDataCacheFile):
    """The files of one kernel. Each holds what it was made for, the machine code, and a digest of both."""

    def load(self, key):
        path = Path(self._data_path(self._name(key)))
        if not path.exists():
            return None
        content = path.read_bytes()
        if hashlib.sha256(content[:-32]).digest() != content[-32:]:
            raise ValueError(f"{path} is damaged")
        made_for, code = self._load_data(path.name)
        return code if made_for == self._made_for(key) else None

    def save(self, key, code):
        self._save_data(self._name(key), (self._made_for(key), code))

    def _name(self, key) -> str:
        return self._data_name(int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6]))

    def _made_for(self, key):
        return self._version, self._source_stamp, SOURCES, key

    def _dump(self, content):
        body = super()._dump(content)
        return body + hashlib.sha256(body).digest()  # pickle stops reading where the body ends
