"""From the words of a command line to the call of a function; what doesn't fit is refused in one line that helps."""

import io
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial, wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_args

from tinygen.errors.hints import did_you_mean
from tinygen.io.output import say
from tinygen.io.table import paragraphs
from tinygen.runs.ending import Refused


def call_of(function: Callable, words: Sequence[str], *, program: str, about: str) -> Callable[[], Any]:
    """The call that the words of a command line describe: the arguments of a function are the options.

    `program` is how it was started, and `about` what `--help` says about it. Raises Refused for words that don't fit,
    and SystemExit after `--help`.
    """
    for word in words:
        if word == "" or (word.startswith("-") and word.endswith("=")):
            given = f"{word!r}" if word else "an empty text"
            raise Refused(f"expected a value for every option, got {given}: write one, or leave the option out")
    options = options_of(function)
    for word in words:
        name = word.partition("=")[0].replace("_", "-")
        if name.startswith("--") and name not in options:
            raise Refused(f"unknown option {name}{did_you_mean(name, options)}: {program} --help lists all options")
    import tyro  # it takes 0.2 s

    config = (tyro.conf.FlagCreatePairsOff,)
    shown, box = _Text(), _Text()
    try:
        with redirect_stdout(shown), redirect_stderr(box):
            return tyro.cli(deferred(function), prog=program, description=_PLACE, args=list(words), config=config)
    except SystemExit as end:
        if end.code:
            raise Refused(f"{in_our_words(_text_of(box.getvalue()))}: {program} --help explains the options") from None
        say(shown.getvalue().rstrip().replace(_PLACE, paragraphs(about)))
        raise


def options_of(function: Callable) -> list[str]:
    """The names of the options of a function: `--help`, and one for each keyword argument."""
    keywords = (p for p in signature(function).parameters.values() if p.kind is Parameter.KEYWORD_ONLY)
    return [*("--" + parameter.name.replace("_", "-") for parameter in keywords), "--help"]


# -- tyro --------------------------------------------------------------------------------------------------------------

_PLACE = "(about)"  # in the help of tyro, which doesn't wrap what a program is about


class _Text(io.StringIO):
    """What tyro prints, as plain text: it is no terminal, so there are no colours."""

    encoding = "utf-8"


def deferred(function: Callable) -> Callable:
    """A function with the same options that returns the call instead of making it; for tyro."""
    import tyro

    @wraps(function)
    def call(*positional: Any, **options: Any) -> Callable:
        return partial(function, *positional, **options)

    parameters = []
    for parameter in signature(function, eval_str=True).parameters.values():
        hint = parameter.annotation
        kinds = get_args(get_args(hint)[0] if hasattr(hint, "__metadata__") else hint)
        if type(None) in kinds and isinstance(kinds[0], type):  # the help shows INT instead of {None}|INT
            hint = Annotated[hint, tyro.conf.arg(metavar=kinds[0].__name__.upper())]
        if any(parameter.default is nothing for nothing in (None, False, "", ())):  # without "(default: None)"
            hint = Annotated[hint, tyro.conf.arg(help_behavior_hint="")]
        parameters.append(parameter.replace(annotation=hint))
    setattr(call, "__signature__", Signature(parameters))  # noqa: B010  an attribute that type checkers don't know
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del call.__wrapped__
    return call


def _text_of(box: str) -> str:
    """The first part of the text in a box that tyro prints, without its heading, frame and colours."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]
    parts = re.split(r"^[─╰╯-]{3,}$", "\n".join(line.strip("│ ") for line in lines), flags=re.MULTILINE)
    texts = [" ".join(part.split()) for part in parts if part.strip()]
    return "; ".join(text for text in texts if not text.startswith(("For full helptext", "Argument helptext")))


_MESSAGES = (  # what tyro says, and how every other error here says it
    (r"Unrecognized options: ([^;]*).*", r"expected no further argument, got \1"),
    (r"Missing from [^:]*: (\S+) (.*?)\.? \(required\)", r"expected \1 (\2), got none"),
    (r"Missing value for argument '([^']*)'.*", r"expected a value for \1, got none"),
    (
        r"Error parsing (\S+): .*invalid literal for int.* base 10: (.*)",
        r"expected \1 to be a whole number, got \2",
    ),
    (r"Error parsing (\S+): .*could not convert string to float: (.*)", r"expected \1 to be a number, got \2"),
)
_CHOICE = re.compile(r"invalid choice '(.*)' for argument '(.*)'\. Expected one of \((.*?)\) ?\.")


def in_our_words(text: str) -> str:
    """A message of tyro in the form of all other errors; another message stays as it is."""
    if found := _CHOICE.fullmatch(text):
        given, name, listed = found.groups()
        choices = [choice for choice in re.findall(r"'(.*?)'", listed) if choice != "None"]  # None is a default
        known = "one of " * (len(choices) > 1) + ", ".join(choices)
        return f"expected {name} to be {known}, got {given}{did_you_mean(given, choices)}"
    for pattern, form in _MESSAGES:
        if found := re.fullmatch(pattern, text):
            return found.expand(form).replace("'", "")
    return text.rstrip(".")
