"""`python -m tinygen COMMAND`: the entry point of the commands."""

import sys

try:
    from tinygen.runs.cli import chosen, deferred, one_line
except KeyboardInterrupt:
    sys.exit(130)


def main() -> None:
    with one_line(*sys.argv[1:2] or ["tinygen"]):
        import tyro

        from tinygen import commands

        calls = {name: deferred(function) for name, function in commands.COMMANDS.items()}
        about = dict(prog="python -m tinygen", description=commands.__doc__)
        chosen(tyro.extras.subcommand_cli_from_dict, calls, **about)()


if __name__ == "__main__":
    main()
