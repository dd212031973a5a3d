"""How the package's objects are displayed: which type has which card, and how a card gets into a cell.

It registers the types by name, so that loading the extension imports none of them, nor matplotlib. In the same way it
registers three foreign types:

- a bare matplotlib ``Figure``, which would otherwise have no PNG until pyplot has been imported;
- a DataFrame: no page sets TeX in a frame that holds texts of plugins. Other frames look as ever;
- a box of ipywidgets: live views in it leave snapshots before it. Other boxes look as ever.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import style
from judicia_notebook.notebook import diagnostic_cards, memory_cards, object_cards
from judicia_notebook.notebook.cards import Card
from judicia_notebook.notebook.live import snapshots
from judicia_notebook.notebook.policy_cards import policy_card, quota_card
from judicia_notebook.text import INERT_CLASSES, PLUGIN_TEXT

if TYPE_CHECKING:
    from judicia_notebook.runtime.handle import CallHandle
    from judicia_notebook.runtime.plugin import Plugin


def _handle_card(handle: CallHandle) -> Card:
    from judicia_notebook.notebook.live.call_card.call_card import handle_card

    return handle_card(handle)


_HANDLE = ("judicia_notebook.runtime.handle", "CallHandle")
_CARDS: dict[tuple[str, str], Callable[[Any], Card]] = {
    ("judicia_notebook.runtime.plugin", "Plugin"): object_cards.plugin_card,
    ("judicia_notebook.runtime.outcome", "Outcome"): object_cards.outcome_card,
    ("judicia_notebook.runtime.wasi_command", "RunResult"): object_cards.run_card,
    ("judicia_notebook.analysis.bench", "Bench"): object_cards.bench_card,
    ("judicia_notebook.analysis.runs.comparison", "Comparison"): object_cards.comparison_card,
    ("judicia_notebook.analysis.runs.run", "Run"): object_cards.saved_run_card,
    ("judicia_notebook.runtime.runtime", "Runtime"): object_cards.runtime_card,
    ("judicia_notebook.runtime.inspection", "Inspection"): object_cards.inspection_card,
    ("judicia_notebook.errors", "BuildError"): diagnostic_cards.error_card,
    ("judicia_notebook.errors", "CheckFailed"): object_cards.check_card,
    ("judicia_notebook.experiments.checks.result", "Checked"): object_cards.check_card,
    ("judicia_notebook.policy.quotas", "Quota"): quota_card,
    ("judicia_notebook.policy.policy", "Policy"): policy_card,
    ("judicia_notebook.engine.guest_memory", "GuestMemory"): memory_cards.memory_card,
    ("judicia_notebook.engine.memory_dump", "MemoryDump"): memory_cards.dump_card,
    ("judicia_notebook.engine.memory_view", "MemoryView"): memory_cards.view_card,
    ("judicia_notebook.engine.memory_view", "MemoryPages"): memory_cards.pages_card,
    ("judicia_notebook.runtime.plugin_memory", "Globals"): memory_cards.globals_card,
    _HANDLE: _handle_card,
}
_FIGURE = ("matplotlib.figure", "Figure")
_BOX = ("ipywidgets.widgets.widget_box", "Box")  # and what is derived from it: tabs, accordions, grids
_FRAMES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"))  # as pandas 3 and 2 call it


def show(card: Card) -> None:
    """Display a card in the running cell."""
    from IPython import display

    publish: Callable[..., Any] = display.display
    publish({"text/plain": card.text(), "text/html": card.html()}, raw=True)


def show_plugin(plugin: Plugin) -> None:
    """Display a plugin's card in the running cell."""
    show(object_cards.plugin_card(plugin))


def show_handle(handle: CallHandle) -> None:
    """Display a call in the background, as a card that keeps itself up to date."""
    from judicia_notebook.notebook.live.call_card.call_card import make_handle_card

    card: Any = make_handle_card(handle)
    card._ipython_display_()
    # A saved notebook has no kernel to ask, and keeps the last snapshot: so that must show the end.
    handle.add_done_callback(lambda _: card.refresh())


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
        bundles = shell.display_formatter.mimebundle_formatter
        bundles.for_type_by_name(*_BOX, snapshots.box_bundle)
        undo.append(lambda: _forget(bundles, _BOX, snapshots.box_bundle))

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
