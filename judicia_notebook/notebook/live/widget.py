"""The common part of the live widgets: a page from a bundle of ES modules, and a session in the kernel behind it.

Knows anywidget and nothing of plugins. Only `live_widget` imports anywidget.

- Page and session exchange custom messages alone. Traits are set when a widget is made and never again: a running cell
  can hold the browser's changes of traits back for good, but not its messages.
- A page without a kernel (GitHub, nbconvert, a notebook that is opened again) shows a snapshot of the session's `card`
  (see `snapshots`). `snapshot` is the name by which a page knows the one of its widget.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from judicia_notebook.notebook.live import snapshots
from judicia_notebook.notebook.live.session import LiveSession, Send
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.notebook.cards import Card


def page_of(name: str) -> str:
    """The bundle of a page."""
    return (files(__package__) / "bundles" / f"{name}.js").read_text("utf-8")


@functools.cache
def live_widget(page: str, style: tuple[str, ...]) -> type[Any]:
    """The class of a widget whose page is this bundle, with these style sheets; one class for each page.

    It takes ``make(send)``, which makes its session, and `scale`.
    """
    import traitlets
    from anywidget import AnyWidget

    folder = files(__package__)

    class LiveWidget(snapshots.LeavesSnapshot, AnyWidget):
        """A live view. `session` is its kernel half; `close` ends it."""

        _esm = page_of(page)
        _css = "\n".join((folder / name).read_text("utf-8") for name in style)
        scale = traitlets.Float(1.0).tag(sync=True)
        snapshot = traitlets.Unicode().tag(sync=True)

        def __init__(self, make: Callable[[Send], LiveSession], scale: float = 1.0) -> None:
            self._left_behind = snapshots.Snapshot(self.card)
            super().__init__(scale=scale, snapshot=self._left_behind.key)
            self.session = make(self.send)
            self.on_msg(self._received)
            answer_where_asked(self.comm)

        def _received(self, _: object, content: object, __: object) -> None:
            if self.session.receive(content):
                self.refresh()

        def card(self) -> Card:
            """The present state, for a page without a kernel."""
            return self.session.card()

        def close(self) -> None:
            if "session" in self.__dict__:
                snapshots.close(self._left_behind)
                self.session.close()
            super().close()

        def __repr__(self) -> str:
            return f"<{printable(self.session.card().title, 160)}>"

        def _repr_mimebundle_(self, **options: Any) -> Any:
            """The view in one output, with the present state beside it."""
            shown, *metadata = self._live(**options)
            return ({**shown, **snapshots.bundle(self.card())}, *metadata)

        def _live(self, **options: Any) -> Any:
            return super()._repr_mimebundle_(**options) or ({},)  # a closed widget shows nothing by itself

    # The browser tells widgets apart by this name, and keeps one style for each: under one name they would share it.
    LiveWidget.__name__ = LiveWidget.__qualname__ = f"LiveWidget_{page}"
    return LiveWidget


def answer_where_asked(comm: Any) -> None:
    """Let the browser choose the shell of a message; some versions of ipykernel take the shell that sent last."""
    if hasattr(comm, "_reply_subshell_for"):  # private, and only in some versions of ipykernel
        comm._reply_subshell_for = lambda _, default: default  # noqa: SLF001


def check_scale(scale: float, least: float, most: float) -> float:
    """A scale that a live widget can be drawn at.

    Raises
    ------
    ValueError
    """
    if not least <= scale <= most:
        raise ValueError(f"scale is a number from {least:g} to {most:g}, not {scale!r}")
    return float(scale)
