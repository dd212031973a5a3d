"""Compares what the core was compiled with against what wasmtime-py declares: functions, callbacks and structs.

wasmtime-py makes its declarations from Wasmtime's headers with every release, so they say what the loaded library
expects. Which releases fit is decided here, line by line, and not by their number: `make wasmtime` tries another one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import Structure
from importlib.metadata import version
from typing import Any

from judicia_notebook.engine.core.library import Core

_POINTERS: tuple[type, ...] = (ctypes._Pointer, ctypes._CFuncPtr, ctypes.c_void_p, ctypes.c_char_p)  # type: ignore[attr-defined]  # typeshed hides _CFuncPtr
_IN_C: dict[str, Any] = {
    "bool": ctypes.c_bool,
    "_Bool": ctypes.c_bool,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    **{f"{sign}int{bits}_t": getattr(ctypes, f"c_{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def check_functions(core: Core, bindings: Any) -> None:
    """Compare the types of every function of Wasmtime that C calls, and of every callback that C gives to it.

    Parameters
    ----------
    core : Core
        The loaded library.
    bindings : module
        ``wasmtime._bindings``.

    Raises
    ------
    ImportError
        With the first difference, as the two sides have it.
    """
    for name, result, arguments in core.imports():
        declared = getattr(bindings, f"_{name}", None)
        if declared is None:
            raise _refusal(f"has no C function {name}")
        _compare(name, result, arguments, declared.restype, declared.argtypes)
    for place, result, arguments in core.callbacks():
        kind = _callback_type(bindings, place)
        # ctypes has no callbacks that return a pointer; wasmtime-py writes them as size_t.
        returned = ctypes.c_void_p if kind._restype_ is ctypes.c_size_t and result.endswith("*") else kind._restype_
        _compare(place, result, arguments, returned, kind._argtypes_)


def check_structure(ours: type[Structure], name: str, bindings: Any) -> None:
    """Compare a struct with wasmtime-py's of that name: each field's offset and size; names may differ.

    Raises
    ------
    ImportError
        With both layouts.
    """
    theirs = getattr(bindings, name, None)
    if theirs is None:
        raise _refusal(f"has no struct {name}")
    if (expected := _places(ours)) != (found := _places(theirs)):
        raise _refusal(f"lays out {name} as {found}, and judicia_notebook expects {expected}")


def _compare(name: str, result: str, arguments: str, their_result: Any, their_arguments: Sequence[Any]) -> None:
    ours = f"{_spell_c(result)} ({', '.join(_spell_c(argument) for argument in _split(arguments))})"
    theirs = f"{_spell(their_result)} ({', '.join(map(_spell, their_arguments))})"
    if ours != theirs:
        raise _refusal(f"declares {name} as {theirs}, and judicia_notebook's core calls it as {ours}")


def _callback_type(bindings: Any, place: str) -> Any:
    """The declaration at ``FUNCTION ARGUMENT`` (counted from 0) or ``STRUCT FIELD``."""
    owner, part = place.split(" ")
    try:
        if part.isdecimal():
            return getattr(bindings, f"_{owner}").argtypes[int(part)]
        return next(field[1] for field in getattr(bindings, owner)._fields_ if field[0] == part)
    except (AttributeError, IndexError, StopIteration) as error:
        raise _refusal(f"declares no callback at {place}") from error


def _split(arguments: str) -> list[str]:
    """The arguments' types in a C declaration such as ``(void *store, uint64_t fuel)``."""
    inside = arguments.strip()[1:-1]
    return [] if inside == "void" else [_without_name(argument) for argument in inside.split(",")]


def _without_name(argument: str) -> str:
    return "*" if "*" in argument else " ".join(argument.split()[:-1])


def _spell_c(written: str) -> str:
    if "*" in written:
        return "pointer"
    return "nothing" if written == "void" else _spell(_IN_C[written.removeprefix("const ")])


def _spell(kind: Any) -> str:
    """What a C compiler passes for a ctypes class: what differs here differs in a register or on the stack."""
    if kind is None:
        return "nothing"
    if issubclass(kind, _POINTERS):
        return "pointer"
    if not issubclass(kind, ctypes._SimpleCData):
        return f"{kind.__name__} by value"
    if kind is ctypes.c_bool:
        return "bool"
    code: str = kind._type_  # as in the module `struct`
    family = "float" if code in "fd" else "uint" if code.isupper() else "int"
    return f"{family}{8 * ctypes.sizeof(kind)}"


def _places(structure: type[Structure]) -> str:
    fields = [getattr(structure, field[0]) for field in structure._fields_]
    return f"{[(field.offset, field.size) for field in fields]} in {ctypes.sizeof(structure)} bytes"


def _refusal(what: str) -> ImportError:
    return ImportError(
        f"the installed wasmtime {version('wasmtime')} {what}: install one that judicia_notebook's pyproject.toml names"
    )
