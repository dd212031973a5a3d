"""The parser of all commands, and `main`, which carries one out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import judicia_notebook as jn
from judicia_notebook.command_line import build, demo, doctor, inspect, lab, new, run, test
from judicia_notebook.command_line.endings import WrongUsage

COMMANDS = (lab, demo, run, inspect, new, build, test, doctor)
"""In the order of the help."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m judicia_notebook", description="WebAssembly plugins on the lab bench."
    )
    parser.add_argument("--version", action="version", version=f"judicia_notebook {jn.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


def split_at_dashes(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first ``--``, and after it."""
    words = list(arguments)
    place = words.index("--") if "--" in words else len(words)
    return words[:place], words[place + 1 :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out one command line; answers the exit code."""
    parser = build_parser()
    before, after = split_at_dashes(sys.argv[1:] if arguments is None else arguments)
    options, handed_on = parser.parse_known_args(before)
    if options.carry_out is run.carry_out and not any(word.startswith("-") for word in handed_on):
        options.words += handed_on  # argparse takes words from one place only, and they may stand around options
        options.words += after
    elif options.carry_out is lab.carry_out:
        options.handed_on = [*handed_on, *after]
    elif handed_on or after:
        hint = " (what is for a WASI command stands after --)" if options.carry_out is run.carry_out else ""
        parser.error(f"unrecognized arguments: {' '.join(handed_on or after)}{hint}")
    try:
        code: int = options.carry_out(options)
        sys.stdout.flush()
    except WrongUsage as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # as a shell counts it
    except BrokenPipeError:
        # Whoever was reading has left. Python would look at its output once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code
