"""``inspect``: what a plugin asks for and offers."""

from __future__ import annotations

import argparse
from typing import Any

import judicia_notebook as jn
from judicia_notebook.command_line.endings import complain
from judicia_notebook.command_line.subcommand import add_command


def add(commands: Any) -> None:
    command = add_command(commands, "inspect", carry_out, "what a plugin asks for and offers, without running it")
    command.add_argument("source", help="a .wasm or .wat file, a source, or example:NAME")


def carry_out(options: argparse.Namespace) -> int:
    """Prints what a plugin asks for and offers. It is neither compiled nor run."""
    try:
        with jn.Runtime() as runtime:
            print(runtime.inspect(options.source))
    except jn.JudiciaError as error:
        return complain(error)
    return 0
