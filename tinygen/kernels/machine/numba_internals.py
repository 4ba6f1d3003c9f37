"""All code that reaches into numba's private interface: the cache on disk, inlined parts, shared calls.

Tried with numba 0.68.1 and llvmlite 0.50.0. `tests/kernels/test_cache.py` fails if the names used here change. The rest
of this folder uses numba.extending and llvmlite.ir, which are public, and imports private names from here only.
"""

import hashlib
import sys
from contextlib import suppress
from pathlib import Path

from llvmlite import ir
from numba import types
from numba.core import cgutils, event
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, Flags, compile_extra
from numba.core.dispatcher import Dispatcher

__all__ = ["Dispatcher", "Inlined", "body_of", "cgutils", "keep_on_disk", "say_once"]

# -- compiled kernels on disk ------------------------------------------------------------------------------------------

# One file for each kernel and signature, with a digest that is checked before the file is used. numba's own cache
# trusts its files, so one that a full disk cut short breaks every later run; and two processes that compile at once may
# both write the file that its index names once. Here there is no index, a damaged file is compiled again, and a folder
# that can't be written to costs time but stops nothing.

# A kernel contains the code of its parts in other files, but numba only checks whether its own file has changed.
KERNELS = Path(__file__).parents[1]
SOURCES = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(KERNELS.rglob("*.py")))).digest()


def keep_on_disk(dispatcher) -> None:
    """Let a kernel look for its machine code on disk before it compiles, and write there what it compiled."""
    try:
        dispatcher._cache = _Cache(dispatcher.py_func)
    except (RuntimeError, OSError):  # numba found no folder that it may write to
        say_once("folder", "no folder for compiled kernels can be written to, so every run compiles them again")


def say_once(about: str, line: str) -> None:
    """Print the first line about something to stderr, if there is one: a message is no reason for a run to end."""
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

    def _index_key(self, signature, codegen):
        """Without the variables of a closure, whose bytes differ between runs: its name tells which one it is."""
        return signature, codegen.magic_tuple(), hashlib.sha256(self._py_func.__code__.co_code).digest()


class _Files(IndexDataCacheFile):
    """The files of one kernel. Each has what it was made for, the machine code, and a digest of both."""

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


class _Announcer(event.Listener):
    """Says once that kernels are being compiled, when the first of tinygen's is not found on disk."""

    def on_start(self, event):
        if event.data["dispatcher"].py_func.__module__.startswith("tinygen."):
            say_once("compiling", "compiling kernels, once on this machine (seconds)...")

    def on_end(self, event):
        pass


event.register("numba:compile", _Announcer())

# -- parts of kernels --------------------------------------------------------------------------------------------------


class _Part(JITCodeLibrary):
    """The unoptimised code of an inner part, which is optimised with the kernel that includes it."""

    def finalize(self):
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True

    @property
    def codegen(self):
        """Where numba registers the Python objects that a function needs; a part needs none."""
        return self

    def set_env(self, name, environment):
        pass


class Inlined(Compiler):
    """numba's compiler for code that is only ever a part of a kernel, without the optimiser and without machine code.

    Both would take as long again, for code that nothing calls. Nor may there be any: a function that is in memory
    twice, compiled by itself and with a kernel, perhaps with its sums in another order, would have two results.
    """

    def __init__(self, typing_context, target_context, library, *rest):
        super().__init__(typing_context, target_context, _Part(target_context.codegen(), "part"), *rest)


# -- a call that one thread prepares and another makes -----------------------------------------------------------------

BODY = ir.FunctionType(ir.IntType(32), [ir.IntType(8).as_pointer(), ir.IntType(64), ir.IntType(64)])


def body_of(context, builder, kernel, arguments) -> ir.Function:
    """A function (data, start, stop) that calls kernel(*arguments, start, stop), for `arguments` stored at data."""
    form = types.none(*arguments.types, types.int64, types.int64)
    dispatcher, flags = kernel.dispatcher, Flags()
    options = {**dispatcher.targetoptions, "forceinline": True, "no_cpython_wrapper": True}
    dispatcher.targetdescr.options.parse_as_flags(flags, options)
    whole = dispatcher.py_func, form.args, form.return_type, flags, {}
    inner = compile_extra(context.typing_context, context, *whole, pipeline_class=Inlined)
    context.active_code_library.add_linking_library(inner.library)
    body = ir.Function(builder.module, BODY, builder.module.get_unique_name("body"))
    body.linkage = "internal"
    body.attributes.add("noinline")  # a copy inside a caller would have its sums in another order
    # LLVM by itself leaves half of each AVX-512 register empty. llvmlite knows no attribute with a value.
    set.add(body.attributes, '"prefer-vector-width"="512"')
    inside = ir.IRBuilder(body.append_basic_block())
    stored = inside.bitcast(body.args[0], context.get_value_type(arguments).as_pointer())
    borrowed = _borrowed(inside, arguments, inside.load(stored))
    values = [*cgutils.unpack_tuple(inside, borrowed), *body.args[1:]]
    status, _ = context.call_internal_no_propagate(inside, inner.fndesc, form, values)
    inside.ret(inside.zext(status.is_error, ir.IntType(32)))
    return body


def _borrowed(builder, kind, value):
    """A value whose arrays, also those in tuples, are not counted: the caller keeps them while the kernel runs.

    Otherwise each slice of an array would count its owner up and down, by atomic operations on a line of the cache that
    all threads want.
    """
    if isinstance(kind, types.Array):
        owner = value.type.elements[0]
        return builder.insert_value(value, ir.Constant(owner, None), 0)
    if isinstance(kind, types.BaseTuple):
        for i, each in enumerate(kind.types):  # pyright: ignore[reportAttributeAccessIssue]  all have it
            value = builder.insert_value(value, _borrowed(builder, each, builder.extract_value(value, i)), i)
    return value
