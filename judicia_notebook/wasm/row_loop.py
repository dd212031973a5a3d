"""Writes the module that calls a function once for each row of columns: one module for each type of function.

In text it is, for ``(i32, f64) -> f64`` and with `ROWS` rows in a block::

    (module
      (type $function (func (param i32 f64) (result f64)))
      (type $loop (func (param i32)))
      (table (export "function") 1 1 funcref)      ;; element 0: the function of the rows, at first $given
      (memory (export "columns") PAGES PAGES)      ;; rows that came to their end, then one column after the other
      (func $given (export "given") (type $function) (f64.const 0))       ;; what the loop's own fuel is measured with
      (func $stopped (export "stopped") (type $function) unreachable)     ;; likewise, for a row that does not end
      (func $loop (export "loop") (type $loop)     ;; its parameter: how many rows
        (local $row i32) (local $at4 i32) (local $at8 i32) (local $result f64)
        (block (loop
          (br_if 1 (i32.ge_u (local.get $row) (local.get 0)))
          (local.set $at4 (i32.shl (local.get $row) (i32.const 2)))       ;; of columns with 4 bytes a number
          (local.set $at8 (i32.shl (local.get $row) (i32.const 3)))       ;; of those with 8
          (i32.load offset=64 (local.get $at4)) (f64.load offset=... (local.get $at8))
          (call_indirect (type $function) (i32.const 0))
          (local.set $result)
          (f64.store offset=... (local.get $at8) (local.get $result))
          (local.set $row (i32.add (local.get $row) (i32.const 1)))
          (i32.store (i32.const 0) (local.get $row))
          (br 0))))
      (elem (i32.const 0) $given))

The row is counted after its results are stored, so that whatever stops the function, its row is the one that the count
names, and all rows before it are there.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Final, NamedTuple

from judicia_notebook.wasm.encoding import (
    custom_section,
    function_body,
    function_type,
    leb128,
    name,
    section,
    sized,
    value_type,
    vector,
)

NAME: Final = "judicia row loop"
"""Of the loop in a backtrace."""

_PAGE: Final = 64 << 10
_HEAD: Final = 64
"""Bytes before the first column: the count of rows, and as many as keep the columns on lines of the cache."""

_BLOCK: Final = 512 << 10
"""Bytes of a block about: as many as stay in a processor's own cache, and take long beside what a run costs."""

_FEWEST, _MOST = 64, 64 << 10

_LOADS: Final = {"i32": 0x28, "i64": 0x29, "f32": 0x2A, "f64": 0x2B}
_STORES: Final = {"i32": 0x36, "i64": 0x37, "f32": 0x38, "f64": 0x39}
_ZEROS: Final = {"i32": b"\x41\0", "i64": b"\x42\0", "f32": b"\x43" + bytes(4), "f64": b"\x44" + bytes(8)}

_FUNCTION_TYPE, _LOOP_TYPE = 0, 1
_GIVEN, _STOPPED, _LOOP = 0, 1, 2
_COUNT, _ROW, _AT_4, _AT_8, _FIRST_RESULT = range(5)  # the loop's parameter and locals

_FUNCREF, _EMPTY = 0x70, 0x40
_UNREACHABLE, _BLOCK_BEGINS, _LOOP_BEGINS, _END, _BR, _BR_IF, _CALL_INDIRECT = 0x00, 0x02, 0x03, 0x0B, 0x0C, 0x0D, 0x11
_GET, _SET, _CONST, _GREATER_OR_EQUAL, _ADD, _SHIFT = 0x20, 0x21, 0x41, 0x4F, 0x6A, 0x74


class Column(NamedTuple):
    """A column of a block: the type of its numbers, where it begins (bytes), and the bytes of a number."""

    kind: str
    offset: int
    size: int


class RowLoop(NamedTuple):
    """A module and the layout of its memory.

    Attributes
    ----------
    wasm : bytes
    rows : int
        In a block at most.
    size : int
        Bytes of the memory.
    arguments, results : tuple of Column
    """

    wasm: bytes
    rows: int
    size: int
    arguments: tuple[Column, ...]
    results: tuple[Column, ...]


@functools.lru_cache(maxsize=64)
def write_row_loop(params: tuple[str, ...], results: tuple[str, ...]) -> RowLoop:
    """The module for functions of this type.

    Parameters
    ----------
    params, results : tuple of str
        Of ``i32``, ``i64``, ``f32`` and ``f64``.
    """
    kinds = (*params, *results)
    sizes = [int(kind[1:]) // 8 for kind in kinds]
    rows = _MOST
    while rows > _FEWEST and rows * sum(sizes) > _BLOCK:
        rows //= 2
    ends = list(itertools.accumulate((rows * size for size in sizes), initial=_HEAD))
    columns = [Column(*parts) for parts in zip(kinds, ends, sizes, strict=False)]
    arguments, answers = columns[: len(params)], columns[len(params) :]
    pages = -(-ends[-1] // _PAGE)
    wasm = b"".join(
        (
            b"\0asm\x01\0\0\0",
            section(1, [function_type(params, results), function_type(("i32",), ())]),
            section(3, [leb128(_FUNCTION_TYPE), leb128(_FUNCTION_TYPE), leb128(_LOOP_TYPE)]),
            section(4, [bytes((_FUNCREF, 1, 1, 1))]),  # 1: with a maximum
            section(5, [b"\x01" + leb128(pages) + leb128(pages)]),
            section(
                7,
                [
                    name("function") + b"\x01\0",  # table 0
                    name("columns") + b"\x02\0",  # memory 0
                    name("given") + b"\0" + leb128(_GIVEN),
                    name("stopped") + b"\0" + leb128(_STOPPED),
                    name("loop") + b"\0" + leb128(_LOOP),
                ],
            ),
            section(9, [bytes((0, _CONST, 0, _END, 1, _GIVEN))]),  # 0: active, in table 0
            section(10, [_given(results), _stopped(), _loop(arguments, answers)]),
            custom_section("name", b"\x01" + sized(vector([leb128(_LOOP) + name(NAME)]))),  # 1: names of functions
        )
    )
    return RowLoop(wasm, rows, pages * _PAGE, tuple(arguments), tuple(answers))


def _given(results: Sequence[str]) -> bytes:
    return function_body([], b"".join(_ZEROS[kind] for kind in results))


def _stopped() -> bytes:
    return function_body([], bytes((_UNREACHABLE,)))


def _loop(arguments: Sequence[Column], results: Sequence[Column]) -> bytes:
    sizes = {column.size for column in (*arguments, *results)}
    code = bytearray((_BLOCK_BEGINS, _EMPTY, _LOOP_BEGINS, _EMPTY))
    code += bytes((_GET, _ROW, _GET, _COUNT, _GREATER_OR_EQUAL, _BR_IF, 1))
    for size, shift, local in ((4, 2, _AT_4), (8, 3, _AT_8)):
        if size in sizes:
            code += bytes((_GET, _ROW, _CONST, shift, _SHIFT, _SET, local))
    for column in arguments:
        code += bytes((_GET, _place(column), _LOADS[column.kind])) + _address(column)
    code += bytes((_CONST, 0, _CALL_INDIRECT, _FUNCTION_TYPE, 0))  # element 0 of table 0
    locals_of_results = range(_FIRST_RESULT, _FIRST_RESULT + len(results))
    for local in reversed(locals_of_results):  # the last result is on top
        code += bytes((_SET,)) + leb128(local)
    for column, local in zip(results, locals_of_results, strict=True):
        code += bytes((_GET, _place(column), _GET)) + leb128(local) + bytes((_STORES[column.kind],)) + _address(column)
    code += bytes((_GET, _ROW, _CONST, 1, _ADD, _SET, _ROW))
    code += bytes((_CONST, 0, _GET, _ROW, _STORES["i32"], 2, 0))  # 2: aligned to 4 bytes
    code += bytes((_BR, 0, _END, _END))
    numbers = [
        (3, value_type("i32")),
        *((1, value_type(column.kind)) for column in results),
    ]  # $row, $at4, $at8, and the results
    return function_body([leb128(count) + kind for count, kind in numbers], bytes(code))


def _place(column: Column) -> int:
    """The local that has the place of the row's number in a column."""
    return _AT_4 if column.size == 4 else _AT_8


def _address(column: Column) -> bytes:
    """Alignment and offset of a load or store."""
    return bytes((2 if column.size == 4 else 3,)) + leb128(column.offset)
