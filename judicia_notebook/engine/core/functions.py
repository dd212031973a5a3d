"""The functions of ``calls.h``, bound: what runs a guest releases Python's lock, everything quick keeps it.

Beside a computing Python thread a call that releases the lock waits for that thread's turn to end, 168 us on average.
So the lock is released for guests, and for nothing else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import (
    POINTER,
    c_bool,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
    py_object,
)
from typing import Any

from judicia_notebook.engine.core import CORE
from judicia_notebook.engine.core.structs import SHARED, Column, Sample, Template, Walker

for _structure in SHARED:
    CORE.check_layout(_structure)


def _quick(name: str, result: Any, *arguments: Any) -> Any:
    return CORE.function(name, result, *arguments, held=True)


def _guest(name: str, *arguments: Any) -> Any:
    return CORE.function(name, c_int, *arguments)


_P = c_void_p
start = _quick("jc_start", c_int, py_object, py_object, py_object)
watch_engine = _quick("jc_watch_engine", c_int, _P, c_bool, c_bool)
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

box_new = _quick("jc_box_new", _P, _P, _P, _P)
box_close = _quick("jc_box_close", None, _P)
box_hold = _quick("jc_box_hold", None, _P)
box_release = _quick("jc_box_release", None, _P)
box_asking = _quick("jc_box_asking", _P, c_uint64)
instance_number = _quick("jc_instance_number", c_int64)
enter = _quick("jc_enter", c_int, _P, _P)
leave = _quick("jc_leave", None, _P)
fuel_used = _quick("jc_fuel_used", c_int64, _P)
instantiate = _guest("jc_instantiate", _P, _P, _P, _P, c_size_t)
run = _guest("jc_run", _P, _P, _P, c_size_t)
exchange = _guest("jc_exchange", _P, _P, c_char_p, c_uint64)
exchange_end = _guest("jc_exchange_end", _P)
loop_make = _guest("jc_loop_make", _P, _P, _P)
loop_run = _guest("jc_loop_run", _P, _P, _P, c_uint32)
trampoline = _quick("jc_trampoline", _P)
memory_creator = _quick("jc_memory_creator", _P)
memory_recycled = _quick("jc_memory_recycled", c_int64)

slots_new = _quick("jc_slots_new", _P, c_int64)
slots_release = _quick("jc_slots_release", None, _P)
slots_bound = _quick("jc_slots_bound", None, _P, c_int64, c_int64, c_bool)
slots_take = _quick("jc_slots_take", c_int64, _P, c_bool)
slots_admit = _quick("jc_slots_admit", c_int64, _P)
slots_pick = _quick("jc_slots_pick", c_int64, _P)
slots_unqueue = _quick("jc_slots_unqueue", None, _P)
slots_give = _quick("jc_slots_give", c_int, _P, _P, c_bool)
slots_surplus = _quick("jc_slots_surplus", c_int64, _P)
slots_renew = _quick("jc_slots_renew", c_int64, _P, c_int64, c_bool)
slots_drain = _quick("jc_slots_drain", c_int64, _P)
slots_hold = _quick("jc_slots_hold", None, _P, _P)
slots_count = _quick("jc_slots_count", None, _P, c_int64, c_int64)
slots_idle = _quick("jc_slots_idle", c_int64, _P)
slots_walkers = _quick("jc_slots_walkers", c_int64, _P, POINTER(Walker), c_int64)
slots_last = _quick("jc_slots_last", c_int64, _P)
slots_box = _quick("jc_slots_box", _P, _P, c_int64)
slots_note_start = _quick("jc_slots_note_start", None, _P, c_int64, c_bool)
slots_start = _quick("jc_slots_start", c_int64, _P)

rows_new = _quick("jc_rows_new", _P, POINTER(Column), c_uint32, c_uint32, c_uint32, c_int64)
rows_release = _quick("jc_rows_release", None, _P)
rows_open = _quick("jc_rows_open", None, _P, c_int64, _P, c_int64, c_int64)
rows_close = _quick("jc_rows_close", c_int64, _P, c_int64)
rows_filled = _quick("jc_rows_filled", c_int64, _P, c_int64)
rows_is_full = _quick("jc_rows_is_full", c_bool, _P, c_int64)
rows_put = _quick("jc_rows_put", c_int64, _P, c_int64, c_char_p)

way_new = _quick(
    "jc_way_new",
    _P,
    _P,
    _P,
    _P,
    c_int64,
    c_int64,
    c_char_p,
    c_uint64,
    c_int32,
    c_char_p,
    c_char_p,
    POINTER(Template),
)
way_free = _quick("jc_way_free", None, _P)
walk_find = _quick("jc_walk_find", _P, _P, c_int64)
walk_adopt = _quick("jc_walk_adopt", _P, _P, c_int64)
walk_halve = _quick("jc_walk_halve", _P, _P, c_int64)
stack_left = _quick("jc_stack_left", c_int64)
host_new = _quick("jc_host_new", _P, c_uint64, py_object, c_char_p, c_char_p, c_bool)
host_forget = _quick("jc_host_forget", None, _P)
host_finalizer = _quick("jc_host_finalizer", _P)
traps_handled_by = _quick("jc_traps_handled_by", None, _P)

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
watch_calls = _quick("jc_watch_calls", c_int, c_int, c_int, c_int64, c_char_p, c_size_t)

signals_learn = _quick("jc_signals_learn", None, c_int)
signals_watch = _quick("jc_signals_watch", None, POINTER(c_int), c_size_t)
signals_handled = _quick("jc_signals_handled", None, c_uint64)
signals_keep = _quick("jc_signals_keep", None, c_int)
signals_put_back = _quick("jc_signals_put_back", None)
signals_stand = _quick("jc_signals_stand", None)
signals_seen = _quick("jc_signals_seen", c_int64)

_bind = _quick("jc_bind", c_int, POINTER(c_void_p), c_size_t)
_walk_give = _quick("jc_walk_give", c_int, POINTER(c_void_p), c_size_t)

NOT_TAKEN = type("NotTaken", (), {"__repr__": lambda _: "<not taken>"})()
"""What `walk` gives where the core could not begin the call: nothing has happened."""
FAILED = type("Failed", (), {"__repr__": lambda _: "<failed>"})()
"""What it gives where the call is still inside its instance: `walk_adopt` must follow."""


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


def give(exchange_key: Callable[[Any], Any], attend: Callable[[int, int, int], Any]) -> None:
    """Hand the core the objects that a walk needs.

    Parameters
    ----------
    exchange_key : callable
        Gets the object of a ``jc_key`` whose place is no more.
    attend : callable
        Gets the pointer of a ``jc_way``, the bits of ``jc_given``, and the key of an instance that was not kept, or 0.
    """
    objects = (NOT_TAKEN, FAILED, exchange_key, attend)
    for kept in objects:
        CORE.keep(kept)
    if _walk_give((c_void_p * len(objects))(*map(id, objects)), len(objects)):
        raise ImportError("the core of this process takes other objects: start the process again")
