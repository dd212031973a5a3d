"""The builtins of `python.h`: functions of the core that Python calls without ctypes between, in a tenth of the time.

Small messages and calls need them. They are made of Python's stable ABI, whose functions the core gets by address.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import POINTER, Structure, c_char_p, c_int, c_size_t, c_void_p, py_object
from typing import Any, Final

from judicia_notebook.engine.core import CORE

_FASTCALL = 0x80  # METH_FASTCALL


class _Method(Structure):
    """Python's ``PyMethodDef``."""

    _fields_ = [("name", c_char_p), ("function", c_void_p), ("flags", c_int), ("doc", c_char_p)]


_new = ctypes.PYFUNCTYPE(py_object, POINTER(_Method), py_object, py_object)(("PyCFunction_NewEx", ctypes.pythonapi))


def make(name: str, own: Any = None, library: ctypes.PyDLL = CORE.held) -> Callable[..., Any]:
    """A builtin of a function that the core exports as ``jc_python_`` and this name.

    Parameters
    ----------
    name : str
    own : object, optional
        What C gets as ``self``.
    library : ctypes.PyDLL, optional
        Another build of the core.
    """
    address = ctypes.cast(library[f"jc_python_{name}"], c_void_p).value
    method = _Method(name.encode(), address, _FASTCALL, None)
    CORE.keep(method)  # which the builtin goes on to read
    made: Callable[..., Any] = _new(method, own, __name__)
    return made


def bind(library: ctypes.PyDLL = CORE.held) -> bool:
    """Hand Python's functions to the core; whether its objects are as the core knows them.

    Raises
    ------
    ImportError
        This Python lacks one of them.
    """
    listed = ctypes.PYFUNCTYPE(POINTER(c_char_p))(("jc_python_names", library))()
    names: list[str] = []
    while (name := listed[len(names)]) is not None:
        names.append(name.decode())
    try:
        addresses = [ctypes.cast(ctypes.pythonapi[name], c_void_p).value for name in names]
    except AttributeError as error:
        raise ImportError(f"this Python has no function that judicia_notebook's core calls: {error}") from error
    take = ctypes.PYFUNCTYPE(c_int, POINTER(c_void_p), c_size_t)(("jc_python_bind", library))
    status = take((c_void_p * len(names))(*addresses), len(names))
    if status < 0:
        raise ImportError("judicia_notebook's core does not take the functions of this Python")
    return bool(status == 0)


def _unknown(_data: bytes, _value: Any, _max_depth: int) -> bool:
    """``is_exact`` where Python has no lock: another thread could change the value while C looks at it."""
    return False


def _never(_value: Any) -> bool:
    """``is_small`` in the same case."""
    return False


KNOWS_OBJECTS: Final = bind()
"""Whether the core can look into Python's objects; not in a Python without the lock."""

is_exact: Final[Callable[[bytes, Any, int], bool]] = make("is_exact") if KNOWS_OBJECTS else _unknown
"""``(data, value, max_depth)``: whether JSON says exactly what a value holds, so deep at most.

False may also mean unknown.
"""

is_small: Final[Callable[[Any], bool]] = make("is_small") if KNOWS_OBJECTS else _never
"""Whether the JSON of a value is short for certain, and there is room for it now."""

is_limited: Final[Callable[[], bool]] = make("is_limited")
"""Whether the system lets this process have so much memory and no more, now."""

walk: Final[Callable[[int, bytes, int, int, int, int, int], Any]] = make("walk")
"""``(way, request, call_id, parent, signals, began_ns, key)``: a call that the core makes alone (``core/walk.c``).

The answer in bytes, as a number or a tuple of numbers, or None; or ``functions.NOT_TAKEN`` or ``functions.FAILED``.
"""

add_row: Final[Callable[..., int]] = make("add_row")
"""``(rows, place, *numbers)``: write a row; its position. -1: the place is no more, or the chunk is full.

-2: there are no rows any more, in a forked child, or a row has another number of numbers.
"""

add_host_row: Final[Callable[[int, int, int, int], int]] = make("add_host_row")
"""``(rows, place, bytes_in, bytes_out)``: write the row of the host call that this thread is in, which is timed since
the core entered Python; its position, or below 0 as for `add_row`.
"""

refuse_again: Final[Callable[..., None]] = make("refuse_again")
"""``(rows, place, denied, until_ns, most_calls, answer, fail)``: have the core refuse an import from now on.

It is the one that this thread's host call is for. `answer` is bytes for the guest, and ``fail(status)`` raises the
error where it has no room for them; or a number, and None. Until ``perf_counter_ns`` is `until_ns`, the call has made
`most_calls`, or the plugin's limits are published anew.
"""

take_raised: Final[Callable[[int], BaseException | None]] = make("take_raised")
"""``(call)``: the exception that ended a host function or a signal's handler inside this ``jc_call``, once."""

host_call_key: Final[Callable[[], int]] = make("host_call_key")
"""The key of the box in whose host call this thread is; 0 for none."""

write: Final[Callable[[int, bytes], int]] = make("write")
"""``(box, data)``: copy into room that the guest's allocator gives; the address there, or a `Status`, negated."""

publish: Final[Callable[[int, int, int], int]] = make("publish")
"""``(way, call_id, key)``: write the row of such a call; its position, or -1: the key has to be exchanged first."""

abandon: Final[Callable[[int, int, int], None]] = make("abandon")
"""``(way, call_id, key)``: end such a call where Python cannot, and give all back; its row gets this key."""
