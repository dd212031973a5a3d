"""Rewrites a module so that it counts what it does. See ``docs/rewriting.md``.

The original is validated by an engine first, always: an index that the original does not have would mean something in
the rewritten module. This room knows no engine, so a validator is handed in; without one there is no `Original`.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, Self

from judicia_notebook.errors import RewriteError
from judicia_notebook.units import format_count, format_size
from judicia_notebook.wasm.binary_format import DEFAULT, SectionLimits, TypeCursor
from judicia_notebook.wasm.compile_cost import Body, function_bodies
from judicia_notebook.wasm.encoding import function_body, function_type, leb128, name, signed_leb128, value_type
from judicia_notebook.wasm.info import FuncType, ModuleInfo
from judicia_notebook.wasm.rewriting import encoder
from judicia_notebook.wasm.rewriting.blocks import Blocks
from judicia_notebook.wasm.rewriting.control import ControlFlow, Kind, Site, Wanted
from judicia_notebook.wasm.rewriting.counter_memory import PAGE, CounterMemory
from judicia_notebook.wasm.rewriting.insertion import Inserter, NewBody, TooLong
from judicia_notebook.wasm.rewriting.instrument import FunctionBody, Instrument
from judicia_notebook.wasm.rewriting.offsets import OffsetMap
from judicia_notebook.wasm.rewriting.walker import Walker, split
from judicia_notebook.wasm.sections import read_module

VERSION: Final = 3
"""Raise it when the same module and instruments give other bytes."""

MEMORY_NAME: Final = "judicia.counters"
"""The export of the counters' memory, or this with a number where the original exports something of that name."""

MOST_BODY: Final = 7_654_321
"""Bytes of a function's body: the engine takes no more."""

LONG_BODY: Final = 1 << 20
"""Bytes of a body from which on a counter is a call."""

MOST_COUNTER_BYTES: Final = 256 << 20

_MOST_MEMORIES: Final = 100
_MOST_TYPES = 1_000_000
_PROGRESS: Final = 1 << 16  # bytes of code between two words on how far it is


class Validator(Protocol):
    """What makes sure that a module is valid."""

    def __call__(self, wasm: bytes, /) -> object:
        """Raise where the module is not valid."""


class Original:
    """A module that an engine has validated. `validated` makes one.

    Attributes
    ----------
    module : ModuleInfo
    digest : str
        The SHA-256 of its bytes.
    """

    __slots__ = ("digest", "module")

    module: ModuleInfo
    digest: str

    def __init__(self) -> None:
        raise TypeError("Original.validated(wasm, validate) makes one")

    @classmethod
    def validated(cls, wasm: bytes, validate: Validator, limits: SectionLimits = DEFAULT) -> Self:
        """Have a module validated, and read it.

        Raises
        ------
        InvalidModule, CompileLimit
            It cannot be read.
        Exception
            What the validator raises.
        """
        if not isinstance(wasm, bytes):
            raise TypeError("bytes that may change are not validated for good")
        validate(wasm)
        made = object.__new__(cls)
        made.module = read_module(wasm, limits)
        made.digest = hashlib.sha256(wasm).hexdigest()
        return made


class Place(NamedTuple):
    """Where a frame of a backtrace stands in the original.

    Attributes
    ----------
    offset : int
        The byte of the file.
    block : int or None
        The number of the block; None where it has left the function's blocks.
    counted : bool
        Whether this run of the block is in its count already.
    instructions : int
        How many of the block's instructions have begun to run; 0 where it is not counted.
    """

    offset: int
    block: int | None
    counted: bool
    instructions: int


class Rewritten:
    """A rewritten module, and what its counters are.

    Attributes
    ----------
    wasm : bytes
    original : Original
    instruments : tuple of Instrument
        Those that were handed in; each knows where its counters are.
    blocks : Blocks
    memory_name : str
        The export of the memory that has the counters; empty where nothing was inserted.
    memory_index : int
        The index of that memory, the last one.
    memory_bytes : int
        How many of it are in use.
    memory_size : int
        How many it has, from the beginning to the end; no memory of the original has as many so.
    calls_end_blocks : bool
    offsets : OffsetMap
    counted : array of unsigned int
        For each block the byte of the code section's content from which on this run of it is counted; 0: it has none.
    """

    def __init__(
        self, wasm: bytes, original: Original, instruments: Sequence[Instrument], blocks: Blocks, memory: CounterMemory,
        memory_name: str, offsets: OffsetMap, counted: array[int], *, calls_end_blocks: bool,
    ) -> None:  # fmt: skip
        self.wasm = wasm
        self.original = original
        self.instruments = tuple(instruments)
        self.blocks = blocks
        self.memory_name = memory_name
        self.memory_index = memory.index
        self.memory_bytes = memory.size
        self.memory_size = PAGE * memory.pages(original.module.memories)
        self.calls_end_blocks = calls_end_blocks
        self.offsets = offsets
        self.counted = counted

    def old_offset(self, offset: int) -> int | None:
        """The byte of the original for a byte of the rewritten module; for what is inserted, of what comes next."""
        return self.offsets.old(offset)

    def locate(self, function: int, offset: int) -> Place | None:
        """Where a frame stands in the original.

        Parameters
        ----------
        function : int
            The index of its function.
        offset : int
            The byte of the rewritten module; of a frame that called another one, that of the call.

        Returns
        -------
        Place or None
            None where the function is none of the original's.
        """
        old, blocks = self.original_offset(function, offset), self.blocks.of(function)
        if old is None:
            return None
        number = self.blocks.at(old)
        if number is None or number not in blocks:
            return Place(old, None, counted=False, instructions=0)
        counted = bool(self.counted[number]) and offset >= self.offsets.base + self.counted[number]
        return Place(old, number, counted, self.begun(number, old) if counted else 0)

    def original_offset(self, function: int, offset: int) -> int | None:
        """The byte of the original that a frame stands at; None where the function is none of the original's."""
        blocks = self.blocks.of(function)
        if not blocks:
            return None
        # The engine looks for a tick, and at its stack, where a function begins: at the byte before its first code,
        # which is of no function.
        return max(self.offsets.old(offset) or 0, self.blocks.start[blocks.start])

    def begun(self, block: int, offset: int) -> int:
        """How many instructions of a block begin at this byte of the original or before it."""
        each, begun = self.blocks[block], 0
        for start, piece in split(self.original.module.data, each.function, each.start, each.end):
            at = start
            for instruction in piece:
                if at > offset:
                    return begun
                at += len(instruction)
                begun += 1
        return begun


def key(original: Original, instruments: Sequence[Instrument], *, calls_end_blocks: bool | None = None) -> str:
    """What a rewritten module can be kept under: the same key, the same bytes."""
    told = [(each.name, each.options) for each in instruments]
    calls = bool(original.module.tags) if calls_end_blocks is None else calls_end_blocks
    text = repr((VERSION, original.digest, told, calls))
    return hashlib.sha256(text.encode()).hexdigest()


def rewrite(
    original: Original,
    instruments: Sequence[Instrument],
    *,
    calls_end_blocks: bool | None = None,
    progress: Callable[[int, int], object] | None = None,
    most_counter_bytes: int = MOST_COUNTER_BYTES,
) -> Rewritten:
    """Write instruments into a module.

    Parameters
    ----------
    original : Original
    instruments : sequence of Instrument
        Fresh ones, whose code stands in their order. Where there is none, the result has the original's bytes.
    calls_end_blocks : bool, optional
        Whether each call ends a block, so that what is behind a call is counted only when it returned. By default in
        modules with tags, whose calls may end by an exception.
    progress : callable, optional
        Called now and then with how many bytes of code are done, and of how many. What it raises ends the rewriting.
    most_counter_bytes : int
        Of the memory of the counters.

    Raises
    ------
    RewriteError
        It holds what cannot be rewritten, or there is no room; the message names the function.
    """
    return _Rewriting(original, instruments, calls_end_blocks, progress, most_counter_bytes).run()


class _Rewriting:
    """One module on its way."""

    def __init__(
        self, original: Original, instruments: Sequence[Instrument], calls_end_blocks: bool | None,
        progress: Callable[[int, int], object] | None, most_counter_bytes: int,
    ) -> None:  # fmt: skip
        self.original = original
        self.module = module = original.module
        self.instruments = tuple(instruments)
        self.progress = progress
        if self.instruments and len(module.memories) >= _MOST_MEMORIES:
            raise RewriteError(f"It has {len(module.memories)} memories, and the engine takes no more.")
        self.memory = CounterMemory(len(module.memories), len(module.functions), most_counter_bytes)
        self.types: list[bytes] = []  # behind the original's
        self.block_types: dict[tuple[str, ...], bytes] = {}
        self.calls_end_blocks = bool(module.tags) if calls_end_blocks is None else calls_end_blocks
        self.new, self.old, self.counted = array("I"), array("I"), array("I")
        self.inserter = Inserter(module, self.instruments, self.block_type)
        wanted = Wanted(
            exits=self.inserter.has_exits,
            tables=self.wants("table"),
            calls=self.wants("call", "returned"),
            accesses=self.wants("access"),
            bulk=self.wants("bulk", "bulk_done"),
        )
        self.flow = ControlFlow(Walker(module), module.data, wanted, calls_end_blocks=self.calls_end_blocks)

    def wants(self, *points: str) -> bool:
        return any(each.has(point) for each in self.instruments for point in points)

    def run(self) -> Rewritten:
        for each in self.instruments:
            each.prepare(self.module, self.memory)
        contents = {}
        if encoder.section_of(self.module, encoder.CODE) is not None:
            contents[encoder.CODE] = self.code()
        memory_name = ""
        if self.instruments:
            memory_name = self.memory_name()
            contents |= self.additions(contents.get(encoder.CODE), memory_name)
        encoded = encoder.encode(self.module, contents, drops_stale=bool(self.instruments))
        offsets = OffsetMap(self.new, self.old, encoded.code)
        return Rewritten(
            encoded.wasm, self.original, self.instruments, self.flow.blocks, self.memory, memory_name, offsets,
            self.counted, calls_end_blocks=self.calls_end_blocks,
        )  # fmt: skip

    # --- functions ---

    def code(self) -> bytes:
        """The content of the code section, without functions of ours; their number is among those it says it has."""
        section = encoder.section_of(self.module, encoder.CODE)
        assert section is not None  # noqa: S101  # `run` has looked
        place, data = encoder.content_of(self.module, section), self.module.data
        copied = self.first_size(place.start)
        written = bytearray(data[place.start : copied])
        told = 0
        for body in function_bodies(self.module, DEFAULT):
            new = self.function(body)
            if new.content == data[body.start : body.end]:
                written += data[copied : body.start]  # its size, which may be padded
            else:
                written += leb128(len(new.content))
            self.note(new, len(written))
            written += new.content
            copied = body.end
            done = body.end - place.start
            if self.progress is not None and done >= told + _PROGRESS:
                told = done
                self.progress(done, section.size)
        return bytes(written)

    def first_size(self, start: int) -> int:
        """Where the size of the first body stands, behind the number of all."""
        cursor = TypeCursor(self.module.data, DEFAULT)
        cursor.pos = start
        cursor.u32("a count")
        return cursor.pos

    def note(self, new: NewBody, base: int) -> None:
        """Keep where the bytes of the original are, and where its blocks are counted."""
        self.new.extend([base + at for at in new.new])
        self.old.extend(new.old)
        reached = iter(new.counted)
        blocks = self.flow.blocks
        first = len(self.counted)
        self.counted.extend(
            base + next(reached) if blocks.reachable[number] else 0 for number in range(first, len(blocks))
        )

    def function(self, body: Body) -> NewBody:
        kind = self.module.functions[body.function]
        locals_ = self.locals_of(body)
        exact = body._replace(locals=locals_)
        first = len(self.flow.blocks)
        sites = self.flow.take_apart(exact, len(kind.params))
        blocks = range(first, len(self.flow.blocks))
        if not self.instruments:
            return self.inserted(exact, kind, blocks, sites, MOST_BODY, short=False)
        size, rows = self.memory.size, [len(each.sites) for each in self.instruments]
        try:
            return self.inserted(exact, kind, blocks, sites, LONG_BODY, short=False)
        except TooLong:  # what instruments kept of its sites is forgotten
            self.memory.size = size
            for each, before in zip(self.instruments, rows, strict=True):
                each.sites.cut(before)
        try:
            return self.inserted(exact, kind, blocks, sites, MOST_BODY, short=True)
        except TooLong:
            raise RewriteError(
                f"function {body.function} has {format_size(body.end - body.start)}, and more than the"
                f" {format_count(MOST_BODY)} bytes that the engine takes once counters are in it",
                function=body.function,
                offset=body.start,
                hint="Fewer kinds of counters take less room.",
            ) from None

    def inserted(
        self, body: Body, kind: FuncType, blocks: range, sites: Sequence[Site], most: int, *, short: bool
    ) -> NewBody:
        function = FunctionBody(
            body.function, kind, body.locals, blocks, self.module, self.flow.blocks, self.memory,
            has_calls=any(site.kind in {Kind.CALL, Kind.TAIL_CALL} for site in sites), short=short,
        )  # fmt: skip
        return self.inserter.rewrite(body, function, sites, most)

    def locals_of(self, body: Body) -> int:
        """Its declared locals, exactly: `Body.locals` has one for a declaration of none."""
        cursor = TypeCursor(self.module.data, DEFAULT)
        cursor.pos, cursor.end = body.start, body.code
        found = 0
        for _ in range(cursor.u32("declarations")):
            found += cursor.u32("locals")
            cursor.value_type("a type")
        return found

    # --- what is added ---

    def type_index(self, kind: FuncType) -> int:
        """The index of a type of functions, which is added where the original has none."""
        try:
            return self.module.types.index(kind)
        except ValueError:
            encoded = function_type(kind.params, kind.results)
        if encoded not in self.types:
            self.types.append(encoded)
            if len(self.module.types) + len(self.types) > _MOST_TYPES:
                raise RewriteError("It has as many types as the engine takes, and there is no room for more.")
        return len(self.module.types) + self.types.index(encoded)

    def block_type(self, results: tuple[str, ...]) -> bytes:
        """The type of a block that takes nothing and gives these."""
        found = self.block_types.get(results)
        if found is None:
            if len(results) < 2:
                found = value_type(results[0]) if results else b"\x40"
            else:
                found = signed_leb128(self.type_index(FuncType((), results)))
            self.block_types[results] = found
        return found

    def memory_name(self) -> str:
        taken = {each.name for each in self.module.exports}
        names = (f"{MEMORY_NAME}.{number}" if number else MEMORY_NAME for number in range(len(taken) + 1))
        return next(each for each in names if each not in taken)

    def additions(self, code: bytes | None, memory_name: str) -> dict[int, bytes]:
        """The contents of the sections that get more: the memory, its export, functions of ours, and types."""
        module, pages = self.module, leb128(self.memory.pages(self.module.memories))
        added = {
            encoder.MEMORIES: encoder.appended(module, encoder.MEMORIES, [b"\x01" + pages + pages]),
            encoder.EXPORTS: encoder.appended(
                module, encoder.EXPORTS, [name(memory_name) + b"\x02" + leb128(self.memory.index)]
            ),
        }
        helpers = self.memory.helpers
        if helpers:
            indexes = [leb128(self.type_index(FuncType(each.params, each.results))) for each in helpers]
            bodies = [
                function_body([b"\x01" + value_type(kind) for kind in each.locals], each.code) for each in helpers
            ]
            added[encoder.FUNCTIONS] = encoder.appended(module, encoder.FUNCTIONS, indexes)
            content = code or b"\0"
            cursor = TypeCursor(content, DEFAULT)
            count = cursor.u32("a count")
            start = leb128(count + len(bodies))
            shift = len(start) - cursor.pos
            if shift:
                self.new = array("I", [at + shift for at in self.new])
                self.counted = array("I", [at + shift if at else 0 for at in self.counted])
            added[encoder.CODE] = start + content[cursor.pos :] + b"".join(bodies)
        if self.types:
            added[encoder.TYPES] = encoder.appended(module, encoder.TYPES, self.types)
        return added
