"""The command line: ``python -m judicia_notebook lab | demo | run | inspect | doctor``.

One small function a command, thin over the same public names that a notebook uses; nothing here that a notebook
could not do.

- The lessons lie in ``notebooks/`` of a checkout and in ``judicia_notebook/_notebooks/`` of an installed wheel;
  `bundled_notebooks` alone knows that. They are always worked on as a copy.
- ``lab`` becomes JupyterLab: the process is replaced, so that signals and the exit code are JupyterLab's own.
- ``run`` runs what a module is: of a plugin one function, with JSON; of a WASI command its main function, with this
  process's standard input and what follows ``--``. It is read whole, as `Plugin.run` takes it, unless it is a terminal.
- Answers go to standard output, everything about them to standard error. Exit codes: 0 well, 1 the plugin, a limit or
  a file said no, 2 wrong usage, 130 interrupted; a WASI command's own, if it came to its end.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import judicia_notebook as jn
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import printable
from judicia_notebook.wasm.strict_parsing import parse_any_json

if TYPE_CHECKING:
    from nbformat import NotebookNode

QUICKSTART = "01-quickstart.ipynb"
VERDICTS = "verdicts"  # cells with this tag are what `demo` prints of a lesson
CELL_TIMEOUT = 600  # seconds; generous, because a lesson that hangs should end and a slow machine should not
_LEFTOVERS = ("__pycache__", ".ipynb_checkpoints", "*.pyc")
_QUOTAS = {
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


class WrongUsage(Exception):
    """The command cannot be carried out as it was given; its text is all that is shown."""


def bundled_notebooks() -> Path:
    """The folder of the lessons that came with this package.

    Raises
    ------
    FileNotFoundError
        The package was taken out of its wheel or checkout without them.
    """
    package = Path(__file__).parent
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if (folder / QUICKSTART).is_file():
            return folder
    raise FileNotFoundError(f"the notebooks are not beside the package in {package}")


def lesson_files(folder: Path) -> Iterator[Path]:
    """The files of the lessons, relative to `folder`, without what Python and Jupyter leave behind."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not any(Path(part).match(leftover) for part in relative.parts for leftover in _LEFTOVERS):
            yield relative


def copy_lessons(source: Path, target: Path) -> list[Path]:
    """Copies the lessons; answers the files left alone because the user changed them."""
    kept = []
    for relative in lesson_files(source):
        copy = target / relative
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / relative, copy)
        elif not filecmp.cmp(source / relative, copy, shallow=False):
            kept.append(relative)
    return kept


# --- lab -------------------------------------------------------------------------------------------------------------


def lab(options: argparse.Namespace) -> int:
    """Copies the lessons and becomes JupyterLab there."""
    require("jupyterlab")
    kept = copy_lessons(bundled_notebooks(), options.dir)
    print(f"The notebooks are in {options.dir}", file=sys.stderr)
    for relative in kept:
        print(f"  kept your own {relative}", file=sys.stderr)
    os.chdir(options.dir)
    # Not as a file to open: then the address printed for a browser elsewhere would not lead to it.
    start = f"--LabApp.default_url=/lab/tree/{QUICKSTART}"
    return become([sys.executable, "-m", "jupyterlab", start, *jupyter_flags(), *options.handed_on])


def become(command: list[str]) -> int:
    """Turns this process into another; on Windows, where that gives the terminal back too early, waits for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execv(command[0], command)  # noqa: S606  # no shell is wanted
    return subprocess.call(command)


def jupyter_flags() -> list[str]:
    """What JupyterLab needs to be told about this place."""
    flags = [] if has_screen() else ["--no-browser"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--allow-root")  # a container's only user; JupyterLab would refuse to start
    return flags


def has_screen() -> bool:
    """Whether this machine has a screen on which a browser can open. If not, JupyterLab prints its address."""
    if os.environ.get("CI"):
        return False
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


# --- demo ------------------------------------------------------------------------------------------------------------


def demo(options: argparse.Namespace) -> int:
    """Runs the quickstart in a kernel of its own and writes what it showed to an HTML file."""
    require("nbclient", "nbconvert")
    import nbformat

    with tempfile.TemporaryDirectory(prefix="judicia-demo-") as name:
        folder = Path(name)
        copy_lessons(bundled_notebooks(), folder)
        lesson = nbformat.read(folder / QUICKSTART, as_version=4)
        failure = execute(lesson, folder)
    print_verdicts(lesson)
    options.output.write_text(as_html(lesson), encoding="utf-8")
    if failure:
        print(f"FAILED: {failure}", file=sys.stderr)
    cells = [cell for cell in lesson.cells if cell.cell_type == "code"]
    ran = sum(cell.execution_count is not None for cell in cells)
    print(f"{QUICKSTART}: {ran} of {len(cells)} cells ran", file=sys.stderr)
    print(f"report: {options.output.resolve()}", file=sys.stderr)
    return 1 if failure else 0


def execute(lesson: NotebookNode, folder: Path) -> str:
    """Runs every cell in order; answers what stopped it, or nothing."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    for cell in lesson.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(lesson, timeout=CELL_TIMEOUT, resources={"metadata": {"path": str(folder)}})
    # A profile of its own: a user's startup files and history are no part of the lesson.
    env = os.environ | {"IPYTHONDIR": str(folder / ".ipython")}
    with (folder / "kernel.log").open("w+") as log:
        try:
            client.execute(env=env, stdout=log, stderr=log)
        except CellExecutionError as error:
            return f"{error.ename}: {without_colours(error.evalue)}"
        except (TimeoutError, RuntimeError) as error:  # it hangs, or the kernel is gone
            log.seek(0)
            return f"{error}\n{log.read()}".strip()
    return ""


def print_verdicts(lesson: NotebookNode) -> None:
    """Prints, as text, what the cells tagged `verdicts` showed."""
    for cell in lesson.cells:
        if VERDICTS in cell.metadata.get("tags", ()):
            for output in cell.get("outputs", ()):
                text = output.get("text") or output.get("data", {}).get("text/plain", "")
                print(without_colours(text).rstrip(), flush=True)


def as_html(lesson: NotebookNode) -> str:
    """One file that needs no network: pictures inside, no scripts from elsewhere."""
    from nbconvert import HTMLExporter

    scripts = [name for name in HTMLExporter.class_trait_names() if name.endswith("_url")]
    exporter = HTMLExporter(embed_images=True, **dict.fromkeys(scripts, ""))
    html: str = exporter.from_notebook_node(lesson, {"metadata": {"name": "judicia_notebook: quickstart"}})[0]
    return re.sub(r'<script src="">\s*</script>', "", html)


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


# --- run, inspect, doctor --------------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> int:
    """Loads a module and runs it: a function of a plugin, or a WASI command."""
    quota = {kind: value for kind in _QUOTAS if (value := getattr(options, kind)) is not None}
    try:
        with jn.Runtime() as runtime:
            plugin = runtime.load(
                options.source,
                name=options.name,
                grant=options.grant,
                quota=quota or None,
                on_denied=options.on_denied,
                unknown_imports=options.unknown_imports,
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


def inspect(options: argparse.Namespace) -> int:
    """Prints what a plugin asks for and offers. It is neither compiled nor run."""
    try:
        with jn.Runtime() as runtime:
            print(runtime.inspect(options.source))
    except jn.JudiciaError as error:
        return complain(error)
    return 0


def doctor(_options: argparse.Namespace) -> int:
    """Prints what works here, and what is degraded and why."""
    print(jn.doctor())
    return 0


def complain(error: jn.JudiciaError) -> int:
    """Says on standard error what a notebook would show, and answers the exit code."""
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return 1


def require(*modules: str) -> None:
    """Ends with one clear line when the `lab` extra was not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        install = f"{Path(sys.executable).name} -m pip install 'judicia-notebook[lab]'"
        raise WrongUsage(f"this needs {' and '.join(missing)}. To install: {install}")


# --- the parser ------------------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m judicia_notebook", description="WebAssembly plugins on the lab bench."
    )
    parser.add_argument("--version", action="version", version=f"judicia_notebook {jn.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = add_command(
        commands,
        lab,
        "copy the notebooks here and open JupyterLab on the quickstart; unknown options go on to JupyterLab",
    )
    command.add_argument("--dir", type=Path, default=Path("judicia-notebooks"), help="where to (default: %(default)s)")

    command = add_command(commands, demo, "run the quickstart without a browser and write an HTML report")
    command.add_argument(
        "--output", type=Path, default=Path("judicia-demo.html"), help="the report (default: %(default)s)"
    )

    command = add_command(commands, run, "load a plugin and call a function of it, or run a WASI command")
    command.usage, command.epilog = _RUN_USAGE, _RUN_HELP
    command.add_argument("source", metavar="SOURCE", help="a .wasm or .wat file, or example:NAME")
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
    for kind, example in _QUOTAS.items():
        as_written = int if kind == "fuel" else str
        command.add_argument(f"--{kind}", type=as_written, metavar=example, help=f"limit of {kind} for the call")

    command = add_command(commands, inspect, "what a plugin asks for and offers, without running it")
    command.add_argument("source", help="a .wasm or .wat file, or example:NAME")

    add_command(commands, doctor, "what works on this machine, and what is degraded and why")
    return parser


def add_command(commands: Any, function: Any, summary: str) -> argparse.ArgumentParser:
    """One sub-command, carried out by `function`."""
    parser: argparse.ArgumentParser = commands.add_parser(function.__name__, help=summary, description=f"{summary}.")
    parser.set_defaults(carry_out=function)
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
    if options.carry_out is run and not any(word.startswith("-") for word in handed_on):
        options.words += handed_on  # argparse takes words from one place only, and they may stand around options
        options.words += after
    elif options.carry_out is lab:
        options.handed_on = [*handed_on, *after]
    elif handed_on or after:
        hint = " (what is for a WASI command stands after --)" if options.carry_out is run else ""
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


if __name__ == "__main__":
    raise SystemExit(main())
