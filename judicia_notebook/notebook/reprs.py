"""How the package's objects look in a notebook: each as a `Card`, as text and as HTML.

Knows the public attributes of the objects, and reads none that makes a DataFrame. It registers the types by name, so
that loading the extension imports none of them, nor matplotlib. In the same way it registers two foreign types:

- a bare matplotlib ``Figure``, which would otherwise have no PNG until pyplot has been imported;
- a DataFrame: no page sets TeX in a frame that holds texts of plugins. Other frames look as ever.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import style
from judicia_notebook.errors import NoSuchFunction, describe
from judicia_notebook.notebook import commands, schemas
from judicia_notebook.notebook.cards import Block, Card, Grid, Line, Part, Row
from judicia_notebook.notebook.policy_cards import limits_text, names_text, policy_card, quota_card
from judicia_notebook.policy.grants import capability_of, is_grant
from judicia_notebook.policy.quotas import KINDS, make_quota
from judicia_notebook.reporting import suggestions
from judicia_notebook.runtime.hooks import HOOK_PREFIX
from judicia_notebook.text import INERT_CLASSES, PLUGIN_TEXT, did_you_mean, listed, printable
from judicia_notebook.units import format_size

if TYPE_CHECKING:
    from judicia_notebook.analysis.bench import Bench
    from judicia_notebook.analysis.runs.comparison import Comparison
    from judicia_notebook.analysis.runs.run import Run
    from judicia_notebook.runtime.handle import CallHandle
    from judicia_notebook.runtime.inspection import Inspection
    from judicia_notebook.runtime.outcome import Outcome
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.runtime import Runtime
    from judicia_notebook.runtime.wasi_command import RunResult


# Objects as cards ----------------------------------------------------------------------------------------------


def plugin_card(plugin: Plugin) -> Card:
    """A plugin as it is now: its policy, the grants it lacks, and the changes of the last load under its name."""
    rows = [
        *_plugin_rows(plugin),
        *(Row("changed", change) for change in plugin.changes),
        *([Row("last call", plugin.last.cost_line())] if plugin.last is not None else []),
    ]
    subtitle = f"{plugin.state} · {_digest(plugin.digest)}"
    return Card(f"{plugin.name} {plugin.manifest.version}", subtitle, (*rows, *_missing_lines(plugin)))


def _digest(digest: str) -> str:
    return f"sha256 {digest[:12]}"


def _plugin_rows(plugin: Plugin) -> list[Row]:
    rows = [Row("about", plugin.manifest.description)] if plugin.manifest.description else []
    return [
        *rows,
        *_entry_rows(plugin),
        *_rights_rows(plugin.inspect()),
        Row("quota", limits_text(plugin.policy.quota)),
    ]


def _entry_rows(plugin: Plugin) -> list[Row]:
    if plugin.is_command:
        return [Row("runs", f"as a WASI command: {suggestions.magic('run', plugin.name)}")]
    names = names_text(name for name in plugin.functions if not name.startswith(HOOK_PREFIX))
    numeric = plugin.inspect().numeric
    return [Row("functions", names), *([Row("numbers", names_text(numeric))] if numeric else [])]


def _rights_rows(inspection: Inspection) -> list[Row]:
    return [Row(what, listed(names)) for what, names in inspection.rights]


def not_granted(plugin: Plugin) -> tuple[str, ...]:
    """The capabilities that its manifest asks for and its policy lacks; a grant with any scope counts."""
    return tuple(grant for grant in plugin.requested if grant not in plugin.policy.grants)


def only_imported(plugin: Plugin) -> tuple[str, ...]:
    """The capabilities that its imports take, without those that its manifest asks for or its policy grants."""
    inspection = plugin.inspect()
    named = {capability_of(grant) for grant in inspection.requested}
    return tuple(
        capability
        for capability in inspection.capabilities
        if capability not in named and capability not in plugin.policy.grants
    )


def more_quota(plugin: Plugin) -> dict[str, Any]:
    """The quotas its manifest asks for beyond what it has, as the manifest writes them."""
    requests = make_quota(plugin.manifest.quota).given()
    has = plugin.policy.quota.given()
    return {
        kind: plugin.manifest.quota[kind]
        for kind, value in requests.items()
        if has[kind] is not None and (value is None or value > has[kind])
    }


def _missing_lines(plugin: Plugin) -> list[Line]:
    lines: list[Line | None] = []
    if missing := not_granted(plugin):
        lines.append(_to_type("Asked for, not granted. To allow it:", _grant_line(plugin, missing)))
    if imported := only_imported(plugin):
        line = _grant_line(plugin, imported)
        lines.append(_to_type("Imported, neither asked for nor granted. To allow it:", line))
    more = more_quota(plugin)
    within = {
        kind: least for kind, value in more.items() if (least := _within_ceiling(plugin, kind, value)) is not None
    }
    if within:
        options = {kind: _typed(kind, value) for kind, value in within.items()}
        line = suggestions.magic("quota", plugin.name, **options)
        lines.append(_to_type("Asks for more than the default. To allow it:", line))
    if beyond := [kind for kind in more if within.get(kind) != more[kind]]:
        quota = suggestions.python("jn.Quota", **{kind: more[kind] for kind in beyond})
        line = f"jn.Runtime(ceiling={quota})" if quota else ""
        lines.append(_to_type("Asks for more than this runtime's ceiling:", line))
    return [line for line in lines if line is not None]


def _grant_line(plugin: Plugin, wanted: Iterable[str]) -> str:
    """The line that grants this part of a manifest's wishes; empty if a scope in it is invalid."""
    wanted = tuple(wanted)
    return suggestions.magic("grant", plugin.name, *wanted) if all(map(is_grant, wanted)) else ""


def _to_type(text: str, line: str) -> Line | None:
    return Line(text, line) if line else None


def _within_ceiling(plugin: Plugin, kind: str, value: Any) -> Any:
    """The quota that a manifest asks for, or a lower ceiling; None where the plugin has as much already."""
    top, has = getattr(plugin.policy.ceiling, kind), getattr(plugin.policy.quota, kind)
    if not isinstance(top, int | float) or getattr(make_quota({kind: value}), kind) <= top:
        return value
    if has >= top:
        return None
    text = KINDS[kind].format(top).replace(" ", "")
    rounded = KINDS[kind].unit not in ("s", "bytes") or getattr(make_quota({kind: text}), kind) != top
    return top if rounded else text


def _typed(kind: str, value: Any) -> str:
    """A manifest's quota as a line takes it, where a bare number needs its unit."""
    unit = {"bytes": "B", "s": "s"}.get(KINDS[kind].unit, "")
    return str(value) if isinstance(value, str) else f"{value}{unit}"


def runtime_card(runtime: Runtime) -> Card:
    """The loaded plugins of a runtime."""
    plugins = tuple(runtime.plugins.values())
    if not plugins:
        return Card("No plugin is loaded", "", (Line("To load one:", "%plugin load example:checker"),))
    rows = tuple(
        (
            plugin.name,
            plugin.manifest.version,
            plugin.state,
            names_text(sorted(plugin.policy.granted), none="nothing"),
            limits_text(plugin.policy.quota),
            plugin.last.cost_line() if plugin.last is not None else "",
        )
        for plugin in plugins
    )
    count = f"{len(plugins)} plugin{'s' if len(plugins) > 1 else ''} loaded"
    return Card(count, "", (Grid(("plugin", "version", "state", "granted", "quota", "last call"), rows),))


def outcome_card(outcome: Outcome) -> Card:
    """How an attempted call ended."""
    record = outcome.record
    rows = [Row("cost", record.cost_line())] if record is not None else []
    if outcome.error is None:
        return Card("ok", "", (Row("value", repr(outcome.value)), *rows))
    first, *rest = describe(outcome.error)
    return Card(type(outcome.error).__name__, first, (*(Line(line.strip()) for line in rest), *rows))


def run_card(result: RunResult) -> Card:
    """How a run of a WASI command ended, and its output."""
    record = result.record
    written = (("stdout", result.stdout), ("stderr", result.stderr))
    blocks = [Block(stream, data.decode("utf-8", "replace")) for stream, data in written if data]
    cost = [Row("cost", record.cost_line())] if record is not None else []
    title = "ok" if result.returncode == 0 else f"exit status {result.returncode}"
    hints = [Line(line) for line in result.hint.splitlines()]
    return Card(title, "" if blocks else "wrote nothing", (*blocks, *cost, *hints))


def bench_card(bench: Bench) -> Card:
    """What a call costs, cold and warm."""
    return Card(*bench.title(), (Grid(*bench.grid()), *(Line(remark) for remark in bench.remarks())))


def comparison_card(comparison: Comparison) -> Card:
    """The differences between two sets of calls."""
    return Card(*comparison.title(), (Grid(*comparison.grid()), *(Line(note) for note in comparison.notes())))


def saved_run_card(run: Run) -> Card:
    """The contents of a run's file, and the machine and packages of its measurement."""
    return Card(*run.title(), tuple(Row(*row) for row in run.rows()))


def inspection_card(inspection: Inspection) -> Card:
    """A module's kind, wishes and reach."""
    manifest = inspection.manifest
    subtitle = (
        f"{manifest.plugin_type} · {format_size(inspection.size)} · {_digest(inspection.digest)} · {inspection.abi}"
    )
    memories = ", ".join(f"{format_size(least)} to {_most(most)}" for least, most in inspection.memories)
    rows = [
        Row("about", manifest.description) if manifest.description else None,
        Row("manifest", inspection.manifest_origin),
        *_rights_rows(inspection),
        Row("functions", names_text(inspection.functions)),
        Row("numbers", names_text(inspection.numeric)) if inspection.numeric else None,
        Row("exports", names_text(inspection.others)) if inspection.others else None,
        Row("memory", memories or "none"),
        Row("start function", inspection.start_function) if inspection.start_function else None,
    ]
    parts = [part for part in rows if part is not None]
    return Card(f"{inspection.name} {manifest.version}", subtitle, (*parts, *_import_parts(inspection)))


def _most(size: int | None) -> str:
    return "no maximum" if size is None else format_size(size)


def _import_parts(inspection: Inspection) -> tuple[Row | Grid, ...]:
    if not inspection.imports:
        return (Row("imports", "none: it cannot reach anything outside of its memory"),)
    rows = tuple(
        (
            printable(item.module, 80),
            printable(item.name, 80),
            item.type,
            (item.capability or "none needed") if item.known else "unknown to this runtime",
        )
        for item in inspection.imports
    )
    return (Grid(("imports from", "name", "type", "capability"), rows),)


def examples_card() -> Card:
    """The bundled plugins, each with the line that loads it."""
    from judicia_notebook.runtime.source import examples

    rows = tuple((name, text, f"%plugin load example:{name}") for name, text in examples().items())
    return Card("Bundled plugins", "", (Grid(("example", "about", "to load it"), rows),))


def overview_card(runtime: Runtime) -> Card:
    """The card of a bare ``%plugin``: the loaded plugins, the commands, and lines to try."""
    parts: list[Part] = list(runtime_card(runtime).parts)
    parts.append(
        Grid(
            ("command", ""),
            tuple((f"{command.magic} {command.name}", command.summary) for command in commands.COMMANDS),
        )
    )
    parts += [Line("Try:", line) for line in _lines_to_try(runtime)]
    return Card("judicia_notebook", "WebAssembly plugins in a sandbox", tuple(parts))


def _lines_to_try(runtime: Runtime) -> list[str]:
    name = next(iter(runtime.plugins), None)
    if name is None:
        return ["%plugin examples", "%plugin load example:checker", "%plugin load --help"]
    plugin = runtime.plugins[name]
    function = next((export for export in plugin.functions if not export.startswith(HOOK_PREFIX)), None)
    call = _call_line(plugin, function) if function else ""
    if plugin.is_command:
        call = suggestions.magic("run", name)
    lines = [suggestions.magic("inspect", name), call, "%plugin stats", suggestions.magic("quota", name, cpu="50ms")]
    return [line for line in lines if line]


def sample_payload(plugin: Plugin, function: str) -> str:
    """A payload with the fields that the manifest says a function needs."""
    described = plugin.manifest.functions.get(function)
    return schemas.sample(described.request) if described is not None else ""


def functions_card(plugin: Plugin) -> Card:
    """The functions of a plugin, each with its manifest's words and a line that calls it."""
    described = plugin.manifest.functions
    rows = tuple(
        (
            printable(name, 80),
            printable(described[name].description, 300) if name in described else "",
            _call_line(plugin, name),
        )
        for name in plugin.functions
        if not name.startswith(HOOK_PREFIX)
    )
    parts = (Grid(("function", "about", "to call it"), rows),) if rows else ()
    return Card(f"Functions of {plugin.name}", plugin.manifest.version if rows else "none that takes JSON", parts)


def function_card(plugin: Plugin, name: str) -> Card:
    """A manifest's words on a function: its payload and its answer.

    Raises
    ------
    NoSuchFunction
    """
    if name not in plugin.functions:
        raise NoSuchFunction(
            f"{plugin.name} has no function {printable(name)!r}.{did_you_mean(name, plugin.functions)}"
        )
    info = plugin.manifest.functions.get(name)
    about = printable(info.description) if info is not None and info.description else "its manifest says nothing of it"
    parts: list[Part] = []
    for label, schema in (("payload", info.request), ("answer", info.answer)) if info is not None else ():
        rows = [
            (field.name, "needed" if field.needed else "optional", field.kind, field.about)
            for field in schemas.fields(schema)
        ]
        if rows:
            parts.append(Grid((label, "presence", "values", "about"), tuple(rows)))
        elif schema is not None:
            parts.append(Row(label, schemas.kind(schema)))
    if not name.startswith(HOOK_PREFIX):
        line = _to_type("To call it:", _call_line(plugin, name))
        parts += [line] if line is not None else []
    return Card(f"{plugin.name}.{printable(name, 80)}", about, tuple(parts))


def _call_line(plugin: Plugin, function: str) -> str:
    return suggestions.magic("call", f"{plugin.name}.{function}", json_text=sample_payload(plugin, function))


# Showing them --------------------------------------------------------------------------------------------------


def _handle_card(handle: CallHandle) -> Card:
    from judicia_notebook.notebook.live.call_card.call_card import handle_card

    return handle_card(handle)


_HANDLE = ("judicia_notebook.runtime.handle", "CallHandle")
_CARDS: dict[tuple[str, str], Callable[[Any], Card]] = {
    ("judicia_notebook.runtime.plugin", "Plugin"): plugin_card,
    ("judicia_notebook.runtime.outcome", "Outcome"): outcome_card,
    ("judicia_notebook.runtime.wasi_command", "RunResult"): run_card,
    ("judicia_notebook.analysis.bench", "Bench"): bench_card,
    ("judicia_notebook.analysis.runs.comparison", "Comparison"): comparison_card,
    ("judicia_notebook.analysis.runs.run", "Run"): saved_run_card,
    ("judicia_notebook.runtime.runtime", "Runtime"): runtime_card,
    ("judicia_notebook.runtime.inspection", "Inspection"): inspection_card,
    ("judicia_notebook.policy.quotas", "Quota"): quota_card,
    ("judicia_notebook.policy.policy", "Policy"): policy_card,
    _HANDLE: _handle_card,
}
_FIGURE = ("matplotlib.figure", "Figure")
_FRAMES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"))  # as pandas 3 and 2 call it


def show(card: Card) -> None:
    """Display a card in the running cell."""
    from IPython import display

    publish: Callable[..., Any] = display.display
    publish({"text/plain": card.text(), "text/html": card.html()}, raw=True)


def show_plugin(plugin: Plugin) -> None:
    """Display a plugin's card in the running cell."""
    show(plugin_card(plugin))


def show_handle(handle: CallHandle) -> None:
    """Display a call in the background, as a card that keeps itself up to date."""
    from IPython import display

    from judicia_notebook.notebook.live.call_card.call_card import make_handle_card

    publish: Callable[..., Any] = display.display
    card = make_handle_card(handle)
    shown = publish(card, display_id=True)
    if shown is not None and not handle.done():
        # A saved notebook has no kernel to ask, and keeps the last display: so that must show the end.
        handle.add_done_callback(lambda _: shown.update(card))


class _Others:
    """Stands in for how a type is displayed while one cell runs: `shown` has been displayed there already."""

    def __init__(self, shown: Any, display: Callable[[Any], None]) -> None:
        self.shown = shown
        self.display = display
        self.before: Any = None

    def __call__(self, value: Any) -> None:
        if value is not self.shown:
            self.display(value)


def show_now(shell: Any, value: Any, display: Callable[[Any], None]) -> None:
    """Show a value in the running cell, also where it is not the cell's last value. As that it is not shown again."""
    if not hasattr(shell, "kernel"):
        return  # a terminal has one line a cell, and would write `Out[1]:` with nothing behind it
    display(value)
    formatter = shell.display_formatter.ipython_display_formatter
    kind = type(value)
    others = _Others(value, display)
    found = formatter.for_type(kind, others)
    others.before = found.before if isinstance(found, _Others) else found  # a cell may show several values of a type

    def restore() -> None:
        formatter.pop(kind, None)
        if others.before is not None:
            formatter.for_type(kind, others.before)
        shell.events.unregister("post_execute", restore)

    shell.events.register("post_execute", restore)


def install(shell: Any) -> Callable[[], None]:
    """Register how the types of this package look. The returned function takes that off again."""
    formatters = shell.display_formatter.formatters
    undo: list[Callable[[], None]] = []

    def register(mime: str, name: tuple[str, str], function: Callable[..., Any]) -> None:
        formatter = formatters[mime]
        formatter.for_type_by_name(*name, function)
        undo.append(lambda: _forget(formatter, name, function))

    for name, card_of in _CARDS.items():
        register("text/html", name, _html_printer(card_of))
        register("text/plain", name, _text_printer(card_of))
    register("image/png", _FIGURE, _figure_png)
    register("text/html", _FIGURE, _figure_html)
    for name in _FRAMES:
        register("text/html", name, _frame_html)
    if hasattr(shell, "kernel"):
        live = shell.display_formatter.ipython_display_formatter
        live.for_type_by_name(*_HANDLE, show_handle)
        undo.append(lambda: _forget(live, _HANDLE, show_handle))

    def remove() -> None:
        for step in undo:
            step()

    return remove


def _forget(formatter: Any, name: tuple[str, str], function: Callable[..., Any]) -> None:
    """Take a printer off, unless the user has put another in its place since."""
    full_name = ".".join(name)
    try:
        current = formatter.lookup_by_type(full_name)
    except KeyError:
        return
    if current is function:
        formatter.pop(full_name)


def _html_printer(card_of: Callable[[Any], Card]) -> Callable[[Any], str]:
    return lambda value: card_of(value).html()


def _text_printer(card_of: Callable[[Any], Card]) -> Callable[[Any, Any, bool], None]:
    def print_text(value: Any, printer: Any, cycle: bool) -> None:
        nested = cycle or len(printer.stack) > 1  # inside a list or dict, a card would tear the lines apart
        printer.text(repr(value) if nested else card_of(value).text())

    return print_text


def _frame_html(frame: Any) -> str | None:
    """A frame as pandas shows it. No page sets TeX in a frame that holds texts of plugins."""
    made: str | None = frame._repr_html_()  # the method that IPython calls without this printer
    if made is None or not frame.attrs.get(PLUGIN_TEXT):
        return made
    return f'<div class="{INERT_CLASSES}">{made}</div>'


def _png(figure: Any) -> bytes:
    from IPython.core.pylabtools import print_figure

    draw: Callable[..., bytes] = print_figure
    return draw(figure, fmt="png")


def _figure_png(figure: Any) -> Any:
    """The picture, with its description where nbconvert looks for one."""
    described = style.description(figure)
    return (_png(figure), {"alt": described}) if described else _png(figure)


def _figure_html(figure: Any) -> str | None:
    """The package's own plot with its description: JupyterLab gives a PNG none."""
    described = style.description(figure)
    if not described:
        return None
    picture = base64.b64encode(_png(figure)).decode("ascii")
    return f'<img alt="{html.escape(described)}" src="data:image/png;base64,{picture}">'
