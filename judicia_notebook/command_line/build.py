"""``build``: compiles a source to a module."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import judicia_notebook as jn
from judicia_notebook.analysis.replacing import replacing
from judicia_notebook.command_line.endings import WrongUsage, complain
from judicia_notebook.command_line.subcommand import add_command
from judicia_notebook.languages import language_named, languages
from judicia_notebook.languages.toolchain import compilers_here


def _language(name: str) -> str:
    try:
        return language_named(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add(commands: Any) -> None:
    command = add_command(commands, "build", carry_out, "compile a source in C, C++, Zig, Rust or WAT to a .wasm file")
    command.add_argument("source", type=Path, metavar="FILE", help="the source; its suffix says the language")
    command.add_argument("-o", "--output", type=Path, metavar="OUT", help="the module (default: FILE with .wasm)")
    names = ", ".join(languages())
    command.add_argument("--lang", type=_language, metavar="LANG", help=f"{names} (default: by the suffix)")
    command.add_argument("-O", "--level", default="-Oz", metavar="LEVEL", help="0 to 3, s or z (default: z)")
    command.add_argument(
        "--flags", default="", metavar="FLAGS", help="more options for the compiler, as in --flags='-msimd128 -DN=3'"
    )
    shown = command.format_help
    command.format_help = lambda: f"{shown()}\n{compilers_here()}\n"  # type: ignore[method-assign]  # asked only then


def carry_out(options: argparse.Namespace) -> int:
    """Compiles a source and writes the module beside it; its compiler's messages go to standard error."""
    try:
        built = jn.build(options.source, options.lang, options.level, options.flags)
    except jn.JudiciaError as error:
        return complain(error)
    except ValueError as error:
        raise WrongUsage(str(error)) from None
    for row in built.rows:
        print("\n".join(row.lines()), file=sys.stderr)
    target = options.output or options.source.with_suffix(".wasm")
    try:
        _write(target, built.wasm)
    except OSError as error:
        raise WrongUsage(f"{target} cannot be written: {error.strerror}") from None
    print(f"{target}: {built}")
    return 0


def _write(target: Path, wasm: bytes) -> None:
    """Write a module; whoever loads it meanwhile finds the old one or the new one, whole."""
    if not target.is_file() and target.exists():  # a device or a pipe
        target.write_bytes(wasm)
        return
    kept = target.resolve()  # of a link, the file that it leads to
    with replacing(kept) as part:
        part.write_bytes(wasm)
