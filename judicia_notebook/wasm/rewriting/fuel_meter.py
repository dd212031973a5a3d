"""The guest's own fuel, counted by the guest: what its calls would have taken without the code that counts.

Counters take fuel, so a rewritten module has a larger tank, and this instrument ends the call where the original would
have ended: Wasmtime looks at its fuel where a function begins, where an iteration begins, and behind an instruction
that takes as long as its last operand says; so does this.

- What an instruction costs is Wasmtime 50's rule: one, and nothing for `FREE`. One that takes as long as its last
  operand says costs that many more once it has run, unless it was to grow something and did not. A function costs one
  when it begins. ``tests/wasm/rewriting/test_fuel.py`` holds this against Wasmtime: another release's rule shows there.
- An operand that is a constant of 128 at most is taken before, and Wasmtime does not look behind. It also knows
  constants that came by way of a local, this those that stand directly before: there this looks once more.
- The cost of a block is taken when it begins. So that no more is taken than has run, calls end blocks:
  ``rewrite(..., calls_end_blocks=True)``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final

from judicia_notebook.wasm.encoding import signed_leb128
from judicia_notebook.wasm.rewriting.instrument import BulkPoint, FunctionBody, Instrument

if TYPE_CHECKING:
    from judicia_notebook.wasm.info import ModuleInfo
    from judicia_notebook.wasm.rewriting.counter_memory import CounterMemory

FREE: Final = frozenset({0x00, 0x01, 0x02, 0x03, 0x05, 0x0B, 0x0F, 0x1A})
"""Opcodes that cost nothing: ``unreachable``, ``nop``, ``block``, ``loop``, ``else``, ``end``, ``return``, ``drop``."""

_LOOP = 0x03
_SHORT: Final = 128
"""A length up to which Wasmtime takes what it knows before the instruction, and does not look behind it."""
_ZERO, _IF, _END, _I64_ADD = b"\x41\0", b"\x04\x40", b"\x0b", b"\x7c"
_FIELDS: Final = struct.Struct("<QQQ")


def _is_short(point: BulkPoint) -> bool:
    return point.constant is not None and 0 <= point.constant <= _SHORT


class FuelMeter(Instrument):
    """How much fuel the original would have taken; at a limit it ends the call, as ``unreachable`` does.

    Six instructions a block, and as many more where a function or an iteration begins. It is the one instrument whose
    code traps.
    """

    name: ClassVar[str] = "fuel"

    def __init__(self) -> None:
        super().__init__()
        self.address = 0

    def prepare(self, module: ModuleInfo, memory: CounterMemory) -> None:
        self.address = memory.reserve(_FIELDS.size)

    def entry(self, body: FunctionBody) -> bytes:
        return self._spend(body, b"\x42\1") + self._check(body)

    def block(self, body: FunctionBody, number: int) -> bytes:
        begins_loop = number > body.blocks.start and body.all_blocks.last[number - 1] == _LOOP
        cost = sum(opcode not in FREE for opcode in body.opcodes(number))
        spend = self._spend(body, b"\x42" + signed_leb128(cost)) if cost else b""
        return (self._check(body) if begins_loop else b"") + spend

    def bulk(self, body: FunctionBody, point: BulkPoint) -> bytes:
        return self._spend(body, b"\x42" + signed_leb128(point.constant or 0)) if _is_short(point) else b""

    def bulk_done(self, body: FunctionBody, point: BulkPoint) -> bytes:
        if _is_short(point):
            return b""
        ahead = sum(opcode not in FREE for opcode in body.opcodes(point.block, point.end))
        code = self._spend(body, point.amount) + self._check(body, ahead)
        if not point.grows:
            return code
        no = b"\x42\x7f\x52" if point.kind == "i64" else b"\x41\x7f\x47"  # -1, and not equal
        return body.tee(point.kind, "grown") + body.get(point.kind, "grown") + no + _IF + code + _END

    def _spend(self, body: FunctionBody, amount: bytes) -> bytes:
        memory = body.memory
        return _ZERO + _ZERO + memory.load(self.address) + amount + _I64_ADD + memory.store(self.address)

    def _check(self, body: FunctionBody, ahead: int = 0) -> bytes:
        """End the call if more is spent than the limit less one, which of no limit (0) is the largest number.

        What the rest of the block costs is taken already, and does not count: `ahead`.
        """
        memory = body.memory
        less = b"\x42" + signed_leb128(ahead) + b"\x7d" if ahead else b""  # i64.sub
        limit = _ZERO + memory.load(self.address + 8) + b"\x42\1\x7d"
        is_over = _ZERO + memory.load(self.address) + less + limit + b"\x56"  # i64.gt_u
        return is_over + _IF + _ZERO + b"\x42\1" + memory.store(self.address + 16) + b"\0" + _END

    # --- for the host, with the bytes of the memory ---

    @staticmethod
    def begin(limit: int | None) -> bytes:
        """What the host writes to `address` before a call: nothing is spent yet, and this much may be."""
        return _FIELDS.pack(0, limit or 0, 0)

    def read(self, memory: bytes | bytearray | memoryview) -> tuple[int, bool]:
        """What is spent, and whether the limit has ended the call."""
        spent, _, ended = _FIELDS.unpack_from(memory, self.address)
        return spent, bool(ended)
