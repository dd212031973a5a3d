"""The package inside IPython: magics, completion, and how its objects look. A leaf: no other room imports it.

Knows the public API and IPython. ``%load_ext`` calls `load`, and ``%unload_ext`` calls `unload`. The shared runtime and
its plugins belong to the kernel and stay through ``%reload_ext``. Importing the package inside IPython calls
`show_objects`: figures, plugins, frames, checks and bars of progress then look as they do with the extension loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

_installed: WeakKeyDictionary[Any, dict[str, Callable[[], None]]] = WeakKeyDictionary()
_OBJECTS = ("reprs", "progress_lines", "check_cards")
_PARTS = ("magics", "completion", *_OBJECTS, "notification_cards")


def load(shell: Any) -> None:
    """Put magics, completion, reprs and notifications into an IPython shell. A second time changes nothing."""
    _install(shell, _PARTS)


def show_objects(shell: Any) -> None:
    """Put the reprs and the bars of progress alone into an IPython shell."""
    _install(shell, _OBJECTS)


def _install(shell: Any, parts: tuple[str, ...]) -> None:
    there = _installed.setdefault(shell, {})
    for name in parts:
        if name not in there:
            there[name] = import_module(f"{__name__}.{name}").install(shell)


def unload(shell: Any) -> None:
    """Take out everything that `load` put in; the runtime and its plugins stay."""
    for remove in _installed.pop(shell, {}).values():
        remove()
