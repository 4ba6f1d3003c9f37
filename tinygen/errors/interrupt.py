"""Ctrl-C while a command or an example is still importing: the program ends with code 130, and without a traceback.

It is the first import of tinygen, before NumPy's. Programs of users, notebooks and tests are left alone.
"""

import os
import signal
import sys
import threading

# The names in the code of a program with a command line of tinygen's, and of the script `tinygen` that pip makes.
SIGNS = ({"tinygen.runs", "cli"}, {"tinygen.runs.cli"}, {"tinygen.__main__", "main"})


def end_quietly() -> None:
    """Until `raise_again`, Ctrl-C ends the program at once, if it is a command or an example of tinygen."""
    if _is_ours() and threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # otherwise the user has another plan
            signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
    """Ctrl-C raises KeyboardInterrupt again: from here on, the program can handle it."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    os.write(2, b"stopped\n")
    os._exit(130)  # an exception could come in the middle of an import, whose C code would print it


def _is_ours() -> bool:
    """Whether the running program is `python -m tinygen`, the script `tinygen`, or has a command line of tinygen's."""
    if sys.argv[:1] == ["-m"]:  # Python is looking for the module, which can only be ours: it imports tinygen
        return True
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
    names = set(frame.f_code.co_names)
    return frame.f_globals.get("__name__") == "__main__" and any(sign <= names for sign in SIGNS)


end_quietly()
