"""The package's objects as cards: plugins, runtimes, outcomes, runs, benches, inspections, and what there is to try.

Knows the public attributes of the objects, and reads none that makes a DataFrame. `reprs` says which type has which
card; policies, memories, diagnostics and notifications have their cards in modules of their own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from judicia_notebook.capabilities import IMPORTS
from judicia_notebook.errors import CheckFailed, NoSuchFunction, describe
from judicia_notebook.notebook import commands, schemas
from judicia_notebook.notebook.cards import Block, Card, Grid, Line, Part, Row
from judicia_notebook.notebook.policy_cards import limits_text, names_text
from judicia_notebook.policy.grants import capability_of, is_grant
from judicia_notebook.policy.quotas import KINDS, make_quota
from judicia_notebook.records.findings import format_points
from judicia_notebook.reporting import suggestions
from judicia_notebook.runtime.hooks import HOOK_PREFIX
from judicia_notebook.text import did_you_mean, listed, printable
from judicia_notebook.units import format_size

if TYPE_CHECKING:
    from judicia_notebook.analysis.bench import Bench
    from judicia_notebook.analysis.runs.comparison import Comparison
    from judicia_notebook.analysis.runs.run import Run
    from judicia_notebook.experiments.checks.result import Checked
    from judicia_notebook.runtime.inspection import Inspection
    from judicia_notebook.runtime.outcome import Outcome
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.runtime import Runtime
    from judicia_notebook.runtime.wasi_command import RunResult

_MOST_IMPORTS = 8  # in a line that grants them
_MOST_GROUPS, _NAMES_WIDTH = 12, 110  # of imports that are not offered: groups, characters of a line of names


def plugin_card(plugin: Plugin) -> Card:
    """A plugin as it is now: its policy, the grants it lacks, and the changes of the last load under its name."""
    rows = [
        *_plugin_rows(plugin),
        *(Row("changed", change) for change in plugin.changes),
        *([Row("last call", plugin.last.cost_line())] if plugin.last is not None else []),
    ]
    subtitle = f"{plugin.state} · {_digest(plugin.digest)}"
    parts = (*rows, *_missing_lines(plugin), *_unknown_parts(plugin.inspect()))
    return Card(f"{plugin.name} {plugin.manifest.version}", subtitle, parts)


def _digest(digest: str) -> str:
    return f"sha256 {digest[:12]}"


def _plugin_rows(plugin: Plugin) -> list[Row]:
    rows = [Row("about", plugin.manifest.description)] if plugin.manifest.description else []
    inspection = plugin.inspect()
    return [
        *rows,
        *_origin_rows(inspection),
        *_entry_rows(plugin),
        *_rights_rows(inspection),
        Row("quota", limits_text(plugin.policy.quota)),
        *([Row("metering", f"{plugin.metering}: no fuel is counted")] if plugin.metering != "full" else []),
        *([Row("features", listed(plugin.features))] if plugin.features else []),
    ]


def _entry_rows(plugin: Plugin) -> list[Row]:
    if plugin.is_command:
        return [Row("runs", f"as a WASI command: {suggestions.magic('run', plugin.name)}")]
    names = names_text(name for name in plugin.functions if not name.startswith(HOOK_PREFIX))
    numeric = plugin.inspect().numeric
    return [Row("functions", names), *([Row("numbers", names_text(numeric))] if numeric else [])]


def _origin_rows(inspection: Inspection) -> list[Row]:
    return [Row(label, text) for label, text in inspection.origin]


def _rights_rows(inspection: Inspection) -> list[Row]:
    return [Row(what, listed(names)) for what, names in inspection.rights]


def check_card(result: Checked | CheckFailed) -> Card:
    """A check: whether it passed, its points, and a line for each criterion."""
    word = "not passed" if isinstance(result, CheckFailed) else "passed"
    return Card(f"{result.subject}: {word}", format_points(result.points, result.worth), result.findings)


def not_granted(plugin: Plugin) -> tuple[str, ...]:
    """The capabilities that its manifest asks for and its policy lacks; a grant with any scope counts."""
    return tuple(grant for grant in plugin.requested if grant not in plugin.policy.grants)


def only_imported(plugin: Plugin) -> tuple[str, ...]:
    """The grants that its imports take, without those that its manifest asks for or its policy has.

    That is a capability; of the imports that Python functions answer it is each by its name, the first few.
    """
    inspection, state = plugin.inspect(), plugin.policy.state
    named = {capability_of(grant) for grant in inspection.requested}
    offers = plugin._code.offers.in_python(plugin.imports)
    single = dict.fromkeys(offer.grant for offer in offers if not offer.is_allowed(state))
    return (
        *(
            capability
            for capability in inspection.capabilities
            if capability not in named and capability not in state.capabilities and capability != IMPORTS
        ),
        *islice((grant for grant in single if grant not in inspection.requested), _MOST_IMPORTS),
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
    plugins, lock = tuple(runtime.plugins.values()), runtime.locked
    locked = (Line(f"locked by {printable(lock.by, 80)}: {lock.allowed}"),) if lock is not None else ()
    if not plugins:
        return Card("No plugin is loaded", "", (*locked, Line("To load one:", "%plugin load example:checker")))
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
    grid = Grid(("plugin", "version", "state", "granted", "quota", "last call"), rows)
    return Card(count, "", (*locked, grid))


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
        *_origin_rows(inspection),
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


def _import_parts(inspection: Inspection) -> tuple[Part, ...]:
    if not inspection.imports:
        return (Row("imports", "none: it cannot reach anything outside of its memory"),)
    rows = [
        (printable(item.module, 80), printable(item.name, 80), item.type, item.capability or "none needed")
        for item in inspection.offered
    ]
    if inspection.more_offered:
        rows.append(("...", f"{inspection.more_offered} more", "", ""))
    known = (Grid(("imports from", "name", "type", "capability"), tuple(rows)),) if rows else ()
    return (*known, *_unknown_parts(inspection))


def _unknown_parts(inspection: Inspection) -> tuple[Part, ...]:
    """The imports that are not offered, by maker, each group with its ways out."""
    parts: list[Part] = [Line("Imports that are not offered here:")] if inspection.groups else []
    for group in inspection.groups[:_MOST_GROUPS]:
        names = textwrap.wrap(group.listed, _NAMES_WIDTH, break_long_words=False, break_on_hyphens=False)
        parts += [Block(group.title, "\n".join(names)), *(Line(f"- {way}") for way in group.ways)]
    if more := sum(group.total for group in inspection.groups[_MOST_GROUPS:]):
        parts.append(Line(f"{more} more, of other makers"))
    return tuple(parts)


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
