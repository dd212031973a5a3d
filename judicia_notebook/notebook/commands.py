"""Every ``%plugin`` command: the table of them, and the way to one.

The argument parser, ``--help``, ``%plugin?``, completion and the documentation are all made of `COMMANDS`, so they
cannot disagree.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable
from typing import Any

from judicia_notebook.analysis.plots import FRAMES
from judicia_notebook.experiments.monitors import DEFAULT, monitor_names, read_what
from judicia_notebook.languages import languages
from judicia_notebook.languages.levels import parse_level
from judicia_notebook.notebook.command import Argument, Command, usage_error
from judicia_notebook.policy.quotas import KINDS
from judicia_notebook.runtime.outcome import OUTCOMES as EVERY_OUTCOME
from judicia_notebook.text import did_you_mean
from judicia_notebook.units import parse_count, parse_size, parse_time

PLOTS = tuple(FRAMES)
OUTCOMES = tuple(outcome for outcome in EVERY_OUTCOME if outcome != "ok")
LOAD_KINDS = ("memory", "cpu", "wall", "fuel")
RUN_KINDS = (*LOAD_KINDS, "log")
ON_DENIED = ("error", "trap")
METERINGS = ("full", "epochs", "none")
ABIS = ("judicia-v1", "wasi", "raw")
TABS = ("running", "calls", "log", "audit", "call")
SCALES = (0.5, 4.0)

# The options of quotas -----------------------------------------------------------------------------------------


def _quota(kind: str) -> Argument:
    info = KINDS[kind]
    metavar = {"s": "TIME", "bytes": "SIZE"}.get(info.unit, "N")
    flag = f"--{kind.replace('_', '-')}"
    return Argument((flag,), f"{info.meaning} (per {info.per})", metavar, convert=info.parse, count="given")


def _scale(text: str) -> float:
    least, most = SCALES
    try:
        scale = float(text)
    except ValueError:
        scale = least - 1
    if not least <= scale <= most:
        raise ValueError(f"a number from {least:g} to {most:g}, not {text}")
    return scale


def given_quota(namespace: argparse.Namespace, kinds: Iterable[str] = KINDS) -> dict[str, Any]:
    """Those of some kinds of quota that a line names, with their values; None where it says ``none``."""
    return {kind: getattr(namespace, kind) for kind in kinds if hasattr(namespace, kind)}


def feature_names(text: str) -> tuple[str, ...]:
    """The names of a list with commas, for `Runtime.load`, which knows which there are.

    Examples
    --------
    >>> feature_names("exceptions,tail_calls"), feature_names("none")
    (('exceptions', 'tail_calls'), ())
    """
    return () if text == "none" else tuple(name.strip() for name in text.split(",") if name.strip())


# The commands --------------------------------------------------------------------------------------------------

_PLUGIN = Argument(("plugin",), "the name of a loaded plugin", "NAME", completes="plugins")
_PLUGIN_OR_ALL = Argument(("plugin",), "only this plugin", "NAME", completes="plugins", count="?")
_END_OPTIONS = (
    Argument(("-v", "--verbose"), "print the cost of the call"),
    Argument(
        ("--expect",),
        "expect the call to end this way: that is shown in two lines and the notebook goes on; any other end raises",
        "OUTCOME", "outcomes", choices=OUTCOMES,
    ),
)  # fmt: skip
_BACKGROUND = Argument(("--background",), "return a handle at once; in a notebook a card shows how the call goes")
_CALL_QUOTAS = tuple(_quota(kind) for kind in LOAD_KINDS)
_CALL_OPTIONS = (*_END_OPTIONS, _BACKGROUND, *_CALL_QUOTAS)
_METERING = Argument(
    ("--metering",), "what its code counts: fuel and time, or time alone, which is faster", "full|epochs|none",
    "metering", choices=METERINGS,
)  # fmt: skip
_LOAD_OPTIONS = (
    Argument(("--grant",), "allow a capability; may be repeated", "CAP[=SCOPE]", "capabilities", count="append"),
    *_CALL_QUOTAS,
    Argument(
        ("--instances",), "how many instances: 1 keeps its state between calls, fresh is a new one for every call",
        "N|fresh", convert=lambda text: text if text == "fresh" else parse_count(text),
    ),
    Argument(
        ("--on-denied",), "a denied host call is answered with an error value, or ends the call",
        "error|trap", "on_denied", choices=ON_DENIED,
    ),
    Argument(
        ("--unknown-imports",), "a function import that is not offered refuses the load, or traps when it is called",
        "error|trap", "on_denied", choices=ON_DENIED,
    ),
    Argument(
        ("--abi",), "load it for this ABI; by default the one that its exports fit", "|".join(ABIS), "abis",
        choices=ABIS,
    ),
    Argument(
        ("--config",), "its configuration for on_initialize: a JSON object, or the name of a variable", "JSON|NAME",
        "variables",
    ),
    Argument(
        ("--imports",), "what answers its imports: a variable that holds a dict as rt.load takes it, or a preset",
        "NAME|PRESET", "imports",
    ),
    Argument(
        ("--features",), "switch features of WebAssembly on that are off by default, several with commas, or none",
        "F[,F]|none", "features", convert=feature_names,
    ),
    _METERING,
)  # fmt: skip
JSON_OPTIONS = frozenset({"--config"})
_RUN_ARGUMENTS = (
    Argument(("plugin",), "the name of a loaded WASI command", "NAME", completes="programs"),
    Argument(("args",), "its arguments; those that begin with a dash stand behind --", "ARG", count="*"),
)
_RUN_OPTIONS = (*_END_OPTIONS, _BACKGROUND, *(_quota(kind) for kind in RUN_KINDS))
_LIMITS_OF_A_CALL = (
    " Other limits are the plugin's (%plugin quota NAME --log 1MiB), or a call's own (p.call(..., "
    "quota=jn.Quota(log=...)))."
)
_FOR_THE_COMMAND = (
    " The command's own options stand behind --, as in: %plugin run NAME -- --version. How it is loaded is said at "
    "%plugin load."
)
_TARGET = Argument(("target",), "a plugin and a function of it", "NAME.FUNCTION", "functions")

_GIVEN = (
    Argument(("--text",), "send this text, as one JSON string", "T"),
    Argument(("--data",), "send the bytes that this variable holds, without JSON", "VAR", "variables"),
    Argument(("--raw",), "call a numeric export with these numbers", "N", count="*"),
)
_PAYLOAD = (
    Argument(
        ("payload",), "the rest of the line as JSON, or the name of one variable", "PAYLOAD", "variables", count="?"
    ),
    *_GIVEN,
)
_PAYLOAD_OR_ARGS = (
    Argument(
        ("payload",),
        "the rest of the line as JSON, or the name of one variable; a WASI command's arguments, behind -- those that "
        "begin with a dash",
        "PAYLOAD|ARG", "variables", count="?",
    ),
    *_GIVEN,
    Argument(("--stdin",), "the text of a WASI command's standard input", "TEXT"),
)  # fmt: skip
_TARGET_OR_COMMAND = Argument(
    ("target",), "a plugin and a function of it, or a WASI command", "NAME[.FUNCTION]", "calls"
)

COMMANDS: tuple[Command, ...] = (
    Command(
        "load",
        "Load a plugin into its sandbox; a loaded name is replaced in place. No guest code runs.",
        (
            Argument(
                ("source",),
                "a .wasm or .wat file, a source in C, C++, Zig or Rust, or a bundled example",
                "PATH|example:NAME",
                "sources",
            ),
            Argument(("--name",), "load it under this name", "NAME"),
            *_LOAD_OPTIONS,
        ),
        (
            "%plugin load example:checker",
            "%plugin load example:specimen --cpu 50ms --memory 16MiB --grant wall_clock",
            '%plugin load formatter.wasm --config {"width": 80} --unknown-imports trap',
            "%plugin load parser.wasm --imports assemblyscript",
        ),
    ),
    Command(
        "call",
        "Call a function with JSON and return its value. As %%plugin call, the cell's body is the payload.",
        (
            _TARGET,
            *_PAYLOAD,
            *_CALL_OPTIONS,
        ),
        (
            '%plugin call checker.check {"output": "1 2", "answer": "1 2"}',
            "verdict = %plugin call checker.check submission",
            '%plugin call specimen.spin {"ms": 5000} --expect quota_cpu',
            'h = %plugin call specimen.spin {"ms": 5000} --background --cpu 2s',
        ),
        cell="both",
        note=_LIMITS_OF_A_CALL,
    ),
    Command(
        "run",
        "Run a WASI command to its end, for its output and exit status. As %%plugin run, the cell's body is its stdin.",
        (*_RUN_ARGUMENTS, Argument(("--stdin",), "the text of its standard input", "TEXT"), *_RUN_OPTIONS),
        ("%plugin run yosys -- -V", "result = %plugin run sort --stdin 'b a' --cpu 5s -v"),
        cell="both",
        note=_FOR_THE_COMMAND,
    ),
    Command("list", "The loaded plugins: what each may do, and what it has used."),
    Command(
        "inspect",
        "What a plugin, or a file before it is loaded, asks for and offers. Runs nothing of it.",
        (Argument(("source",), "a loaded plugin, a file, or a bundled example", "NAME|PATH", "plugins_sources"),),
        ("%plugin inspect checker", "%plugin inspect example:specimen"),
    ),
    Command(
        "help",
        "A function's request and answer, as the plugin says; all functions of a plugin; or a command's options.",
        (Argument(("target",), "a function, a plugin or a command", "NAME[.FUNCTION]", "functions", count="?"),),
        ("%plugin help specimen.call_host", "%plugin help specimen", "%plugin help load"),
    ),
    Command("reload", "Read a plugin's file again and replace it in place.", (_PLUGIN,), ("%plugin reload checker",)),
    Command("unload", "Unload a plugin. Its records stay.", (_PLUGIN,), ("%plugin unload checker",)),
    Command("examples", "The bundled example plugins."),
    Command("doctor", "What works on this machine, what is degraded, and why."),
    Command("clear", "Unload all plugins. Their files, tables, events and records stay."),
    Command(
        "reset",
        "Remove all plugins with their files, tables, events and records. Without --yes, say what would go.",
        (Argument(("--yes",), "remove it; there is no way back"),),
        ("%plugin reset", "%plugin reset --yes"),
    ),
    Command(
        "grant",
        "Allow capabilities, from the plugin's next host call on.",
        (_PLUGIN, Argument(("capability",), "the capability to allow", "CAP[=SCOPE]", "capabilities", count="+")),
        ("%plugin grant specimen wall_clock random", "%plugin grant scoreboard read_database=submissions"),
    ),
    Command(
        "revoke",
        "Take capabilities away, from the plugin's next host call on: all scopes of a name, or one.",
        (_PLUGIN, Argument(("capability",), "the capability to take away", "CAP[=SCOPE]", "granted", count="+")),
        ("%plugin revoke specimen wall_clock",),
    ),
    Command(
        "quota",
        "Show a plugin's quotas, or change those named; also while it runs. The value none takes a limit away.",
        (_PLUGIN, *(_quota(kind) for kind in KINDS)),
        (
            "%plugin quota specimen",
            "%plugin quota specimen --cpu 200ms --memory 32MiB",
            "%plugin quota specimen --fuel none",
        ),
    ),
    Command(
        "panel",
        "The live panel of a plugin, or of all: what it may do, uses and did, and the controls that change it.",
        (
            _PLUGIN_OR_ALL,
            Argument(("--show",), "the tab to open first", "TAB", "tabs", choices=TABS),
            Argument(("--scale",), "how large it is drawn; 1.6 suits a projector", "N", convert=_scale),
        ),
        ("%plugin panel specimen", "%plugin panel specimen --show call --scale 1.6"),
    ),
    Command(
        "charts",
        "Live charts of a plugin, or of all: memory and CPU against their limits, host calls, outcomes.",
        (
            _PLUGIN_OR_ALL,
            Argument(("--scale",), "how large they are drawn; 1.6 suits a projector", "N", convert=_scale),
        ),
        ("%plugin charts specimen", "%plugin charts --scale 1.6"),
    ),
    Command(
        "stats",
        "The cost of the calls so far, a row for each function.",
        (_PLUGIN_OR_ALL,),
        ("%plugin stats", "%plugin stats checker"),
    ),
    Command(
        "trace",
        "Tell a call as a story: a plugin's last call, or a call that is made now and whose payloads are kept. A WASI "
        "command is run where it has arguments, --stdin or a --.",
        (
            Argument(
                ("target",), "a plugin, or a function or a WASI command to call", "NAME[.FUNCTION]", "calls", count="?"
            ),
            *_PAYLOAD_OR_ARGS,
            Argument(("--call",), "tell of the call with this call_id", "ID", convert=parse_count),
            Argument(("--limit",), "how much of each payload to keep (200 B)", "SIZE", convert=parse_size),
            *_CALL_QUOTAS,
        ),
        ('%plugin trace specimen.call_host {"service": "clock", "n": 3}', "%plugin trace specimen"),
    ),
    Command(
        "time",
        "Measure the cost of a call, in new instances (cold) and in a kept instance (warm): medians with intervals.",
        (
            _TARGET_OR_COMMAND,
            *_PAYLOAD_OR_ARGS,
            Argument(("--repeats",), "how many calls of either kind (30)", "N", convert=parse_count),
            Argument(("--warmup",), "how many before them, which are left out (3)", "N", convert=parse_count),
            *_CALL_QUOTAS,
            _METERING,
        ),
        (
            '%plugin time specimen.spin {"ms": 1}',
            "bench = %plugin time checker.check submission --repeats 100",
            "%plugin time kernels.matmul --raw 200",
            "%plugin time sort --stdin 'b a' -- -r",
        ),
    ),
    Command(
        "profile",
        "Find out where a call spends its time; a short call is made again and again.",
        (
            _TARGET_OR_COMMAND,
            *_PAYLOAD_OR_ARGS,
            Argument(("--samples",), "how many samples are enough (500)", "N", convert=parse_count),
            Argument(("--seconds",), "when to stop calling again (5s)", "TIME", convert=parse_time),
            *_CALL_QUOTAS,
            _METERING,
        ),
        (
            '%plugin profile specimen.spin {"ms": 100} --cpu 5s',
            "profile = %plugin profile checker.check submission",
            "%plugin profile kernels.sha256 --data block",
        ),
    ),
    Command(
        "monitor",
        "Count exactly what a call does, in an instance of its own whose code has counters.",
        (
            _TARGET_OR_COMMAND,
            *_PAYLOAD_OR_ARGS,
            Argument(
                ("--what",),
                f"the monitors, with commas between ({','.join(DEFAULT)}): {', '.join(monitor_names())}=NAME",
                "WHAT",
                "monitors",
                convert=read_what,
            ),
            *_CALL_QUOTAS,
        ),
        (
            '%plugin monitor checker.check {"output": "1 2", "answer": "1 3"}',
            "r = %plugin monitor checker.check submission --what coverage,branches",
            "%plugin monitor kernels.matmul --raw 20 --what loops,memory",
            "%plugin monitor sort --stdin 'b a' -- -r",
        ),
    ),
    Command("log", "The lines that a plugin has written to its log.", (_PLUGIN,), ("%plugin log specimen",)),
    Command(
        "plot",
        "Draw the calls: how long they took, where their time went, when they ran, what they used and were allowed.",
        (Argument(("kind",), ", ".join(PLOTS), "KIND", "plots", choices=PLOTS), _PLUGIN_OR_ALL),
        ("%plugin plot latency", "%plugin plot timeline", "%plugin plot usage checker"),
    ),
    Command(
        "new",
        "Lay out a small project for a plugin: its source, and cases that python -m judicia_notebook test runs.",
        (
            Argument(("name",), "the plugin's name: a-z, 0-9, _ and -, beginning with a letter", "NAME"),
            Argument(("--lang",), "the language of its source", "|".join(languages()), "languages"),
            Argument(("--folder",), "where to, a new or an empty folder (NAME)", "FOLDER"),
        ),
        ("%plugin new greeter --lang c", "%plugin new greeter --lang rust --folder plugins/greeter"),
    ),
    Command(
        "define",
        "Compile the cell's body and load it as a plugin.",
        (
            Argument(("name",), "the plugin's name", "NAME", "plugins"),
            Argument(("--lang",), "the language of the cell (wat)", "|".join(languages()), "languages"),
            Argument(("-O", "--level"), "how the compiler optimizes: 0 to 3, s or z (z)", "LEVEL", convert=parse_level),
            Argument(("--flags",), "more options for the compiler; several in quotes", "FLAGS", convert=shlex.split),
            Argument(("--annotate",), "show beside each line the instructions that it became (compiles with -g)"),
            *_LOAD_OPTIONS,
        ),
        (
            "%%plugin define greeter",
            '(data (i32.const 0) "\\"hello\\"")',
            '(func (export "greet") (param i32 i32) (result i64) (call $reply (i32.const 0) (i32.const 7)))',
            "%%plugin define attack --lang c -O 2 --cpu 50ms",
            "%%plugin define mean --lang rust --annotate",
        ),
        cell="yes",
    ),
)

CALL_CELL = Command(
    "call",
    "Call a function with the cell's body as JSON.",
    (_TARGET, Argument(("-o", "--out"), "store the value in this variable and show nothing", "VAR"), *_CALL_OPTIONS),
    ("%%plugin call checker.check -o verdict", '{"output": "1 2 3", "answer": "1 2 4"}'),
    cell="yes",
    note=_LIMITS_OF_A_CALL,
)

RUN_CELL = Command(
    "run",
    "Run a WASI command with the cell's body as its standard input.",
    (
        *_RUN_ARGUMENTS,
        Argument(("-o", "--out"), "store the result in this variable and show nothing", "VAR"),
        *_RUN_OPTIONS,
    ),
    ("%%plugin run python -o result -- -I -", "print(6 * 7)"),
    cell="yes",
    note=_FOR_THE_COMMAND,
)
_CELLS = {cell.name: cell for cell in (CALL_CELL, RUN_CELL)}


def line_commands() -> tuple[str, ...]:
    """The names of the commands of a ``%plugin`` line."""
    return tuple(command.name for command in COMMANDS if command.cell != "yes")


def cell_commands() -> tuple[str, ...]:
    """The names of the commands of a ``%%plugin`` cell."""
    return tuple(command.name for command in COMMANDS if command.cell != "no")


def find(name: str, *, cell: bool) -> Command:
    """The command of that name.

    Raises
    ------
    UsageError
        There is none; the text names the one that was probably meant.
    """
    known = cell_commands() if cell else line_commands()
    if name not in known:
        magic = "%%plugin" if cell else "%plugin"
        raise usage_error(_no_such_command(name, magic, known, cell=cell))
    if cell and name in _CELLS:
        return _CELLS[name]
    return next(command for command in COMMANDS if command.name == name)


def help_of(name: str, *, cell: bool) -> str | None:
    """The help of a command, also of one that the other magic has; None where there is no such command."""
    names = (cell_commands, line_commands) if cell else (line_commands, cell_commands)
    kind = next((known for known in names if name in known()), None)
    return None if kind is None else find(name, cell=kind is cell_commands).help()


def _no_such_command(name: str, magic: str, known: tuple[str, ...], *, cell: bool) -> str:
    if cell and name in line_commands():
        return f"%%plugin {name} takes no cell body. Write it on a line: %plugin {name}"
    if not cell and name in cell_commands():
        return f"%plugin {name} needs a cell: %%plugin {name} on the first line, and the text below it."
    return f"{magic} has no command {name!r}.{did_you_mean(name, known)}\n  %plugin --help shows them all."


def overview() -> str:
    """The text of ``%plugin --help`` and ``%plugin?``."""
    width = max(len(command.name) for command in COMMANDS) + len("%%plugin ")
    lines = [f"  {f'{command.magic} {command.name}':<{width}}  {command.summary}" for command in COMMANDS]
    return "\n".join(
        [
            "Load WebAssembly plugins into a sandbox, call them, and see what every call cost.",
            "",
            *lines,
            "",
            "%plugin COMMAND --help shows a command's options and examples. A bare %plugin shows what is loaded.",
        ]
    )
