"""Write docs/magics.md from the table of commands, so that the two cannot differ; `--check` only compares."""

from __future__ import annotations

from pathlib import Path

from judicia_notebook.notebook.command import Argument, Command
from judicia_notebook.notebook.commands import CALL_CELL, COMMANDS, RUN_CELL
from tools.generated import write_or_compare

TARGET = Path(__file__).parent.parent / "docs" / "magics.md"

_HEAD = """# Magics

Written by `tools/write_magics.py` from the table of commands in `notebook/commands.py`.

`%load_ext judicia_notebook` brings `%plugin`, for a line, and `%%plugin`, for a cell. A bare `%plugin` shows what is
loaded and where to start. `%plugin COMMAND --help` shows the options of a command, and Tab completes plugins,
functions, capabilities and options. Nothing on a line is evaluated: braces and dollar signs are text, and a payload is
JSON or the name of a variable.
"""


def _code(text: str) -> str:
    return f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _shape(argument: Argument) -> str:
    """How an argument is written: ``--cpu TIME``, ``NAME.FUNCTION``."""
    if not argument.is_option:
        return argument.metavar or argument.names[0]
    return f"{', '.join(argument.names)} {argument.metavar}".rstrip()


def _arguments(command: Command) -> list[str]:
    if not command.arguments:
        return []
    rows = [f"| {_code(_cell(_shape(one)))} | {_cell(one.help)} |" for one in command.arguments]
    return ["| argument | what |", "|---|---|", *rows, ""]


def _section(command: Command) -> list[str]:
    examples = ["```", *command.examples, "```", ""] if command.examples else []
    note = [command.note.strip(), ""] if command.note else []
    return [f"## {command.magic} {command.name}", "", command.summary, "", *examples, *_arguments(command), *note]


def magics() -> str:
    """The page."""
    commands = [*COMMANDS, CALL_CELL, RUN_CELL]
    return "\n".join([_HEAD, *(line for command in commands for line in _section(command))]).rstrip() + "\n"


if __name__ == "__main__":
    write_or_compare(lambda: {TARGET: magics()}, about=__doc__, again="python tools/write_magics.py")
