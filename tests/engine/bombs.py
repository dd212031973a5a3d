"""Modules that consist of one thing only, as often as is wanted: what each costs the compiler can be measured alone.

`BOMBS` has one for each section of a module that the compiler pays for, for each kind of instruction of the features
that are switched on, and for the shapes whose cost is more than the sum of their parts. Each makes a module from a
count. `sized` picks the count by the estimate, so that a bomb can be as big as is just let through, and
`Compiler.measure` compiles in a child process and tells what that took.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import NamedTuple, Self

from judicia_notebook.errors import CompileLimit
from judicia_notebook.wasm.compile_cost import UNIT_BYTES, compile_work
from judicia_notebook.wasm.memory_images import MAX_SEGMENTS
from judicia_notebook.wasm.sections import read_module
from tests.engine.bomb_instructions import CONTROL, FRAME, INSTRUCTIONS, MARK, repeated
from tests.engine.bomb_parts import (
    FUNCREF,
    I32,
    MAGIC,
    NOTHING,
    V128,
    Make,
    bodies,
    leb,
    numbered,
    section,
    signature,
    signed,
    vector,
)

LARGEST = 4 << 20  # bytes: a bigger file is compiled apart, whatever is in it


ONE = section(1, vector([NOTHING]))
FUNCTION = section(3, b"\x01\0")
EMPTY = bodies(b"\0\x0b")
OUTSIDE = section(2, b"\x01\x01a\x01b\x03\x7f\0")  # an imported i32: no offset that it gives is known before
PLACED = b"\x23\0"
PAGE = section(5, b"\x01\0\x01")


# --- sections --------------------------------------------------------------------------------------------------------


def data(
    count: int, offset: bytes = b"", flags: bytes = b"\0", content: bytes = b"x", *, images: bool = False
) -> bytes:
    """Data segments, 64 bytes apart unless an offset is given. The first lies outside, so that no image takes them."""
    pages = section(5, b"\x01\0" + leb(count // 1024 + 1))
    behind = b"\x0b" + leb(len(content)) + content

    def segment(number: int) -> bytes:
        return flags + (offset or b"\x41" + signed(64 * number if number or images else 1 << 30)) + behind

    segments = numbered(count, segment)
    return MAGIC + (OUTSIDE if offset.startswith(PLACED) else b"") + pages + section(11, segments)


def passive_data(count: int) -> bytes:
    count = min(count, MAX_SEGMENTS)
    return MAGIC + PAGE + section(11, leb(count) + b"\x01\x01x" * count)


def elements(*, table: int, segments: bytes, outside: bytes = b"") -> bytes:
    tables = section(4, b"\x01\x70\0" + leb(table))
    return MAGIC + ONE + outside + FUNCTION + tables + section(9, segments) + EMPTY


def expressions(count: int) -> bytes:
    """One segment, whose elements are expressions."""
    return elements(table=count, segments=b"\x01\x04\x41\0\x0b" + leb(count) + b"\xd2\0\x0b" * count)


def passive_expressions(count: int) -> bytes:
    return elements(table=1, segments=b"\x01\x05\x70" + leb(count) + b"\xd2\0\x0b" * count)


def placed_elsewhere(count: int) -> bytes:
    """Segments whose place only the host knows."""
    return elements(table=9, segments=leb(count) + b"\0\x23\0\x0b\x01\0" * count, outside=OUTSIDE)


def past_the_end(count: int) -> bytes:
    """Segments that do not fit: each element of them is set by code."""
    few = count // 100 + 1
    return elements(table=1, segments=leb(few) + (b"\0\x41\x05\x0b\x64" + b"\0" * 100) * few)


def long_offsets(count: int) -> bytes:
    sums = b"\x41\x00\x41\x01\x6a"
    return elements(table=9, segments=leb(count) + (b"\0\x41\0" + sums * 50 + b"\x6a" * 50 + b"\x0b\x01\0") * count)


def globals_of(initializer: bytes, kind: bytes = I32) -> Make:
    def make(count: int) -> bytes:
        outside = OUTSIDE if initializer.startswith(PLACED) else b""
        return (
            MAGIC + ONE + outside + FUNCTION + section(6, leb(count) + (kind + b"\x01" + initializer) * count) + EMPTY
        )

    return make


def types(params: int, results: int = 0) -> Make:
    """Types that nothing uses, no two of them alike."""
    kinds = (b"\x7f", b"\x7e", b"\x7d", b"\x7c")

    def entry(number: int) -> bytes:
        taken = b"".join(kinds[number >> 2 * (place % 10) & 3] for place in range(params))
        return b"\x60" + leb(params) + taken + leb(results) + I32 * results

    return lambda count: MAGIC + section(1, numbered(min(count, 99_000), entry))


def functions(params: int = 0, results: int = 0, *, exported: bool = False, listed: bool = False) -> Make:
    """Empty functions, which get trampolines where they are exported or listed as elements."""
    code = b"\0\0\x0b" if results else b"\0\x0b"

    def make(count: int) -> bytes:
        names = min(count, 10_000) if exported else 0
        return (
            MAGIC
            + section(1, vector([signature(params, results)]))
            + section(3, leb(count) + bytes(count))
            + section(7, numbered(names, lambda number: b"\x05%05d\0" % number + leb(number)))
            + (section(9, b"\x01\x01\0" + numbered(count, leb)) if listed else b"")
            + bodies(*[code] * count)
        )

    return make


def imports(count: int) -> bytes:
    count = min(count, 10_000)
    return MAGIC + ONE + section(2, numbered(count, lambda number: b"\x01a\x05%05d\0\0" % number))


def name_section(kind: int, entries: Make) -> Make:
    """A name section with one subsection."""

    def make(count: int) -> bytes:
        listed = entries(count)
        names = b"\x04name" + bytes([kind]) + leb(len(listed)) + listed
        return MAGIC + ONE + FUNCTION + EMPTY + section(0, names)

    return make


def tables(count: int) -> bytes:
    """Sixteen of them, filled at their ends; the count is that of their elements, by 4096."""
    last = min(4096 * count, 1 << 20)
    segments = numbered(16, lambda number: b"\x02" + leb(number) + b"\x41" + signed(last - 1) + b"\x0b\0\x01\0")
    room = section(4, leb(16) + (b"\x70\0" + leb(last)) * 16)
    return MAGIC + ONE + FUNCTION + room + section(9, segments) + EMPTY


SECTIONS: dict[str, Make] = {
    "data segments": data,
    "leading data segments": lambda count: data(min(count, MAX_SEGMENTS), images=True),
    "passive data segments": passive_data,
    "data segments placed by a global": lambda count: data(count, PLACED),
    "data segments of 60 bytes": lambda count: data(count, content=b"y" * 60),
    "data segments with long offsets": lambda count: data(count, PLACED + b"\x41\x01\x6a" * 100),
    "data segments of memory 0 by number": lambda count: data(count, flags=b"\x02\0"),
    "elements that are expressions": expressions,
    "passive elements that are expressions": passive_expressions,
    "elements placed by a global": placed_elsewhere,
    "elements past the end": past_the_end,
    "elements with long offsets": long_offsets,
    "globals": globals_of(b"\x41\0\x0b"),
    "globals of vectors": globals_of(b"\xfd\x0c" + b"\1" * 16 + b"\x0b", V128),
    "globals that refer to a function": globals_of(b"\xd2\0\x0b", FUNCREF),
    "globals that copy a global": globals_of(PLACED + b"\x0b"),
    "globals that are sums": globals_of(b"\x41\0" + b"\x41\x01\x6a" * 100 + b"\x0b"),
    "types": types(10),
    "types of 100 parameters": types(100),
    "types of 1000 parameters": types(1000),
    "types of 1000 results": types(3, 1000),
    "functions": functions(),
    "functions that are exported": functions(exported=True),
    "functions that are elements": functions(listed=True),
    "functions of 100 parameters": functions(100, listed=True),
    "functions of 1000 parameters": functions(1000, listed=True),
    "functions of 100 results": functions(0, 100, listed=True),
    "imports": imports,
    "tables": tables,
    "names of functions": name_section(
        1, lambda count: numbered(count, lambda number: leb(number) + b"\x05%05d" % (number % 99_999))
    ),
    "names of locals": name_section(
        2, lambda count: b"\x01\0" + numbered(count, lambda number: leb(number) + b"\x01a")
    ),
}


# --- shapes ----------------------------------------------------------------------------------------------------------

MANY = 300
ALONE = ("loop", "loop and br_if", "br_if", "table.get", "table.copy", "table.grow", "call_indirect")
BESIDE = (
    *ALONE,
    *("nop", "if", "call", "table.init", "table.fill", "memory.fill", "memory.grow", "memory.copy", "memory.init"),
    *("ref.func", "i32.load", "br_table of 60", "return"),
)


ALL = 1 << 30


def in_one_function(name: str) -> Make:
    return repeated(CONTROL[name], in_each=ALL)


def beside_locals(name: str) -> Make:
    """All in one function, which needs hundreds of locals before and after."""
    before = "".join(f"(local.set {each} (i32.load offset={4 * each} (local.get $i)))" for each in range(MANY))
    after = "".join(f"(i32.store offset={4 * each} (local.get $i) (local.get {each}))" for each in range(MANY))
    frame = FRAME.replace("(func (local $i", f"(func (local {'i32 ' * MANY}) (local $i")
    frame = frame.replace(f"{MARK} %s {MARK}", f"{before} {MARK} %s {MARK} {after}")
    return repeated(CONTROL[name], in_each=ALL, frame=frame)


def handed_on(values: int, *, before: bytes = b"", opcode: bytes, after: bytes = b"", nested: bool = False) -> Make:
    """Blocks of one function that take values and give them back."""
    start = b"\0\x10\0"  # a call that gives the first ones

    def make(count: int) -> bytes:
        opened = before + opcode + b"\0" + after
        code = opened * count + b"\x0b" * count if nested else (opened + b"\x0b") * count
        kinds = section(1, vector([signature(values, values), signature(0, values), NOTHING]))
        return MAGIC + kinds + section(3, b"\x02\x01\x02") + bodies(b"\0\0\x0b", start + code + b"\0\x0b")

    return make


def calls(params: int, results: int) -> Make:
    """Each call takes what the one before gave, or nothing."""
    give, take = b"\x41\0" * params, b"\x1a" * results
    if params == results:
        give = take = b""

    def make(count: int) -> bytes:
        kinds = section(1, vector([signature(params, results), signature(0, params), NOTHING]))
        first = b"\x10\x01" if params == results else b""
        code = b"\0" + first + (give + b"\x10\0" + take) * count + b"\0\x0b"
        return MAGIC + kinds + section(3, b"\x03\0\x01\x02") + bodies(b"\0\0\x0b", b"\0\0\x0b", code)

    return make


def joined_locals(loops: int, count: int) -> bytes:
    """Each of these loops needs a value for each local."""
    changes = b"".join(b"\x20" + leb(each) + b"\x41\x01\x6a\x21" + leb(each) for each in range(count))
    code = b"\x03\x40" * loops + changes + b"\x41\x01\x0d\0" + b"\x0b" * loops
    return MAGIC + ONE + FUNCTION + bodies(b"\x01" + leb(count) + b"\x7f" + code + b"\x0b")


def joined_by_a_table(targets: int, count: int) -> bytes:
    """Each target of the table hands the locals on."""
    changes = b"".join(b"\x20" + leb(each) + b"\x41\x01\x6a\x21" + leb(each) for each in range(count))
    table = b"\x0e" + leb(targets) + bytes(targets) + b"\x01"
    code = b"\x03\x40\x03\x40" + changes + b"\x41\x01" + table + b"\x0b\x0b"
    return MAGIC + ONE + FUNCTION + bodies(b"\x01" + leb(count) + b"\x7f" + code + b"\x0b")


def nested(opened: bytes) -> Make:
    return lambda count: MAGIC + ONE + FUNCTION + bodies(b"\0" + opened * count + b"\x0b" * count + b"\x0b")


def above_values(count: int) -> bytes:
    """Values wait on the stack while loops follow."""
    loads = b"".join(b"\x20\0\x28\x02" + leb(4 * each) for each in range(count))
    code = b"\x01\x01\x7f" + loads + b"\x03\x40\x0b" * count + b"\x6a" * (count - 1) + b"\x1a\x0b"
    return MAGIC + ONE + FUNCTION + PAGE + bodies(code)


def table_of_labels(count: int) -> bytes:
    """Each target of a branch table is another block."""
    labels = b"".join(map(leb, range(count)))
    code = b"\0" + b"\x02\x40" * count + b"\x41\0\x0e" + leb(count - 1) + labels + b"\x0b" * count + b"\x0b"
    return MAGIC + ONE + FUNCTION + bodies(code)


BRANCH = b"\x41\0\x0d\0"
SHAPES: dict[str, Make] = {
    **{f"{name}, all in one function": in_one_function(name) for name in ALONE},
    **{f"{name} beside locals": beside_locals(name) for name in BESIDE},
    **{f"loops that hand {values} on": handed_on(values, opcode=b"\x03") for values in (1, 10, 100, 1000)},
    "loops in loops that hand 1 on": handed_on(1, opcode=b"\x03", nested=True),
    "loops in loops that hand 1000 on": handed_on(1000, opcode=b"\x03", nested=True),
    "loops with branches that hand 10 on": handed_on(10, opcode=b"\x03", after=BRANCH),
    "blocks that hand 10 on": handed_on(10, opcode=b"\x02", after=BRANCH),
    "blocks in blocks that hand 10 on": handed_on(10, opcode=b"\x02", after=BRANCH, nested=True),
    "ifs that hand 10 on": handed_on(10, before=b"\x41\0", opcode=b"\x04"),
    "calls with 10 parameters": calls(10, 0),
    "calls with 1000 parameters": calls(1000, 0),
    "calls with 10 results": calls(0, 10),
    "calls with 1000 results": calls(0, 1000),
    "calls that hand 10 on": calls(10, 10),
    "calls that hand 1000 on": calls(1000, 1000),
    "locals that are joined in loops": lambda count: joined_locals(count, count),
    "locals that are joined by a table": lambda count: joined_by_a_table(20 * count, count),
    "ifs in ifs": nested(b"\x41\0\x04\x40"),
    "loops in loops": nested(b"\x03\x40"),
    "values below loops": above_values,
    "a table of labels": table_of_labels,
    "locals": lambda count: MAGIC + ONE + FUNCTION + bodies(b"\x01" + leb(min(count, 50_000)) + b"\x7f\x0b"),
}

BOMBS = SECTIONS | INSTRUCTIONS | SHAPES


def sized(make: Make, work: float) -> bytes:
    """The smallest such bomb whose work is estimated to be at least that, more or less; smaller where none can be."""

    def is_enough(count: int) -> bool:
        try:
            module = make(count)
            return len(module) > LARGEST or compile_work(read_module(module), enough=work) >= work
        except CompileLimit:  # it would be refused unseen
            return True

    low, high = 0, 1
    while not is_enough(high) and high < 1 << 22:
        low, high = high, high * 2
    for _ in range(4):
        middle = (low + high) // 2
        low, high = (low, middle) if middle == low or is_enough(middle) else (middle, high)
    try:
        read_module(make(high))
    except CompileLimit:
        high = low
    return make(high)


# --- measuring -------------------------------------------------------------------------------------------------------

ROOM = 3 << 30

CHILD = f"""
import base64, ctypes, json, resource, sys, time
sys.path[:0] = {sys.path!r}
from judicia_notebook.engine.compiler import Compiler
from judicia_notebook.errors import CompileError
from judicia_notebook.wasm.sections import read_module
engine = Compiler()
trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)

def status(line):
    return next(int(each.split()[1]) << 10 for each in open("/proc/self/status") if each.startswith(line))

for line in sys.stdin:
    trim(0)
    open("/proc/self/clear_refs", "w").write("5")
    held, began, refused = status("VmRSS"), time.process_time(), ""
    try:
        wasm = base64.b64decode(line)
        engine.compile_here(engine.take_images(read_module(wasm)).wasm).close()
    except CompileError as error:
        refused = str(error)
    print(json.dumps([time.process_time() - began, max(status("VmHWM") - held, 0), refused]), flush=True)
"""


class Cost(NamedTuple):
    """What compiling took: CPU time, memory at most, and the words with which it was refused."""

    seconds: float
    memory_bytes: int
    refused: str

    @property
    def work(self) -> float:
        """In the units of the estimate."""
        return max(self.seconds * 1e6, self.memory_bytes / UNIT_BYTES)


class Compiler:
    """A child process that compiles what it is given and measures what that takes."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe, text=True)
        self.measure(MAGIC + ONE + FUNCTION + EMPTY)  # what is read in at the first time

    def measure(self, module: bytes) -> Cost:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(base64.b64encode(module).decode() + "\n")
        self._child.stdin.flush()
        return Cost(*json.loads(self._child.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()
