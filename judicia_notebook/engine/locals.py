"""What a module's function bodies will cost the compiler, read from their declarations before it sees them.

Three bytes declare fifty thousand locals, and the compiler lays out each of them. Two bytes call a function with a
thousand results; six kilobytes of loops that hand a thousand values on took it more than 3 GiB. So the locals are
counted, and the work is estimated: what may be heavy is compiled apart, in a process with limits, since nothing can
stop a compiler in this one.

This walks from body to body, reads their declarations and counts bytes. It takes some microseconds a function, which
is nothing beside compiling, and too much for a load that finds its module compiled already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from judicia_notebook.engine.binary_format import DEFAULT, SectionLimits, TypeCursor
from judicia_notebook.engine.module_info import ModuleInfo
from judicia_notebook.errors import CompileLimit
from judicia_notebook.units import format_count

_CODE = 10

HEAVY: Final = 12_000_000
"""The work up to which a module is compiled in this process: at worst some ten seconds and 0.7 GiB. What
compilers emit stays below up to about 600 KB, and often a megabyte."""

_BRANCHES = bytes([*range(0x02, 0x06), *range(0x0B, 0x16), 0x1F, 0xD5, 0xD6])
"""The opcodes of blocks, branches and calls. Among the bytes of a body there are at least as many of these as it has
such instructions; what lies between them needs no value that the bytes do not show."""
_BRANCH_TABLE = 0x0E  # each of its targets is a branch too, and a byte like any other

_PER_FUNCTION = 400
_NARROW, _PER_WIDE = 16, 100  # more values than these between blocks and calls are rare, and dear
_PER_SQUARE = 1 / 1000  # blocks within blocks


class Body(NamedTuple):
    """One function body: the function's index, where its bytes are, and the locals it declares."""

    function: int
    start: int
    end: int
    locals: int


def check_locals(module: ModuleInfo, limits: SectionLimits = DEFAULT) -> int:
    """The locals of all functions together.

    Raises
    ------
    CompileLimit
        More than `limits` allow in one function, or in all.
    InvalidModule
        A body whose declarations cannot be read.
    """
    return sum(body.locals for body in _bodies(module, limits))


def compile_work(module: ModuleInfo, limits: SectionLimits = DEFAULT) -> float:
    """An upper estimate of what compiling takes, roughly in microseconds; most modules take a tenth of it.

    A place where control flow meets may need a value for each local; a block or call, one for each parameter and
    result. How many there are is bounded by the bytes that could be their opcodes.

    Raises
    ------
    CompileLimit, InvalidModule
        As `check_locals`.
    """
    widest = max((max(len(kind.params), len(kind.results)) for kind in module.types if kind is not None), default=0)
    wide = _PER_WIDE * widest if widest > _NARROW else widest
    work = 0.0
    for function, start, end, declared in _bodies(module, limits):
        code, values = module.data[start:end], declared + len(module.functions[function].params)
        work += _PER_FUNCTION + len(code) * (1 + len(code) * _PER_SQUARE) + _branches(code) * (values + wide)
    return work


def _branches(code: bytes) -> int:
    """An upper bound of the blocks, branches and calls in a body, each target of a table counted."""
    found = len(code) - len(code.translate(None, _BRANCHES))
    at = code.find(_BRANCH_TABLE)
    while at >= 0 and found < len(code):
        targets = _number(code, at + 1)
        if targets <= len(code) - at:  # no table otherwise, since each target takes a byte
            found += targets
        at = code.find(_BRANCH_TABLE, at + 1)
    return min(found, len(code))


def _number(code: bytes, at: int) -> int:
    """The LEB128 number at `at`, which may be padded; read for any bytes whatever."""
    number = shift = 0
    for byte in code[at : at + 5]:
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return number


def _bodies(module: ModuleInfo, limits: SectionLimits) -> Iterator[Body]:
    """The function bodies, with their locals held against the limits."""
    section = next((each for each in module.sections if each.id == _CODE), None)
    if section is None:
        return
    cursor = TypeCursor(module.data, limits)
    cursor.pos = section.offset + 1
    size = cursor.u32("its size")
    cursor.where = f"section 'code' at byte {section.offset}"
    cursor.end = end = cursor.pos + size
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
            one = declared > limits.function_locals
            where = f"function {imported + number} declares" if one else "its functions declare"
            allowed = limits.function_locals if one else limits.locals
            more = format_count(declared if one else total)
            raise CompileLimit(f"{where} {more} locals or more, and {format_count(allowed)} are allowed")
        yield Body(imported + number, start, start + length, declared)
        cursor.pos, cursor.end = after, end


def _declared(cursor: TypeCursor) -> int:
    """The locals of the body that the cursor is at the beginning of."""
    found = 0
    for _ in range(cursor.u32("the number of declarations of locals")):
        found += max(cursor.u32("a number of locals"), 1)  # reading a declaration of none takes its time too
        if found > cursor.limits.function_locals:
            break
        cursor.value_type("the type of locals")
    return found
