"""Write docs/command-line.md from the parser of the command line, so that the two cannot differ; `--check` compares."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from judicia_notebook.command_line.parser import build_parser
from tools.generated import write_or_compare

TARGET = Path(__file__).parent.parent / "docs" / "command-line.md"

_HEAD = """# Command line

Written by `tools/write_command_line.py` from the parser in `command_line/parser.py`.
`python -m judicia_notebook COMMAND --help` says the same.

Answers go to standard output, everything about them to standard error. The exit status is 0 where all went well, 1
where the plugin, a limit or a file said no, 2 for wrong usage, 130 after Ctrl-C; a WASI command's own, where it came to
its end.
"""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _shape(action: argparse.Action) -> str:
    """How an argument is written: ``--cpu 50ms``, ``FILE``."""
    word = action.metavar if isinstance(action.metavar, str) else ""
    if action.choices is not None and not word:
        word = "|".join(map(str, action.choices))
    if not action.option_strings:
        return word or action.dest
    return f"{', '.join(action.option_strings)} {(word or action.dest.upper()) if action.nargs != 0 else ''}".rstrip()


def _arguments(command: argparse.ArgumentParser) -> Iterator[str]:
    shown = [action for action in command._actions if action.dest != "help"]
    if not shown:
        return
    yield from ("| argument | what |", "|---|---|")
    for action in shown:
        what = (action.help or "") % (vars(action) | {"prog": command.prog})
        yield f"| `{_cell(_shape(action))}` | {_cell(what)} |"
    yield ""


def _usage(command: argparse.ArgumentParser) -> list[str]:
    if command.usage:
        return [line.strip() for line in (command.usage % {"prog": command.prog}).splitlines()]
    places = [_shape(action) for action in command._actions if not action.option_strings]
    options = (
        ["[options]"] if any(action.option_strings and action.dest != "help" for action in command._actions) else []
    )
    return [" ".join([command.prog, *options, *places])]


def _section(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    yield from (f"## {name}", "", _sentence(command.description or ""), "", "```", *_usage(command), "```", "")
    yield from _arguments(command)
    if command.epilog:
        yield from (command.epilog.strip(), "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, in the order of the help."""
    (found,) = (one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction))
    return dict(found.choices)


def page() -> str:
    """The page."""
    sections = (line for name, command in commands().items() for line in _section(name, command))
    return "\n".join([_HEAD, *sections]).rstrip() + "\n"


if __name__ == "__main__":
    write_or_compare(lambda: {TARGET: page()}, about=__doc__, again="python tools/write_command_line.py")
