"""Check text files: one newline at the end, no spaces at line ends, no conflict markers, no carriage returns.

`python tools/check_text.py FILE ...` prints each problem with its file and line. The exit code is 1 if it finds any.
"""

import re
import sys
from pathlib import Path

CONFLICT = re.compile(rb"(<{7}|>{7}|\|{7}) |={7}$")


def problems(content: bytes) -> list[tuple[int, str]]:
    """What is wrong with a file's content, each with its line."""
    lines = content.split(b"\n")
    found = []
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            found.append((number, "spaces or a carriage return at the end of the line"))
        if CONFLICT.match(line):
            found.append((number, "a conflict marker"))
    if content and (lines[-1] or lines[-2:-1] == [b""]):
        found.append((len(lines), "the file must end in one newline"))
    return found


def main(*names: str) -> int:
    """Print the problems of these files; return the exit code."""
    found = [f"{name}:{line}: {what}" for name in names for line, what in problems(Path(name).read_bytes())]
    for line in found:
        print(line)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
