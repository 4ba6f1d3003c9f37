"""The commands of `python -m tinygen`: one function per command, whose arguments are the options."""

from collections.abc import Callable, Mapping, Sequence

from tinygen import __version__
from tinygen.commands.bench import bench
from tinygen.commands.check import check
from tinygen.commands.data import data
from tinygen.commands.evaluate import evaluate
from tinygen.commands.examples import examples
from tinygen.commands.exercise import ABOUT as EXERCISE
from tinygen.commands.exercise import ACTIONS
from tinygen.commands.sample import sample
from tinygen.commands.summary import summary
from tinygen.commands.verify import verify
from tinygen.commands.warm import warm
from tinygen.errors.hints import did_you_mean
from tinygen.io.output import say
from tinygen.io.table import columns, paragraphs
from tinygen.runs.ending import Refused, one_line_errors
from tinygen.runs.parsing import call_of

COMMANDS = {each.__name__: each for each in (verify, examples, check, data, summary, sample, evaluate, bench, warm)}
GROUPS = {"exercise": (ACTIONS, EXERCISE)}  # their commands have two words

ABOUT = """An automatic differentiation engine and generative models, from scratch. The commands run the
lessons, copy the examples, grade exercises, check derivative rules, list data, sample from trained models and measure
speed."""


def run(words: Sequence[str], *, program: str = "python -m tinygen") -> None:
    """Run the command that the words of a command line describe; without words, list the commands.

    `program` is how the user started this. Raises Refused if the words name no command.
    """
    first = words[0] if words else ""
    if first in ("--version", "-V"):
        say(f"tinygen {__version__}")
    elif first in GROUPS:
        commands, about = GROUPS[first]
        _run(words[1:], commands, about, program=f"{program} {first}", group=f"{first} ")
    else:
        _run(words, COMMANDS, ABOUT, program=program)


def _run(words: Sequence[str], commands: Mapping[str, Callable], about: str, *, program: str, group: str = "") -> None:
    """Run the one of these commands that the words begin with."""
    if not words or words[0] in ("-h", "--help", "help"):
        say(overview(program, commands, about))
        if not words:
            raise Refused("expected a command, got none: choose one from this list")
    elif (name := words[0]) in commands:
        with one_line_errors(f"{group}{name}"):
            function = commands[name]
            call_of(function, words[1:], program=f"{program} {name}", about=_about(function))()
    else:
        known = [*commands, *([] if group else GROUPS)]
        raise Refused(f"unknown command {group}{name}{did_you_mean(name, known)}: choose one of {', '.join(known)}")


def overview(program: str, commands: Mapping[str, Callable] = COMMANDS, about: str = ABOUT) -> str:
    """The list of the commands, for a terminal."""
    rows = [["command", "what it does"], *([name, _about(function)] for name, function in commands.items())]
    end = f"{program} COMMAND --help explains a command."
    if commands is COMMANDS:
        end += " --version shows the version."
        rows[3:3] = [[name, about_group] for name, (_, about_group) in GROUPS.items()]  # after the lessons and examples
    parts = [f"usage: {program} COMMAND [OPTIONS]", paragraphs(about), columns(rows, ruled=True), paragraphs(end)]
    return "\n\n".join(parts)


def _about(function: Callable) -> str:
    """The first paragraph of the docstring of a command."""
    return " ".join((function.__doc__ or "").split("\n\n")[0].split())
