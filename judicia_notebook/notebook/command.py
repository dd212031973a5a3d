"""A ``%plugin`` command as data: its arguments, and the parser and the help that are made of them.

Knows words and options, and neither IPython (beyond the one error it has to raise) nor a runtime.

IPython hides the traceback of exactly `UsageError`, not of its subclasses. So a wrong line raises `UsageError` itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from judicia_notebook.text import did_you_mean

HELP_WIDTH = 100


def usage_error(message: str) -> Exception:
    """The error for a wrong line; shown without a traceback."""
    from IPython.core.error import UsageError

    error: Exception = UsageError(message)
    return error


@dataclass(frozen=True, slots=True)
class Argument:
    """One option, or one positional argument if its name has no dash.

    Attributes
    ----------
    names : tuple of str
        Such as ``("-v", "--verbose")`` or ``("plugin",)``.
    metavar : str
        The word for its value in the help; an option without a metavar is a switch.
    completes : str
        The words that completion offers: ``plugins``, ``programs``, ``functions``, ``calls``, ``sources``,
        ``capabilities``, ``granted``, ``outcomes``, ``variables``, or nothing.
    count : str
        As for argparse; ``append`` may be repeated, ``given`` leaves no attribute behind without the option.
    """

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    completes: str = ""
    convert: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    count: str = ""

    @property
    def is_option(self) -> bool:
        return self.names[0].startswith("-")

    @property
    def takes_value(self) -> bool:
        return not self.is_option or bool(self.metavar)

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        settings: dict[str, Any] = {"help": self.help, "default": None}
        if not self.takes_value:
            parser.add_argument(*self.names, action="store_true", help=self.help)
            return
        if self.count == "append":
            settings["action"] = "append"
        elif self.count == "given":
            settings["default"] = argparse.SUPPRESS
        elif self.count:
            settings["nargs"] = self.count
        settings["type"] = _converter(self.convert, self.choices)
        parser.add_argument(*self.names, metavar=self.metavar or None, **settings)


def _converter(convert: Callable[[str], Any], choices: tuple[str, ...]) -> Callable[[str], Any]:
    """The parser shows the text of only one kind of error, and would list all choices for a small slip."""

    def converted(text: str) -> Any:
        if choices and text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of them.{did_you_mean(text, choices)}")
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise usage_error(
            f"{self.prog}: {message.removeprefix('argument ')}\n  Its options and examples: {self.prog} --help"
        )


@dataclass(frozen=True, slots=True)
class Command:
    """One ``%plugin`` command.

    Attributes
    ----------
    cell : str
        ``no`` for a line only, ``yes`` for a cell only, ``both``.
    note : str
        The sentence to add where an option is not known.
    """

    name: str
    summary: str
    arguments: tuple[Argument, ...] = ()
    examples: tuple[str, ...] = ()
    cell: str = "no"
    note: str = ""

    @property
    def magic(self) -> str:
        return "%%plugin" if self.cell == "yes" else "%plugin"

    @property
    def options(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.is_option)

    @property
    def positionals(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if not argument.is_option)

    @property
    def options_with_value(self) -> frozenset[str]:
        return frozenset(name for option in self.options if option.takes_value for name in option.names)

    @property
    def option_names(self) -> frozenset[str]:
        return frozenset(name for option in self.options for name in option.names)

    def option(self, name: str) -> Argument | None:
        return next((option for option in self.options if name in option.names), None)

    def parser(self) -> argparse.ArgumentParser:
        parser = _Parser(
            prog=f"{self.magic} {self.name}",
            description=self.summary,
            add_help=False,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28, width=HELP_WIDTH),
        )
        for argument in self.arguments:
            argument.add_to(parser)
        return parser

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The words of a line as a namespace.

        Raises
        ------
        UsageError
            With the usage, and the option that was probably meant.
        """
        parser = self.parser()
        known = self.option_names
        words = self._with_values(words)
        for word in words:
            flag = word.partition("=")[0]
            if flag.startswith("--") and flag not in known:
                raise usage_error(f"{parser.prog} has no option {flag}.{did_you_mean(flag, known)}{self.note}")
        namespace, extra = parser.parse_known_args(words)
        if extra:
            parser.error(f"unexpected: {' '.join(extra)}{'.' if self.note else ''}{self.note}")
        return namespace

    def _with_values(self, words: Sequence[str]) -> list[str]:
        """Each option in one word with its value: a value that begins with a dash is none of argparse's options."""
        joined: list[str] = []
        for word in words:
            if joined and joined[-1] in self.options_with_value and word not in self.option_names:
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return joined

    def help(self) -> str:
        text = self.parser().format_help().rstrip()
        lines = [f"  {example}" for example in self.examples]
        return "\n".join([text, "", "examples:", *lines]) if lines else text
