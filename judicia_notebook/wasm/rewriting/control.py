r"""From instructions to basic blocks, and to the sites where something can be inserted.

Chapter 3.3 (Validation, Instructions) of the WebAssembly specification 3.0, without its types: the engine has validated
the original. What is followed here is what can be reached.

- ``br``, ``br_table``, ``return``, ``unreachable``, ``throw``, ``throw_ref`` and tail calls end a block, and what is
  behind them up to the ``else`` or ``end`` of their block never runs: it is an unreachable block, and has no sites.
- ``br_if`` and ``br_on_...`` end a block, and so do ``if``, ``else`` and ``loop``.
- An ``end`` ends a block if a branch arrives behind it. A branch to a loop arrives behind the ``loop``.
- A call ends a block in a module with tags: it may end by an exception, and what is behind it does not run then.
- Nothing recurses, so blocks may be nested as deeply as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

from judicia_notebook.wasm.compile_cost import Body
from judicia_notebook.wasm.disassembly import Catch, read_instruction
from judicia_notebook.wasm.opcodes import OPCODES
from judicia_notebook.wasm.rewriting.blocks import Blocks
from judicia_notebook.wasm.rewriting.walker import Walker, number_at, read_number, refusal

_UNREACHABLE, _BLOCK, _LOOP, _IF, _ELSE, _THROW, _THROW_REF, _END = 0x00, 0x02, 0x03, 0x04, 0x05, 0x08, 0x0A, 0x0B
_BR, _BR_IF, _BR_TABLE, _RETURN, _CALL, _CALL_INDIRECT, _TAIL_CALL, _TAIL_INDIRECT = range(0x0C, 0x14)
_CALL_REF, _TAIL_REF, _TRY_TABLE, _BR_ON_NULL, _BR_ON_NON_NULL, _GC = 0x14, 0x15, 0x1F, 0xD5, 0xD6, 0xFB
_BR_ON_CAST, _BR_ON_CAST_FAIL = 0x18, 0x19

CALLS: Final = frozenset({_CALL, _CALL_INDIRECT, _CALL_REF})
TAIL_CALLS: Final = frozenset({_TAIL_CALL, _TAIL_INDIRECT, _TAIL_REF})
_ENDS: Final = frozenset({_UNREACHABLE, _THROW, _THROW_REF})
_PREFIX, _GROW = 0xFC, 0x40
_BULK_ACCESSES: Final = frozenset({0x08, 0x0A, 0x0B})  # memory.init, memory.copy, memory.fill
_BULK: Final = _BULK_ACCESSES | {0x0C, 0x0E, 0x0F, 0x11}  # and those of tables: init, copy, grow, fill


class Kind(IntEnum):
    """What stands at a site."""

    BLOCK = 0  # a reachable block begins; its number
    LOOP = 1  # a ``loop``, with which its block ends; how many loops are open around it
    RETURN = 2  # how many blocks are open
    TABLE = 3  # a ``br_table``; how many targets it has, the default among them
    CALL = 4
    TAIL_CALL = 5
    ACCESS = 6  # of a memory
    BULK = 7  # an instruction that takes as long as its last operand says


class Site(NamedTuple):
    """A reachable place in a function's code where something can be inserted."""

    kind: Kind
    offset: int
    end: int
    value: int
    block: int


class Wanted(NamedTuple):
    """Which sites a pass collects; those of the kinds BLOCK and LOOP always."""

    exits: bool = False
    tables: bool = False
    calls: bool = False
    accesses: bool = False
    bulk: bool = False


class ControlFlow:
    """Takes functions apart, one after the other, and adds their blocks to `blocks`.

    Parameters
    ----------
    walker : Walker
    data : bytes
        The original.
    calls_end_blocks : bool
        Whether each call ends a block.
    """

    def __init__(self, walker: Walker, data: bytes, wanted: Wanted, *, calls_end_blocks: bool) -> None:
        self.blocks = Blocks()
        self._walker = walker
        self._data = data
        self._wanted = wanted
        self._calls_end_blocks = calls_end_blocks
        self._stops = self._stopping()
        self._handlers = self._handling()
        self._begin(0, 0)

    def _stopping(self) -> bytes:
        """By its first byte, whether an instruction is more than one more of its block."""
        stops = {_BLOCK, _LOOP, _IF, _ELSE, _END, _BR, _BR_IF, _BR_TABLE, _RETURN, _TRY_TABLE, *_ENDS, *TAIL_CALLS}
        stops |= {_BR_ON_NULL, _BR_ON_NON_NULL, _GC}
        if self._wanted.calls or self._calls_end_blocks:
            stops |= CALLS
        if self._wanted.accesses:
            stops |= {opcode.prefix for opcode in OPCODES.values() if opcode.access} | {0xFC}
        if self._wanted.bulk:
            stops |= {_PREFIX, _GROW}
        return bytes(code in stops for code in range(256))

    def _handling(self) -> dict[int, Callable[[bytes, int, int], None]]:
        return {
            _BLOCK: self._on_block,
            _TRY_TABLE: self._on_try_table,
            _LOOP: self._on_loop,
            _IF: self._on_if,
            _ELSE: self._on_else,
            _END: self._on_end,
            _BR: self._on_branch,
            _BR_IF: self._on_branch_if,
            _BR_ON_NULL: self._on_branch_if,
            _BR_ON_NON_NULL: self._on_branch_if,
            _BR_TABLE: self._on_branch_table,
            _RETURN: self._on_return,
            _GC: self._on_cast,
            **dict.fromkeys(_ENDS, self._on_last),
            **dict.fromkeys(TAIL_CALLS, self._on_tail_call),
            **dict.fromkeys(CALLS, self._on_call),
        }

    def _begin(self, function: int, at: int) -> None:
        self._function = function
        self._sites: list[Site] = []
        self._kinds = [_BLOCK]  # of the open blocks, the function's body among them
        self._entered = [True]  # whether what is before them is reachable
        self._targeted = [False]  # whether a branch arrives at their end
        self._then_goes_on = [False]  # of an ``if``: whether its end falls through
        self._loops = 0  # of the open blocks
        self._live = True
        self._seen = 0  # instructions before the current one, and it
        self._block_seen = 0  # before the current block
        self._block_at = at

    # --- a function ---

    def take_apart(self, body: Body, parameters: int) -> list[Site]:
        """Add a function's blocks, and return its sites in order of their offsets.

        Raises
        ------
        RewriteError
            As `Walker.pieces`; or its blocks do not nest.
        """
        self._begin(body.function, body.code)
        self._open(body.code, live=True)
        stops, handlers, accesses = self._stops, self._handlers, self._on_access
        at, first = body.code, 0
        for piece in self._walker.pieces(body.function, body.locals + parameters, body.code, body.end):
            for number, instruction in enumerate(piece, first + 1):
                end = at + len(instruction)
                if stops[instruction[0]]:
                    if not self._kinds:
                        raise refusal(body.function, at, "goes on behind its end")
                    self._seen = number
                    handlers.get(instruction[0], accesses)(instruction, at, end)
                at = end
            first += len(piece)
        if self._kinds or self._seen != first:
            raise refusal(body.function, body.end, "has no end, or goes on behind it")
        return self._sites

    def _open(self, at: int, *, live: bool) -> None:
        blocks = self.blocks
        self._live, self._block_at, self._block_seen = live, at, self._seen
        if live:
            self._sites.append(Site(Kind.BLOCK, at, at, len(blocks.last), len(blocks.last)))

    def _close(self, end: int, last: int) -> None:
        blocks = self.blocks
        blocks.function.append(self._function)
        blocks.start.append(self._block_at)
        blocks.end.append(end)
        blocks.instructions.append(self._seen - self._block_seen)
        blocks.last.append(last)
        blocks.reachable.append(self._live)

    def _next(self, end: int, last: int, *, live: bool) -> None:
        """The current block ends here, and another one begins."""
        self._close(end, last)
        self._open(end, live=live)

    def _site(self, kind: Kind, at: int, end: int, value: int) -> None:
        self._sites.append(Site(kind, at, end, value, len(self.blocks.last)))

    # --- blocks that nest ---

    def _push(self, kind: int) -> None:
        self._kinds.append(kind)
        self._entered.append(self._live)
        self._targeted.append(False)
        self._then_goes_on.append(False)

    def _target(self, label: int, at: int) -> None:
        if label >= len(self._kinds):
            raise refusal(self._function, at, f"names label {label} of {len(self._kinds)}")
        self._targeted[-1 - label] |= self._live

    def _on_block(self, _: bytes, _at: int, _end: int) -> None:
        self._push(_BLOCK)

    def _on_try_table(self, instruction: bytes, at: int, _: int) -> None:
        clauses = read_instruction(instruction, 0, len(instruction)).immediates[1]
        for clause in clauses if isinstance(clauses, tuple) else ():
            if isinstance(clause, Catch):
                self._target(clause.label, at)  # counted from outside of it
        self._push(_BLOCK)

    def _on_loop(self, _: bytes, at: int, end: int) -> None:
        self._push(_LOOP)
        if self._live:
            self._site(Kind.LOOP, at, end, self._loops)
            self._next(end, _LOOP, live=True)
        self._loops += 1

    def _on_if(self, _: bytes, _at: int, end: int) -> None:
        self._push(_IF)
        if self._live:
            self._next(end, _IF, live=True)

    def _on_else(self, _: bytes, at: int, end: int) -> None:
        if self._kinds[-1] != _IF:
            raise refusal(self._function, at, "has an else without an if")
        self._kinds[-1] = _ELSE
        self._then_goes_on[-1] = self._live
        if self._entered[-1]:
            self._next(end, _ELSE, live=True)

    def _on_end(self, _: bytes, _at: int, end: int) -> None:
        kind, entered = self._kinds.pop(), self._entered.pop()
        targeted, then_goes_on = self._targeted.pop(), self._then_goes_on.pop()
        if not self._kinds:
            self._close(end, _END)
            return
        live, is_joint = self._live, kind in {_IF, _ELSE} and entered
        if kind == _LOOP:
            self._loops -= 1
        else:
            live |= targeted
            is_joint |= targeted
        if kind == _IF:
            live |= entered
        elif kind == _ELSE:
            live |= then_goes_on
        if (is_joint and live) or live != self._live:
            self._next(end, _END, live=live)

    # --- what ends a block ---

    def _on_branch(self, instruction: bytes, at: int, end: int) -> None:
        self._target(number_at(instruction, 1), at)
        self._last(end, _BR)

    def _on_branch_if(self, instruction: bytes, at: int, end: int) -> None:
        self._target(number_at(instruction, 1), at)
        if self._live:
            self._next(end, instruction[0], live=True)

    def _on_cast(self, instruction: bytes, at: int, end: int) -> None:
        if number_at(instruction, 1) in {_BR_ON_CAST, _BR_ON_CAST_FAIL}:
            label = read_instruction(instruction, 0, len(instruction)).immediates[1]
            if isinstance(label, int):
                self._target(label, at)
            if self._live:
                self._next(end, _GC, live=True)

    def _on_branch_table(self, instruction: bytes, at: int, end: int) -> None:
        count, first = read_number(instruction, 1, len(instruction))
        labels = instruction[first:]
        if labels.isascii():
            distinct = set(labels)
        else:
            distinct = set()
            for label in read_instruction(instruction, 0, len(instruction)).immediates[0]:
                distinct.add(label)
        for label in distinct:
            self._target(label, at)
        if self._live and self._wanted.tables:
            self._site(Kind.TABLE, at, end, count + 1)
        self._last(end, _BR_TABLE)

    def _on_return(self, _: bytes, at: int, end: int) -> None:
        if self._live and self._wanted.exits:
            self._site(Kind.RETURN, at, end, len(self._kinds) - 1)
        self._last(end, _RETURN)

    def _on_tail_call(self, instruction: bytes, at: int, end: int) -> None:
        if self._live and (self._wanted.exits or self._wanted.calls):
            self._site(Kind.TAIL_CALL, at, end, 0)
        self._last(end, instruction[0])

    def _on_last(self, instruction: bytes, _: int, end: int) -> None:
        self._last(end, instruction[0])

    def _last(self, end: int, last: int) -> None:
        if self._live:
            self._next(end, last, live=False)

    # --- what does not ---

    def _on_call(self, instruction: bytes, at: int, end: int) -> None:
        if not self._live:
            return
        if self._wanted.calls:
            self._site(Kind.CALL, at, end, 0)
        if self._calls_end_blocks:
            self._next(end, instruction[0], live=True)

    def _on_access(self, instruction: bytes, at: int, end: int) -> None:
        if not self._live:
            return
        if self._wanted.accesses and is_access(instruction):
            self._site(Kind.ACCESS, at, end, 0)
        if self._wanted.bulk and is_bulk(instruction):  # last, since it has a place behind the instruction, too
            self._site(Kind.BULK, at, end, 0)


def is_bulk(instruction: bytes) -> bool:
    """Whether an instruction takes as long as its last operand says."""
    first = instruction[0]
    return first == _GROW or (first == _PREFIX and number_at(instruction, 1) in _BULK)


def is_access(instruction: bytes) -> bool:
    """Whether an instruction that begins as a load, a store, ``memory.grow``, 0xFC or 0xFD accesses a memory."""
    first = instruction[0]
    if first == _PREFIX:
        return number_at(instruction, 1) in _BULK_ACCESSES
    if first == 0xFD:
        return OPCODES[0xFD << 16 | number_at(instruction, 1)].access > 0
    return first != _GROW
