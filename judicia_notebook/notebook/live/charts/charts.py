"""The live charts: memory and CPU of running calls against their limits, host calls by capability, and outcomes.

A `ChartSession` is the kernel's half and knows no widget; its page is ``charts.js``, which keeps the last half minute
and draws it. The charts change nothing, so they have nothing to confirm: changes are the panel's.

- The feed takes a frame ten times a second while a view is open (see `feed`). A frame is some hundred bytes. While
  nothing happens the kernel sends a frame a second, which also says that the kernel is there.
- A view that opens later gets the frames that the others have seen, in messages of some KiB.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from judicia_notebook.errors import PolicyError
from judicia_notebook.notebook.cards import Card, Grid, Line, Row
from judicia_notebook.notebook.commands import SCALES
from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.activity import recorder_of
from judicia_notebook.notebook.live.charts.frames import Frame, FrameReader, last_outcomes
from judicia_notebook.notebook.live.readings import tally_calls, tally_host_calls
from judicia_notebook.notebook.live.session import LiveSession, Send
from judicia_notebook.notebook.live.shown_plugin import ShownPlugin
from judicia_notebook.notebook.live.widget import check_scale, live_widget
from judicia_notebook.policy.quotas import KINDS
from judicia_notebook.units import format_count, format_size, format_time

if TYPE_CHECKING:
    from anywidget import AnyWidget

    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.runtime import Runtime

FRAME_SECONDS = 1 / 10
QUIET_SECONDS = 1.0
WINDOW_SECONDS = 30.0
_FRAMES_A_MESSAGE = 30


class Shown(NamedTuple):
    """What the page is told of the plugin it shows."""

    plugin: str
    state: str
    choices: tuple[str, ...] | None


class ChartSession(LiveSession):
    """The kernel's half of live charts.

    Parameters
    ----------
    source : Plugin or Runtime
        Its activity is drawn; with a runtime the page can choose among its plugins.
    send : callable
        ``send(message)``: to all views.
    """

    def __init__(self, source: Plugin | Runtime, send: Send) -> None:
        self._shown = ShownPlugin(source)
        self._recorder = self._shown.recorder
        self._reader: FrameReader | None = None
        self._last: Shown | None = None
        self._epoch = 0  # frames of different epochs are of different plugins
        self._mark: tuple[object, ...] = ()
        self._frames: deque[Frame] = deque(maxlen=int(WINDOW_SECONDS / FRAME_SECONDS))
        super().__init__(send, FRAME_SECONDS)

    def _operate(self, operation: messages.Operation) -> int:
        if not isinstance(operation, messages.Choose):
            raise PolicyError("Charts only show; nothing can be changed here.")
        self._shown.choose(operation.plugin)
        self._beat()
        return self._revision  # charts have no states: `About` is the answer

    # What the kernel says -------------------------------------------------------------------------------------

    def _open(self) -> None:
        """The first view came: begin with what happens from now on."""
        with self._lock:
            self._last, self._reader = None, None

    def _beat(self) -> None:
        with self._lock:
            plugin = self._shown.plugin
            self._tell_about(plugin)
            reader = self._reader
            if plugin is None or reader is None:
                return
            mark = reader.mark(plugin)
            if mark == self._mark and self._silence < QUIET_SECONDS:
                return
            self._mark = mark
            frame = reader.read(plugin)
            self._frames.append(frame)
            self._send_frames([frame])

    def _tell_about(self, plugin: Plugin | None) -> Shown:
        """Tell the page the plugin, where that is news, and begin anew where it is another plugin."""
        name, choices = plugin.name if plugin is not None else "", self._shown.choices
        names = None if choices is None else tuple(choice.name for choice in choices)
        shown, last = Shown(name, plugin.state if plugin is not None else "", names), self._last
        if shown == last:
            return shown
        if self._reader is None or last is None or last.plugin != name:
            self._epoch += 1
            self._frames.clear()
            self._reader = FrameReader(self._recorder, name)
        self._last = shown
        self._send_about(shown)
        return shown

    def _send_about(self, shown: Shown, view: str = "") -> None:
        about = messages.About(
            view=view,
            epoch=self._epoch,
            window=WINDOW_SECONDS,
            outcomes=last_outcomes(self._recorder, shown.plugin),
            plugin=shown.plugin,
            state=shown.state,
            choices=None if shown.choices is None else list(shown.choices),
        )
        self._send(about)

    def _welcome(self, view: str) -> None:
        """A view opened: everything that the others know."""
        with self._lock:
            self._send_about(self._tell_about(self._shown.plugin), view)
            frames = list(self._frames)
            for first in range(0, len(frames), _FRAMES_A_MESSAGE):
                self._send_frames(frames[first : first + _FRAMES_A_MESSAGE], view)

    def _send_frames(self, frames: Iterable[Frame], view: str = "") -> None:
        text = msgspec.json.encode(list(frames)).decode()
        self._send(messages.Frames(view=view, epoch=self._epoch, frames=text))

    # Where there is no kernel -----------------------------------------------------------------------------------

    def card(self) -> Card:
        """The numbers as they are now, as a table."""
        plugin = self._shown.plugin
        if plugin is None:
            return Card("Charts of no plugin", "", (Line("To load one:", "%plugin load example:checker"),))
        return chart_card(plugin)


def chart_card(plugin: Plugin) -> Card:
    """The card that charts leave behind: the plugin's last call against its limits, and its calls so far."""
    recorder, last, quota = recorder_of(plugin), plugin.last, plugin.policy.quota
    memory = format_size(last.memory_peak_bytes) if last is not None and last.memory_peak_bytes is not None else "–"
    cpu = format_time(last.cpu_ms / 1e3) if last is not None else "–"
    used = (("memory", memory, _limit("memory", quota.memory)), ("CPU", cpu, _limit("cpu", quota.cpu)))
    parts: list[Row | Grid] = [Grid(("", "last call", "limit"), used)]
    outcomes = tally_calls(recorder).counts()
    ended = tuple((outcome, format_count(n)) for (name, outcome), n in sorted(outcomes.items()) if name == plugin.name)
    host = tally_host_calls(recorder).counts()
    rows = tuple(
        (capability or "no capability", decision, format_count(n))
        for (name, capability, decision), n in sorted(host.items())
        if name == plugin.name
    )
    if rows:
        parts.append(Grid(("host calls of", "decision", "count"), rows))
    parts.append(Grid(("outcome", "calls"), ended) if ended else Row("calls", "none yet"))
    return Card(f"Charts of {plugin.name}", plugin.state, tuple(parts))


def _limit(kind: str, value: Any) -> str:
    return KINDS[kind].format(value if isinstance(value, int | float) else None, none="none of its own")


def make_charts(source: Plugin | Runtime, scale: float = 1.0) -> AnyWidget:
    """Live charts of a plugin, or of a runtime and whichever of its plugins is chosen.

    Parameters
    ----------
    source : Plugin or Runtime
    scale : float
        How large everything is drawn, 0.5 to 4; 1.6 suits a projector.

    Raises
    ------
    ValueError
        No such scale.
    """
    kind = live_widget("charts", ("panel/panel.css", "charts/charts.css"))
    charts: AnyWidget = kind(lambda send: ChartSession(source, send), check_scale(scale, *SCALES))
    return charts
