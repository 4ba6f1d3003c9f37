"""The entry point of the commands: `python -m tinygen COMMAND`, or `tinygen COMMAND` if the package is installed."""

import sys
from pathlib import Path

from tinygen.runs.ending import one_line_errors


def main() -> None:
    """Run the command that the words of the command line describe."""
    with one_line_errors("tinygen"):
        from tinygen import commands  # here, where Ctrl-C prints one line and no traceback

        program = "tinygen" if Path(sys.argv[0]).stem == "tinygen" else "python -m tinygen"
        commands.run(sys.argv[1:], program=program)


if __name__ == "__main__":
    main()
