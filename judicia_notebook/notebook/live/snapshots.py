"""What a live view leaves behind where no kernel answers: how things stood at a moment, as HTML that says at which.

Knows cards and IPython, and neither widgets nor plugins. It is the only module that writes a live view into a notebook.

- JupyterLab shows one form of an output. In a notebook that it trusts this is the widget, also when the widget's model
  is gone, and then it shows an error. So a snapshot is an output of its own, before the output of the live view. A rule
  of style takes an output away that has a widget's place and no widget in it.
- The page of a live view takes its snapshot out of sight once the kernel has answered it (``snapshot.js``).
- A snapshot that is out of date is replaced when a cell ends, when a page has changed something, and when a view is
  closed. No live view is drawn anew by that. A saved notebook, and one that nbconvert executes, so hold the last one.
- A live view that is a child of another widget has no output of its own. So IPython asks `box_bundle` how a box is
  shown, which puts a snapshot of each live view in it before the box. What comes into the box later has none.
- A snapshot never says what is in force now, only what was at its moment.
"""

from __future__ import annotations

import html
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from judicia_notebook.notebook.cards import Card
from judicia_notebook.text import INERT_CLASSES, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_FOLLOWED = 64
"""Of the views that a kernel has shown, so many of the newest have snapshots that follow it."""

# A snapshot waits a second on a screen: a live view that takes its place comes before that, and nothing jumps. In print
# and where a page strips styles it is there at once.
_STYLE = """<style>
@media screen {
  [data-judicia-snapshot] { animation: judicia-snapshot 1s; }
}
@keyframes judicia-snapshot { from, 99% { position: absolute; visibility: hidden; } }
.jp-OutputArea-child:has([data-judicia-snapshot])
  + .jp-OutputArea-child:has(> .jp-OutputArea-output.lm-Panel):not(:has(> .jp-OutputArea-output > .lm-Widget)) {
  display: none;
}
</style>"""

_HANDOUT_STYLE = """<style>
:root:has(> body > .judicia-handout) { color-scheme: light dark; }
.judicia-handout { max-width: 60em; margin: 2em auto; padding: 0 1em; font: 15px/1.45 system-ui, sans-serif; }
.judicia-handout :is(h1, h2) { display: inline; overflow-wrap: anywhere; }
.judicia-handout table { max-width: 100%; font-variant-numeric: tabular-nums; }
.judicia-handout td { overflow-wrap: anywhere; }
.judicia-handout section + section { margin-top: 2em; }
@media print {
  .judicia-handout { margin: 0; font-size: 10pt; }
  .judicia-handout tr { break-inside: avoid; }
}
</style>"""
# It loads nothing and runs nothing, whatever a text in it may be.
_INERT = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_log = logging.getLogger(__name__)


def sentence(moment: datetime) -> str:
    """What stands below a snapshot."""
    at = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"Snapshot of {at}. It says how things stood then, and not how they stand now."


def bundle(card: Card, key: str = "") -> dict[str, str]:
    """A card as it is now, as text and HTML that say when that was; `key` is what its live view knows it by."""
    said = sentence(datetime.now(UTC))
    muted = "color: var(--jp-ui-font-color2, inherit); opacity: 0.85"
    style = _STYLE if key else ""
    made = (
        f'<div data-judicia-snapshot="{html.escape(key)}" class="{INERT_CLASSES}">{style}{card.html()}'
        f'<div style="{muted}">{html.escape(said)}</div></div>'
    )
    return {"text/plain": f"{card.text()}\n  {said}", "text/html": made}


def handout(cards: tuple[Card, ...], title: str) -> str:
    """Cards as they are now, as one document that needs nothing else and does nothing."""
    first, *others = cards
    sections = [first.html("h1"), *(card.html("h2") for card in others)]
    body = "".join(f"<section>{section}</section>" for section in sections)
    said = html.escape(sentence(datetime.now(UTC)))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_INERT}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(printable(title, 200))}</title>{_HANDOUT_STYLE}</head>"
        f'<body><main class="judicia-handout">{body}<p>{said}</p></main></body></html>\n'
    )


def unseen(titles: Iterable[str]) -> str:
    """What stands in the place of live views where a page shows no widgets."""
    shown = ", ".join(printable(title, 160) for title in titles)
    return f"Live view: {shown}. It is shown only where the kernel that made it answers."


class Snapshot:
    """The snapshot of one live view.

    Parameters
    ----------
    card : callable
        The present state.
    """

    def __init__(self, card: Callable[[], Card]) -> None:
        self.key = secrets.token_hex(8)
        self._card = card
        self._lock = threading.RLock()  # re-entrant: a signal handler may change the policy while it is held
        self._shown: Card | None = None

    def show(self, live: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        """Display the snapshot in the running cell, and the live view after it."""
        from IPython import display, get_ipython

        publish: Callable[..., Any] = display.display
        if not hasattr(get_ipython(), "kernel"):
            publish(bundle(self._card()), raw=True)  # a terminal shows no widgets, and would write each snapshot anew
            return
        text = unseen([self.leave().title])
        publish({**live, "text/plain": text}, raw=True, metadata=dict(metadata or {}))

    def leave(self) -> Card:
        """Display the snapshot alone in the running cell, before an output that has the live view in it."""
        from IPython import display, get_ipython

        publish: Callable[..., Any] = display.display
        card = self._card()
        with self._lock:
            self._shown = card
            publish(bundle(card, self.key), raw=True, display_id=self.key)
        _following(get_ipython()).add(self)
        return card

    def refresh(self) -> None:
        """Replace the snapshot in the notebook if the state is another one. Raises nothing."""
        try:
            with self._lock:
                if self._shown is None or (card := self._card()) == self._shown:
                    return
                from IPython import display

                self._shown = card
                publish: Callable[..., Any] = display.update_display
                publish(bundle(card, self.key), display_id=self.key, raw=True)
        except Exception:  # the change of a policy must not fail because its picture does
            _log.debug("A snapshot was not brought up to date.", exc_info=True)


class LeavesSnapshot:
    """What a widget is that leaves a snapshot behind where it is displayed."""

    _left_behind: Snapshot

    def _live(self) -> tuple[Mapping[str, Any], ...]:
        """The output of the live view alone, and its metadata, if it has some."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Bring the snapshot in the notebook up to date."""
        self._left_behind.refresh()

    def _ipython_display_(self) -> None:
        self._left_behind.show(*self._live())

    def leave(self) -> str:
        """Display its snapshot alone, before the widget that it is in; returns its title."""
        return self._left_behind.leave().title


def box_bundle(box: Any) -> Any:
    """What a widget shows that may have live views among its children; their snapshots are displayed before it."""
    from IPython import get_ipython

    shown = box._repr_mimebundle_()
    views = [] if isinstance(box, LeavesSnapshot) else _views_in(box)
    if not views or not shown or not hasattr(get_ipython(), "kernel"):
        return shown
    try:
        titles = [view.leave() for view in views]
    except Exception:  # what is the user's is displayed in any case
        _log.debug("Views in a box left no snapshots.", exc_info=True)
        return shown
    data, metadata = shown if isinstance(shown, tuple) else (shown, {})
    return {**data, "text/plain": unseen(titles)}, metadata


def _views_in(box: Any) -> list[LeavesSnapshot]:
    """The live views among the children of a widget and theirs, each once, in their order."""
    found: list[LeavesSnapshot] = []
    seen, waiting = {id(box)}, [*reversed(box.children)]
    while waiting:
        child = waiting.pop()
        if id(child) in seen:
            continue
        seen.add(id(child))
        if isinstance(child, LeavesSnapshot):
            found.append(child)
        else:
            waiting += reversed(getattr(child, "children", ()))
    return found


class _Following:
    """The snapshots that a shell brings up to date after each cell."""

    def __init__(self) -> None:
        self._snapshots: deque[Snapshot] = deque(maxlen=MOST_FOLLOWED)

    def add(self, snapshot: Snapshot) -> None:
        if snapshot not in self._snapshots:
            self._snapshots.append(snapshot)

    def forget(self, snapshot: Snapshot) -> None:
        if snapshot in self._snapshots:
            self._snapshots.remove(snapshot)

    def refresh(self, _: object = None) -> None:
        for snapshot in tuple(self._snapshots):
            snapshot.refresh()


_shells: WeakKeyDictionary[Any, _Following] = WeakKeyDictionary()


def _following(shell: Any) -> _Following:
    there = _shells.get(shell)
    if there is None:
        there = _shells[shell] = _Following()
        shell.events.register("post_run_cell", there.refresh)
    return there


def close(snapshot: Snapshot) -> None:
    """Bring a snapshot up to date for the last time."""
    snapshot.refresh()
    for following in tuple(_shells.values()):
        following.forget(snapshot)
