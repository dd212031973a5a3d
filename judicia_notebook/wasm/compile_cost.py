"""What a module will cost the compiler, read from its bytes before the compiler sees it.

Three bytes declare fifty thousand locals, and the compiler lays out each of them. Six kilobytes of loops that hand a
thousand values on took it more than 3 GiB, five kilobytes of loops that hand ten on 1.4 GiB, and 100 000 data segments
that no image can take a minute and 2.8 GiB. So the locals are counted, and the work is estimated for everything that a
file can hold: what may be heavy is compiled apart, in a process with limits, since nothing can stop a compiler here.

The numbers are measured: ``benchmarks/compile_work.py`` makes a module of each thing that costs something and compiles
it, and tests/engine/test_compile_bombs.py sees that the estimate is not below what that takes. Estimating takes a tenth
of the time of compiling: too much for a load whose module is in the cache.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from heapq import nlargest
from typing import Final, NamedTuple

from judicia_notebook.errors import CompileLimit, InvalidModule
from judicia_notebook.units import format_count
from judicia_notebook.wasm.binary_format import DEFAULT, SectionLimits, TypeCursor
from judicia_notebook.wasm.info import FuncType, ModuleInfo
from judicia_notebook.wasm.instructions import BRANCH_TABLE, immediate, read_instructions
from judicia_notebook.wasm.memory_images import MAX_SEGMENTS, read_leading

_GLOBALS, _ELEMENTS, _CODE, _DATA = 6, 9, 10, 11

HEAVY: Final = 12_000_000
"""The work up to which a module is compiled in this process: at worst some ten seconds and 0.7 GiB.

A unit of work is a microsecond of CPU time or `UNIT_BYTES` of memory, whichever a thing takes more of."""

UNIT_BYTES: Final = 61


class Body(NamedTuple):
    """One function body: the function's index, where its bytes are, the locals it declares, where its code begins."""

    function: int
    start: int
    end: int
    locals: int
    code: int


def check_locals(module: ModuleInfo, limits: SectionLimits = DEFAULT) -> int:
    """The locals of all functions together.

    Raises
    ------
    CompileLimit
        More than `limits` allow in one function, or in all.
    InvalidModule
        A body whose declarations cannot be read.
    """
    return sum(body.locals for body in function_bodies(module, limits))


# --- the work --------------------------------------------------------------------------------------------------------


def compile_work(module: ModuleInfo, limits: SectionLimits = DEFAULT, enough: float = math.inf) -> float:
    """An upper estimate of what compiling takes; most modules take a fifth of it.

    Parameters
    ----------
    enough : float
        Work that is more than this need not be estimated to the end.

    Raises
    ------
    CompileLimit, InvalidModule
        As `check_locals`.
    """
    work = (
        names_work(module)
        + types_work(module)
        + tables_work(module)
        + globals_work(module)
        + elements_work(module)
        + data_work(module, limits)
        + functions_work(module)
    )
    return work if work > enough else work + bodies_work(module, limits, enough - work)


def _trampoline(kind: FuncType) -> float:
    """Code that hands over what a function of this type takes and gives, which is more than a sum for many values."""
    values = len(kind.params) + len(kind.results)
    return 6 * values + values * values / 100


def names_work(module: ModuleInfo) -> float:
    """Names are read and kept; of other custom sections the compiler looks at the name alone."""
    return 0.05 * sum(each.size for each in module.custom_sections if each.name == "name")


def types_work(module: ModuleInfo) -> float:
    """Each type gets a trampoline, used or not."""
    return sum(100 + _trampoline(kind) for kind in module.types if kind is not None)


def functions_work(module: ModuleInfo) -> float:
    """Each function costs something by itself, and a trampoline where it is exported, in a table or referred to.

    What is imported costs a little, as what is exported does.
    """
    imported = len(module.imports)
    own = module.functions[sum(each.kind == "func" for each in module.imports) :]
    kinds: dict[int, float] = {}  # by identity: hashing a type of a thousand parts for each function takes its time
    for kind in own:
        if id(kind) not in kinds:
            kinds[id(kind)] = _trampoline(kind)
    return 400 * len(own) + sum(kinds[id(kind)] for kind in own) + 5 * (imported + len(module.exports))


def tables_work(module: ModuleInfo) -> float:
    """A table is laid out up to its last element that is known before it runs, at most a million of them."""
    return sum(min(table.minimum, 1 << 20) / 4 for table in module.tables)


def globals_work(module: ModuleInfo) -> float:
    """The dearest globals are references to functions, one in each five bytes."""
    return 8 * sum(each.size for each in module.sections if each.id == _GLOBALS)


def elements_work(module: ModuleInfo) -> float:
    """The compiler makes code for each element that is no function's index, or whose place is not known before.

    There are no more such elements than numbers, and no more numbers than bytes below 0x80.
    """
    found = 0
    for each in module.sections:
        if each.id == _ELEMENTS:
            start = each.offset + 1
            found += len(module.data[start : start + each.size].translate(None, bytes(range(0x80, 0x100))))
    return 110 * found


def data_work(module: ModuleInfo, limits: SectionLimits = DEFAULT) -> float:
    """The compiler makes code for each active segment that no image takes, all of it in one function.

    Work without end where they cannot be read, or are more than an engine takes: the compiler says so, apart.
    """
    cursor = _section(module, _DATA, limits)
    if cursor is None:
        return 0
    if module.data_segments > MAX_SEGMENTS:
        return math.inf
    leading = read_leading(module)
    cursor.pos = leading.end
    work, left = 5.0 * module.data_segments, limits.file_bytes
    try:
        for _ in range(module.data_segments - leading.count):
            flags = cursor.u32("a data segment")
            if flags == 2:
                cursor.u32("the index of a memory")
            if flags != 1:
                before, left = left, cursor.skip_initializer(left)
                work += 500 + 35 * (before - left)
                if work > HEAVY:
                    break
            cursor.skip(cursor.u32("the size of a data segment"), "a data segment")
    except InvalidModule:
        return math.inf
    return work


# What a body holds ---------------------------------------------------------------------------------------------------

_LOOP, _CALL, _CALL_INDIRECT, _BULK = 0x03, 0x10, 0x11, 0xFC
_BLOCKS = (0x02, _LOOP, 0x04)

_WORK = {
    **dict.fromkeys([0x01, 0x1A, 0x20, 0x21, 0x22, 0x41, 0x42, 0x43, 0x44, 0xD0, 0xD1], 1),  # locals, constants
    **dict.fromkeys([0x1B, 0x1C, 0x23, 0x24, *range(0x45, 0x6A), *range(0x79, 0x7C)], 4),  # select, globals, compare
    **dict.fromkeys([*range(0x71, 0x77), *range(0x83, 0x89)], 6),  # and, or, xor, shifts
    **dict.fromkeys([*range(0x6A, 0x71), *range(0x7C, 0x83)], 14),  # arithmetic: constants are folded again and again
    **dict.fromkeys([0x77, 0x78, 0x89, 0x8A], 30),  # rotations
    **dict.fromkeys(range(0x8B, 0xA7), 12),  # floats: each result may be a NaN, and one NaN is to come out of it
    **dict.fromkeys([0xA7, 0xAC, 0xAD, *range(0xBC, 0xC5)], 4),  # wrap, extend, reinterpret
    **dict.fromkeys([*range(0xA8, 0xAC), *range(0xAE, 0xBC)], 12),  # truncate, convert, promote, demote
    **dict.fromkeys(range(0x28, 0x3F), 6),  # load, store
    **dict.fromkeys(
        [0x00, 0x05, 0x0B, 0x0C, 0x0F, 0x26, 0x3F, 0x40, 0xD2], 6
    ),  # ends, table.set, memory.grow, ref.func
    0x02: 12,
    _LOOP: 50,
    0x04: 25,
    0x0D: 18,
    BRANCH_TABLE: 20,
    _CALL: 8,
    _CALL_INDIRECT: 48,
    0x25: 30,
    0xFD: 14,
}
"""Units of each instruction by its opcode, as it comes in the dearest company."""

_JOINS = {
    **dict.fromkeys([0x02, 0x04, 0x05, 0x0B, 0x0C, 0x0D, 0x0F, BRANCH_TABLE, _CALL], 1),
    _LOOP: 2,
    _CALL_INDIRECT: 2,
    0x25: 2,
}
"""Where control flow meets in it, in the code it stands for: a value may be needed there for each local."""

_BULK_WORK = dict(enumerate([10] * 8 + [8, 4, 8, 10, 36, 6, 44, 52, 3, 12]))
_BULK_JOINS = {8: 1, 10: 1, 11: 1, 12: 6, 14: 9, 15: 5, 17: 2}
"""Those that begin with 0xFC, by the number after it; from 12 on they are about tables."""


_PER_VALUE_HANDED = 0.15  # and for each place where control flow meets: blocks that hand values on cost their square
_HELD = 8  # while a body is compiled, its instructions take some 500 bytes for each microsecond that they take


class _BodyWork(NamedTuple):
    """The work of a body, and the part of it that is held while it is compiled."""

    work: float
    held: float


def bodies_work(module: ModuleInfo, limits: SectionLimits = DEFAULT, enough: float = math.inf) -> float:
    """All function bodies: their work, or the part held by those compiled at the same time, if that is more."""
    bodies = list(function_bodies(module, limits))
    squares = sum(_square(body.end - body.start) for body in bodies)
    if squares > enough:
        return squares
    total, held = 0.0, []
    for body in bodies:
        cost = _body_work(module, body)
        total += cost.work
        held.append(cost.held)
        if total > enough:
            return total
    return max(total, sum(nlargest(os.cpu_count() or 1, held)))


def _square(size: int) -> float:
    """The extra work of a long function, beyond that of several short ones."""
    return size * size / 1000


def _body_work(module: ModuleInfo, body: Body) -> _BodyWork:
    """One body.

    Its work is that of its instructions, and that of the values needed where control flow meets: one for each local,
    many for each value that a block takes or gives.
    """
    instructions = read_instructions(module.data[body.code : body.end])
    if instructions is None:
        return _BodyWork(math.inf, math.inf)
    work, joins, handed = body.end - body.start + 2.0 * instructions.targets, float(instructions.targets), 0
    for instruction, count in instructions.counts.items():
        opcode = instruction[0]
        if opcode == _BULK:
            work += count * _BULK_WORK[instruction[1]]
            joins += count * _BULK_JOINS.get(instruction[1], 0)
            continue
        work += count * _WORK.get(opcode, math.inf)
        if opcode in _JOINS:
            joins += count * _JOINS[opcode]
            values = _values(module, instruction)
            if opcode in _BLOCKS:
                handed += count * values
            else:
                work += count * 10 * values
    kind = module.functions[body.function]
    carried = joins * (body.locals + len(kind.params) + len(kind.results)) + joins * handed * _PER_VALUE_HANDED
    return _BodyWork(work + carried + _square(body.end - body.start), _HELD * work + carried)


def _values(module: ModuleInfo, instruction: bytes) -> int:
    """How many values a call or block takes and gives, where its type says so."""
    opcode = instruction[0]
    if opcode in _BLOCKS:
        if (len(instruction) == 2 and instruction[1] & 0x40) or instruction[1] in {0x63, 0x64}:
            return 0  # one value at most, and no index
    elif opcode not in {_CALL, _CALL_INDIRECT}:
        return 0
    kinds = module.functions if opcode == _CALL else module.types
    index = immediate(instruction)
    kind = kinds[index] if index < len(kinds) else None
    return 0 if kind is None else len(kind.params) + len(kind.results)


# --- bodies ----------------------------------------------------------------------------------------------------------


def _section(module: ModuleInfo, number: int, limits: SectionLimits) -> TypeCursor | None:
    """A cursor at the beginning of what is in a section; None where there is no such section."""
    section = next((each for each in module.sections if each.id == number), None)
    if section is None:
        return None
    cursor = TypeCursor(module.data, limits)
    cursor.pos = section.offset + 1
    size = cursor.u32("its size")
    cursor.where = f"section '{section.name}' at byte {section.offset}"
    cursor.end = cursor.pos + size
    return cursor


def function_bodies(module: ModuleInfo, limits: SectionLimits) -> Iterator[Body]:
    """The function bodies, with their locals held against the limits."""
    cursor = _section(module, _CODE, limits)
    if cursor is None:
        return
    end = cursor.end
    imported = sum(each.kind == "func" for each in module.imports)
    total = 0
    for number in range(cursor.count(limits.functions, "function bodies")):
        length = cursor.u32("the size of a function")
        start = cursor.pos
        cursor.skip(length, "a function")
        after, cursor.pos, cursor.end = cursor.pos, start, cursor.pos
        declared = _declared(cursor)
        total += declared
        if declared > limits.function_locals or total > limits.locals:
            single = declared > limits.function_locals
            where = f"function {imported + number} declares" if single else "its functions declare"
            allowed = limits.function_locals if single else limits.locals
            more = format_count(declared if single else total)
            raise CompileLimit(f"{where} {more} locals or more, and {format_count(allowed)} are allowed")
        yield Body(imported + number, start, start + length, declared, cursor.pos)
        cursor.pos, cursor.end = after, end


def body_at(module: ModuleInfo, at: int) -> Body | None:
    """The function body that has the byte at `at`, if one has.

    Raises
    ------
    CompileLimit, InvalidModule
        As `check_locals`.
    """
    return next((body for body in function_bodies(module, DEFAULT) if body.start <= at <= body.end), None)


def _declared(cursor: TypeCursor) -> int:
    """The locals of the body that the cursor is at the beginning of."""
    found = 0
    for _ in range(cursor.u32("the number of declarations of locals")):
        found += max(cursor.u32("a number of locals"), 1)  # reading a declaration of none takes its time too
        if found > cursor.limits.function_locals:
            break
        cursor.value_type("the type of locals")
    return found
