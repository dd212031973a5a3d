"""The functions of ``calls.h``, bound: what runs a guest releases Python's lock, everything quick keeps it.

Beside a computing Python thread a call that releases the lock waits for that thread's turn to end, 168 us on average.
So the lock is released for guests, and for nothing else.
"""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from judicia_notebook.engine.core import CORE
from judicia_notebook.engine.core.structs import SHARED, Sample

for _structure in SHARED:
    CORE.check_layout(_structure)

HOST_FUNCTION = CFUNCTYPE(None, c_uint64, c_uint64, c_void_p, c_uint64)
"""(box, import, slots, count)"""
SIGNAL_FUNCTION = CFUNCTYPE(None, c_uint64)
"""(box)"""


def _quick(name: str, result: Any, *arguments: Any) -> Any:
    return CORE.function(name, result, *arguments, held=True)


def _guest(name: str, *arguments: Any) -> Any:
    return CORE.function(name, c_int, *arguments)


_P = c_void_p
start = _quick("jc_start", c_int, HOST_FUNCTION, SIGNAL_FUNCTION)
watch_engine = _quick("jc_watch_engine", c_int, _P)
close_door = _quick("jc_close_door", c_int64)

limits_new = _quick("jc_limits_new", _P)
limits_publish = _quick("jc_limits_publish", None, _P, POINTER(c_int64))
limits_free = _quick("jc_limits_free", None, _P)
pool_new = _quick("jc_pool_new", _P, c_int64)
pool_release = _quick("jc_pool_release", None, _P)
call_new = _quick("jc_call_new", _P, c_int64, c_int64, _P, _P, _P, _P)
call_free = _quick("jc_call_free", None, _P)
call_limit = _quick("jc_call_limit", None, _P, c_int64, c_int32, _P)
call_start = _quick("jc_call_start", None, _P)
cancel = _quick("jc_cancel", None, _P, c_int64)
look = _quick("jc_look", c_int, _P)
look_at_time = _quick("jc_look_at_time", c_int, _P)

box_new = _quick("jc_box_new", _P, _P, c_uint64, _P, _P)
box_close = _quick("jc_box_close", None, _P)
box_release = _quick("jc_box_release", None, _P)
enter = _quick("jc_enter", c_int, _P, _P, c_int64)
leave = _quick("jc_leave", None, _P)
fuel_used = _quick("jc_fuel_used", c_int64, _P)
instantiate = _guest("jc_instantiate", _P, _P, _P, c_size_t)
run = _guest("jc_run", _P, _P, _P, c_size_t)
exchange = _guest("jc_exchange", _P, _P, c_char_p, c_uint64)
exchange_end = _guest("jc_exchange_end", _P)
write = _guest("jc_write", _P, c_char_p, c_uint64)
loop_make = _guest("jc_loop_make", _P, _P, _P)
loop_run = _guest("jc_loop_run", _P, _P, _P, c_uint32)
trampoline = _quick("jc_trampoline", _P)
memory_creator = _quick("jc_memory_creator", _P)
memory_recycled = _quick("jc_memory_recycled", c_int64)

samples_new = _quick("jc_samples_new", _P, c_int64, c_int64)
samples_release = _quick("jc_samples_release", None, _P)
samples_add = _quick("jc_samples_add", None, _P, POINTER(Sample))
samples_end = _quick("jc_samples_end", c_int64, _P)
samples_count = _quick("jc_samples_count", c_int64, _P)
samples_dropped = _quick("jc_samples_dropped", c_int64, _P)
samples_read = _quick("jc_samples_read", c_int64, _P, c_int64, c_int64, _P, POINTER(c_int64))
samples_clear = _quick("jc_samples_clear", None, _P)

ticker_state = _quick("jc_ticker_state", _P)
ticker_wake = _quick("jc_ticker_wake", c_int)

signals_learn = _quick("jc_signals_learn", None, c_int)
signals_watch = _quick("jc_signals_watch", None, POINTER(c_int), c_size_t)
signals_handled = _quick("jc_signals_handled", None, c_uint64)
signals_keep = _quick("jc_signals_keep", None, c_int)
signals_put_back = _quick("jc_signals_put_back", None)
signals_stand = _quick("jc_signals_stand", None)
signals_seen = _quick("jc_signals_seen", c_int64)

_bind = _quick("jc_bind", c_int, POINTER(c_void_p), c_size_t)


def bind(library: Any) -> None:
    """Hand Wasmtime's functions to the core, from the handle of the library that wasmtime-py has loaded.

    Raises
    ------
    ImportError
        The library lacks one, or this process already runs the core with another library.
    """
    names = [name for name, _, _ in CORE.imports()]
    try:
        found = [ctypes.cast(library[name], c_void_p).value for name in names]
    except AttributeError as error:
        raise ImportError(f"the installed wasmtime has no C function that the core calls: {error}") from error
    if _bind((c_void_p * len(found))(*found), len(found)):
        raise ImportError("the core of this process was bound to another copy of wasmtime")
