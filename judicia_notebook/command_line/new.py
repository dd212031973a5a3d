"""``new``: lays out a small project for a plugin."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from judicia_notebook.command_line.endings import WrongUsage
from judicia_notebook.command_line.subcommand import add_command
from judicia_notebook.languages import languages
from judicia_notebook.languages.project import ProjectError, line_to_test, new_project
from judicia_notebook.reporting import suggestions


def add(commands: Any) -> None:
    command = add_command(commands, "new", carry_out, "lay out a plugin's source and its cases in a new folder")
    command.add_argument("name", metavar="NAME", help="the plugin's name: a-z, 0-9, _ and -, beginning with a letter")
    command.add_argument("--lang", choices=languages(), required=True, help="the language of its source")
    command.add_argument("--folder", type=Path, metavar="FOLDER", help="new or empty (default: NAME)")


def carry_out(options: argparse.Namespace) -> int:
    """Lays out a project, and says what to do with it."""
    try:
        files = new_project(options.name, options.lang, options.folder)
    except ProjectError as error:
        raise WrongUsage(str(error)) from None
    for path in files:
        print(path)
    if line := suggestions.hint("To test it:  ", line_to_test(files[0].parent)):
        print(line)
    return 0
