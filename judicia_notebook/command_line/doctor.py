"""``doctor``: what works on this machine."""

from __future__ import annotations

import argparse
from typing import Any

import judicia_notebook as jn
from judicia_notebook.command_line.subcommand import add_command


def add(commands: Any) -> None:
    add_command(commands, "doctor", carry_out, "what works on this machine, and what is degraded and why")


def carry_out(_options: argparse.Namespace) -> int:
    """Prints what works here, and what is degraded and why."""
    print(jn.doctor())
    return 0
