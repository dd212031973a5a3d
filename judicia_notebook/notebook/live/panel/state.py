"""The state of a panel, read from policy and recorder: each time a whole `State`.

The page draws only a state, so a state is all it can know. Texts may come from a guest: they are cut and made
printable here, and the page puts them in as text.

Reading costs about a millisecond whatever the plugin does, because rows are counted and not looked through (see
`judicia_notebook.notebook.live.readings`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.capabilities import CAPABILITIES, IMPORTS
from judicia_notebook.engine import interrupts
from judicia_notebook.notebook import schemas
from judicia_notebook.notebook.live.activity import calls_waiting, memory_of, running_calls
from judicia_notebook.notebook.live.import_rows import (
    Counts,
    ImportRow,
    Offers,
    ShownImports,
    import_rows,
    offers_of,
)
from judicia_notebook.notebook.live.panel.choices import Choice
from judicia_notebook.notebook.live.quota_rows import QuotaRow, Use, quota_rows
from judicia_notebook.notebook.live.readings import Rate, Tail, Ticks, tally_calls, tally_host_functions
from judicia_notebook.notebook.schemas import Field
from judicia_notebook.policy.changes import Snapshot, offered
from judicia_notebook.policy.grants import SCOPE_SHAPES, capability_of
from judicia_notebook.records.record import WALL_PARTS
from judicia_notebook.records.recorder import shown
from judicia_notebook.records.schema import nanoseconds
from judicia_notebook.runtime.hooks import HOOK_PREFIX
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_size, format_time
from judicia_notebook.wasm.manifest import FunctionInfo

if TYPE_CHECKING:
    from judicia_notebook.notebook.live.readings import Progress
    from judicia_notebook.policy.policy import PolicyState
    from judicia_notebook.records.record import CallKey
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.records.table import Row
    from judicia_notebook.runtime.inspection import Inspection
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.target import RunningCall

LAST_CALLS, LAST_LINES, MOST_RUNNING, MOST_FUNCTIONS = 20, 40, 50, 200
NAME_LIMIT, LINE_LIMIT = 120, 400
ALL_IMPORTS = "call every Python function that the notebook supplies, also those it registers later"
_WALL = tuple(map(nanoseconds, WALL_PARTS))


class CapabilityRow(msgspec.Struct, frozen=True, kw_only=True):
    """One capability of a plugin.

    `asked` are the grants its manifest asks for, `refused` what it asks for and cannot be granted. `offered` is what
    switching it on grants. `shape` is empty where no scope fits, and `exact` says whether `scopes` are whole.

    That of ``imports`` stands for all imports together: each by itself has an `ImportRow`.
    """

    name: str
    about: str
    granted: bool
    scopes: tuple[str, ...]
    bare: bool
    exact: bool
    asked: tuple[str, ...]
    refused: tuple[str, ...]
    offered: tuple[str, ...]
    imported: bool
    shape: str
    allowed: int
    denied: int
    limited: int


class RunningRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call that runs or waits."""

    call: int
    function: str
    origin: str
    waiting: bool
    elapsed: str
    cpu: str
    memory: str
    host_calls: int
    denied: int
    ending: bool


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call that has ended."""

    call: int
    function: str
    origin: str
    outcome: str
    ok: bool
    wall: str
    cpu: str
    memory: str
    fuel: str
    host_calls: int
    denied: int
    error: str


class LineRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the log or the audit; `at` is seconds since the runtime began."""

    at: str
    what: str
    text: str
    by: str


class FunctionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A function that can be called: its name, as it is shown, what its manifest says of it, and a sample payload."""

    name: str
    label: str
    about: str
    fields: tuple[Field, ...]
    sample: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the last call that this panel made."""

    function: str
    ok: bool
    text: str
    cost: str
    made: int
    failed: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a panel shows. Without a plugin only `choices` says anything."""

    plugin: str = ""
    version: str = ""
    state: str = ""
    digest: str = ""
    about: str = ""
    abi: str = ""
    choices: tuple[Choice, ...] | None = None
    policy_version: int = 0
    on_denied: str = ""
    capabilities: tuple[CapabilityRow, ...] = ()
    imports: tuple[ImportRow, ...] = ()
    imports_left: str = ""
    quotas: tuple[QuotaRow, ...] = ()
    functions: tuple[FunctionRow, ...] = ()
    running: tuple[RunningRow, ...] = ()
    calls: tuple[CallRow, ...] = ()
    log: tuple[LineRow, ...] = ()
    audit: tuple[LineRow, ...] = ()
    calls_made: int = 0
    calls_failed: int = 0
    denied: int = 0
    waiting: int = 0
    foreground: str = ""
    undo: str = ""
    undo_step: int = 0
    answer: Answer | None = None
    repeating: str = ""
    first_tab: str = ""


class StateReader:
    """Reads the state of one plugin at a time, from one runtime's recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._host_calls = tally_host_functions(recorder)
        self._outcomes = tally_calls(recorder)
        self._calls = Tail(recorder.calls, lambda key: key.subject.plugin, LAST_CALLS)
        self._log = Tail(recorder.logs, lambda key: key.plugin, LAST_LINES)
        self._audit = Tail(recorder.audit, lambda key: key.plugin, LAST_LINES)
        self._denials = Tail(recorder.denials, lambda key: key.plugin, LAST_LINES)
        self._ticks = Ticks(recorder)
        self._rate = Rate()
        self._rate_of = ""
        self._waiting_since: dict[int, int] = {}
        self._known_code: object = None
        self._inspection: Inspection | None = None
        self._offers: Offers = {}
        self._callable: tuple[FunctionRow, ...] = ()

    def mark(self, plugin: Plugin | None) -> tuple[object, ...]:
        """A value that changes whenever the state may: cheap enough to read again and again."""
        recorder = self._recorder
        tables = (recorder.calls, recorder.host_calls, recorder.logs, recorder.audit, recorder.denials)
        ends = tuple(table.end for table in tables)
        foreground = interrupts.in_foreground() is not None
        if plugin is None:
            return (*ends, foreground)
        running = running_calls(plugin)
        busy = perf_counter_ns() if running or self._rate_moves() else 0
        return (
            *ends,
            foreground,
            plugin.policy.version,
            plugin.state,
            plugin.digest,
            calls_waiting(plugin),
            len(running),
            busy,
        )

    def _rate_moves(self) -> bool:
        return self._rate.last > 0

    def read(self, plugin: Plugin) -> State:
        """The plugin as it is now."""
        self._look_at(plugin)
        name, policy = plugin.name, plugin.policy.state
        counts, by_function = self._counts(name)
        outcomes = {kind.outcome: n for kind, n in self._outcomes.counts().items() if kind.plugin == name}
        ended = self._calls.of(name)
        running = running_calls(plugin)
        ticks = self._ticks.of(call.scope.call_id for call in running)
        foreground = interrupts.in_foreground()
        imports = self._imports(plugin, policy, by_function)
        return State(
            plugin=name,
            version=printable(plugin.manifest.version, NAME_LIMIT),
            state=plugin.state,
            digest=plugin.digest[:12],
            about=printable(plugin.manifest.description, LINE_LIMIT),
            abi=plugin.abi,
            policy_version=policy.version,
            on_denied=policy.on_denied,
            capabilities=self._capabilities(plugin, policy, counts),
            imports=imports.rows,
            imports_left=imports.left,
            quotas=quota_rows(plugin, self._use(name, running, ticks, ended, counts)),
            functions=self._callable,
            running=tuple(self._running(call, ticks) for call in running[:MOST_RUNNING]),
            calls=tuple(_call_row(found) for found in ended),
            log=self._log_rows(name),
            audit=self._audit_rows(name),
            calls_made=sum(outcomes.values()),
            calls_failed=sum(outcomes.values()) - outcomes.get("ok", 0),
            denied=sum(n for (_, decision), n in counts.items() if decision == "denied"),
            waiting=calls_waiting(plugin),
            foreground=printable(foreground.where, NAME_LIMIT) if foreground is not None else "",
        )

    def _counts(self, plugin: str) -> tuple[Counts, Counts]:
        """How many host calls of a plugin were decided on so: by capability, and by function."""
        capabilities: Counter[tuple[str, str]] = Counter()
        functions: Counter[tuple[str, str]] = Counter()
        for kind, count in self._host_calls.counts().items():
            if kind.plugin == plugin:
                capabilities[kind.capability, kind.decision] += count
                functions[kind.function, kind.decision] += count
        return capabilities, functions

    def _look_at(self, plugin: Plugin) -> None:
        """Note the parts that only another file can change."""
        if self._known_code is plugin._code:
            return
        self._known_code = plugin._code
        self._inspection = plugin.inspect()
        self._offers = offers_of(plugin)
        names = [name for name in plugin.functions if not name.startswith(HOOK_PREFIX) and len(name) <= NAME_LIMIT]
        self._callable = tuple(
            _function_row(name, plugin.manifest.functions.get(name, FunctionInfo())) for name in names[:MOST_FUNCTIONS]
        )

    def _capabilities(self, plugin: Plugin, state: PolicyState, counts: Counts) -> tuple[CapabilityRow, ...]:
        inspection = self._inspection
        if inspection is None:
            return ()
        granted: dict[str, list[str]] = {}
        for grant in state.granted:
            granted.setdefault(capability_of(grant), []).append(grant)
        rows = (
            self._capability(plugin, inspection, name, tuple(granted.get(name, ())), counts) for name in CAPABILITIES
        )
        return tuple(row for row in rows if row is not None)

    def _imports(self, plugin: Plugin, state: PolicyState, counts: Counts) -> ShownImports:
        inspection = self._inspection
        if inspection is None:
            return ShownImports((), "")
        last = plugin.policy.last_grants(IMPORTS)
        return import_rows(self._offers, state, inspection.requests.of(IMPORTS), last, counts)

    def _capability(
        self, plugin: Plugin, inspection: Inspection, name: str, granted: tuple[str, ...], counts: Counts
    ) -> CapabilityRow | None:
        """The row of a capability, unless it does not concern the plugin."""
        last, requests = plugin.policy.last_grants(name), inspection.requests
        asked = requests.of(name)
        refused = tuple(f"{text}: {why}" for text, why in requests.refused if capability_of(text) == name)
        imported = name in inspection.capabilities
        is_all = name == IMPORTS
        if is_all:  # each import has a row of its own
            imported, asked = bool(self._offers), tuple(grant for grant in asked if grant == name)
        if not (refused or (name in (*granted, *asked, *last) if is_all else granted or asked or imported or last)):
            return None
        scopes = tuple(grant.partition("=")[2] for grant in granted if grant != name)
        shown = tuple(printable(scope, LINE_LIMIT) for scope in scopes)
        return CapabilityRow(
            name=name,
            about=ALL_IMPORTS if is_all else CAPABILITIES[name],
            granted=name in granted if is_all else bool(granted),
            scopes=shown,
            exact=shown == scopes,
            bare=name in granted,
            asked=asked,
            refused=refused,
            offered=_offered_together(asked, last) if is_all else granted or offered(Snapshot(), name, last, requests),
            imported=imported,
            shape=SCOPE_SHAPES.get(name, ""),
            allowed=counts.get((name, "allowed"), 0) + counts.get((name, "failed"), 0),
            denied=counts.get((name, "denied"), 0),
            limited=counts.get((name, "limited"), 0),
        )

    def _use(
        self,
        plugin: str,
        running: tuple[RunningCall, ...],
        ticks: Mapping[int, Progress],
        ended: list[Row[CallKey]],
        counts: Counts,
    ) -> Use:
        """The use of the running calls, otherwise of the last call."""
        if self._rate_of != plugin:
            self._rate_of = plugin
            self._rate.clear()
        by_capability: dict[str, int] = {}
        for (capability, _), count in counts.items():
            by_capability[capability] = by_capability.get(capability, 0) + count
        rate = self._rate.fastest(by_capability)
        inside = [call for call in running if call.started_ns]
        if inside:
            now = perf_counter_ns()
            return Use(
                live=True,
                memory=max(memory_of(call) for call in inside),
                cpu=max((seen.cpu_ns for seen in ticks.values()), default=0) / 1e9,
                wall=max(now - call.started_ns for call in inside) / 1e9,
                fuel=None,
                host_call_rate=rate,
            )
        if not ended:
            return Use(host_call_rate=rate)
        last = ended[0].numbers
        return Use(
            memory=max(last["memory_peak_bytes"], 0),
            cpu=last["cpu_ns"] / 1e9,
            wall=sum(last[part] for part in _WALL) / 1e9,
            fuel=last["fuel"] if last["fuel"] >= 0 else None,
            host_call_rate=rate,
        )

    def _running(self, call: RunningCall, ticks: Mapping[int, Progress]) -> RunningRow:
        scope = call.scope
        call_id, now = scope.call_id, perf_counter_ns()
        if len(self._waiting_since) > 4 * MOST_RUNNING:
            self._waiting_since.clear()
        since = call.started_ns or self._waiting_since.setdefault(call_id, now)
        seen = ticks.get(call_id)
        return RunningRow(
            call=call_id,
            function=printable(scope.function, NAME_LIMIT),
            origin=call.origin,
            waiting=not call.started_ns,
            elapsed=format_time((now - since) / 1e9),
            cpu=format_time(seen.cpu_ns / 1e9) if seen else "",
            memory=format_size(memory_of(call)) if call.started_ns else "",
            host_calls=scope.host_calls,
            denied=scope.denied,
            ending=scope.ended is not None,
        )

    def _log_rows(self, plugin: str) -> tuple[LineRow, ...]:
        return tuple(
            LineRow(
                at=_at(found),
                what=shown(found.key.level, 40),
                text=shown(found.key.message, LINE_LIMIT),
                by=f"call {found.numbers['call_id']}" if found.numbers["call_id"] else "",
            )
            for found in self._log.of(plugin)
        )

    def _audit_rows(self, plugin: str) -> tuple[LineRow, ...]:
        rows = [*self._audit.of(plugin), *self._denials.of(plugin)]
        rows.sort(key=lambda found: -found.numbers["at_ns"])
        return tuple(
            LineRow(
                at=_at(found),
                what=shown(found.key.what, 40),
                text=shown(found.key.detail, LINE_LIMIT),
                by=shown(found.key.via) + (f", call {call_id}" if (call_id := found.numbers["call_id"]) else ""),
            )
            for found in rows[:LAST_LINES]
        )


def _offered_together(*offers: Iterable[str]) -> tuple[str, ...]:
    """What the switch for all imports grants: all of them, if it was so before or the manifest asks for it."""
    return (IMPORTS,) if any(IMPORTS in grants for grants in offers) else ()


def _function_row(name: str, info: FunctionInfo) -> FunctionRow:
    return FunctionRow(
        name=name,
        label=printable(name, NAME_LIMIT),
        about=printable(info.description, LINE_LIMIT),
        fields=schemas.fields(info.request),
        sample=schemas.sample(info.request, optional=True),
    )


def _at(found: Row[Any]) -> str:
    return f"{found.numbers['at_ns'] / 1e9:.2f} s"


def _call_row(found: Row[CallKey]) -> CallRow:
    key, numbers = found
    return CallRow(
        call=numbers["call_id"],
        function=shown(key.subject.function, NAME_LIMIT),
        origin=shown(key.origin),
        outcome=shown(key.outcome),
        ok=key.outcome == "ok",
        wall=format_time(sum(numbers[part] for part in _WALL) / 1e9),
        cpu=format_time(numbers["cpu_ns"] / 1e9),
        memory=format_size(numbers["memory_peak_bytes"]) if numbers["memory_peak_bytes"] >= 0 else "",
        fuel=format_count(numbers["fuel"]) if numbers["fuel"] >= 0 else "",
        host_calls=numbers["host_calls"],
        denied=numbers["denied"],
        error=shown(key.error),
    )


def encoded(state: State, **more: Any) -> str:
    """A state as JSON, with some of its fields exchanged: one text costs less on its way than a thousand values."""
    return msgspec.json.encode(msgspec.structs.replace(state, **more)).decode()
