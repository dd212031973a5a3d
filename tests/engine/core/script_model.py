"""What a call of the scripted guest must come to: the guest and an ideal host by the text of ABI 1, in plain Python.

The model is exact: outcome, value, memory, host calls and the guest's own account of who entered it with which numbers.
Only what two threads or a clock decide has several possible outcomes, and then `Prediction.others` has them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.engine.core.scripted_guest import (
    FREED,
    HEAP,
    PAGE,
    PAGES,
    PROGRAMS,
    SAFE,
    SCRIPT,
    TEXTS,
    Action,
    Part,
    Program,
    packed,
)

WORD, LONG = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
MOST_REQUEST = 16 << 20
"""Bytes of the request of a host call."""
MOST_PAGES = 1 << 16

FROM_OUTSIDE = frozenset({"cancelled", "quota_cpu"})
"""Ends that come before the guest's own report."""
DENIED = b'{"error":{"code":"capability_denied","message":"judicia:clock now needs the capability wall_clock"}}'


class Ended(Exception):
    """The call ends here."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Cut(Exception):
    """The real call came no further, so something from outside ended it."""


@dataclass(frozen=True)
class Limits:
    """The plugin's limits that the scripts change."""

    memory: int = 64 << 20
    answer: int = 16 << 20
    payload: int = 16 << 20
    host_calls: int = 100_000

    def under(self, own: dict[str, int]) -> Limits:
        """Together with a call's own."""
        return Limits(**{kind: min(value, own.get(kind, value)) for kind, value in vars(self).items()})


@dataclass(frozen=True)
class Done:
    """One request that the host's service has got, and what it did."""

    number: int
    answer: Any
    limits: Limits
    how: str = "answered"  # or "raised", or "ended": by an end of the call from outside
    others: frozenset[str] = frozenset()


@dataclass
class Prediction:
    """What a call must come to."""

    outcome: str
    value: Any = None
    others: set[str] = field(default_factory=set)
    host_calls: int = 0
    answer_bytes: int = 0
    memory_bytes: int | None = None
    kept: bool = False
    """Whether the next call may find the instance."""


class Guest:
    """One instance."""

    def __init__(self, programs: tuple[Program, ...]) -> None:
        self.programs = programs
        self.memory = bytearray(PAGES * PAGE)
        for at, text in TEXTS.values():
            self.memory[at : at + len(text)] = text
        script = packed(programs)
        self.memory[SCRIPT : SCRIPT + len(script)] = script
        self.program: Program | None = None
        self.in_host = False
        self.frees = self.request = self.request_length = self.last = self.digest = 0
        self.top = HEAP

    def mix(self, number: int) -> None:
        self.digest = (self.digest ^ number) * 0x100000001B3 & LONG

    def choose(self, size: int) -> None:
        self.program, self.top = self.programs[size % PROGRAMS % len(self.programs)], HEAP
        self.frees = self.request = self.request_length = 0


class Model:
    """One call in an instance.

    Parameters
    ----------
    guest : Guest
        It is changed as the call changes it.
    limits : Limits
        At its beginning.
    own : dict
        The limits of this call alone.
    done : sequence of Done
        What the host's service did in this call.
    """

    def __init__(self, guest: Guest, limits: Limits, own: dict[str, Any], done: Sequence[Done]) -> None:
        self.guest = guest
        self.own = own
        self.limits = limits.under(own)
        self.done = deque(done)
        self.others: set[str] = set()
        self.refused = self.reported = False
        self.host_calls = 0

    # The host -----------------------------------------------------------------------------------------------

    def predict(self, export: str, request: bytes, read: Callable[[bytes | None], Any]) -> Prediction:
        """What the call of this export must come to; `read` makes the value of the answer."""
        value: Any = None
        answer, kept = b"", False
        try:
            if len(self.guest.memory) > self.limits.memory:
                return Prediction("quota_memory", memory_bytes=len(self.guest.memory), kept=True)
            if export == "run":
                value = self.exchange(request)
                answer = value or b""
            elif export == "act":
                self.guest.choose(len(request))
                self.act(self.part("body"))
            outcome, kept = "guest_error" if self.reported else "ok", True
            if outcome == "ok":
                value = read(value) if export in {"run", "rest"} else self.guest.digest
        except Ended as end:
            outcome = "guest_error" if self.reported and end.outcome not in FROM_OUTSIDE else end.outcome
        if "cpu" in self.own:
            self.others.add("quota_cpu")
        return Prediction(
            outcome,
            value if outcome == "ok" else None,
            self.others,
            self.host_calls,
            len(answer) if kept else 0,
            len(self.guest.memory),
            kept or outcome == "guest_error",
        )

    def exchange(self, request: bytes) -> bytes | None:
        """Request and answer, by section 2 of the ABI."""
        guest, length = self.guest, len(request)
        pointer = self.write(request) if length else 0
        answered = self.run(pointer, length)
        where, size = answered >> 32, answered & WORD
        if answered and size > self.limits.answer:
            raise Ended("quota_answer")
        same = (where, size) == (pointer, length)
        if size:
            if where + size > len(guest.memory):
                raise Ended("abi_violation")
            if length and not same and where < pointer + length and pointer < where + size:
                raise Ended("abi_violation")
        answer = bytes(guest.memory[where : where + size])
        if size and not same:
            self.free(where, size)
        if length:
            self.free(pointer, length)
        return answer if answered else None

    def write(self, data: bytes) -> int:
        """Have the guest allocate, and copy the bytes there."""
        pointer = self.alloc(len(data))
        if pointer == 0:
            raise Ended("quota_memory" if self.refused else "abi_violation")
        if pointer + len(data) > len(self.guest.memory):
            raise Ended("abi_violation")
        self.guest.memory[pointer : pointer + len(data)] = data
        return pointer

    def host_call(self, kind: str, pointer: int, length: int) -> int:
        """A host call; the packed answer."""
        guest = self.guest
        if guest.in_host:
            raise Ended("abi_violation")
        guest.in_host = True
        self.host_calls += 1
        if self.host_calls > self.limits.host_calls:
            raise Ended("quota_host_calls")
        answer = self.serve(kind, pointer, length)
        answered = self.write(answer) << 32 | len(answer) if answer else 0
        guest.in_host = False
        return answered

    def serve(self, kind: str, pointer: int, length: int) -> bytes:
        if kind == "clock":
            return DENIED
        if length > MOST_REQUEST:
            if kind == "fail":
                raise Ended("abi_violation")
            said = f"a request of {length} bytes; at most {MOST_REQUEST}"
            return msgspec.json.encode({"error": {"code": "quota_exceeded", "message": said}})
        if pointer + length > len(self.guest.memory):
            raise Ended("abi_violation")
        request = bytes(self.guest.memory[pointer : pointer + length])
        if kind == "fail":
            self.reported = True
            return b""
        return b'{"ok":{}}' if kind == "log" else self.serve_deed(request)

    def serve_deed(self, request: bytes) -> bytes:
        if not self.done:
            raise Cut
        done = self.done.popleft()
        assert done.number == (msgspec.json.decode(request)["n"] if request else 0), (done, request)
        self.limits = done.limits.under(self.own)
        self.others |= done.others
        if len(self.guest.memory) > self.limits.memory:  # the look after a host call, or the next tick, sees it
            self.others.add("quota_memory")
        if done.how == "ended":
            raise Ended("cancelled")
        if done.how == "raised":
            raise Ended("host_failure")
        return msgspec.json.encode({"ok": done.answer})

    # The guest ----------------------------------------------------------------------------------------------

    def part(self, name: str) -> Part:
        assert self.guest.program is not None
        part: Part = getattr(self.guest.program, name)
        return part

    def alloc(self, size: int) -> int:
        """judicia_alloc"""
        guest = self.guest
        if not guest.in_host:
            guest.choose(size)
        part = self.part("host_alloc" if guest.in_host else "alloc")
        guest.mix(0x1000000000 + size)
        self.entered(lambda: self.act(part))
        at = {
            "normal": lambda: self.room(size),
            "absolute": lambda: part.a,
            "at the end": lambda: part.a + len(guest.memory) - size,
            "beside the request": lambda: guest.request + part.a,
        }[part.returns]()
        at &= WORD
        if 0 < at < SAFE:
            at += SAFE
        guest.mix(at)
        return at

    def free(self, pointer: int, size: int) -> None:
        """judicia_free"""
        guest = self.guest
        for number in (0x2000000000, pointer, size):
            guest.mix(number)
        guest.frees += 1
        part = self.part("free" if guest.frees == 1 else "free_again")
        self.entered(lambda: self.act(part))
        if pointer >= SAFE:
            guest.memory[pointer : pointer + size] = bytes([FREED]) * size

    def entered(self, work: Callable[[], None]) -> None:
        """What the allocator does; its traps are broken rules."""
        try:
            work()
        except Ended as end:
            if end.outcome == "trap":
                raise Ended("abi_violation") from None
            raise

    def run(self, pointer: int, length: int) -> int:
        """The exported function."""
        guest = self.guest
        if length == 0:
            guest.choose(0)
        guest.request, guest.request_length = pointer, length
        guest.mix(0x3000000000)
        guest.mix(pointer << 32 | length)
        part = self.part("body")
        self.act(part)
        a, b = part.a & WORD, part.b & WORD
        match part.returns:
            case "absolute":
                where, size = a, b
            case "at the end":
                where, size = a + len(guest.memory) - b, b
            case "beside the request":
                where, size = pointer + a, length + b
            case "before the request":
                where, size = pointer + a - b, b
            case "after the request":
                where, size = pointer + length + a, b
            case "of the host":
                where, size = guest.last >> 32, guest.last
            case "new":
                where, size = self.room(b), b
                if where == 0:
                    self.trap("unreachable")
                guest.memory[where : where + size] = bytes([a & 0xFF]) * size
            case _:
                where, size = 0, 0
        return (where & WORD) << 32 | size & WORD

    def room(self, size: int) -> int:
        guest = self.guest
        at = (guest.top + 15 & -16) & WORD
        end = at + size
        missing = end - len(guest.memory)
        if missing > 0 and not self.grow(-(-missing // PAGE)):
            return 0
        guest.top = end & WORD
        return at

    def grow(self, pages: int) -> bool:
        memory = self.guest.memory
        if pages + len(memory) // PAGE > MOST_PAGES:
            return False  # WebAssembly's own limit, and no refusal of ours
        if pages * PAGE + len(memory) > self.limits.memory:
            self.refused = True
            return False
        memory.extend(bytes(pages * PAGE))
        return True

    def trap(self, kind: str) -> None:
        raise Ended("quota_memory" if self.refused and kind in {"unreachable", "out of bounds"} else "trap")

    def act(self, part: Part) -> None:
        for action in part.actions:
            self.act_once(action)

    def act_once(self, action: Action) -> None:
        guest, a, b = self.guest, action.a & WORD, action.b & WORD
        match action.kind:
            case "unreachable" | "out of bounds" | "divide by zero" | "overflow the stack":
                self.trap(action.kind)
            case "grow":
                self.grow(a)
            case "spin for ever":
                raise Ended("quota_cpu")
            case "fill":
                self.fill(a, 0x5B, b)
            case "fill the request":
                self.fill(guest.request + a & WORD, 0x5D, b)
            case "deed" | "log" | "fail" | "clock":
                guest.last = self.host_call(action.kind, a, b)
                guest.mix(guest.last)

    def fill(self, at: int, byte: int, size: int) -> None:
        if at < SAFE:
            return
        if at + size > len(self.guest.memory):
            self.trap("out of bounds")
        self.guest.memory[at : at + size] = bytes([byte]) * size
