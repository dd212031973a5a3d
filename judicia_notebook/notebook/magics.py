"""``%plugin`` and ``%%plugin``: thin over the public API. A line of Python can do all that a magic does.

Knows the shared runtime's public names, `commands` for the meaning of a line, and `line_parser` for its parts. Nothing
on a line is evaluated: braces and dollar signs are text, values come from JSON or from a variable's name.

- Each command is one method, and returns the value that a line such as ``r = %plugin ...`` binds.
- The audit says of every change here that a magic made it.
- A wrong line raises `UsageError`; a plugin's failure raises its own error. Either stops "Run All".
"""

from __future__ import annotations

from argparse import Namespace
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.context import via
from judicia_notebook.errors import LoadError, NoSuchPlugin
from judicia_notebook.languages import compile_source, language_named, languages
from judicia_notebook.languages.language import DEBUG
from judicia_notebook.languages.toolchain import compilers_here
from judicia_notebook.notebook import (
    call_options,
    commands,
    diagnostic_cards,
    line_parser,
    object_cards,
    policy_cards,
    reprs,
)
from judicia_notebook.notebook.command import Command, usage_error
from judicia_notebook.records.diagnostics import Diagnostic
from judicia_notebook.reporting import colours, notices, suggestions
from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    from judicia_notebook.runtime.handle import CallHandle
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.runtime import Runtime
    from judicia_notebook.runtime.wasi_command import RunResult

_HELP = ("--help", "-h")
_MOST_WARNINGS = 5
_OTHERWISE = " A text is written --text T, or as JSON in double quotes."


def install(shell: Any) -> Callable[[], None]:
    """Register ``%plugin`` and ``%%plugin``. The returned function takes them off again."""
    from IPython.core.magic import needs_local_scope, no_var_expand

    magic = PluginMagic(shell)

    @no_var_expand
    @needs_local_scope
    def plugin(line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        return magic.run(line, cell, local_ns)

    plugin.__doc__ = commands.overview()
    shell.register_magic_function(plugin, "line_cell", "plugin")

    def remove() -> None:
        for kind in ("line", "cell"):
            if shell.magics_manager.magics[kind].get("plugin") is plugin:
                del shell.magics_manager.magics[kind]["plugin"]

    return remove


class PluginMagic:
    """Runs the commands of `commands.COMMANDS` in one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._locals: Mapping[str, Any] = {}
        self._shows_value = False  # whether IPython will show the value of the line that runs

    def run(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        """One ``%plugin`` line, or ``%%plugin`` cell.

        Parameters
        ----------
        local_ns : mapping, optional
            The variables of the function that the line stands in.

        Raises
        ------
        UsageError
            The line is wrong.
        JudiciaError
            A plugin, its policy or a file caused the failure.
        """
        is_value = cell is not None or self._is_the_value(line)
        quiet = is_value and cell is None and line_parser.without_semicolon(line) != line.rstrip()
        self._shows_value = is_value and not quiet
        self._locals = local_ns or {}
        value = self._run_line(line_parser.without_semicolon(line), cell)
        return None if quiet else value

    def _is_the_value(self, line: str) -> bool:
        """Whether the cell's value is this line. An assigned line is not."""
        return bool(self._typed().rstrip().splitlines()[-1:] == [f"%plugin {line}".rstrip()])

    def _typed(self) -> str:
        """The cell that runs, as it stands in the editor."""
        history = getattr(self._shell, "history_manager", None)  # a script's shell has none
        return str(history.input_hist_raw[-1]) if history is not None else ""

    def _run_line(self, line: str, cell: str | None) -> Any:
        name, rest = (*line.split(maxsplit=1), "", "")[:2]
        if name in _HELP:
            print(commands.overview())
            return None
        if not name:
            return self._bare(cell)
        words = rest.split()
        if words[:1] in ([_HELP[0]], [_HELP[1]]) or (words[-1:] == [_HELP[0]] and "--" not in words):
            text = commands.help_of(name, cell=cell is not None)
            if text is not None:
                print(text)
                if name in {"define", "new"}:
                    print(f"\n{compilers_here()}")
                return None
        command = commands.find(name, cell=cell is not None)
        with via("magic"):
            try:
                return self._dispatch(command, rest, cell)
            except line_parser.LineError as error:
                raise usage_error(f"{command.magic} {name}: {error}") from None

    def _dispatch(self, command: Command, rest: str, cell: str | None) -> Any:
        if command.name == "call":
            return self._call(command, rest) if cell is None else self._call_cell(command, rest, cell)
        if command.name == "run":
            return self._run(command, rest, cell)
        if command.name in {"time", "profile", "trace", "monitor"}:
            return self._look_at_a_call(command, rest)
        given = command.parse(line_parser.read_options(rest, commands.JSON_OPTIONS))
        if command.name == "define":
            return self._define(given, cell or "")
        action: Callable[[Namespace], Any] = getattr(self, f"_{command.name}")
        return action(given)

    def _bare(self, cell: str | None) -> None:
        if cell is not None:
            known = ", ".join(f"%%plugin {name}" for name in commands.cell_commands())
            raise usage_error(f"%%plugin needs a command. There is: {known}.")
        reprs.show(object_cards.overview_card(self._runtime))

    @property
    def _runtime(self) -> Runtime:
        from judicia_notebook.runtime.runtime import get_runtime

        return get_runtime()

    # Calls ----------------------------------------------------------------------------------------------------

    def _call(self, command: Command, rest: str) -> Any:
        line = line_parser.read_call(rest, command.options_with_value, command.option_names)
        given = command.parse(line.words)
        kind, value = self._given(command, line, given)
        plugin, function = self._target(given.target)
        return self._made(plugin, function, kind, value, given).value

    def _made(self, plugin: Plugin, function: str, kind: str, value: Any, given: Namespace) -> call_options.Ended:
        """The end of a call of a function, or the handle of one in the background."""
        quota = commands.given_quota(given, commands.LOAD_KINDS) or None
        if given.background:
            call = {"function": function, kind: value, "quota": quota}
            return call_options.Ended(True, call_options.submit(self._shell, plugin, call, given, "call"))
        ways: dict[str, Callable[[], Any]] = {
            "payload": lambda: plugin.call(function, value, quota=quota),
            "data": lambda: plugin.call_bytes(function, value, quota=quota),
            "numbers": lambda: plugin.raw(function)(*value, quota=quota),
        }
        return call_options.perform(plugin, function, ways[kind], given)

    def _given(self, command: Command, line: line_parser.CallLine, given: Namespace) -> tuple[str, Any]:
        """The kind of call that a line means, in the words of `Plugin.attempt`, and what the function gets."""
        there = {
            "PAYLOAD": bool(line.given), "--text": given.text is not None, "--data": given.data is not None,
            "--raw": line.raw is not None,
        }  # fmt: skip
        both = [way for way, is_there in there.items() if is_there]
        if len(both) > 1:
            raise usage_error(
                f"%plugin {command.name}: one of PAYLOAD, --text, --data and --raw, not {' and '.join(both)}"
            )
        if line.raw is not None:
            return "numbers", line.raw
        if given.data is not None:
            return "data", self._bytes(given.data, command.name)
        if line.given == "variable":
            return "payload", self._variable(line.payload, command.name)
        return "payload", line.payload if line.given else given.text

    def _bytes(self, name: str, command: str) -> bytes:
        value = self._variable(name, command)
        if not isinstance(value, bytes | bytearray | memoryview):
            raise usage_error(
                f"%plugin {command}: --data takes the name of a variable with bytes, and {name} is "
                f"{type(value).__name__}"
            )
        return bytes(value)

    def _call_cell(self, command: Command, rest: str, cell: str) -> Any:
        given = command.parse([piece.text for piece in line_parser.split(rest)])
        plugin, function = self._target(given.target)
        _check_variable(command, given.out)
        payload = line_parser.decode(self._before_the_cell() + cell) if cell.strip() else None
        return self._handed_back(self._made(plugin, function, "payload", payload, given), given.out)

    def _run(self, command: Command, rest: str, cell: str | None) -> RunResult | CallHandle | None:
        from judicia_notebook.runtime.exports import START

        line = line_parser.read_run(rest, command.options_with_value)
        given = command.parse(line.words)
        plugin = self._runtime.plugin(given.plugin)
        if cell is not None:
            _check_variable(command, given.out)
        stdin = cell if cell is not None else given.stdin or ""
        quota = commands.given_quota(given, commands.RUN_KINDS)
        shown = self._shows_value and not (cell is not None and given.out)
        if given.background:
            call = {"args": line.args, "stdin": stdin, "quota": quota or None}
            ended = call_options.Ended(True, call_options.submit(self._shell, plugin, call, given, "run"))
        else:
            ended = call_options.perform(
                plugin, START, lambda: plugin.run(line.args, stdin, quota=quota or None), given, shown=shown
            )
        result: RunResult | CallHandle | None = self._handed_back(ended, given.out if cell is not None else None)
        return result

    def _handed_back(self, ended: call_options.Ended, variable: str | None) -> Any:
        """The value to show; none where it went into a variable."""
        if variable is None:
            return ended.value
        if ended.well:
            self._shell.push({variable: ended.value})
        return None

    def _target(self, text: str, command: str = "call") -> tuple[Plugin, str]:
        name, dot, function = text.partition(".")
        if not dot or not function:
            plugin = self._runtime.plugins.get(name)
            offered = ", ".join(printable(f"{name}.{export}", 80) for export in plugin.functions[:6]) if plugin else ""
            hint = f" There is: {offered}." if offered else did_you_mean(name, self._runtime.plugins)
            also = "" if command == "call" else ", or the NAME of a WASI command"
            raise usage_error(f"%plugin {command} takes NAME.FUNCTION{also}, not {text!r}.{hint}")
        return self._runtime.plugin(name), function

    def _look_at_a_call(self, command: Command, rest: str) -> Any:
        named = line_parser.first_plain_word(rest, command.options_with_value)
        plugin = self._runtime.plugins.get(named)
        if plugin is not None and plugin.is_command:
            return self._look_at_a_run(command, rest, plugin)
        line = line_parser.read_call(rest, command.options_with_value, command.option_names)
        given = command.parse(line.words)
        kind, value = self._given(command, line, given)
        if command.name == "trace" and "." not in (given.target or ""):
            source = self._runtime.plugin(given.target) if given.target else self._runtime
            return source.trace(call_id=given.call)
        plugin, function = self._target(given.target, command.name)
        if given.stdin is not None:
            raise usage_error(f"%plugin {command.name}: --stdin is for a WASI command, and {named} is a function")
        return _look(command, plugin, given, {"function": function, kind: value})

    def _look_at_a_run(self, command: Command, rest: str, plugin: Plugin) -> Any:
        line = line_parser.read_run(rest, command.options_with_value)
        given = command.parse(line.words)
        for option in ("text", "data", "raw"):
            if getattr(given, option) is not None:
                raise usage_error(
                    f"%plugin {command.name}: --{option} is for a function, and {plugin.name} is a WASI command"
                )
        if command.name == "trace" and not (line.args or line.divided or given.stdin is not None):
            return plugin.trace(call_id=given.call)
        return _look(command, plugin, given, {"args": line.args, "stdin": given.stdin or ""})

    def _variable(self, name: str, command: str = "call", otherwise: str = _OTHERWISE) -> Any:
        namespace = ChainMap(self._locals, self._shell.user_ns)  # type: ignore[arg-type]  # it is only read
        if name not in namespace:
            known = [variable for variable in namespace if not variable.startswith("_")]
            close = did_you_mean(name, known)
            hint = close if "Did you mean" in close else otherwise
            raise usage_error(f"%plugin {command}: {name} is no JSON, and there is no variable of that name.{hint}")
        return namespace[name]

    # Loading --------------------------------------------------------------------------------------------------

    def _load(self, given: Namespace) -> Plugin:
        return self._announce(self._runtime.load(given.source, name=given.name, **self._load_options(given)))

    def _define(self, given: Namespace, cell: str) -> Plugin:
        try:
            language = language_named(given.lang or "wat")
        except ValueError as error:
            raise usage_error(f"%%plugin define: {error}") from None
        options = self._load_options(given)
        text = self._before_the_cell() + cell
        try:
            source = self._compiled(language, text, given)
            plugin = self._runtime.load(source, name=given.name, **options)
        except LoadError as error:
            error.source = f"the cell of {given.name}"
            unchanged = given.name if given.name in self._runtime.plugins else ""
            error.unchanged = unchanged
            self._show_places(error, text if language == "wat" else "", unchanged)
            raise
        self._announce(plugin)
        if given.annotate:
            from IPython.display import display

            show: Callable[..., Any] = display
            show(plugin.annotated())
        return plugin

    def _before_the_cell(self) -> str:
        """A line for the magic's own, and one for each empty line above it, which IPython takes off.

        The line number of a mistake is then the one that the editor shows.
        """
        typed = self._typed()
        above = typed[: len(typed) - len(typed.lstrip())]
        return "\n" * (above.count("\n") + 1)

    def _show_places(self, error: LoadError, wat: str, unchanged: str) -> None:
        """Show a page what is wrong at which line of the cell, where the error names one."""
        if not hasattr(self._shell, "kernel"):
            return
        card = diagnostic_cards.card_of(error, wat, unchanged)
        if card is not None:
            diagnostic_cards.show_below_cell(card)
            error.is_shown = True

    def _compiled(self, language: str, cell: str, given: Namespace) -> bytes:
        if language == "wat":
            if given.level is not None or given.flags is not None or given.annotate:
                raise usage_error(
                    "%%plugin define: WAT is assembled as it stands, and takes neither -O nor --flags nor --annotate"
                )
            compiled = compile_source(language, cell)
            return compiled.encode() if isinstance(compiled, str) else compiled
        from judicia_notebook.languages.build import build

        debug = (DEBUG,) if given.annotate and DEBUG not in (given.flags or ()) else ()
        built = build(cell, language, given.level or "-Oz", (*(given.flags or ()), *debug))
        if built.rows and hasattr(self._shell, "kernel"):
            card = diagnostic_cards.warnings_card(built.rows, f"the cell of {given.name}")
            diagnostic_cards.show_below_cell(card)
        else:
            _tell_warnings(built.rows)
        return built.wasm

    def _new(self, given: Namespace) -> None:
        from judicia_notebook.languages.project import ProjectError, line_to_test, new_project

        if given.lang is None:
            raise usage_error(f"%plugin new needs a language: --lang {'|'.join(languages())}")
        try:
            files = new_project(given.name, given.lang, Path(given.folder) if given.folder is not None else None)
        except ProjectError as error:
            raise usage_error(f"%plugin new: {error}") from None
        print("\n".join(map(str, files)))
        load, test = suggestions.magic("load", str(files[0])), line_to_test(files[0].parent)
        for line in (suggestions.hint("To load it:  ", load), suggestions.hint("To test it:  ", test and f"!{test}")):
            if line:
                print(line)

    def _load_options(self, given: Namespace) -> dict[str, Any]:
        """The line's options. `Runtime.load` decides the others, and keeps them for a plugin it replaces."""
        from judicia_notebook.policy.quotas import make_quota

        options: dict[str, Any] = {"grant": tuple(given.grant or ())}
        quota = commands.given_quota(given, commands.LOAD_KINDS)
        if quota:
            options["quota"] = make_quota(quota)
        if given.config is not None:
            options["config"] = self._config(given.config)
        if given.imports is not None:
            options["imports"] = self._imports(given.imports)
        names = ("instances", "on_denied", "unknown_imports", "abi", "features", "metering")
        return options | {name: value for name in names if (value := getattr(given, name)) is not None}

    def _config(self, text: str) -> Any:
        """A configuration: JSON, or what a variable holds."""
        if text.isidentifier():
            return self._variable(text, "load", ' --config takes an object, such as {"width": 80}.')
        return line_parser.decode(text)

    def _imports(self, name: str) -> Any:
        """What answers a module's imports: a variable's dict, or a preset of that name."""
        from judicia_notebook.runtime import presets

        namespace = ChainMap(self._locals, self._shell.user_ns)  # type: ignore[arg-type]  # it is only read
        if name in namespace:
            return namespace[name]
        if name not in presets.NAMES:
            known = did_you_mean(name, [*presets.NAMES, *(other for other in namespace if not other.startswith("_"))])
            raise usage_error(f"%plugin load: --imports takes a variable or a preset, and {name} is neither.{known}")
        return getattr(presets, name)

    def _reload(self, given: Namespace) -> Plugin:
        return self._announce(self._runtime.reload(given.plugin))

    def _announce(self, plugin: Plugin) -> Plugin:
        reprs.show_now(self._shell, plugin, reprs.show_plugin)
        return plugin

    def _unload(self, given: Namespace) -> None:
        self._runtime.unload(given.plugin)
        print(f"{given.plugin} is unloaded. What its calls cost is still recorded.")

    # Looking --------------------------------------------------------------------------------------------------

    def _list(self, _: Namespace) -> None:
        reprs.show(object_cards.runtime_card(self._runtime))

    def _inspect(self, given: Namespace) -> Any:
        source = given.source
        plugins = self._runtime.plugins
        if source in plugins:
            return plugins[source].inspect()
        if not any(mark in source for mark in (":", ".", "/", "\\")):
            raise NoSuchPlugin(f"No plugin {source!r} is loaded, and it is no file.{did_you_mean(source, plugins)}")
        return self._runtime.inspect(source)

    def _help(self, given: Namespace) -> None:
        name, dot, function = (given.target or "").partition(".")
        plugins = self._runtime.plugins
        text = None
        if not name:
            text = commands.overview()
        elif not dot and name not in plugins:
            text = commands.help_of(name, cell=False)
        if text is not None:
            print(text)
            return
        if not dot and name not in plugins:
            known = [*(command.name for command in commands.COMMANDS), *plugins]
            raise NoSuchPlugin(f"There is no command and no plugin {name!r}.{did_you_mean(name, known)}")
        plugin = self._runtime.plugin(name)
        reprs.show(object_cards.function_card(plugin, function) if function else object_cards.functions_card(plugin))

    def _examples(self, _: Namespace) -> None:
        reprs.show(object_cards.examples_card())

    def _doctor(self, _: Namespace) -> None:
        from judicia_notebook.diagnosis import doctor

        print(doctor())

    def _panel(self, given: Namespace) -> Any:
        source = self._runtime.plugin(given.plugin) if given.plugin else self._runtime
        return source.panel(given.show, 1.0 if given.scale is None else given.scale)

    def _charts(self, given: Namespace) -> Any:
        source = self._runtime.plugin(given.plugin) if given.plugin else self._runtime
        return source.charts(1.0 if given.scale is None else given.scale)

    def _stats(self, given: Namespace) -> Any:
        from judicia_notebook.analysis.statistics import summarize

        return summarize(self._rows("calls", given.plugin))

    def _log(self, given: Namespace) -> Any:
        logs = self._rows("logs", given.plugin)
        if logs.empty:
            print(f"{given.plugin} has written nothing to its log.")
            return None
        from judicia_notebook.notebook.logs import log_of

        return log_of(logs)

    def _plot(self, given: Namespace) -> Any:
        from judicia_notebook.analysis import plots

        draw: Callable[..., Any] = getattr(plots, given.kind)
        return draw(*(self._rows(frame, given.plugin) for frame in plots.FRAMES[given.kind]))

    def _rows(self, frame: str, name: str | None) -> Any:
        """A frame of the runtime, or one plugin's rows of it; those of an unloaded plugin stay."""
        runtime = self._runtime
        if name is None or frame == "samples":  # which have no plugin, only the number of their call
            return getattr(runtime, frame)
        if name in runtime.plugins:
            return getattr(runtime.plugins[name], frame)
        rows = getattr(runtime, frame)
        rows = rows[rows["plugin"] == name]
        return rows if len(rows) else getattr(runtime.plugin(name), frame)  # which raises NoSuchPlugin

    def _clear(self, _: Namespace) -> None:
        print(self._runtime.clear())

    def _reset(self, given: Namespace) -> None:
        print(self._runtime.reset(confirm=given.yes))

    # Policy ---------------------------------------------------------------------------------------------------

    def _grant(self, given: Namespace) -> None:
        plugin = self._runtime.plugin(given.plugin)
        plugin.policy.grant(*given.capability)
        print(_grants_line(plugin))

    def _revoke(self, given: Namespace) -> None:
        plugin = self._runtime.plugin(given.plugin)
        plugin.policy.revoke(*given.capability)
        print(_grants_line(plugin))

    def _quota(self, given: Namespace) -> Any:
        plugin = self._runtime.plugin(given.plugin)
        plugin.policy.set_quota(**commands.given_quota(given))
        reprs.show(policy_cards.quota_card(plugin.policy.quota, title=f"Quotas of {plugin.name}"))


def _look(command: Command, plugin: Plugin, given: Namespace, call: Mapping[str, Any]) -> Any:
    """What `time`, `profile`, `trace` or `monitor` make of a call; `call` has the arguments of `Plugin.attempt`."""
    methods: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
        "time": (plugin.bench, ("repeats", "warmup", "metering")),
        "profile": (plugin.profile, ("samples", "seconds", "metering")),
        "trace": (plugin.trace, ("limit",)),
        "monitor": (plugin.monitor, ("what",)),
    }
    look, names = methods[command.name]
    options = {name: value for name in names if (value := getattr(given, name)) is not None}
    return look(**call, **options, quota=commands.given_quota(given, commands.LOAD_KINDS) or None)


def _tell_warnings(rows: Sequence[Diagnostic]) -> None:
    """Say below the cell what its compiler warned of."""
    for row in rows[:_MOST_WARNINGS]:
        for line in row.lines():
            notices.say(colours.severity(line))
    if len(rows) > _MOST_WARNINGS:
        notices.say(f"  {len(rows) - _MOST_WARNINGS} more warnings")


def _check_variable(command: Command, name: str | None) -> None:
    if name is not None and not name.isidentifier():
        raise usage_error(f"%%plugin {command.name}: -o takes the name of a variable, not {name!r}")


def _grants_line(plugin: Plugin) -> str:
    granted = ", ".join(sorted(plugin.policy.granted))
    return f"{plugin.name} may now use: {granted}." if granted else f"{plugin.name} has no grants now."
