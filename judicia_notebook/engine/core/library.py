"""Finds the core's library, checks it and loads it. Importing never compiles: ``make core`` does.

Two handles of the one file: calls through `Core.free` release Python's lock, calls through `Core.held` keep it, which
costs a three-hundredth where another thread computes (a released lock is given back at the end of that thread's turn).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import POINTER, Structure, c_char_p, c_uint32, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judicia_notebook.engine.core import sources


class Field(Structure):
    """``jc_field``"""

    c_name = "jc_field"
    _fields_ = [("name", c_char_p), ("offset", c_uint32), ("size", c_uint32)]


class Layout(Structure):
    """``jc_layout``"""

    c_name = "jc_layout"
    _fields_ = [("name", c_char_p), ("size", c_uint32), ("fields", POINTER(Field))]


class Import(Structure):
    """``jc_import``"""

    c_name = "jc_import"
    _fields_ = [("name", c_char_p), ("result", c_char_p), ("arguments", c_char_p)]


@dataclass(frozen=True, slots=True)
class Build:
    """What the library says of itself."""

    path: Path
    digest: str
    variant: str
    target: str
    compiler: str

    def __str__(self) -> str:
        kind = "" if self.variant == "release" else f", {self.variant}"
        return f"{self.path.name} {self.digest[:12]} for {self.target}, by {self.compiler}{kind}"


class Core:
    """The loaded library."""

    def __init__(self, build: Build, free: ctypes.CDLL, held: ctypes.PyDLL) -> None:
        self.build = build
        self.free = free
        self.held = held
        self._layouts = self._read_layouts()
        self._kept: list[Any] = []
        for structure in (Field, Layout, Import):
            self.check_layout(structure)

    def function(self, name: str, result: Any, *arguments: Any, held: bool = False) -> Callable[..., Any]:
        """A handle of one C function with its types; ``held`` keeps Python's lock during the call."""
        try:
            function = (self.held if held else self.free)[name]
        except AttributeError as error:
            raise ImportError(f"{self.build.path} has no function {name}") from error
        function.restype, function.argtypes = result, arguments
        return function

    def check_layout(self, structure: type[Structure], name: str | None = None) -> None:
        """Compare a ctypes class with the struct that the library was compiled with, field by field.

        Parameters
        ----------
        structure : type
            Its attribute ``c_name`` is the struct's name in C.
        name : str, optional
            That name, for a class that is not ours.

        Raises
        ------
        ImportError
            With the first difference.
        """
        c_name = name or structure.c_name
        if c_name not in self._layouts:
            raise ImportError(f"{self.build.path} has no layout of {c_name}: add its table to layouts.c")
        size, theirs = self._layouts[c_name]
        ours = [_describe(structure, field[0]) for field in structure._fields_]
        for mine, compiled in zip(ours, theirs, strict=False):
            if mine != compiled:
                raise ImportError(f"{c_name}: Python has {_spell(mine)}, {self.build.path.name} has {_spell(compiled)}")
        if (len(ours), ctypes.sizeof(structure)) != (len(theirs), size):
            raise ImportError(
                f"{c_name}: Python has {len(ours)} fields in {ctypes.sizeof(structure)} bytes, "
                f"{self.build.path.name} has {len(theirs)} in {size}"
            )

    def keep(self, thunk: Any) -> None:
        """Keep a callback that C has got until the process ends, also if this module is imported anew meanwhile."""
        _first(self)._kept.append(thunk)

    def imports(self) -> list[tuple[str, str, str]]:
        """The functions of Wasmtime that C calls, in ``jc_bind``'s order: name, result, arguments as written in C."""
        return self._declarations("jc_imports")

    def callbacks(self) -> list[tuple[str, str, str]]:
        """The kinds of functions that Wasmtime calls: where wasmtime-py declares it, result, arguments."""
        return self._declarations("jc_callbacks")

    def _read_layouts(self) -> dict[str, tuple[int, list[tuple[str, int, int]]]]:
        return {
            layout.name.decode(): (
                layout.size,
                [(field.name.decode(), field.offset, field.size) for field in _until_nameless(layout.fields)],
            )
            for layout in _until_nameless(self.function("jc_layouts", POINTER(Layout), held=True)())
        }

    def _declarations(self, table: str) -> list[tuple[str, str, str]]:
        rows = _until_nameless(self.function(table, POINTER(Import), held=True)())
        return [(row.name.decode(), row.result.decode(), row.arguments.decode()) for row in rows]


def _until_nameless(table: Any) -> list[Any]:
    rows: list[Any] = []
    while table[len(rows)].name is not None:
        rows.append(table[len(rows)])
    return rows


def _describe(structure: type[Structure], field: str) -> tuple[str, int, int]:
    there = getattr(structure, field)
    return field, there.offset, there.size


def _spell(field: tuple[str, int, int]) -> str:
    return f"{field[0]} at {field[1]} with {field[2]} bytes"


_REMEDY = "`make core` builds it; an installed package has to be installed again"


def load(path: Path | None = None) -> Core:
    """Load the library, or say in one ImportError what is wrong with it and what puts it right.

    Parameters
    ----------
    path : Path, optional
        The library's file; by default the one in this folder.
    """
    path = path or sources.FOLDER / sources.library_name()
    _refuse_subinterpreters()
    if not path.is_file():
        raise ImportError(f"judicia_notebook's core is not built: {path} is missing. {_REMEDY}", path=str(path))
    try:
        free, held = ctypes.CDLL(str(path)), ctypes.PyDLL(str(path))
        asked = held["jc_build"]
    except (OSError, AttributeError) as error:
        raise ImportError(f"{path} is no core of judicia_notebook for this machine: {error}. {_REMEDY}") from error
    asked.restype, asked.argtypes = c_char_p, ()
    said = sources.BUILD_LINE.fullmatch((asked() or b"").decode("ascii", "replace"))
    if said is None:
        raise ImportError(f"{path} is no core of judicia_notebook: it does not say what it was built from. {_REMEDY}")
    expected = sources.digest(path.parent)
    if expected not in {None, said["digest"]}:
        raise ImportError(
            f"{path} was built from other sources than those beside it ({said['digest'][:12]}, not {expected[:12]}): "
            "run `make core`"
        )
    build = Build(path, said["digest"], said["variant"], said["target"], said["compiler"])
    return _only(Core(build, free, held))


def _refuse_subinterpreters() -> None:
    main, here = ctypes.pythonapi.PyInterpreterState_Main, ctypes.pythonapi.PyInterpreterState_Get
    main.restype = here.restype = c_void_p
    if main() != here():
        raise ImportError("judicia_notebook's engine has one state a process: no subinterpreter can import it")


def _first(core: Core) -> Core:
    """The first one that this process loaded. It hangs on `sys`, which outlives each copy of this module."""
    first: Core = sys.__dict__.setdefault("_judicia_notebook_core", core)
    return first


def _only(core: Core) -> Core:
    """Refuse a second file in one process: each would have a ticker and a signal handler. The same file is harmless."""
    first = _first(core).build
    if first.path.resolve() != core.build.path.resolve():
        raise ImportError(f"this process runs {first.path}; {core.build.path} would be a second core in it")
    if first.digest != core.build.digest:
        raise ImportError(f"{core.build.path} was built again since this process loaded it: start the process again")
    return core
