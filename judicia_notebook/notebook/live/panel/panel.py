"""The live panel: one widget that shows what a plugin may do, uses and did, and changes it while it runs.

A `PanelSession` is the kernel's half and knows no widget: messages in, messages out. `make_panel` puts it behind a
widget (see `judicia_notebook.notebook.live.widget`), whose page is ``panel.js``.

- The kernel is the truth. It sends whole states with a rising revision, and the page draws these only. An operation
  counts as done when the page has drawn a state with at least the revision of the operation's answer.
- No trait of the widget ever changes. The browser's throttle for traits waits for an answer of the kernel, which a
  running cell may hold back for ever. Then a switch would show the click rather than the grant. Messages have no
  throttle.
- The thread that changes the policy sends the change at once. The feed sends everything that is not policy, three times
  a second, while something changes and a view is open.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.context import via
from judicia_notebook.errors import PolicyError
from judicia_notebook.notebook.commands import SCALES, TABS
from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.activity import running_calls
from judicia_notebook.notebook.live.panel.calls import PanelCalls, payload_of
from judicia_notebook.notebook.live.panel.card import panel_card
from judicia_notebook.notebook.live.panel.changes import change_for, check_current, check_meant, check_step
from judicia_notebook.notebook.live.panel.choices import Choice, choice_of
from judicia_notebook.notebook.live.panel.state import State, StateReader, encoded
from judicia_notebook.notebook.live.session import LiveSession, Send
from judicia_notebook.notebook.live.shown_plugin import ShownPlugin
from judicia_notebook.notebook.live.widget import check_scale, live_widget
from judicia_notebook.policy.changes import taken_back
from judicia_notebook.policy.policy import MOST_REMEMBERED
from judicia_notebook.runtime.pool import unloaded_error
from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    from anywidget import AnyWidget

    from judicia_notebook.notebook.cards import Card
    from judicia_notebook.policy.changes import Snapshot
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.runtime import Runtime

BEAT_SECONDS = 1.0
MOST_UNDO = 50
_SHOWN = "shown"  # stands for the view that has not said hello yet


class Step(NamedTuple):
    """A change that can be undone: the snapshots before and after it. `version` is the policy's version after it."""

    version: int
    before: Snapshot
    after: Snapshot
    policy: Policy
    text: str
    drag: str


class PanelSession(LiveSession):
    """The kernel's half of a panel.

    Parameters
    ----------
    source : Plugin or Runtime
        The plugin to show; with a runtime the page can choose among its plugins.
    send : callable
        ``send(message)``: to all views of the panel.
    first_tab : str
        The tab that a view opens first.
    """

    def __init__(self, source: Plugin | Runtime, send: Send, first_tab: str = TABS[0]) -> None:
        self._shown = ShownPlugin(source)
        self._first_tab = first_tab
        self._reader = StateReader(self._shown.recorder)
        self._acting: set[int] = set()  # threads that carry out an operation, and send a state when it is done
        self._mark: tuple[object, ...] = ()
        self._steps: list[Step] = []
        self._made: deque[tuple[int, str]] = deque(maxlen=MOST_REMEMBERED)  # versions, each with the view that asked
        self._watched: Policy | None = None
        self._unwatch: Callable[[], None] = lambda: None
        self.calls = PanelCalls(self.push)
        super().__init__(send)

    def close(self) -> None:
        """End everything that this panel keeps going."""
        super().close()
        self.calls.close()

    def card(self) -> Card:
        """The present state, for a page without a kernel."""
        return panel_card(self.state())

    def announce(self) -> None:
        """Open a view already: the page's hello may have to wait for the end of the cell that shows the panel."""
        self.feed.hear(_SHOWN)

    # What the page says ---------------------------------------------------------------------------------------

    def _welcome(self, _: str) -> None:
        self.feed.bye(_SHOWN)
        self.push()

    def _operate(self, operation: messages.Operation) -> int:
        thread = threading.get_ident()
        self._acting.add(thread)
        try:
            with via("panel"):
                self._perform(operation)
        finally:
            self._acting.discard(thread)
        return self.push()

    def _perform(self, operation: messages.Operation) -> None:
        plugin = self._named(operation.plugin)
        if isinstance(operation, messages.Choose):
            self._shown.choose(plugin.name)
        elif isinstance(operation, messages.CancelCall):
            _cancel(plugin, operation.call)
        elif isinstance(operation, messages.StopCalls):
            self.calls.stop()
        elif isinstance(operation, messages.MakeCall):
            every_s = None if operation.every_ms is None else operation.every_ms / 1e3
            self.calls.make(plugin, operation.function, payload_of(operation.payload), every_s)
        elif isinstance(operation, messages.Undo):
            self._undo(plugin, operation)
        else:
            self._change(plugin, operation)

    def _named(self, name: str) -> Plugin:
        plugin = self._shown.named(name)
        if plugin.state == "unloaded":
            raise unloaded_error(plugin.name)
        return plugin

    # Changing the policy --------------------------------------------------------------------------------------

    def _change(self, plugin: Plugin, operation: messages.Operation) -> None:
        change = change_for(plugin, operation)
        own = self._versions_of(operation.view)

        def update(now: Snapshot) -> Snapshot:
            wanted = change.update(now)
            check_meant(operation, now, wanted)
            check_current(plugin, operation, own, now, wanted)
            return wanted

        text = f"{change.what} {change.detail}".strip()
        if made := self._amend(plugin, operation.view, change.what, update, change.detail):
            self._remember(Step(*made, plugin.policy, text, change.drag))

    def _amend(
        self, plugin: Plugin, view: str, what: str, update: Callable[[Snapshot], Snapshot], detail: str
    ) -> tuple[int, Snapshot, Snapshot] | None:
        """Change the policy, and note the view. Returns the version and the two snapshots, if they differ."""
        seen: list[Snapshot] = []

        def noted(now: Snapshot) -> Snapshot:
            seen[:] = [now, update(now)]
            return seen[1]

        version = plugin.policy.amend(what, noted, detail)
        before, after = seen
        if before == after:
            return None
        self._made.append((version, view))
        return version, before, after

    def _versions_of(self, view: str | None = None) -> set[int]:
        """The versions of policies that a view made, or that all views of this panel made."""
        return {version for version, by in tuple(self._made) if view in (None, by)}

    def _remember(self, step: Step) -> None:
        with self._lock:
            last = self._steps[-1] if self._steps else None
            if last is not None and step.drag and last.drag == step.drag and last.policy is step.policy:
                step = step._replace(before=last.before)  # one drag of a slider is one step
                self._steps.pop()
            self._steps.append(step)
            del self._steps[:-MOST_UNDO]

    def _last_step(self, plugin: Plugin) -> Step | None:
        return next((step for step in reversed(self._steps) if step.policy is plugin.policy), None)

    def _undo(self, plugin: Plugin, operation: messages.Undo) -> None:
        with self._lock:
            step = self._last_step(plugin)
            if step is None:
                raise PolicyError("There is nothing to undo.")
            check_step(operation, step.version, step.text)
            self._steps.remove(step)
        own = self._versions_of()

        def back(now: Snapshot) -> Snapshot:
            return taken_back(step.before, step.after, now, step.policy.narrowed_since(step.version, but_for=own))

        self._amend(plugin, operation.view, "undo", back, step.text)

    # What the kernel says -------------------------------------------------------------------------------------

    @property
    def plugin(self) -> Plugin | None:
        """The plugin that is shown; None where a runtime has none."""
        return self._shown.plugin

    def state(self) -> State:
        """The present state."""
        with self._lock:
            return self._reader.read(plugin) if (plugin := self.plugin) is not None else State()

    def push(self) -> int:
        """Send the present state. Returns its revision."""
        with self._lock:
            plugin = self.plugin
            self._watch(plugin)
            self._mark = self._full_mark(plugin)
            return self._send_state(lambda: self._encoded(plugin))

    def _encoded(self, plugin: Plugin | None) -> str:
        step = self._last_step(plugin) if plugin is not None else None
        return encoded(
            self.state(),
            choices=self._choices(),
            undo=step.text[:200] if step is not None else "",
            undo_step=step.version if step is not None else 0,
            answer=self.calls.answer,
            repeating=self.calls.repeating,
            first_tab=self._first_tab,
        )

    def _choices(self) -> tuple[Choice, ...] | None:
        choices = self._shown.choices
        if choices is None:
            return None
        return tuple(map(choice_of, choices))

    def _beat(self) -> None:
        with self._lock:
            due = self._silence >= BEAT_SECONDS
            if self._full_mark(self.plugin) != self._mark or (due and self.feed.has(_SHOWN)):
                self.push()
            elif due:
                self._send(messages.Beat())

    def _full_mark(self, plugin: Plugin | None) -> tuple[object, ...]:
        return (*self._reader.mark(plugin), self._choices(), self.calls.made, self.calls.repeating)

    # While a view is open -------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._watch(self.plugin)

    def _rest(self) -> None:
        self._watch(None)
        self.calls.stop()

    def _watch(self, plugin: Plugin | None) -> None:
        """Send changes of this plugin's policy at once, and of no other plugin's."""
        with self._lock:
            policy = plugin.policy if plugin is not None and self.feed.views else None
            if policy is self._watched:
                return
            self._unwatch()
            self._watched = policy
            self._unwatch = policy.observe(self._changed) if policy is not None else lambda: None

    def _changed(self, _: Policy) -> None:
        if threading.get_ident() not in self._acting:
            self.push()


def _cancel(plugin: Plugin, call_id: int) -> None:
    """End a call; nothing happens to one that has ended already."""
    for call in running_calls(plugin):
        if call.scope.call_id == call_id:
            call.scope.cancel("by the panel")


# The widget ----------------------------------------------------------------------------------------------------


def make_panel(source: Plugin | Runtime, show: str | None = None, scale: float = 1.0) -> AnyWidget:
    """The live panel of a plugin, or of a runtime and all its plugins.

    Parameters
    ----------
    source : Plugin or Runtime
    show : str, optional
        The tab to open first: ``running``, ``calls``, ``log``, ``audit`` or ``call``.
    scale : float
        How large everything is drawn, 0.5 to 4; 1.6 suits a projector.

    Raises
    ------
    ValueError
        No such tab, or no such scale.
    """
    tab = show or TABS[0]
    if tab not in TABS:
        raise ValueError(f"a panel has no tab {tab!r}.{did_you_mean(tab, TABS)}")
    scale = check_scale(scale, *SCALES)
    panel: AnyWidget = _panel_class()(lambda send: PanelSession(source, send, tab), scale)
    return panel


@functools.cache
def _panel_class() -> type[Any]:
    kind = live_widget("panel", ("panel/panel.css",))

    class Panel(kind):  # type: ignore[misc, valid-type]  # its class is made when the first one is asked for
        """A plugin's live panel. `session` is its kernel half; `close` ends it."""

        def __repr__(self) -> str:
            plugin = self.session.plugin
            return f"<Panel of {plugin.name if plugin is not None else 'a runtime without plugins'}>"

        def _live(self, **options: Any) -> Any:
            self.session.announce()
            return super()._live(**options)

    return Panel
