"""``run``: runs what a module is.

Of a plugin one function, with JSON; of a WASI command its main function, with this process's standard input and what
follows ``--``. The input is read whole, as `Plugin.run` takes it, unless it is a terminal.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, TextIO

import judicia_notebook as jn
from judicia_notebook.command_line.endings import WrongUsage, complain
from judicia_notebook.command_line.subcommand import add_command
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import printable
from judicia_notebook.wasm.strict_parsing import parse_any_json

QUOTAS = {
    "cpu": "50ms",
    "wall": "1s",
    "memory": "16MiB",
    "fuel": "N",
    "payload": "1MiB",
    "answer": "1MiB",
    "log": "1MiB",
}
_RUN_USAGE = """%(prog)s SOURCE FUNCTION [JSON] [options]
       %(prog)s SOURCE [options] [-- ARG ...]"""
_RUN_HELP = """A plugin's answer is printed as JSON, and what the call cost on standard error. A WASI command reads this
process's standard input (not a terminal), and its output and exit status are handed on; it writes to the plugin's
log, so --log limits its output too. --verbose prints its cost."""
_MOST_STATUS = 255  # more does not fit into an exit status here, and what is left of it could be a 0


def add(commands: Any) -> None:
    command = add_command(commands, "run", carry_out, "load a plugin and call a function of it, or run a WASI command")
    command.usage, command.epilog = _RUN_USAGE, _RUN_HELP
    command.add_argument("source", metavar="SOURCE", help="a .wasm or .wat file, a source, or example:NAME")
    command.add_argument(
        "words",
        nargs="*",
        metavar="FUNCTION [JSON] | ARG",
        help="of a plugin a function and the request (- reads it from standard input); "
        "a command's arguments, those with a dash after --",
    )
    command.add_argument("-v", "--verbose", action="store_true", help="print the cost of a command's run, too")
    command.add_argument(
        "--grant", action="append", default=[], metavar="CAP[=SCOPE]", help="may be given several times"
    )
    command.add_argument("--name", help="its name (default: the name in its manifest)")
    command.add_argument("--on-denied", choices=("error", "trap"), default="error", help="default: %(default)s")
    command.add_argument(
        "--unknown-imports",
        choices=("error", "trap"),
        default="error",
        help="a function import that is not offered refuses the load, or traps when called (default: %(default)s)",
    )
    command.add_argument(
        "--abi", choices=("judicia-v1", "wasi", "raw"), help="load it for this ABI (default: what its exports fit)"
    )
    command.add_argument(
        "--features",
        metavar="F[,F]",
        type=lambda text: tuple(name for name in text.split(",") if name),
        help="switch features of WebAssembly on that are off by default",
    )
    command.add_argument("--config", metavar="JSON", help="its configuration for on_initialize, a JSON object")
    for kind, example in QUOTAS.items():
        as_written = int if kind == "fuel" else str
        command.add_argument(f"--{kind}", type=as_written, metavar=example, help=f"limit of {kind} for the call")


def carry_out(options: argparse.Namespace) -> int:
    """Loads a module and runs it: a function of a plugin, or a WASI command."""
    quota = {kind: value for kind in QUOTAS if (value := getattr(options, kind)) is not None}
    try:
        with jn.Runtime() as runtime:
            plugin = runtime.load(
                options.source,
                name=options.name,
                grant=options.grant,
                quota=quota or None,
                on_denied=options.on_denied,
                unknown_imports=options.unknown_imports,
                abi=options.abi,
                config=read_config(options.config),
                features=options.features,
            )
            return run_command(plugin, options) if plugin.abi == "wasi" else run_function(plugin, options)
    except jn.JudiciaError as error:
        return complain(error)


def run_function(plugin: jn.Plugin, options: argparse.Namespace) -> int:
    """Calls a function and prints its answer as JSON."""
    if plugin.abi == "raw" and options.words:
        numbers = [read_payload(word) for word in options.words[1:]]
        print(json.dumps(plugin.raw(options.words[0])(*numbers)))
        return 0
    if not 1 <= len(options.words) <= 2:
        numeric = ", ".join(printable(name, 80) for name in plugin.inspect().numeric[:20])
        functions = ", ".join(printable(name, 80) for name in plugin.functions[:20])
        functions = functions or (f"{numeric}, with numbers" if numeric else "none that takes JSON")
        raise WrongUsage(
            f"{plugin.name} takes the name of a function and at most one JSON value. Its functions: {functions}"
        )
    function, payload = options.words[0], read_payload(*options.words[1:])
    outcome = plugin.attempt(function, payload)
    if outcome.record is not None:
        print(outcome.record.cost_line(), file=sys.stderr)
    if outcome.error is not None:
        return complain(outcome.error)
    print(as_json(outcome.value))
    return 0


def as_json(value: Any) -> str:
    """An answer for a terminal or a pipe: what could not be seen in it, or would move a cursor, is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text if printable(text, len(text)) == text else json.dumps(value)


def read_payload(text: str | None = None) -> Any:
    """The payload given on the command line, or on standard input as ``-``."""
    if text is None:
        return None
    try:
        return parse_any_json(sys.stdin.read() if text == "-" else text, values=sys.maxsize)
    except ValueError as error:
        raise WrongUsage(f"the payload is not JSON: {error}") from None


def read_config(text: str | None) -> Any:
    """The configuration given on the command line; `Runtime.load` says what it may be."""
    if text is None:
        return None
    try:
        return parse_any_json(text, values=sys.maxsize)
    except ValueError as error:
        raise WrongUsage(f"--config is not JSON: {error}") from None


def run_command(plugin: jn.Plugin, options: argparse.Namespace) -> int:
    """Runs a WASI command; hands on what it reads, writes and ends with."""
    stdin = read_input(plugin.policy.limits.payload_bytes)
    try:
        result = plugin.run(options.words, stdin)
    except jn.CallError as error:
        write_logged(plugin)
        account_for(plugin, error.record, verbose=options.verbose)
        return complain(error)
    hand_on(sys.stdout, result.stdout)
    hand_on(sys.stderr, result.stderr)
    account_for(plugin, result.record, verbose=options.verbose)
    return min(result.returncode, _MOST_STATUS)


def read_input(limit: int) -> bytes:
    """Standard input, and one byte more than may be handed on if it is longer: the run says so then."""
    if sys.stdin is None or sys.stdin.isatty():
        return b""
    return sys.stdin.buffer.read(limit + 1)


def hand_on(stream: TextIO, data: bytes) -> None:
    stream.flush()
    stream.buffer.write(data)
    stream.flush()


def write_logged(plugin: jn.Plugin) -> None:
    """What a run had written before it was ended, as far as the log knows: in lines."""
    for row in plugin.logs.itertuples():
        stream = sys.stderr if row.stream == "stderr" else sys.stdout
        hand_on(stream, f"{row.message}\n".encode())


def account_for(plugin: jn.Plugin, record: jn.CallRecord | None, *, verbose: bool) -> None:
    """Says what a run cost if that is asked for or something was denied, and what would allow it."""
    if record is None or not (verbose or record.denied):
        return
    print(record.cost_line(), file=sys.stderr)
    if record.denied:
        calls = plugin.host_calls
        denied = sorted(set(calls[calls["decision"] == "denied"]["capability"]))
        words = suggestions.shell(*(word for capability in denied for word in ("--grant", capability)))
        if line := suggestions.hint("  To allow it:  ", words):
            print(line, file=sys.stderr)
