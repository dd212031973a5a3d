"""Wasmtime's C API through ctypes: the one file that touches wasmtime-py's private names.

This file takes its own handles of the functions that make, compile and explain. What runs while a call runs is called
by the core alone, which gets the functions' addresses from `library` (``core/wasmtime.h`` has the list).

wasmtime-py changes every month, and its private names with it. So `check_library` compares names, layouts and types at
import and says what is wrong, and the engine calls a small module through every hot path before it runs a plugin.
Whether a release fits is decided by that, and not by its number; ``make wasmtime VERSION=n`` tries one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_bool,
    c_char_p,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from importlib.metadata import version as installed_version
from typing import Any, NamedTuple

from wasmtime import _bindings

from judicia_notebook.engine.core import CORE, bindings

VERSION = installed_version("wasmtime")
SLOT = 16
"""Bytes of one ``wasmtime_val_raw_t``: arguments and results share an array of these."""


class ByteVector(Structure):
    """``wasm_byte_vec_t``"""

    _fields_ = [("size", c_size_t), ("data", c_void_p)]


class PointerVector(Structure):
    """``wasm_frame_vec_t``, ``wasm_valtype_vec_t``"""

    _fields_ = [("size", c_size_t), ("data", POINTER(c_void_p))]


class Func(Structure):
    """``wasmtime_func_t``"""

    _fields_ = [("store", c_uint64), ("private", c_void_p)]


class Instance(Structure):
    """``wasmtime_instance_t``"""

    _fields_ = [("store", c_uint64), ("private", c_size_t)]


class Extern(Structure):
    """``wasmtime_extern_t``: a kind and a union whose largest members are 24 bytes."""

    _fields_ = [("kind", c_uint8), ("of", c_uint64 * 3)]


EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_TABLE, EXTERN_MEMORY = range(4)


class Value(Structure):
    """``wasmtime_val_t``: a kind and a union whose largest members are 24 bytes."""

    _fields_ = [("kind", c_uint8), ("of", c_uint64 * 3)]


class LinearMemory(Structure):
    """``wasmtime_linear_memory_t``"""

    _fields_ = [("env", c_void_p), ("get", c_void_p), ("grow", c_void_p), ("finalize", c_void_p)]


class MemoryCreator(Structure):
    """``wasmtime_memory_creator_t``"""

    _fields_ = [("env", c_void_p), ("new", c_void_p), ("finalize", c_void_p)]


class ProfiledModule(Structure):
    """``wasmtime_guestprofiler_modules_t``: the address of a name, and a module."""

    _fields_ = [("name", c_void_p), ("module", c_void_p)]


def check_library() -> None:
    """Refuse an installed wasmtime whose C API is not the one that this file and the core were written for.

    Raises
    ------
    ImportError
        With the first difference: a struct's layout, or the types of a function or a callback.
    """
    theirs = {
        "wasmtime_func": Func,
        "wasmtime_instance": Instance,
        "wasmtime_extern": Extern,
        "wasmtime_val": Value,
        "wasmtime_linear_memory": LinearMemory,
        "wasmtime_memory_creator": MemoryCreator,
        "wasm_byte_vec_t": ByteVector,
        "wasmtime_guestprofiler_modules": ProfiledModule,
    }
    for name, ours in theirs.items():
        bindings.check_structure(ours, name, _bindings)
    bindings.check_functions(CORE, _bindings)


check_library()
_dll = library = _bindings.dll  # type: ignore[attr-defined]


def _function(name: str) -> Any:
    try:
        return _dll[name]  # a fresh handle each time: wasmtime-py's own keeps its argtypes
    except AttributeError as error:
        raise ImportError(f"wasmtime {VERSION} has no C function {name}") from error


def _function_of(name: str, restype: Any, *argtypes: Any) -> Callable[..., Any]:
    function = _function(name)
    function.argtypes, function.restype = argtypes, restype
    return function  # type: ignore[no-any-return]


_P, _N = c_void_p, c_size_t
config_new = _function_of("wasm_config_new", _P)
engine_new = _function_of("wasm_engine_new_with_config", _P, _P)
memory_creator_set = _function_of("wasmtime_config_host_memory_creator_set", None, _P, _P)
module_new = _function_of("wasmtime_module_new", _P, _P, c_char_p, _N, POINTER(_P))
module_validate = _function_of("wasmtime_module_validate", _P, _P, c_char_p, _N)
module_clone = _function_of("wasmtime_module_clone", _P, _P)
module_delete = _function_of("wasmtime_module_delete", None, _P)
module_image_range = _function_of("wasmtime_module_image_range", None, _P, POINTER(_P), POINTER(_P))
module_serialize = _function_of("wasmtime_module_serialize", _P, _P, POINTER(ByteVector))
module_deserialize = _function_of("wasmtime_module_deserialize", _P, _P, c_char_p, _N, POINTER(_P))
module_deserialize_file = _function_of("wasmtime_module_deserialize_file", _P, _P, c_char_p, POINTER(_P))
linker_new = _function_of("wasmtime_linker_new", _P, _P)
linker_delete = _function_of("wasmtime_linker_delete", None, _P)
linker_define_func = _function_of(
    "wasmtime_linker_define_func_unchecked", _P, _P, c_char_p, _N, c_char_p, _N, _P, _P, _P, _P
)
linker_unknown_as_traps = _function_of("wasmtime_linker_define_unknown_imports_as_traps", _P, _P, _P)
linker_instantiate_pre = _function_of("wasmtime_linker_instantiate_pre", _P, _P, _P, POINTER(_P))
instance_pre_delete = _function_of("wasmtime_instance_pre_delete", None, _P)
instance_pre_module = _function_of("wasmtime_instance_pre_module", _P, _P)
instance_export = _function_of(
    "wasmtime_instance_export_get", c_bool, _P, POINTER(Instance), c_char_p, _N, POINTER(Extern)
)
global_get = _function_of("wasmtime_global_get", None, _P, _P, POINTER(Value))
_global_set = _function_of("wasmtime_global_set", _P, _P, _P, POINTER(Value))
_value_unroot = _function_of("wasmtime_val_unroot", None, POINTER(Value))
memory_data = _function_of("wasmtime_memory_data", _P, _P, _P)
error_delete = _function_of("wasmtime_error_delete", None, _P)
_error_message = _function_of("wasmtime_error_message", None, _P, POINTER(ByteVector))
_error_trace = _function_of("wasmtime_error_wasm_trace", None, _P, POINTER(PointerVector))
trap_delete = _function_of("wasm_trap_delete", None, _P)
_trap_code = _function_of("wasmtime_trap_code", c_bool, _P, POINTER(c_uint8))
_trap_message = _function_of("wasm_trap_message", None, _P, POINTER(ByteVector))
_trap_trace = _function_of("wasm_trap_trace", None, _P, POINTER(PointerVector))
_frame_index = _function_of("wasm_frame_func_index", c_uint32, _P)
_frame_offset = _function_of("wasm_frame_module_offset", _N, _P)
_frame_name = _function_of("wasmtime_frame_func_name", POINTER(ByteVector), _P)
_frames_delete = _function_of("wasm_frame_vec_delete", None, POINTER(PointerVector))
_bytes_delete = _function_of("wasm_byte_vec_delete", None, POINTER(ByteVector))
_valtype_new = _function_of("wasm_valtype_new", _P, c_uint8)
_valtypes_new = _function_of("wasm_valtype_vec_new", None, POINTER(PointerVector), _N, POINTER(_P))
_functype_new = _function_of("wasm_functype_new", _P, POINTER(PointerVector), POINTER(PointerVector))
functype_delete = _function_of("wasm_functype_delete", None, _P)
_wat2wasm = _function_of("wasmtime_wat2wasm", _P, c_char_p, _N, POINTER(ByteVector))
guestprofiler_new = _function_of(
    "wasmtime_guestprofiler_new", _P, _P, POINTER(ByteVector), c_uint64, POINTER(ProfiledModule), _N
)
guestprofiler_delete = _function_of("wasmtime_guestprofiler_delete", None, _P)
guestprofiler_finish = _function_of("wasmtime_guestprofiler_finish", _P, _P, POINTER(ByteVector))

VALUE_KINDS = {"i32": 0, "i64": 1, "f32": 2, "f64": 3}
REFERENCE_KINDS = {"externref": 128, "funcref": 129}
_KINDS = {**VALUE_KINDS, **REFERENCE_KINDS}


def config_set(config: int, name: str, value: bool | int) -> None:
    """``wasmtime_config_NAME_set`` for a switch or a size."""
    setter = _function_of(f"wasmtime_config_{name}_set", None, _P, c_bool if isinstance(value, bool) else c_uint64)
    setter(config, value)


def config_set_choice(config: int, name: str, value: int) -> None:
    """``wasmtime_config_NAME_set`` for a C enumeration."""
    _function_of(f"wasmtime_config_{name}_set", None, _P, c_uint8)(config, value)


def take_bytes(vector: ByteVector) -> bytes:
    """Copy a byte vector that is ours, and free it."""
    data = ctypes.string_at(vector.data, vector.size) if vector.size else b""
    _bytes_delete(byref(vector))
    return data


def take_error(error: int) -> str:
    """Read the message of an error that is ours, and free the error."""
    vector = ByteVector()
    _error_message(error, byref(vector))
    error_delete(error)
    return take_bytes(vector).decode("utf-8", "replace")


def _read_name(name: ByteVector) -> str:
    """A name that stays the library's; a guest chose it, so it is cut."""
    return ctypes.string_at(name.data, min(name.size, 1000)).decode("utf-8", "replace")


class Frame(NamedTuple):
    """A function of the guest's that was running: its index, its name, and the byte of the module where it was."""

    function: int
    name: str | None
    offset: int


def _take_frames(frames: PointerVector) -> list[Frame]:
    found: list[Frame] = []
    for position in range(min(frames.size, 64)):
        frame = frames.data[position]
        name = _frame_name(frame)
        read = _read_name(name.contents) if name else None
        found.append(Frame(_frame_index(frame), read, _frame_offset(frame)))
    _frames_delete(byref(frames))
    return found


def take_trap(trap: int) -> tuple[int | None, str, list[Frame]]:
    """Code (None for a host's own), message and frames, innermost first; the trap is freed."""
    code, message, frames = c_uint8(), ByteVector(), PointerVector()
    has_code = _trap_code(trap, byref(code))
    _trap_message(trap, byref(message))
    _trap_trace(trap, byref(frames))
    found = _take_frames(frames)
    trap_delete(trap)  # only now: the frames point into it
    return (code.value if has_code else None), take_bytes(message).decode("utf-8", "replace"), found


def take_error_frames(error: int) -> tuple[str, list[Frame]]:
    """Message and frames of an error that is ours; it is freed."""
    frames = PointerVector()
    _error_trace(error, byref(frames))
    found = _take_frames(frames)
    return take_error(error), found


def read_global(context: int, item: Extern) -> tuple[int, bytes]:
    """The kind of a global's value, as in `VALUE_KINDS`, and the value's 16 bytes; a reference is let go of."""
    value = Value()
    global_get(context, ctypes.addressof(item) + Extern.of.offset, byref(value))
    data = bytes(value.of)[:16]
    if value.kind not in VALUE_KINDS.values():
        _value_unroot(byref(value))
    return value.kind, data


def write_global(context: int, item: Extern, kind: int, data: bytes) -> str:
    """Set a global; empty, or the reason why Wasmtime refuses it."""
    value = Value(kind, (c_uint64 * 3).from_buffer_copy(data.ljust(24, b"\0")))
    error = _global_set(context, ctypes.addressof(item) + Extern.of.offset, byref(value))
    return take_error(error) if error else ""


def new_functype(params: tuple[str, ...], results: tuple[str, ...]) -> int:
    """A ``wasm_functype_t`` that is ours, from ``i32 i64 f32 f64 externref funcref``."""

    def vector(kinds: tuple[str, ...]) -> PointerVector:
        array = (c_void_p * len(kinds))(*[_valtype_new(_KINDS[kind]) for kind in kinds])
        made = PointerVector()
        _valtypes_new(byref(made), len(kinds), array)
        return made

    functype: int = _functype_new(byref(vector(params)), byref(vector(results)))
    return functype


def wat_to_wasm(text: bytes) -> bytes:
    """Assemble WAT.

    Raises
    ------
    ValueError
        With the assembler's message, which points at line and column.
    """
    vector = ByteVector()
    error = _wat2wasm(text, len(text), byref(vector))
    if error:
        raise ValueError(take_error(error))
    return take_bytes(vector)
