"""Which wasmtime fits is decided by what it declares: functions, callbacks and structs, and never by its number."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest
from wasmtime import _bindings

from judicia_notebook.engine import capi
from judicia_notebook.engine.core import CORE, bindings


def test_the_number_of_the_release_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capi, "VERSION", "99.0.0")
    capi.check_library()


@pytest.mark.parametrize("name", [name for name, _, _ in CORE.imports()])
def test_a_function_with_other_types_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function = getattr(_bindings, f"_{name}")
    monkeypatch.setattr(function, "argtypes", [*function.argtypes, ctypes.c_uint32])
    with pytest.raises(ImportError, match=rf"declares {name} as .*, uint32\), and judicia_notebook's core calls it as"):
        capi.check_library()


@pytest.mark.parametrize(
    ("result", "arguments"),
    [
        (None, [ctypes.c_void_p, ctypes.c_uint64]),
        (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_uint32]),
        (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int64]),
        (ctypes.c_void_p, [ctypes.c_uint64, ctypes.c_void_p]),
        (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_double]),
        (ctypes.c_void_p, [ctypes.c_void_p, _bindings.wasmtime_func_t]),
    ],
    ids=["no result", "narrower", "signed", "swapped", "a float", "a struct by value"],
)
def test_each_difference_that_a_register_would_show_is_seen(
    result: Any, arguments: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = _bindings._wasmtime_context_set_fuel
    monkeypatch.setattr(function, "restype", result)
    monkeypatch.setattr(function, "argtypes", arguments)
    with pytest.raises(ImportError, match="declares wasmtime_context_set_fuel as"):
        capi.check_library()


def test_a_function_that_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_bindings, "_wasmtime_context_set_fuel")
    with pytest.raises(ImportError, match="has no C function wasmtime_context_set_fuel"):
        capi.check_library()


def test_a_callback_that_is_called_with_other_types_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    function = _bindings._wasmtime_store_epoch_deadline_callback
    tick = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)
    monkeypatch.setattr(function, "argtypes", [function.argtypes[0], tick, *function.argtypes[2:]])
    with pytest.raises(ImportError, match=r"declares wasmtime_store_epoch_deadline_callback 1 as pointer .*uint64"):
        capi.check_library()


def test_a_callback_whose_place_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Creator(ctypes.Structure):
        _fields_ = _bindings.wasmtime_memory_creator._fields_[::2]

    monkeypatch.setattr(_bindings, "wasmtime_memory_creator", Creator)
    with pytest.raises(ImportError, match="declares no callback at wasmtime_memory_creator new_memory"):
        bindings.check_functions(CORE, _bindings)


class Turned(ctypes.Structure):
    """As large as a ``wasmtime_extern``, and laid out differently."""

    _fields_ = [("of", ctypes.c_uint64 * 3), ("kind", ctypes.c_uint8)]


def test_a_struct_of_the_same_size_with_its_fields_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ctypes.sizeof(Turned) == ctypes.sizeof(_bindings.wasmtime_extern)
    monkeypatch.setattr(_bindings, "wasmtime_extern", Turned)
    with pytest.raises(ImportError, match=r"lays out wasmtime_extern as \[\(0, 24\), \(24, 1\)\] in 32 bytes"):
        capi.check_library()


def test_a_struct_that_is_gone_is_refused() -> None:
    with pytest.raises(ImportError, match="has no struct wasmtime_extern"):
        bindings.check_structure(Turned, "wasmtime_extern", SimpleNamespace())
