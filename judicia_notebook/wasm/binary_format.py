"""The binary format's smallest parts: numbers, names, types and constant expressions, each within a given range.

Knows the encoding and not what sections there are. Chapter 5 (Binary Format) of the WebAssembly specification 3.0.

- A cursor never reads at or past its `end`, and loops only as often as bytes are left.
- No number from the file sizes an allocation or a loop: a count is first held against a limit and against the bytes
  that are left, since every entry takes at least one.
- Nothing recurses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from judicia_notebook.errors import CompileLimit, InvalidModule
from judicia_notebook.units import format_count, format_size
from judicia_notebook.wasm.info import FuncType, GlobalType, MemoryType, TableType


@dataclass(frozen=True, slots=True)
class SectionLimits:
    """The most a module may hold. The defaults are far above what compilers emit and bound the reader to seconds."""

    file_bytes: int = 256 << 20
    types: int = 100_000
    type_parts: int = 1_000_000
    functions: int = 1_000_000
    function_locals: int = 50_000
    locals: int = 10_000_000
    imports: int = 10_000
    exports: int = 10_000
    tables: int = 1_000
    memories: int = 100
    tags: int = 100_000
    globals: int = 1_000_000
    segments: int = 1_000_000
    custom_sections: int = 1_000
    initializer_instructions: int = 10_000
    name_bytes: int = 10_000
    function_names: int = 100_000
    function_name_bytes: int = 1_000
    function_names_bytes: int = 16 << 20


DEFAULT: Final = SectionLimits()


class Cursor:
    """Reads numbers and names from `pos` on, and never at or past `end`."""

    __slots__ = ("data", "end", "limits", "parts", "pos", "where")

    def __init__(self, data: bytes, limits: SectionLimits) -> None:
        self.data = data
        self.pos = 0
        self.end = len(data)
        self.limits = limits
        self.parts = 0
        self.where = "the file"

    def wrong(self, message: str, at: int | None = None) -> InvalidModule:
        return InvalidModule(f"{self.where}: {message} (byte {self.pos if at is None else at})")

    def cut(self, what: str) -> InvalidModule:
        return InvalidModule(f"{self.where} ends at byte {self.end}, within {what}")

    def byte(self, what: str) -> int:
        if self.pos >= self.end:
            raise self.cut(what)
        value = self.data[self.pos]
        self.pos += 1
        return value

    def skip(self, count: int, what: str) -> None:
        if count > self.end - self.pos:
            raise self.cut(what)
        self.pos += count

    def u32(self, what: str) -> int:
        # Almost every number of a real file is one byte long.
        pos = self.pos
        if pos < self.end and (value := self.data[pos]) < 0x80:
            self.pos = pos + 1
            return value
        return self.leb128(32, what)

    def leb128(self, bits: int, what: str) -> int:
        """An unsigned number of at most `bits` bits, which may be padded to as many bytes as the largest would take."""
        start, value = self.pos, 0
        for shift in range(0, bits, 7):
            byte = self.byte(what)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> bits:
                    break
                return value
        raise self.wrong(f"{what} is not a {bits}-bit number", start)

    def skip_signed(self, bits: int, what: str) -> None:
        start = self.pos
        for _ in range(0, bits, 7):
            if self.byte(what) < 0x80:
                return
        raise self.wrong(f"{what} is not a {bits}-bit number", start)

    def count(self, limit: int, what: str) -> int:
        """How many entries follow: within the limit, and no more than bytes are left."""
        start = self.pos
        value = self.u32(f"the number of {what}")
        if value > limit:
            message = f"{self.where} has {format_count(value)} {what}, and {format_count(limit)} are allowed"
            raise CompileLimit(message)
        if value > self.end - self.pos:
            raise self.wrong(f"it says {format_count(value)} {what}, and has {self.end - self.pos} bytes left", start)
        return value

    def name(self, what: str) -> str:
        start = self.pos
        size = self.u32(f"the length of {what}")
        if size > self.limits.name_bytes:
            message = f"{what} has {format_size(size)}, and {format_size(self.limits.name_bytes)} are allowed"
            raise CompileLimit(f"{self.where}: {message} (byte {start})")
        first = self.pos
        self.skip(size, what)
        try:
            return self.data[first : self.pos].decode()
        except UnicodeDecodeError:
            raise self.wrong(f"{what} is not UTF-8", first) from None

    def parts_of_types(self, what: str) -> range:
        """As many turns as entries follow, counted against the limit that all types share."""
        count = self.count(self.limits.type_parts, what)
        self.parts += count
        if self.parts > self.limits.type_parts:
            message = f"the types have more than {format_count(self.limits.type_parts)} parameters, results and fields"
            raise CompileLimit(message)
        return range(count)


# --- types -----------------------------------------------------------------------------------------------------------

PLAIN_TYPES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
HEAP_TYPES = {
    0x70: "func",
    0x6F: "extern",
    0x6E: "any",
    0x6D: "eq",
    0x6C: "i31",
    0x6B: "struct",
    0x6A: "array",
    0x69: "exn",
    0x71: "none",
    0x72: "noextern",
    0x73: "nofunc",
    0x74: "noexn",
}
_PACKED_TYPES = (0x78, 0x77)  # i8, i16: fields only
NULL_TYPES = {"none": "nullref", "noextern": "nullexternref", "nofunc": "nullfuncref", "noexn": "nullexnref"}


class TypeCursor(Cursor):
    """Reads types."""

    __slots__ = ()

    def value_type(self, what: str) -> str:
        start = self.pos
        code = self.byte(what)
        if code in PLAIN_TYPES:
            return PLAIN_TYPES[code]
        if code in HEAP_TYPES:
            heap = HEAP_TYPES[code]
            return NULL_TYPES.get(heap, f"{heap}ref")
        if code in {0x63, 0x64}:
            return f"(ref {'null ' if code == 0x63 else ''}{self.heap_type(what)})"
        raise self.wrong(f"{what} is the unknown type 0x{code:02x}", start)

    def reference_type(self, what: str) -> str:
        start = self.pos
        value = self.value_type(what)
        if value in PLAIN_TYPES.values():
            raise self.wrong(f"{what} is {value}, which is no reference", start)
        return value

    def heap_type(self, what: str) -> str:
        """A signed 33-bit number: a type index, or a negative one that stands for an abstract type."""
        if self.pos < self.end and (heap := HEAP_TYPES.get(self.data[self.pos])):
            self.pos += 1
            return heap
        start = self.pos
        index = self.leb128(33, what)
        if self.data[self.pos - 1] & 0x40 or index >= self.limits.types:
            raise self.wrong(f"{what} is an unknown reference type", start)
        return str(index)

    def bounds(self, what: str) -> tuple[int, int | None, bool, bool]:
        """Minimum, maximum, shared, 64-bit."""
        start = self.pos
        flags = self.byte(what)
        if flags > 0b111:
            raise self.wrong(f"{what} has the unknown flags 0x{flags:02x}", start)
        bits = 64 if flags & 0b100 else 32
        minimum = self.leb128(bits, f"the minimum of {what}")
        maximum = self.leb128(bits, f"the maximum of {what}") if flags & 0b001 else None
        if maximum is not None and minimum > maximum:
            raise self.wrong(f"the minimum of {what} is {minimum}, above its maximum of {maximum}", start)
        return minimum, maximum, bool(flags & 0b010), bits == 64

    def memory_type(self, what: str) -> MemoryType:
        start = self.pos
        minimum, maximum, shared, is64 = self.bounds(what)
        most = 1 << (48 if is64 else 16)
        if max(minimum, maximum or 0) > most:
            raise self.wrong(f"{what} asks for more than {most} pages", start)
        return MemoryType(minimum, maximum, shared, is64)

    def table_type(self, what: str) -> TableType:
        element = self.reference_type(f"the element type of {what}")
        minimum, maximum, _, is64 = self.bounds(what)
        return TableType(element, minimum, maximum, is64)

    def global_type(self, what: str) -> GlobalType:
        value = self.value_type(f"the type of {what}")
        return GlobalType(value, self.mutability(what))

    def mutability(self, what: str) -> bool:
        start = self.pos
        mutable = self.byte(f"the mutability of {what}")
        if mutable > 1:
            raise self.wrong(f"the mutability of {what} is {mutable}, not 0 or 1", start)
        return bool(mutable)

    def sub_type(self) -> FuncType | None:
        """One type of the type section; None for a struct or an array."""
        start = self.pos
        form = self.byte("a type")
        if form in {0x4F, 0x50}:  # sub, sub final
            for _ in self.parts_of_types("supertypes"):
                self.u32("a supertype")
            form = self.byte("a type")
        if form == 0x60:
            params = tuple([self.value_type("a parameter") for _ in self.parts_of_types("parameters")])
            return FuncType(params, tuple([self.value_type("a result") for _ in self.parts_of_types("results")]))
        if form == 0x5F:
            for _ in self.parts_of_types("fields"):
                self.field_type()
        elif form == 0x5E:
            self.field_type()
        else:
            raise self.wrong(f"0x{form:02x} is not a kind of type", start)
        return None

    def field_type(self) -> None:
        if self.pos < self.end and self.data[self.pos] in _PACKED_TYPES:
            self.pos += 1
        else:
            self.value_type("a field")
        self.mutability("a field")

    def skip_initializer(self, budget: int) -> int:
        """Step over a constant expression, and say how many instructions are left of the budget."""
        while (start := self.pos) < self.end:
            code = self.byte("an initializer")
            if code == 0x0B:
                return budget
            budget -= 1
            if budget < 0:
                raise CompileLimit(f"{self.where}: the initializers are too long (byte {start})")
            if not self.skip_immediates(code):
                raise self.wrong(f"0x{code:02x} is not an instruction of a constant expression", start)
        raise self.cut("an initializer")

    def skip_immediates(self, code: int) -> bool:
        what = "an initializer"
        if code == 0x41:  # i32.const
            self.skip_signed(32, what)
        elif code == 0x42:  # i64.const
            self.skip_signed(64, what)
        elif code in {0x43, 0x44}:  # f32.const, f64.const
            self.skip(4 if code == 0x43 else 8, what)
        elif code in {0x23, 0xD2}:  # global.get, ref.func
            self.u32(what)
        elif code == 0xD0:  # ref.null
            self.heap_type(what)
        elif code == 0xFB:
            return self.skip_gc_immediates(self.u32(what))
        elif code == 0xFD:  # v128.const alone
            if self.u32(what) != 0x0C:
                return False
            self.skip(16, what)
        else:
            return code in {0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E}  # i32 and i64 add, sub, mul
        return True

    def skip_gc_immediates(self, code: int) -> bool:
        # struct.new, struct.new_default, array.new, array.new_default; array.new_fixed; conversions and ref.i31
        immediates = {0x00: 1, 0x01: 1, 0x06: 1, 0x07: 1, 0x08: 2, 0x1A: 0, 0x1B: 0, 0x1C: 0}.get(code)
        for _ in range(immediates or 0):
            self.u32("an initializer")
        return immediates is not None
