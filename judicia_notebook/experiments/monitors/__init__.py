"""The monitors, one a file: a file of the name of the monitor, with one class that is a `Monitor`.

Adding one is adding its file. Its frame is the attribute of that name of what `Plugin.monitor` gives, and its section
is in ``docs/columns.md``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    from judicia_notebook.experiments.monitoring.monitor import Monitor

DEFAULT: Final = ("functions", "coverage")


@cache
def monitor_names() -> tuple[str, ...]:
    """The names of all monitors.

    Examples
    --------
    >>> "coverage" in monitor_names()
    True
    """
    return tuple(sorted(found.name for found in pkgutil.iter_modules(__path__)))


@cache
def monitor_class(name: str) -> type[Monitor]:
    """The class of a monitor.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    from judicia_notebook.experiments.monitoring.monitor import Monitor

    if name not in monitor_names():
        raise ValueError(f"there is no monitor {name[:80]!r}.{did_you_mean(name[:80], monitor_names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    found = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Monitor)]
    return next(each for each in found if getattr(each, "name", "") == name)


def read_what(what: str | Iterable[str]) -> tuple[str, ...]:
    """The monitors that are asked for, each once, sorted: a text with commas, or several.

    Raises
    ------
    ValueError
        There is no such monitor, one of them twice, none at all, or an option means nothing.
    TypeError
        They are no texts.

    Examples
    --------
    >>> read_what("functions, coverage"), read_what(["edges"])
    (('coverage', 'functions'), ('edges',))
    """
    asked: Any = what
    found = what.split(",") if isinstance(what, str) else list(asked) if isinstance(asked, Iterable) else [asked]
    if not all(isinstance(part, str) for part in found):
        raise TypeError(f"what= is the names of monitors, not {printable(repr(what), 80)}")
    parts = [part.strip() for part in found]
    wanted = tuple(sorted({part for part in parts if part}))
    if not wanted:
        raise ValueError(f"what= names the monitors: {', '.join(monitor_names())}")
    make_monitors(wanted)
    return wanted


def make_monitors(what: Iterable[str]) -> dict[str, Monitor]:
    """New monitors by their names, of texts such as ``coverage`` and ``watch=fib``.

    Raises
    ------
    ValueError
    """
    found: dict[str, Monitor] = {}
    for text in what:
        name, _, option = text.partition("=")
        kind = monitor_class(name.strip())
        if kind.name in found:
            raise ValueError(f"the monitor {kind.name} is asked for twice")
        try:
            found[kind.name] = kind(option.strip())
        except ValueError as error:
            raise ValueError(f"the monitor {kind.name} {error}") from None
    return found
