"""Each call of some functions, with its arguments and its result, up to a bound."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, ClassVar, Final

from judicia_notebook.experiments.monitoring.monitor import CallEnd, Kit, Monitor
from judicia_notebook.text import did_you_mean
from judicia_notebook.wasm.encoding import leb128, signed_leb128
from judicia_notebook.wasm.rewriting.counter_memory import CounterMemory
from judicia_notebook.wasm.rewriting.instrument import FunctionBody, Instrument, LeavePoint
from judicia_notebook.wasm.rust_symbols import demangle

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts
    from judicia_notebook.wasm.info import FuncType, ModuleInfo

MOST_CALLS: Final = 10_000
"""Of all functions together that are kept, of one call of the host's and of all."""
_MOST_ROW: Final = 1 << 12
_ENTRY, _HOW = 0, {1: "return", 2: "tail call", 3: "throw"}
_ZERO, _ADD, _LESS, _IF, _END = b"\x41\0", b"\x6a", b"\x49", b"\x04\x40", b"\x0b"
_STORES: Final = {
    "i32": b"\x36\x42",
    "i64": b"\x37\x43",
    "f32": b"\x38\x42",
    "f64": b"\x39\x43",
    "v128": b"\xfd\x0b\x44",
}
_FORMATS: Final = {"i32": "<i", "i64": "<q", "f32": "<f", "f64": "<d"}


def _size(kind: str) -> int:
    return 16 if kind == "v128" else 8


class CallRecorder(Instrument):
    """Writes arguments and results of some functions into a record, until it is full.

    Parameters
    ----------
    functions : tuple of str
        Names of exports, names as people read them or as the file has them, or indexes.

    Attributes
    ----------
    record, row : int
        Where the record is, and the bytes of its rows: a header, and a number for each argument or result.
    used, total : int
        Where the bytes in use are, and the number of all rows there would be.
    types : dict of int to FuncType
        Of the functions, by index.
    """

    name: ClassVar[str] = "watch"

    def __init__(self, functions: tuple[str, ...]) -> None:
        super().__init__()
        self.functions = functions
        self.types: dict[int, FuncType] = {}
        self.record = self.row = self.used = self.total = 0

    @property
    def options(self) -> tuple[object, ...]:
        """See `Instrument.options`."""
        return self.functions

    def prepare(self, module: ModuleInfo, memory: CounterMemory) -> None:
        """See `Instrument.prepare`; ValueError where a function is not there."""
        self.types = {
            index: module.functions[index] for name in self.functions for index in find_functions(module, name)
        }
        sizes = [sum(map(_size, kinds)) for each in self.types.values() for kinds in (each.params, each.results)]
        self.row = 8 + max(sizes, default=0)
        if self.row > _MOST_ROW:
            raise ValueError(f"a watched function has more than {_MOST_ROW} bytes of arguments or results")
        self.used, self.total = memory.reserve(8), memory.reserve(8)
        self.record = memory.reserve(2 * MOST_CALLS * self.row)

    def _written(self, body: FunctionBody, kind: int, values: list[tuple[str, bytes | None]]) -> bytes:
        """Code that adds a row."""
        memory = body.memory
        place = leb128(memory.index)
        at = body.get("i32", "watched")
        code = at + b"\x42" + signed_leb128(body.function * 4 + kind) + memory.store(self.record)
        offset = self.record + 8
        for type_, value in values:
            if value is not None and type_ in _STORES:
                code += at + value + _STORES[type_] + place + leb128(offset)
            offset += _size(type_)
        more = _ZERO + at + b"\x41" + signed_leb128(self.row) + _ADD + memory.store(self.used, 4)
        is_room = _ZERO + memory.load(self.used, 4) + body.tee("i32", "watched")
        is_room += b"\x41" + signed_leb128(2 * MOST_CALLS * self.row) + _LESS
        return is_room + _IF + code + more + _END + memory.bump(self.total)

    def entry(self, body: FunctionBody) -> bytes:
        """See `Instrument.entry`."""
        kind = self.types.get(body.function)
        if kind is None:
            return b""
        return self._written(
            body, _ENTRY, [(type_, b"\x20" + leb128(place)) for place, type_ in enumerate(kind.params)]
        )

    def leave(self, body: FunctionBody, point: LeavePoint) -> bytes:
        """See `Instrument.leave`."""
        kind = self.types.get(body.function)
        if kind is None:
            return b""
        how = next(number for number, text in _HOW.items() if text == point.how)
        results = [(type_, point.result(place)) for place, type_ in enumerate(kind.results)] if how == 1 else []
        return self._written(body, how, results)

    def read(self, memory: bytes) -> tuple[list[tuple[int, int, tuple[Any, ...]]], int]:
        """The rows: a function, what happened, numbers; and how many more there would be."""
        used = int.from_bytes(memory[self.used : self.used + 4], "little")
        total = int.from_bytes(memory[self.total : self.total + 8], "little")
        found = []
        for at in range(self.record, self.record + used, self.row):
            (header,) = struct.unpack_from("<q", memory, at)
            function, kind = header >> 2, header & 3
            types = self.types[function].params if kind == _ENTRY else self.types[function].results
            found.append((function, kind, _numbers(memory, at + 8, types) if kind < 2 else ()))
        return found, total - len(found)


def _numbers(memory: bytes, at: int, types: tuple[str, ...]) -> tuple[Any, ...]:
    """Integers are signed; a vector is 16 bytes, and a reference None."""
    found: list[Any] = []
    for kind in types:
        if kind == "v128":
            found.append(memory[at : at + 16])
        else:
            found.append(struct.unpack_from(_FORMATS[kind], memory, at)[0] if kind in _FORMATS else None)
        at += _size(kind)
    return tuple(found)


def find_functions(module: ModuleInfo, name: str) -> list[int]:
    """The indexes of the defined functions of a name; several where it was compiled for several types.

    Raises
    ------
    ValueError
        There is none.
    """
    imported = sum(each.kind == "func" for each in module.imports)
    exported = {each.index: each.name for each in module.exports if each.kind == "func"}
    indexes = range(imported, len(module.functions))
    if name.isdecimal() and int(name) in indexes:
        return [int(name)]
    names = {index: module.names.get(index, "") for index in indexes}
    for known in (exported, names, {index: demangle(text) for index, text in names.items()}):
        found = [index for index, text in known.items() if text == name and index in indexes]
        if found:
            return found
    there = {*exported.values(), *(demangle(text) for text in names.values() if text)}
    raise ValueError(f"watch: the module defines no function {name[:200]!r}.{did_you_mean(name[:200], there)}")


class _Watched:
    """Calls, each with its function, depth, arguments, how it ended and its result; and how many events were lost."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.lost = 0


class Watch(Monitor):
    """A row for each call of the watched functions, in the order in which they began."""

    name = "watch"
    about = "each call of a named function, with arguments and result"
    takes = "the function, or several with | between"
    keys = ()
    numbers = ()

    def __init__(self, option: str = "") -> None:
        super().__init__(option)
        self._functions = tuple(dict.fromkeys(part.strip() for part in option.split("|") if part.strip()))
        if not self._functions:
            raise ValueError("takes the name of a function: watch=fib")

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        self._recorder = kit.get(CallRecorder, self._functions)

    def start(self) -> _Watched:
        """See `Monitor.start`."""
        return _Watched()

    def collect(self, state: _Watched, memory: bytes, end: CallEnd) -> None:  # noqa: ARG002
        """See `Monitor.collect`: a call that did not end has neither result nor how."""
        rows, lost = self._recorder.read(memory)
        open_calls: list[list[Any]] = []
        state.lost += lost
        for function, kind, numbers in rows:
            if kind == _ENTRY:
                call = [function, len(open_calls), numbers, None, None]
                open_calls.append(call)
                if len(state.calls) < MOST_CALLS:
                    state.calls.append(call)
                else:
                    state.lost += 1
            elif open_calls:
                open_calls.pop()[3:] = _HOW[kind], (numbers[0] if len(numbers) == 1 else numbers or None)

    def frame(self, counts: Counts, state: _Watched) -> pd.DataFrame:
        """See `Monitor.frame`."""
        import numpy as np
        import pandas as pd

        from judicia_notebook.records.columns import objects

        calls = state.calls
        columns = {
            "call": np.arange(1, len(calls) + 1),
            "depth": np.array([call[1] for call in calls], "i8"),
            "arguments": objects(call[2] for call in calls),
            "ended": pd.Series([call[3] for call in calls], dtype="str"),
            "result": objects(call[4] for call in calls),
        }
        functions = [call[0] for call in calls]
        made = counts.frame(functions, [counts.first_offset(each) for each in functions], columns)
        made.attrs["dropped"] = state.lost
        return made
