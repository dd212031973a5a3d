"""The package inside IPython: magics, completion, and how its objects look. A leaf: nothing else imports it.

Knows the public API and IPython. `load` and `unload` are what ``%load_ext`` and ``%unload_ext`` come down to; the
shared runtime and its plugins belong to the kernel and stay through ``%reload_ext``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

_installed: WeakKeyDictionary[Any, list[Callable[[], None]]] = WeakKeyDictionary()


def load(shell: Any) -> None:
    """Put magics, completion, reprs and notifications into an IPython shell. A second time changes nothing."""
    if shell in _installed:
        return
    from judicia_notebook.notebook import completion, magics, notices, reprs

    _installed[shell] = [part.install(shell) for part in (magics, completion, reprs, notices)]


def unload(shell: Any) -> None:
    """Take everything out again that `load` put in; the runtime and its plugins stay."""
    for remove in _installed.pop(shell, ()):
        remove()
