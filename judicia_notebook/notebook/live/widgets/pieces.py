"""The stock pieces themselves, each an `ipywidgets.VBox` that follows a plugin's policy until it is closed.

A stock control shows a click before the kernel has received it, and a running cell can keep the click from the kernel
for good. A dashboard must not show then that a capability is revoked which is still granted. So:

- A text beside each control shows the present policy and its version. Only the kernel writes it.
- A capability has a button that grants it and another that revokes it. Neither has a state in the browser that could be
  wrong, and a click that comes twice, or late, still means the same.
- A slider has no number on it. Its thumb goes to the policy's value after every change, from every source.
- ipykernel 7.4.0 may send a message to a busy shell: `answer_where_asked` makes it follow the browser's choice.

The thread that changes a policy also draws it. Only the kernel writes buttons and texts, so any thread may write them,
one at a time. Of a slider at most the thumb can be off for a moment.
"""

from __future__ import annotations

import functools
import html
import math
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets as widgets  # noqa: TID253 - this module is imported when a piece is made, and not before

from judicia_notebook.capabilities import CAPABILITIES, IMPORTS
from judicia_notebook.context import via
from judicia_notebook.errors import JudiciaError, PluginNotReady, describe
from judicia_notebook.notebook.cards import Card
from judicia_notebook.notebook.live import snapshots
from judicia_notebook.notebook.live.answers import error_text, value_text
from judicia_notebook.notebook.live.call_card.call_card import handle_card
from judicia_notebook.notebook.live.import_rows import (
    import_rows,
    offers_of,
    revoking_imports,
)
from judicia_notebook.notebook.live.quota_rows import RANGES
from judicia_notebook.notebook.live.widget import answer_where_asked
from judicia_notebook.notebook.live.widgets.answering import make_answering
from judicia_notebook.notebook.policy_cards import policy_card
from judicia_notebook.policy.changes import check_offered, offered
from judicia_notebook.policy.grants import capability_of
from judicia_notebook.policy.quotas import KINDS
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.policy.policy import Policy, PolicyState
    from judicia_notebook.runtime.handle import CallHandle
    from judicia_notebook.runtime.plugin import Plugin

_PAGE_BYTES = 65536
_TEXT_LIMIT = 400


class Piece(snapshots.LeavesSnapshot, widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The base of all pieces: `draw` puts the present policy into the controls, after each change of the policy."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._drawing = threading.RLock()  # re-entrant: a signal handler may change the policy while it is held
        self._refusal = widgets.HTML()
        self._is_open = True
        self._left_behind = snapshots.Snapshot(self.card)
        super().__init__()
        self._answering = make_answering(self._left_behind.key)
        self.children = (self._answering, *self.build(), self._refusal)
        self._unwatch = plugin.policy.observe(lambda _: self.follow())
        self.follow()

    def build(self) -> tuple[Any, ...]:
        """The rows to begin with."""
        return ()

    def draw(self) -> None:
        """Put the present policy into the controls."""

    def follow(self) -> None:
        """Draw until the policy has not changed meanwhile."""
        with self._drawing:
            drawn = -1
            while self._is_open and drawn != (version := self._plugin.policy.version):
                self.draw()
                drawn = version

    def carry_out(self, change: Callable[[], object]) -> None:
        """Carry out a click. A refusal stands below the rows, and the present policy is drawn in any case."""
        try:
            if self._plugin.state == "unloaded":
                raise PluginNotReady(f"{self._plugin.name} is unloaded; rt.load(...) loads it again.")
            with via("widgets"):
                change()
        except Exception as error:
            self._refusal.value = _markup(_sentence(error), bad=True)
        else:
            self._refusal.value = ""
        self.follow()
        self.refresh()

    def card(self) -> Card:
        """The card for a page without a kernel."""
        return policy_card(self._plugin.policy)

    def close(self) -> None:
        """Take everything away, and follow the policy no longer."""
        if self.__dict__.get("_is_open"):
            self._is_open = False
            self._unwatch()
            snapshots.close(self._left_behind)
            for child in _inside(self):
                child.close()
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return {**self._live(**options)[0], **snapshots.bundle(self.card())}

    def _live(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        return bundle if isinstance(bundle, tuple) else (bundle or {},)


def _inside(box: Any) -> list[Any]:
    return [
        widget for child in box.children for widget in (*(_inside(child) if hasattr(child, "children") else ()), child)
    ]


def _button(text: str, on_click: Callable[[], object], **settings: Any) -> Any:
    made = widgets.Button(description=text, **settings)
    made.on_click(lambda _: on_click())
    answer_where_asked(made.comm)
    return made


def _narrow() -> Any:
    return widgets.Layout(width="6em", flex="none")


def _markup(text: str, *, bad: bool = False, quiet: bool = False) -> str:
    """A text as HTML. All of it is escaped, since it may come from a guest."""
    style = "white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6; font-variant-numeric: tabular-nums"
    if bad:
        style += "; color: var(--jp-error-color1, #b3261e); font-weight: 600"
    if quiet:
        style += "; color: var(--jp-ui-font-color2, inherit)"
    return f'<span style="{style}">{html.escape(printable(text, _TEXT_LIMIT))}</span>'


def _sentence(error: BaseException) -> str:
    return " ".join(line.strip() for line in describe(error)) if isinstance(error, JudiciaError) else str(error)


# Capabilities ---------------------------------------------------------------------------------------------------


class CapabilityParts(NamedTuple):
    """The widgets of one capability."""

    grant: Any
    revoke: Any
    said: Any
    row: Any


class CapabilityToggles(Piece):
    """The capabilities that concern a plugin; one that comes to concern it gets its row then.

    Each import that a Python function answers has a row of its own, under its grant (``imports=env.now``).
    """

    def __init__(self, plugin: Plugin) -> None:
        self.rows: dict[str, CapabilityParts] = {}
        self._left = widgets.HTML()
        super().__init__(plugin)

    def draw(self) -> None:
        plugin, state = self._plugin, self._plugin.policy.state
        inspection = plugin.inspect()
        requests = (capability_of(grant) for grant in inspection.requested)
        concerned = {*requests, *inspection.capabilities, *state.capabilities} - {IMPORTS}
        if IMPORTS in (*state.granted, *inspection.requested):
            concerned.add(IMPORTS)
        shown = [name for name in CAPABILITIES if name in concerned or name in self.rows]
        for name in shown:
            parts = self._parts_of(name, CAPABILITIES[name])
            granted = name in state.granted if name == IMPORTS else state.allows(name)
            self._say(parts, _granted_text(state, name, granted=granted), granted=granted)
        imports = self._draw_imports(state, inspection.requests.of(IMPORTS))
        children = (self._answering, *(self.rows[key].row for key in (*shown, *imports)), self._left, self._refusal)
        if self.children != children:
            self.children = children
        for key in [key for key in self.rows if key not in CAPABILITIES and key not in imports]:
            row = self.rows.pop(key).row  # of code that was replaced
            for widget in (*_inside(row), row):
                widget.close()

    def _draw_imports(self, state: PolicyState, asked: Collection[str]) -> tuple[str, ...]:
        """Draw the rows of the imports; their grants."""
        last = self._plugin.policy.last_grants(IMPORTS)
        rows, left = import_rows(offers_of(self._plugin), state, asked, last, {})
        for row in rows:
            wider = ", ".join(held for held in row.by if held != row.grant)
            text = f"granted{f' by {wider}' if wider else ''}" if row.granted else "not granted"
            self._say(self._parts_of(row.grant, row.about), f"{text} · policy {state.version}", granted=row.granted)
        self._left.value = _markup(left, quiet=True)
        return tuple(row.grant for row in rows)

    @staticmethod
    def _say(parts: CapabilityParts, text: str, *, granted: bool) -> None:
        parts.said.value = _markup(text, quiet=not granted)
        parts.grant.disabled, parts.revoke.disabled = granted, not granted

    def _parts_of(self, name: str, about: str) -> CapabilityParts:
        if name not in self.rows:
            self.rows[name] = self._parts(name, about)
        return self.rows[name]

    def _parts(self, name: str, about: str) -> CapabilityParts:
        grant = _button(
            "Grant", functools.partial(self._grant, name), tooltip=f"Grant {name}: {about}", layout=_narrow()
        )
        revoke = _button("Revoke", functools.partial(self._revoke, name), tooltip=f"Revoke {name}", layout=_narrow())
        label = widgets.HTML(_markup(name), layout=widgets.Layout(width="12em", flex="none"))
        said = widgets.HTML()
        return CapabilityParts(grant, revoke, said, widgets.HBox((label, grant, revoke, said)))

    def _grant(self, name: str) -> None:
        """Grant what was revoked last, otherwise what the manifest asks for; never all where a scope is unknown."""

        def switch_on() -> None:
            policy = self._plugin.policy
            requests = self._plugin.inspect().requests
            is_exact = name == IMPORTS or name not in CAPABILITIES
            known = () if is_exact else offered(policy.snapshot(), name, policy.last_grants(name), requests)
            wanted = known or (name,)
            check_offered(policy.snapshot(), wanted, policy.last_grants(name) + requests.grants)
            policy.grant(*wanted)

        self.carry_out(switch_on)

    def _revoke(self, name: str) -> None:
        def switch_off() -> None:
            offers = offers_of(self._plugin)
            self._plugin.policy.amend("revoke", lambda now: revoking_imports(now, (name,), offers), name)

        self.carry_out(switch_off)


def _granted_text(state: PolicyState, name: str, *, granted: bool) -> str:
    if not granted or name == IMPORTS:
        return f"{'' if granted else 'not '}granted · policy {state.version}"
    scopes = ", ".join(state.scopes(name))
    return f"granted{f' for {scopes}' if scopes else ''} · policy {state.version}"


# Quotas ---------------------------------------------------------------------------------------------------------


class QuotaParts(NamedTuple):
    """The widgets of one quota."""

    slider: Any
    no_limit: Any
    said: Any
    row: Any


class QuotaSliders(Piece):
    """Some quotas of a plugin."""

    def __init__(self, plugin: Plugin, kinds: tuple[str, ...]) -> None:
        self.rows: dict[str, QuotaParts] = {}
        self._kinds = dict.fromkeys(kinds)
        self._placed: dict[str, float] = {}
        self._moving: tuple[int, str] = (0, "")  # the thread that carries out a move, and of which slider
        super().__init__(plugin)

    def build(self) -> tuple[Any, ...]:
        for kind in self._kinds:
            self.rows[kind] = self._parts(kind)
        return tuple(parts.row for parts in self.rows.values())

    def _parts(self, kind: str) -> QuotaParts:
        policy = self._plugin.policy
        least, most = _bounds(policy, kind)
        slider = widgets.FloatLogSlider(
            value=_position(policy, kind),
            min=least,
            max=most,
            step=0.05,
            description=RANGES[kind].label,
            readout=False,
            continuous_update=False,
            style={"description_width": "7em"},
        )
        answer_where_asked(slider.comm)
        self._placed[kind] = slider.value
        slider.observe(lambda change: self._moved(kind, change["new"]), "value")
        no_limit = _button("No limit", functools.partial(self._take_away, kind), layout=_narrow())
        said = widgets.HTML()
        return QuotaParts(slider, no_limit, said, widgets.HBox((slider, no_limit, said)))

    def draw(self) -> None:
        policy = self._plugin.policy
        for kind, parts in self.rows.items():
            parts.said.value = _markup(_quota_text(policy, kind))
            parts.no_limit.disabled = getattr(policy.quota, kind) is None
            if self._moving == (threading.get_ident(), kind):
                continue  # the user is moving it, and further than this by now
            self._placed[kind] = _position(policy, kind)
            parts.slider.value = self._placed[kind]
            parts.slider.send_state("value")  # also where the kernel sees no difference: the browser's thumb may differ

    def _moved(self, kind: str, place: float) -> None:
        if math.isclose(place, self._placed[kind], rel_tol=1e-9):
            return  # `draw` put it there
        policy = self._plugin.policy
        chosen = None if math.isnan(place) else _chosen(policy, kind, place, down=place < self._placed[kind])
        self._moving = (threading.get_ident(), kind)
        try:
            if chosen is not None:
                self.carry_out(lambda: policy.set_quota(**{kind: chosen}))
        finally:
            self._moving = (0, "")
        if chosen is not None and getattr(policy.quota, kind) == chosen:
            self._placed[kind] = place
            return
        with self._drawing:  # a refusal changes no policy, and the thumb goes back all the same
            if self._is_open:
                self.draw()

    def _take_away(self, kind: str) -> None:
        self.carry_out(lambda: self._plugin.policy.set_quota(**{kind: None}))


def _quota_text(policy: Policy, kind: str) -> str:
    state, info = policy.state, KINDS[kind]
    value, top = getattr(state.quota, kind), getattr(policy.ceiling, kind)
    limit = info.format(value if isinstance(value, int | float) else None, none="no limit of its own")
    ceiling = f", ceiling {info.format(top)}" if value is None and isinstance(top, int | float) else ""
    return f"in force: {limit}{ceiling} · policy {state.version}"


def _bounds(policy: Policy, kind: str) -> tuple[float, float]:
    """The ends of a slider, as powers of ten."""
    shape, top = RANGES[kind], getattr(policy.ceiling, kind)
    most = float(top) if isinstance(top, int | float) and top > 0 else shape.most
    return math.log10(min(shape.least, most / 2)), math.log10(most)


def _position(policy: Policy, kind: str) -> float:
    """Where the thumb belongs; without a limit of its own, at the end."""
    least, most = (10**end for end in _bounds(policy, kind))
    value = getattr(policy.quota, kind)
    return float(min(max(value, least), most)) if isinstance(value, int | float) else most


def _chosen(policy: Policy, kind: str, place: float, *, down: bool) -> Any:
    """The quota that a place on the slider stands for: two digits, whole pages of memory, never above the ceiling.

    A thumb that was moved `down` never raises the limit, however the number is rounded.
    """
    value = float(f"{place:.2g}")
    if kind == "memory":
        value = max(1, round(place / _PAGE_BYTES)) * _PAGE_BYTES
    for top in (getattr(policy.ceiling, kind), getattr(policy.quota, kind) if down else None):
        if isinstance(top, int | float):
            value = min(value, top)
    return value if KINDS[kind].unit == "s" else round(value)


# Running --------------------------------------------------------------------------------------------------------


class RunButton(Piece):
    """A call in the background, again at each click."""

    def __init__(self, plugin: Plugin, function: str, payload: Any) -> None:
        self._function, self._payload = function, payload
        self.handle: CallHandle | None = None
        name = printable(f"{plugin.name}.{function}", 60)
        self.run = _button(f"Run {name}", self._start, icon="play", layout=widgets.Layout(width="auto"))
        self.cancel = _button("Cancel", self._cancel, icon="stop", disabled=True)
        self.answer = widgets.HTML(layout=widgets.Layout(max_height="20em", overflow="auto"))
        super().__init__(plugin)

    def build(self) -> tuple[Any, ...]:
        return (widgets.HBox((self.run, self.cancel)), self.answer)

    def _start(self) -> None:
        with self._drawing:
            if self.handle is None or self.handle.done():  # otherwise clicks that queued while a cell ran
                self.carry_out(self._submit)

    def _submit(self) -> None:
        payload = self._payload() if callable(self._payload) else self._payload
        handle = self.handle = self._plugin.submit(self._function, payload)
        self.run.disabled, self.cancel.disabled = True, False
        self.answer.value = _markup(f"call {handle.call.scope.call_id} runs in the background", quiet=True)
        handle.add_done_callback(self._ended)

    def _cancel(self) -> None:
        if self.handle is not None:
            self.handle.cancel()

    def _ended(self, handle: CallHandle) -> None:
        with self._drawing:
            if self._is_open and handle is self.handle:
                self.run.disabled, self.cancel.disabled = False, True
                self.answer.value = _answer_markup(handle)

    def card(self) -> Card:
        if self.handle is None:
            return Card(f"{self._plugin.name}.{self._function}", "not called yet")
        return handle_card(self.handle)

    def close(self) -> None:
        """Cancel the call that this button made, and take everything away."""
        if self.__dict__.get("handle") is not None:
            self._cancel()
        super().close()


def _answer_markup(handle: CallHandle) -> str:
    error, record = handle.exception(), handle.record
    text = value_text(handle.result()) if error is None else error_text(error)
    colour = "inherit" if error is None else "var(--jp-error-color1, #b3261e)"
    style = f"white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.4; color: {colour}"
    style += "; font-family: var(--jp-code-font-family, monospace)"
    cost = _markup(record.cost_line(), quiet=True) if record is not None else ""
    return f'<div style="{style}">{html.escape(text)}</div><div>{cost}</div>'
