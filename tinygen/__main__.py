"""`python -m tinygen COMMAND`: the entry point of the commands."""

import sys

try:
    from tinygen.runs.cli import deferred, one_line_errors, parse
except KeyboardInterrupt:
    sys.exit(130)

ABOUT = "Check derivative rules, list data, sample from trained models, measure speed; COMMAND --help explains each."


def main() -> None:
    with one_line_errors(*sys.argv[1:2] or ["tinygen"]):
        import tyro  # here, where Ctrl-C prints one line and no traceback

        from tinygen import commands

        calls = {name: deferred(function) for name, function in commands.COMMANDS.items()}
        parse(tyro.extras.subcommand_cli_from_dict, calls, prog="python -m tinygen", description=ABOUT)()


if __name__ == "__main__":
    main()
