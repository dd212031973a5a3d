"""For pytest: a fresh runtime, and a plugin of one's own in it, for each test that asks for them.

pytest loads this module at the start of every project in an environment that has this package. So it imports nothing
that takes time: the runtime's room comes with the first test that asks for a fixture. Nothing here changes a test that
asks for none.

- `judicia_runtime` is a `judicia_notebook.Runtime` for one test, closed after it.
- `judicia_plugin` is a plugin loaded into that runtime.
- Each has a marker of its own name, whose arguments are those of `Runtime` and of `Runtime.load`. Of a module, a class
  and a function, the nearest that gives an argument decides.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.runtime import Runtime

INI = "judicia_plugin"
_MARKERS = {
    "judicia_runtime(seed=None, clock='real', ceiling=None, ...)": (
        "how the fixture judicia_runtime makes its runtime: the arguments of judicia_notebook.Runtime"
    ),
    "judicia_plugin(source, grant=(), quota=None, config=None, ...)": (
        "what the fixture judicia_plugin loads: the arguments of Runtime.load. A path is relative to the test's file"
    ),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(INI, "what the fixture judicia_plugin loads where no marker says it, relative to rootdir", default="")


def pytest_configure(config: pytest.Config) -> None:
    for marker, what in _MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {what}")


@pytest.fixture
def judicia_runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """A runtime of judicia_notebook for this test alone: no plugins, no records, its data in a folder of its own.

    The marker ``judicia_runtime`` gives the arguments of `judicia_notebook.Runtime`, such as ``ceiling`` and ``seed``.
    """
    from judicia_notebook.runtime.runtime import Runtime

    arguments, options = _marked(request, "judicia_runtime")
    _check("judicia_runtime", Runtime, *arguments, **options)
    with Runtime(*arguments, **options) as runtime:
        yield runtime


@pytest.fixture
def judicia_plugin(request: pytest.FixtureRequest, judicia_runtime: Runtime) -> Plugin:
    """The plugin that the marker ``judicia_plugin`` names, or the setting ``judicia_plugin`` of pytest, loaded fresh.

    The marker's other arguments are those of ``Runtime.load``, such as ``grant``, ``quota`` and ``config``.
    """
    sources, options = _marked(request, "judicia_plugin")
    named = request.config.getini(INI)
    if len(sources) > 1:
        pytest.fail("the marker judicia_plugin takes one plugin", pytrace=False)
    if sources:
        source = _beside(sources[0], request.path.parent)
    elif named:
        source = _beside(named, request.config.rootpath)
    else:
        pytest.fail(
            "nothing says which plugin judicia_plugin is: @pytest.mark.judicia_plugin('greet.c'), or in pytest's "
            "settings judicia_plugin = greet.c",
            pytrace=False,
        )
    _check("judicia_plugin", judicia_runtime.load, source, **options)
    return judicia_runtime.load(source, **options)


def _check(marker: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """End the test where a marker's arguments do not fit what they are for."""
    try:
        inspect.signature(function).bind(*arguments, **options)
    except TypeError as error:
        pytest.fail(f"the marker {marker}: {error}", pytrace=False)


def _marked(request: pytest.FixtureRequest, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The positional and the named arguments of a test's markers of this name; the nearest marker decides."""
    options: dict[str, Any] = {}
    positional: tuple[Any, ...] = ()
    for marker in request.node.iter_markers(name):
        positional = positional or marker.args
        options = {**marker.kwargs, **options}
    return positional, options


def _beside(source: Any, folder: Path) -> Any:
    """A source, with a relative path taken from a folder. Bytes, text of WAT and examples stay as they are."""
    if isinstance(source, str) and (source.startswith("example:") or source.lstrip().startswith("(")):
        return source
    return folder / source if isinstance(source, str | Path) else source
