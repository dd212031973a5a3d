"""A sub-command in the parser."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_command(
    commands: Any, name: str, carry_out: Callable[[argparse.Namespace], int], summary: str
) -> argparse.ArgumentParser:
    """One sub-command, carried out by a function that answers the exit code."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=f"{summary}.")
    parser.set_defaults(carry_out=carry_out)
    return parser
