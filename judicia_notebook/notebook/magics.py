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
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from judicia_notebook.context import via
from judicia_notebook.errors import LoadError, NoSuchPlugin
from judicia_notebook.languages import compile_source, languages
from judicia_notebook.notebook import call_options, commands, line_parser, policy_cards, reprs
from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.runtime import Runtime
    from judicia_notebook.runtime.wasi_command import RunResult

_HELP = ("--help", "-h")


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
        history = getattr(self._shell, "history_manager", None)  # a script's shell has none
        cell = history.input_hist_raw[-1].rstrip() if history is not None else ""
        return bool(cell.splitlines()[-1:] == [f"%plugin {line}".rstrip()])

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
                return None
        command = commands.find(name, cell=cell is not None)
        with via("magic"):
            try:
                return self._dispatch(command, rest, cell)
            except line_parser.LineError as error:
                raise commands.usage_error(f"{command.magic} {name}: {error}") from None

    def _dispatch(self, command: commands.Command, rest: str, cell: str | None) -> Any:
        if command.name == "call":
            return self._call(command, rest) if cell is None else self._call_cell(command, rest, cell)
        if command.name == "run":
            return self._run(command, rest, cell)
        if command.name in {"time", "profile", "trace"}:
            return self._look_at_a_call(command, rest)
        given = command.parse([piece.text for piece in line_parser.split(rest)])
        if command.name == "define":
            return self._define(given, cell or "")
        action: Callable[[Namespace], Any] = getattr(self, f"_{command.name}")
        return action(given)

    def _bare(self, cell: str | None) -> None:
        if cell is not None:
            known = ", ".join(f"%%plugin {name}" for name in commands.cell_commands())
            raise commands.usage_error(f"%%plugin needs a command. There is: {known}.")
        reprs.show(reprs.overview_card(self._runtime))

    @property
    def _runtime(self) -> Runtime:
        from judicia_notebook.runtime.runtime import get_runtime

        return get_runtime()

    # Calls ----------------------------------------------------------------------------------------------------

    def _call(self, command: commands.Command, rest: str) -> Any:
        line = line_parser.read_call(rest, command.options_with_value, command.option_names)
        given = command.parse(line.words)
        ways = [bool(line.given), given.text is not None, line.raw is not None]
        if sum(ways) > 1:
            both = " and ".join(way for way, there in zip(("PAYLOAD", "--text", "--raw"), ways, strict=True) if there)
            raise commands.usage_error(f"%plugin call: one of PAYLOAD, --text and --raw, not {both}")
        plugin, function = self._target(given.target)
        if line.raw is not None:
            if given.background:
                raise commands.usage_error("%plugin call: a --raw call cannot be made in the --background")
            return call_options.perform(plugin, function, lambda: plugin.raw(function)(*line.raw or ()), given).value
        payload = given.text
        if line.given:
            payload = self._variable(line.payload) if line.given == "variable" else line.payload
        if given.background:
            return call_options.submit(self._shell, plugin, function, payload, given)
        return call_options.perform(plugin, function, lambda: plugin.call(function, payload), given).value

    def _call_cell(self, command: commands.Command, rest: str, cell: str) -> Any:
        given = command.parse([piece.text for piece in line_parser.split(rest)])
        plugin, function = self._target(given.target)
        _check_variable(command, given.out)
        # The magic's own line counts as the first, so that a line number is the one the editor shows.
        payload = line_parser.decode(f"\n{cell}") if cell.strip() else None
        if given.background:
            handle = call_options.submit(self._shell, plugin, function, payload, given)
            return self._handed_back(call_options.Ended(well=True, value=handle), given.out)
        ended = call_options.perform(plugin, function, lambda: plugin.call(function, payload), given)
        return self._handed_back(ended, given.out)

    def _run(self, command: commands.Command, rest: str, cell: str | None) -> RunResult | None:
        from judicia_notebook.runtime.exports import START

        line = line_parser.read_run(rest, command.options_with_value)
        given = command.parse(line.words)
        plugin = self._runtime.plugin(given.plugin)
        if cell is not None:
            _check_variable(command, given.out)
        stdin = cell if cell is not None else given.stdin or ""
        quota = commands.given_quota(given, commands.RUN_KINDS)
        shown = self._shows_value and not (cell is not None and given.out)
        ended = call_options.perform(
            plugin, START, lambda: plugin.run(line.args, stdin, quota=quota or None), given, shown=shown
        )
        result: RunResult | None = self._handed_back(ended, given.out if cell is not None else None)
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
            raise commands.usage_error(f"%plugin {command} takes NAME.FUNCTION, not {text!r}.{hint}")
        return self._runtime.plugin(name), function

    def _look_at_a_call(self, command: commands.Command, rest: str) -> Any:
        line = line_parser.read_call(rest, command.options_with_value, command.option_names)
        given = command.parse(line.words)
        if line.given and given.text is not None:
            raise commands.usage_error(f"%plugin {command.name}: one of PAYLOAD and --text, not both")
        payload = self._variable(line.payload, command.name) if line.given == "variable" else line.payload
        payload = given.text if given.text is not None else payload
        if command.name == "trace" and "." not in (given.target or ""):
            source = self._runtime.plugin(given.target) if given.target else self._runtime
            return source.trace(call_id=given.call)
        plugin, function = self._target(given.target, command.name)
        methods: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
            "time": (plugin.bench, ("repeats", "warmup")),
            "profile": (plugin.profile, ("samples", "seconds")),
            "trace": (plugin.trace, ("limit",)),
        }
        look, names = methods[command.name]
        options = {name: value for name in names if (value := getattr(given, name)) is not None}
        return look(function, payload, **options)

    def _variable(self, name: str, command: str = "call") -> Any:
        namespace = ChainMap(self._locals, self._shell.user_ns)  # type: ignore[arg-type]  # it is only read
        if name not in namespace:
            known = [variable for variable in namespace if not variable.startswith("_")]
            close = did_you_mean(name, known)
            hint = close if "Did you mean" in close else " A text is written --text T, or as JSON in double quotes."
            raise commands.usage_error(
                f"%plugin {command}: {name} is no JSON, and there is no variable of that name.{hint}"
            )
        return namespace[name]

    # Loading --------------------------------------------------------------------------------------------------

    def _load(self, given: Namespace) -> Plugin:
        return self._announce(self._runtime.load(given.source, name=given.name, **_load_options(given)))

    def _define(self, given: Namespace, cell: str) -> Plugin:
        language = given.lang or "wat"
        if language not in languages():
            raise commands.usage_error(
                f"%%plugin define has no compiler for {language!r}.{did_you_mean(language, languages())}"
            )
        try:
            # The magic's own line comes first, so that an error's line number is the one the editor shows.
            compiled = compile_source(language, f"\n{cell}")
            source = compiled.encode() if isinstance(compiled, str) else compiled
            return self._announce(self._runtime.load(source, name=given.name, **_load_options(given)))
        except LoadError as error:
            error.source = f"the cell of {given.name}"
            raise

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
        reprs.show(reprs.runtime_card(self._runtime))

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
        reprs.show(reprs.function_card(plugin, function) if function else reprs.functions_card(plugin))

    def _examples(self, _: Namespace) -> None:
        reprs.show(reprs.examples_card())

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


def _check_variable(command: commands.Command, name: str | None) -> None:
    if name is not None and not name.isidentifier():
        raise commands.usage_error(f"%%plugin {command.name}: -o takes the name of a variable, not {name!r}")


def _load_options(given: Namespace) -> dict[str, Any]:
    """The line's options. `Runtime.load` decides the others, and keeps them for a plugin it replaces."""
    from judicia_notebook.policy.quotas import make_quota

    options: dict[str, Any] = {"grant": tuple(given.grant or ())}
    quota = commands.given_quota(given, commands.LOAD_KINDS)
    if quota:
        options["quota"] = make_quota(quota)
    if given.instances is not None:
        options["instances"] = given.instances
    if given.on_denied is not None:
        options["on_denied"] = given.on_denied
    if given.unknown_imports is not None:
        options["unknown_imports"] = given.unknown_imports
    return options


def _grants_line(plugin: Plugin) -> str:
    granted = ", ".join(sorted(plugin.policy.granted))
    return f"{plugin.name} may now use: {granted}." if granted else f"{plugin.name} has no grants now."
