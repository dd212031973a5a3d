"""A guest that does what a script says, and the scripts: what each side of an exchange does is data.

A script is eight programs. The size of a request, modulo eight, chooses the program of a call: `judicia_alloc` has to
know it before there is a request. A program has a part for each way in which the host enters the guest, and a part is
some actions and what the guest returns then.

The guest keeps an account of its own: the exported number ``digest`` mixes every entry with all its numbers. What the
guest frees it fills with 0xDD (after on_initialize with 0), so that bytes which the host copies too late are not those
that it should have copied.

The guest's memory: texts for host calls and the script below 8 KiB, where neither host nor guest ever writes; its
allocator begins at 64 KiB.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, fields
from typing import Any

PAGE = 1 << 16
PAGES = 2
"""Of a new instance."""

PROGRAMS = 8
PARTS = ("alloc", "body", "host_alloc", "free", "free_again")
ACTIONS = 3
"""Of a part at most."""
PART_BYTES = 16 * (ACTIONS + 1)
SCRIPT_BYTES = PROGRAMS * len(PARTS) * PART_BYTES

SCRIPT, SAFE, HEAP = 4096, 8192, PAGE
FREED = 0xDD
DEEDS = 16
"""What the host's service can be asked to do: ``{"n": 0}`` and so on."""

TEXTS = {
    **{f"deed {number}": (64 + 16 * number, b'{"n":%d}' % number) for number in range(DEEDS)},
    "fail": (512, b'{"code":"no","message":"will not"}'),
    "log": (576, b'{"level":"info","message":"a line"}'),
}
"""Where requests of host calls lie, and what they are."""

KINDS = (
    *("nothing", "unreachable", "out of bounds", "divide by zero", "overflow the stack"),
    *("grow", "spin", "spin for ever", "fill", "fill the request", "deed", "log", "fail", "clock"),
)
"""Actions, by number."""

RETURNS = (
    *("normal", "absolute", "at the end", "beside the request"),
    *("of the host", "new", "before the request", "after the request"),
)
"""What a part returns, by number. An allocator gives an address, a body a packed answer."""


class Short:
    """A dataclass that shows what is not its default, so that a failing script can be read."""

    def __repr__(self) -> str:
        said: dict[str, Any] = {
            one.name: value
            for one in fields(self)  # type: ignore[arg-type]
            if (value := getattr(self, one.name)) != one.default
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in said.items())})"


@dataclass(frozen=True, repr=False)
class Action(Short):
    """One thing to do, with two numbers of 32 bits."""

    kind: str
    a: int = 0
    b: int = 0

    def packed(self) -> bytes:
        return struct.pack("<4I", KINDS.index(self.kind), self.a & 0xFFFFFFFF, self.b & 0xFFFFFFFF, 0)


@dataclass(frozen=True, repr=False)
class Part(Short):
    """What the guest does when it is entered in one way, and what it returns then."""

    actions: tuple[Action, ...] = ()
    returns: str = "normal"
    a: int = 0
    b: int = 0

    def packed(self) -> bytes:
        actions = b"".join(action.packed() for action in self.actions).ljust(16 * ACTIONS, b"\0")
        return actions + struct.pack("<4I", RETURNS.index(self.returns), self.a & 0xFFFFFFFF, self.b & 0xFFFFFFFF, 0)


@dataclass(frozen=True, repr=False)
class Program(Short):
    """What the guest does in one call. A body that returns "normal" has no value."""

    alloc: Part = field(default=Part())
    body: Part = field(default=Part())
    host_alloc: Part = field(default=Part())
    free: Part = field(default=Part())
    free_again: Part = field(default=Part())

    def packed(self) -> bytes:
        return b"".join(getattr(self, part).packed() for part in PARTS)

    @property
    def actions(self) -> list[Action]:
        """All of them."""
        return [action for part in PARTS for action in getattr(self, part).actions]


def packed(programs: tuple[Program, ...]) -> bytes:
    """The script in the guest's memory: these programs, again and again until there are eight."""
    return b"".join(programs[number % len(programs)].packed() for number in range(PROGRAMS))


def configuration(programs: tuple[Program, ...]) -> dict[str, str]:
    """What the guest's on_initialize is told: the script, a letter for each half of a byte."""
    return {"script": packed(programs).hex().translate(_LETTERS)}


_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def _data() -> str:
    return "\n".join(
        f'(data (i32.const {at}) "{"".join(f"{chr(92)}{byte:02x}" for byte in text)}")' for at, text in TEXTS.values()
    )


def _dispatch() -> str:
    """The actions, each in a block that the table leaves by its number."""
    code = {
        "nothing": "",
        "unreachable": "unreachable",
        "out of bounds": "(drop (i32.load (i32.const -4)))",
        "divide by zero": "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
        "overflow the stack": "(call $deeper)",
        "grow": "(drop (memory.grow (local.get $a)))",
        "spin": """(loop $on (local.set $a (i32.sub (local.get $a) (i32.const 1)))
          (br_if $on (i32.gt_s (local.get $a) (i32.const 0))))""",
        "spin for ever": "(loop $on (br $on))",
        "fill": "(call $fill (local.get $a) (i32.const 0x5b) (local.get $b))",
        "fill the request": """(call $fill (i32.add (global.get $request) (local.get $a)) (i32.const 0x5d)
          (local.get $b))""",
        "deed": "(call $host (i32.const 0) (local.get $a) (local.get $b))",
        "log": "(call $host (i32.const 1) (local.get $a) (local.get $b))",
        "fail": "(call $host (i32.const 2) (local.get $a) (local.get $b))",
        "clock": "(call $host (i32.const 3) (i32.const 0) (i32.const 0))",
    }
    text = f"(br_table {' '.join(map(str, range(len(KINDS))))} {len(KINDS) - 1} (local.get $kind))"
    for kind in KINDS:
        text = f"(block {text}) {code[kind]} (return)"
    return text


WAT = f"""(module
(import "judicia:test" "do" (func $do (param i32 i32) (result i64)))
(import "judicia:log" "write" (func $log (param i32 i32) (result i64)))
(import "judicia:host" "fail" (func $fail (param i32 i32) (result i64)))
(import "judicia:clock" "now" (func $now (param i32 i32) (result i64)))
(memory (export "memory") {PAGES})
{_data()}
(global $ready (mut i32) (i32.const 0))
(global $program (mut i32) (i32.const 0))    ;; where it lies; 0: none was chosen yet
(global $in_host (mut i32) (i32.const 0))
(global $frees (mut i32) (i32.const 0))      ;; of this exchange
(global $top (mut i32) (i32.const {HEAP}))
(global $request (mut i32) (i32.const 0))
(global $request_length (mut i32) (i32.const 0))
(global $last (mut i64) (i64.const 0))       ;; what the last host call answered
(global $digest (mut i64) (i64.const 0))

(func $mix (param $number i64)
  (global.set $digest (i64.mul (i64.xor (global.get $digest) (local.get $number)) (i64.const 0x100000001b3))))
(func $deeper (call $deeper) (call $deeper))
(func $fill (param $at i32) (param $byte i32) (param $len i32)
  (if (i32.ge_u (local.get $at) (i32.const {SAFE}))
    (then (memory.fill (local.get $at) (local.get $byte) (local.get $len)))))
(func $bytes (result i64) (i64.mul (i64.extend_i32_u (memory.size)) (i64.const {PAGE})))

;; An honest allocator: 0 where there is no room.
(func $room (param $size i32) (result i32)
  (local $at i32) (local $end i64) (local $missing i64)
  (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
  (local.set $end (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $size))))
  (local.set $missing (i64.sub (local.get $end) (call $bytes)))
  (if (i64.gt_s (local.get $missing) (i64.const 0)) (then
    (if (i32.eq (i32.const -1) (memory.grow (i32.wrap_i64
          (i64.div_u (i64.add (local.get $missing) (i64.const {PAGE - 1})) (i64.const {PAGE})))))
      (then (return (i32.const 0))))))
  (global.set $top (i32.wrap_i64 (local.get $end)))
  (local.get $at))

(func $host (param $function i32) (param $ptr i32) (param $len i32)
  (local $before i32)
  (local.set $before (global.get $in_host))
  (global.set $in_host (i32.const 1))
  (block $done
    (block (block (block (block (br_table 0 1 2 3 (local.get $function)))
      (global.set $last (call $do (local.get $ptr) (local.get $len))) (br $done))
      (global.set $last (call $log (local.get $ptr) (local.get $len))) (br $done))
      (global.set $last (call $fail (local.get $ptr) (local.get $len))) (br $done))
    (global.set $last (call $now (local.get $ptr) (local.get $len))))
  (global.set $in_host (local.get $before))
  (call $mix (global.get $last)))

(func $act (param $at i32)
  (local $kind i32) (local $a i32) (local $b i32)
  (local.set $kind (i32.load (local.get $at)))
  (local.set $a (i32.load offset=4 (local.get $at)))
  (local.set $b (i32.load offset=8 (local.get $at)))
  {_dispatch()})
(func $part (param $number i32) (result i32)
  (i32.add (global.get $program) (i32.mul (local.get $number) (i32.const {PART_BYTES}))))
(func $act_all (param $part i32)
  (call $act (local.get $part))
  (call $act (i32.add (local.get $part) (i32.const 16)))
  (call $act (i32.add (local.get $part) (i32.const 32))))

(func $choose (param $size i32)
  (global.set $program (i32.add (i32.const {SCRIPT})
    (i32.mul (i32.and (local.get $size) (i32.const {PROGRAMS - 1})) (i32.const {len(PARTS) * PART_BYTES}))))
  (global.set $frees (i32.const 0))
  (global.set $top (i32.const {HEAP}))
  (global.set $request (i32.const 0))
  (global.set $request_length (i32.const 0)))

(func (export "judicia_alloc") (param $size i32) (result i32)
  (local $part i32) (local $returns i32) (local $a i32) (local $at i32)
  (if (i32.eqz (global.get $ready)) (then (return (call $room (local.get $size)))))
  (if (global.get $in_host)
    (then (local.set $part (call $part (i32.const 2))))
    (else (call $choose (local.get $size)) (local.set $part (call $part (i32.const 0)))))
  (call $mix (i64.add (i64.const 0x1000000000) (i64.extend_i32_u (local.get $size))))
  (call $act_all (local.get $part))
  (local.set $returns (i32.load offset=48 (local.get $part)))
  (local.set $a (i32.load offset=52 (local.get $part)))
  (block $done
    (block (block (block (block
      (br_table 0 1 2 3 0 (local.get $returns)))
      (local.set $at (call $room (local.get $size))) (br $done))
      (local.set $at (local.get $a)) (br $done))
      (local.set $at (i32.add (local.get $a) (i32.wrap_i64
        (i64.sub (call $bytes) (i64.extend_i32_u (local.get $size)))))) (br $done))
    (local.set $at (i32.add (global.get $request) (local.get $a))))
  (if (i32.and (i32.gt_u (local.get $at) (i32.const 0)) (i32.lt_u (local.get $at) (i32.const {SAFE})))
    (then (local.set $at (i32.add (local.get $at) (i32.const {SAFE})))))
  (call $mix (i64.extend_i32_u (local.get $at)))
  (local.get $at))

(func (export "judicia_free") (param $ptr i32) (param $len i32)
  (if (global.get $program) (then
    (call $mix (i64.const 0x2000000000))
    (call $mix (i64.extend_i32_u (local.get $ptr)))
    (call $mix (i64.extend_i32_u (local.get $len)))
    (global.set $frees (i32.add (global.get $frees) (i32.const 1)))
    (call $act_all (call $part (select (i32.const 3) (i32.const 4) (i32.eq (global.get $frees) (i32.const 1)))))))
  (if (i32.and (i32.ge_u (local.get $ptr) (i32.const {SAFE}))
        (i64.le_u (i64.add (i64.extend_i32_u (local.get $ptr)) (i64.extend_i32_u (local.get $len))) (call $bytes)))
    (then (memory.fill (local.get $ptr) (select (i32.const {FREED}) (i32.const 0) (global.get $program))
      (local.get $len)))))

(func $pack (param $ptr i32) (param $len i32) (result i64)
  (i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))
(func (export "run") (param $ptr i32) (param $len i32) (result i64)
  (local $part i32) (local $a i32) (local $b i32)
  (if (i32.eqz (local.get $len)) (then (call $choose (i32.const 0))))
  (global.set $request (local.get $ptr))
  (global.set $request_length (local.get $len))
  (call $mix (i64.const 0x3000000000))
  (call $mix (call $pack (local.get $ptr) (local.get $len)))
  (local.set $part (call $part (i32.const 1)))
  (call $act_all (local.get $part))
  (local.set $a (i32.load offset=52 (local.get $part)))
  (local.set $b (i32.load offset=56 (local.get $part)))
  (block (block (block (block (block (block (block (block
    (br_table 0 1 2 3 4 5 6 7 (i32.load offset=48 (local.get $part))))
    (return (i64.const 0)))
    (return (call $pack (local.get $a) (local.get $b))))
    (return (call $pack (i32.add (local.get $a) (i32.wrap_i64
      (i64.sub (call $bytes) (i64.extend_i32_u (local.get $b))))) (local.get $b))))
    (return (call $pack (i32.add (global.get $request) (local.get $a))
      (i32.add (global.get $request_length) (local.get $b)))))
    (return (global.get $last)))
    (local.set $a (call $room (local.get $b)))
    (if (i32.eqz (local.get $a)) (then unreachable))
    (memory.fill (local.get $a) (i32.load offset=52 (local.get $part)) (local.get $b))
    (return (call $pack (local.get $a) (local.get $b))))
    (return (call $pack (i32.sub (i32.add (global.get $request) (local.get $a)) (local.get $b)) (local.get $b))))
  (call $pack (i32.add (i32.add (global.get $request) (global.get $request_length)) (local.get $a)) (local.get $b)))

(func (export "rest") (param i32 i32) (result i64) (i64.const 0))
(func (export "digest") (result i64) (global.get $digest))
(func (export "act") (param $size i32) (result i64)
  (call $choose (local.get $size))
  (call $act_all (call $part (i32.const 1)))
  (global.get $digest))

(func (export "on_initialize") (param $ptr i32) (param $len i32) (result i64)
  (local $from i32) (local $to i32)  ;; the script is the last text of the request
  (local.set $from (i32.sub (i32.add (local.get $ptr) (local.get $len)) (i32.const {3 + 2 * SCRIPT_BYTES})))
  (local.set $to (i32.const {SCRIPT}))
  (loop $on
    (i32.store8 (local.get $to) (i32.or
      (i32.shl (i32.sub (i32.load8_u (local.get $from)) (i32.const 97)) (i32.const 4))
      (i32.sub (i32.load8_u offset=1 (local.get $from)) (i32.const 97))))
    (local.set $from (i32.add (local.get $from) (i32.const 2)))
    (local.set $to (i32.add (local.get $to) (i32.const 1)))
    (br_if $on (i32.lt_u (local.get $to) (i32.const {SCRIPT + SCRIPT_BYTES}))))
  (global.set $ready (i32.const 1))
  (i64.const 0))
)""".encode()
"""The guest."""

COUNTING = b"""(module
(memory (export "memory") 2)
(global $calls (mut i32) (i32.const 0))
(func (export "judicia_alloc") (param i32) (result i32) (i32.const 4096))
(func (export "judicia_free") (param i32 i32))
(func (export "echo") (param i32 i32) (result i64)
  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
  (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
(func (export "calls") (result i32) (global.get $calls)))"""
"""An honest plugin beside it, which counts its calls."""
