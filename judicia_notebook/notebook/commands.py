"""Every ``%plugin`` command as data: its arguments, what completes them, its help.

Knows words and options, and neither IPython (beyond the one error it has to raise) nor a runtime. The argument parser,
``--help``, ``%plugin?``, completion and the documentation are all made of `COMMANDS`, so they cannot disagree.

IPython hides the traceback of exactly `UsageError`, not of its subclasses. So a wrong line raises `UsageError` itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from judicia_notebook.analysis.plots import FRAMES
from judicia_notebook.policy.quotas import KINDS
from judicia_notebook.text import did_you_mean
from judicia_notebook.units import parse_count, parse_size, parse_time

HELP_WIDTH = 100
PLOTS = tuple(FRAMES)
OUTCOMES = (
    "denied", "trap", "guest_error", *(f"quota_{kind}" for kind in KINDS), "abi_violation", "host_failure", "cancelled"
)  # fmt: skip
LOAD_KINDS = ("memory", "cpu", "wall", "fuel")
RUN_KINDS = (*LOAD_KINDS, "log")
ON_DENIED = ("error", "trap")
TABS = ("running", "calls", "log", "audit", "call")
SCALES = (0.5, 4.0)


def usage_error(message: str) -> Exception:
    """The error for a wrong line; shown without a traceback."""
    from IPython.core.error import UsageError

    error: Exception = UsageError(message)
    return error


@dataclass(frozen=True, slots=True)
class Argument:
    """One option, or one positional argument if its name has no dash.

    Attributes
    ----------
    names : tuple of str
        Such as ``("-v", "--verbose")`` or ``("plugin",)``.
    metavar : str
        The word for its value in the help; an option without a metavar is a switch.
    completes : str
        The words that completion offers: ``plugins``, ``programs``, ``functions``, ``sources``, ``capabilities``,
        ``granted``, ``outcomes``, ``variables``, or nothing.
    count : str
        As for argparse; ``append`` may be repeated, ``given`` leaves no attribute behind without the option.
    """

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    completes: str = ""
    convert: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    count: str = ""

    @property
    def is_option(self) -> bool:
        return self.names[0].startswith("-")

    @property
    def takes_value(self) -> bool:
        return not self.is_option or bool(self.metavar)

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        settings: dict[str, Any] = {"help": self.help, "default": None}
        if not self.takes_value:
            parser.add_argument(*self.names, action="store_true", help=self.help)
            return
        if self.count == "append":
            settings["action"] = "append"
        elif self.count == "given":
            settings["default"] = argparse.SUPPRESS
        elif self.count:
            settings["nargs"] = self.count
        settings["type"] = _converter(self.convert, self.choices)
        parser.add_argument(*self.names, metavar=self.metavar or None, **settings)


def _converter(convert: Callable[[str], Any], choices: tuple[str, ...]) -> Callable[[str], Any]:
    """The parser shows the text of only one kind of error, and would list all choices for a small slip."""

    def converted(text: str) -> Any:
        if choices and text not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of them.{did_you_mean(text, choices)}")
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise usage_error(
            f"{self.prog}: {message.removeprefix('argument ')}\n  Its options and examples: {self.prog} --help"
        )


@dataclass(frozen=True, slots=True)
class Command:
    """One ``%plugin`` command.

    Attributes
    ----------
    cell : str
        ``no`` for a line only, ``yes`` for a cell only, ``both``.
    note : str
        The sentence to add where an option is not known.
    """

    name: str
    summary: str
    arguments: tuple[Argument, ...] = ()
    examples: tuple[str, ...] = ()
    cell: str = "no"
    note: str = ""

    @property
    def magic(self) -> str:
        return "%%plugin" if self.cell == "yes" else "%plugin"

    @property
    def options(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.is_option)

    @property
    def positionals(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if not argument.is_option)

    @property
    def options_with_value(self) -> frozenset[str]:
        return frozenset(name for option in self.options if option.takes_value for name in option.names)

    @property
    def option_names(self) -> frozenset[str]:
        return frozenset(name for option in self.options for name in option.names)

    def option(self, name: str) -> Argument | None:
        return next((option for option in self.options if name in option.names), None)

    def parser(self) -> argparse.ArgumentParser:
        parser = _Parser(
            prog=f"{self.magic} {self.name}",
            description=self.summary,
            add_help=False,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=28, width=HELP_WIDTH),
        )
        for argument in self.arguments:
            argument.add_to(parser)
        return parser

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The words of a line as a namespace.

        Raises
        ------
        UsageError
            With the usage, and the option that was probably meant.
        """
        parser = self.parser()
        known = self.option_names
        words = self._with_values(words)
        for word in words:
            flag = word.partition("=")[0]
            if flag.startswith("--") and flag not in known:
                raise usage_error(f"{parser.prog} has no option {flag}.{did_you_mean(flag, known)}{self.note}")
        namespace, extra = parser.parse_known_args(words)
        if extra:
            parser.error(f"unexpected: {' '.join(extra)}{'.' if self.note else ''}{self.note}")
        return namespace

    def _with_values(self, words: Sequence[str]) -> list[str]:
        """Each option in one word with its value: a value that begins with a dash is none of argparse's options."""
        joined: list[str] = []
        for word in words:
            if joined and joined[-1] in self.options_with_value and word not in self.option_names:
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return joined

    def help(self) -> str:
        text = self.parser().format_help().rstrip()
        lines = [f"  {example}" for example in self.examples]
        return "\n".join([text, "", "examples:", *lines]) if lines else text


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
_CALL_OPTIONS = (
    *_END_OPTIONS,
    Argument(("--background",), "return a handle at once; in a notebook a card shows how the call goes"),
)
_LOAD_OPTIONS = (
    Argument(("--grant",), "allow a capability; may be repeated", "CAP[=SCOPE]", "capabilities", count="append"),
    *(_quota(kind) for kind in LOAD_KINDS),
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
)  # fmt: skip
_RUN_ARGUMENTS = (
    Argument(("plugin",), "the name of a loaded WASI command", "NAME", completes="programs"),
    Argument(("args",), "its arguments; those that begin with a dash stand behind --", "ARG", count="*"),
)
_RUN_OPTIONS = (*_END_OPTIONS, *(_quota(kind) for kind in RUN_KINDS))
_LIMITS_OF_A_CALL = (
    " Limits are the plugin's (%plugin quota NAME --cpu 50ms), or a call's own (p.call(..., quota=jn.Quota(cpu=...)))."
)
_FOR_THE_COMMAND = " The command's own options stand behind --, as in: %plugin run NAME -- --version"
_TARGET = Argument(("target",), "a plugin and a function of it", "NAME.FUNCTION", "functions")

_PAYLOAD = (
    Argument(
        ("payload",), "the rest of the line as JSON, or the name of one variable", "PAYLOAD", "variables", count="?"
    ),
    Argument(("--text",), "send this text, as one JSON string", "T"),
)

COMMANDS: tuple[Command, ...] = (
    Command(
        "load",
        "Load a plugin into its sandbox; a loaded name is replaced in place. No guest code runs.",
        (
            Argument(("source",), "a .wasm or .wat file, or a bundled example", "PATH|example:NAME", "sources"),
            Argument(("--name",), "load it under this name", "NAME"),
            *_LOAD_OPTIONS,
        ),
        ("%plugin load example:checker", "%plugin load example:specimen --cpu 50ms --memory 16MiB --grant wall_clock"),
    ),
    Command(
        "call",
        "Call a function with JSON and return its value. As %%plugin call, the cell's body is the payload.",
        (
            _TARGET,
            Argument(
                ("payload",),
                "the rest of the line as JSON, or the name of one variable",
                "PAYLOAD",
                "variables",
                count="?",
            ),
            Argument(("--text",), "send this text, as one JSON string", "T"),
            Argument(("--raw",), "call a numeric export with these numbers", "N", count="*"),
            *_CALL_OPTIONS,
        ),
        (
            '%plugin call checker.check {"output": "1 2", "answer": "1 2"}',
            "verdict = %plugin call checker.check submission",
            '%plugin call specimen.spin {"ms": 5000} --expect quota_cpu',
            'h = %plugin call specimen.spin {"ms": 5000} --background',
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
        "Tell a call as a story: a plugin's last call, or a call that is made now and whose payloads are kept.",
        (
            Argument(("target",), "a plugin, or a function to call", "NAME[.FUNCTION]", "functions", count="?"),
            *_PAYLOAD,
            Argument(("--call",), "tell of the call with this call_id", "ID", convert=parse_count),
            Argument(("--limit",), "how much of each payload to keep (200 B)", "SIZE", convert=parse_size),
        ),
        ('%plugin trace specimen.call_host {"service": "clock", "n": 3}', "%plugin trace specimen"),
    ),
    Command(
        "time",
        "Measure the cost of a call, in new instances (cold) and in a kept instance (warm): medians with intervals.",
        (
            _TARGET,
            *_PAYLOAD,
            Argument(("--repeats",), "how many calls of either kind (30)", "N", convert=parse_count),
            Argument(("--warmup",), "how many before them, which are left out (3)", "N", convert=parse_count),
        ),
        ('%plugin time specimen.spin {"ms": 1}', "bench = %plugin time checker.check submission --repeats 100"),
    ),
    Command(
        "profile",
        "Find out where a function spends its time; a short function is called again and again.",
        (
            _TARGET,
            *_PAYLOAD,
            Argument(("--samples",), "how many samples are enough (500)", "N", convert=parse_count),
            Argument(("--seconds",), "when to stop calling again (5s)", "TIME", convert=parse_time),
        ),
        ('%plugin profile specimen.spin {"ms": 100}', "profile = %plugin profile checker.check submission"),
    ),
    Command("log", "The lines that a plugin has written to its log.", (_PLUGIN,), ("%plugin log specimen",)),
    Command(
        "plot",
        "Draw the calls: how long they took, where their time went, when they ran, what they used and were allowed.",
        (Argument(("kind",), ", ".join(PLOTS), "KIND", "plots", choices=PLOTS), _PLUGIN_OR_ALL),
        ("%plugin plot latency", "%plugin plot timeline", "%plugin plot usage checker"),
    ),
    Command(
        "define",
        "Compile the cell's body and load it as a plugin.",
        (
            Argument(("name",), "the plugin's name", "NAME", "plugins"),
            Argument(("--lang",), "the language of the cell (wat)", "L", "languages"),
            *_LOAD_OPTIONS,
        ),
        (
            "%%plugin define greeter",
            '(data (i32.const 0) "\\"hello\\"")',
            '(func (export "greet") (param i32 i32) (result i64) (call $reply (i32.const 0) (i32.const 7)))',
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
