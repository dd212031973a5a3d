"""The package inside IPython: magics, completion, and how its objects look. A leaf: nothing else imports it.

Knows the public API and IPython. `load` and `unload` are what ``%load_ext`` and ``%unload_ext`` come down to; the
shared runtime and its plugins belong to the kernel and stay through ``%reload_ext``. `show_objects` is what importing
the package inside IPython comes down to: figures, plugins and frames look as they do with the extension loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

_installed: WeakKeyDictionary[Any, dict[str, Callable[[], None]]] = WeakKeyDictionary()
_PARTS = ("magics", "completion", "reprs", "notification_cards")


def load(shell: Any) -> None:
    """Put magics, completion, reprs and notifications into an IPython shell. A second time changes nothing."""
    _install(shell, _PARTS)


def show_objects(shell: Any) -> None:
    """Put the reprs alone into an IPython shell."""
    _install(shell, ("reprs",))


def _install(shell: Any, parts: tuple[str, ...]) -> None:
    there = _installed.setdefault(shell, {})
    for name in parts:
        if name not in there:
            there[name] = import_module(f"{__name__}.{name}").install(shell)


def unload(shell: Any) -> None:
    """Take everything out again that `load` put in; the runtime and its plugins stay."""
    for remove in _installed.pop(shell, {}).values():
        remove()
