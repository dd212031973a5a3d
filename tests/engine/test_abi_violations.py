"""A guest that breaks the ABI, in every way we could think of: a typed error, and the next call works."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
from tests.support.guests import wat

PAGE = 1 << 16
FAIL = "$judicia:host.fail"
NOW = "$judicia:clock.now"
LOG = "$judicia:log.write"

Load = Callable[..., jn.Plugin]


def guest(
    rt: jn.Runtime,
    *,
    alloc: str = "(i32.const 4096)",
    free: str = "",
    answer: str = "(i64.const 0)",
    more: str = "",
    **options: Any,
) -> jn.Plugin:
    """A plugin whose parts of the ABI are given as code: ``alloc`` of $size, ``free`` and ``answer`` of $ptr, $len."""
    text = compile_wat(
        f"""(memory (export "memory") 1)
        {more}
        (func (export "judicia_alloc") (param $size i32) (result i32) {alloc})
        (func (export "judicia_free") (param $ptr i32) (param $len i32) {free})
        (func (export "run") (param $ptr i32) (param $len i32) (result i64) {answer})
        (func (export "rest") (param i32 i32) (result i64) (i64.const 0))"""
    )
    return rt.load(text.encode(), name="guest", **options)


def violation(plugin: jn.Plugin, payload: Any = "x", *, says: str = "") -> jn.AbiViolation:
    """The error of a call that breaks the ABI, with all that must hold afterwards."""
    outcome = plugin.attempt("run", payload)
    error = outcome.error
    assert isinstance(error, jn.AbiViolation), (outcome.value, error)
    assert says in str(error)
    assert error.record is not None
    assert error.record.outcome == "abi_violation"
    assert plugin.call("rest") is None
    assert plugin.last is not None
    assert plugin.last.outcome == "ok"
    return error


def packed(pointer: int, length: int) -> str:
    value = (pointer << 32) | length
    return f"(i64.const {value - (1 << 64) if value >> 63 else value})"


# --- judicia_alloc ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alloc", "says"),
    [
        ("(i32.const 0)", "answered 0"),
        ("(i32.const 65536)", "beyond its memory of 65536 bytes"),
        ("(i32.const 65534)", "beyond its memory of 65536 bytes"),  # begins inside, ends outside
        ("(i32.const -1)", "answered 0xffffffff"),
        ("(i32.const 0x80000000)", "answered 0x80000000"),
        ("unreachable", "did not return"),
        ("(i32.load (i32.const 0x7fffffff))", "did not return"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "did not return"),
    ],
)
def test_an_alloc_that_gives_no_room(rt: jn.Runtime, alloc: str, says: str) -> None:
    violation(guest(rt, alloc=alloc), says=says)


def test_the_trap_in_an_alloc_is_the_cause(rt: jn.Runtime) -> None:
    error = violation(guest(rt, alloc="unreachable"))
    assert isinstance(error.__cause__, jn.GuestTrap)
    assert error.__cause__.trap == "unreachable"
    assert "judicia_alloc" in "".join(error.__cause__.backtrace) or error.__cause__.backtrace


def test_room_that_ends_exactly_with_the_memory_is_room(rt: jn.Runtime) -> None:
    plugin = guest(rt, alloc="(i32.sub (i32.const 65536) (local.get $size))", answer=packed(65533, 3))
    assert plugin.call("run", "x") == "x"


def test_an_alloc_that_grows_the_memory_first(rt: jn.Runtime) -> None:
    plugin = guest(
        rt,
        alloc="(i32.mul (memory.grow (i32.const 1)) (i32.const 65536))",
        answer="(i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))"
        " (i64.extend_i32_u (local.get $len)))",
    )
    assert plugin.call("run", {"a": 1}) == {"a": 1}
    assert plugin.call("run", {"a": 2}) == {"a": 2}  # at another address


def test_an_alloc_that_calls_the_host(rt: jn.Runtime) -> None:
    plugin = guest(rt, alloc=f"(drop (call {LOG} (i32.const 0) (i32.const 0))) (i32.const 4096)")
    error = violation(plugin)  # the host's answer to it would have to be allocated in turn
    assert "host call from judicia_alloc" in str(error) + str(error.__cause__)


def test_an_alloc_that_never_returns_is_stopped_by_the_quota_and_not_blamed_on_the_abi(rt: jn.Runtime) -> None:
    plugin = guest(rt, alloc="(loop $again (br $again)) (i32.const 0)", quota={"cpu": "30ms"})
    error = plugin.attempt("run", "x").error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "cpu"
    assert plugin.call("rest") is None


def test_an_alloc_that_may_not_grow_is_the_quotas_doing(rt: jn.Runtime) -> None:
    plugin = guest(
        rt,
        alloc="(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then (return (i32.const 0)))) (i32.const 8)",
        quota={"memory": 2 * PAGE},
    )
    error = plugin.attempt("run", "x").error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "memory"


# --- judicia_free ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("free", ["unreachable", "(drop (i32.load (i32.const -4)))"])
def test_a_free_that_traps(rt: jn.Runtime, free: str) -> None:
    error = violation(guest(rt, free=free), says="judicia_free")
    assert isinstance(error.__cause__, jn.GuestTrap)


def test_request_and_answer_are_freed_once_each_with_their_own_sizes(rt: jn.Runtime) -> None:
    plugin = guest(
        rt,
        more="""(global $calls (mut i64) (i64.const 0)) (data (i32.const 100) "[1]")
        (func (export "freed") (result i64) (global.get $calls))""",
        # Each free appends a decimal group: pointer and length of at most four digits.
        free="""(global.set $calls (i64.add (i64.mul (global.get $calls) (i64.const 100000000))
          (i64.extend_i32_u (i32.add (i32.mul (local.get $ptr) (i32.const 10000)) (local.get $len)))))""",
        answer=packed(100, 3),
    )
    assert plugin.call("run", "four") == [1]
    assert plugin.raw("freed")() == 100_0003_4096_0006  # the answer, then the request


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pointer", "length"),
    [
        (65536, 1),
        (65535, 2),
        (0xFFFFFFFF, 1),
        (0xFFFFFFFF, 0xFFFF),
        (0x80000000, 8),
        (1, 65536),
    ],
)
def test_an_answer_outside_the_memory(rt: jn.Runtime, pointer: int, length: int) -> None:
    violation(guest(rt, answer=packed(pointer, length)), says="beyond its memory of 65536 bytes")


@pytest.mark.parametrize(("pointer", "length"), [(8, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (8, (16 << 20) + 1)])
def test_an_answer_beyond_the_quota_is_not_even_looked_at(rt: jn.Runtime, pointer: int, length: int) -> None:
    plugin = guest(rt, answer=packed(pointer, length))
    error = plugin.attempt("run", "x").error
    assert isinstance(error, jn.QuotaExceeded)
    assert (error.quota, error.used, error.limit) == ("answer", length, 16 << 20)
    assert plugin.call("rest") is None


@pytest.mark.parametrize(("pointer", "length"), [(4095, 3), (4096, 2), (4097, 1), (4098, 5), (4090, 100)])
def test_an_answer_that_overlaps_the_request(rt: jn.Runtime, pointer: int, length: int) -> None:
    violation(guest(rt, answer=packed(pointer, length)), says="overlaps the request")


@pytest.mark.parametrize("pointer", [4093, 4099])
def test_an_answer_right_beside_the_request_does_not_overlap_it(rt: jn.Runtime, pointer: int) -> None:
    plugin = guest(rt, answer=f"(i32.store (i32.const {pointer}) (i32.const 0x205b5d5b)) {packed(pointer, 3)}")
    with pytest.raises(jn.AbiViolation, match="JSON"):  # it was read, and is no JSON
        plugin.call("run", "x")
    assert plugin.call_bytes("run", b'"x"') == b"[]["


def test_the_requests_own_buffer_is_an_answer_and_is_freed_once(rt: jn.Runtime) -> None:
    plugin = guest(
        rt,
        more='(global $frees (mut i32) (i32.const 0)) (func (export "frees") (result i32) (global.get $frees))',
        free="(global.set $frees (i32.add (global.get $frees) (i32.const 1)))",
        answer=packed(4096, 3),
    )
    assert plugin.call("run", "x") == "x"
    assert plugin.raw("frees")() == 1


def test_an_answer_at_address_zero_is_an_ordinary_region(rt: jn.Runtime) -> None:
    assert guest(rt, more='(data (i32.const 0) "42")', answer=packed(0, 2)).call("run", "x") == 42


def test_no_value_and_nothing_are_told_apart(rt: jn.Runtime) -> None:
    assert guest(rt, answer="(i64.const 0)").call("run", "x") is None
    empty = guest(rt, answer=packed(8, 0))
    assert empty.call_bytes("run", b"x") == b""
    violation(empty, says="no JSON")


NESTED = 100_000


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"\xff\xfe", "JSON"),
        (b'"\xc3\x28"', "JSON"),
        (b'"\xed\xa0\x80"', "JSON"),  # half a surrogate pair, in what would be UTF-8
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"{} {}", "JSON"),
        (b"nul", "JSON"),
        (b"'x'", "JSON"),
        (b"\x00", "JSON"),
        (b"NaN", "JSON"),
        (b"[Infinity]", "JSON"),
        (b"-Infinity", "JSON"),
        (b'{"a": 1, "a": 1}', "duplicate key"),
        (b'{"a": {"b": 1, "c": [{"d": 1, "d": 2}]}}', "duplicate key"),
        (b'{"a": ":", "a": ":"}', "duplicate key"),
        (b'{"a": "\\":", "a": 0}', "duplicate key"),
        (b'{"a": 1, "\\u0061": 1}', "duplicate key"),
        (b"18446744073709551616", "64 bits"),
        (b"[-9223372036854775809]", "64 bits"),
        (b'{"n": 1' + b"0" * 60 + b"}", "64 bits"),
        (b"[" * 129 + b"]" * 129, "deeper than 128"),
        (b'{"a":' * 129 + b"1" + b"}" * 129, "deeper than 128"),
        (b"[" * NESTED + b"]" * NESTED, "deeper than 128"),
        (b'{"a":' * NESTED + b"1" + b"}" * NESTED, "deeper than 128"),
        (b"[" * NESTED, "JSON"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_an_answer_that_is_not_the_json_of_the_abi(rt: jn.Runtime, answer: bytes, says: str) -> None:
    plugin = echo_of(rt, answer)
    with pytest.raises(jn.AbiViolation, match=says):
        plugin.call("run")
    assert plugin.last is not None
    assert plugin.last.outcome == "abi_violation"
    assert plugin.call_bytes("run", b"") == answer  # as bytes it is nobody's business
    assert plugin.call("rest") is None


def echo_of(rt: jn.Runtime, answer: bytes) -> jn.Plugin:
    """A plugin that answers these bytes."""
    text = "".join(f"\\{byte:02x}" for byte in answer)
    return rt.load(
        wat(
            f"""(memory (export "memory") 20) (data (i32.const 64) "{text}")
            (func (export "run") (param i32 i32) (result i64) {packed(64, len(answer))})
            (func (export "rest") (param i32 i32) (result i64) (i64.const 0))"""
        ),
        name="guest",
    )


@pytest.mark.parametrize("number", [(1 << 64) - 1, -(1 << 63), 9007199254740993])
def test_integers_of_64_bits_are_exact(rt: jn.Runtime, number: int) -> None:
    assert echo_of(rt, str(number).encode()).call("run") == number


# --- host calls ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pointer", "length"), [(65536, 1), (65535, 2), (-1, 1), (-1, -1), (0, 65537), (-2147483648, 4), (8, 16777217)]
)
@pytest.mark.parametrize("function", [LOG, NOW, FAIL])
def test_a_host_call_with_a_wild_request(rt: jn.Runtime, function: str, pointer: int, length: int) -> None:
    plugin = guest(
        rt,
        answer=f"(drop (call {function} (i32.const {pointer}) (i32.const {length}))) (i64.const 0)",
        grant=["wall_clock"],
    )
    outcome = plugin.attempt("run")
    rows = plugin.host_calls
    assert len(rows) == 1
    if length % (1 << 32) > 16 << 20 and function is not FAIL:
        assert outcome.error is None  # refused by its size alone, and the guest was told so
        assert rows.decision.iloc[0] == "limited"
    else:
        assert isinstance(outcome.error, jn.AbiViolation)
        assert rows.decision.iloc[0] in ("failed", "limited")
    assert plugin.call("rest") is None


def test_a_wild_request_that_is_denied_is_not_read(rt: jn.Runtime) -> None:
    plugin = guest(rt, answer=f"(call {NOW} (i32.const -1) (i32.const 5))")
    assert plugin.call("run")["error"]["code"] == "capability_denied"


@pytest.mark.parametrize("alloc", ["(i32.const 0)", "(i32.const -8)", "unreachable"])
def test_the_answer_of_a_host_call_finds_no_room(rt: jn.Runtime, alloc: str) -> None:
    plugin = guest(rt, alloc=alloc, answer=f"(call {LOG} (i32.const 0) (i32.const 0))")
    outcome = plugin.attempt("run")
    assert isinstance(outcome.error, jn.AbiViolation)
    assert "judicia_alloc" in str(outcome.error)
    assert plugin.call("rest") is None


def test_a_host_call_sees_memory_as_it_is_after_the_guest_grew_it(rt: jn.Runtime) -> None:
    plugin = guest(
        rt,
        answer=f"""(drop (memory.grow (i32.const 3)))
        (i64.store (i32.const 200000) (i64.const 0x7d7b)) (call {NOW} (i32.const 200000) (i32.const 2))""",
        grant=["wall_clock"],
    )
    assert set(plugin.call("run")["ok"]) == {"unix_ms", "monotonic_ms"}


@pytest.mark.parametrize("function", [LOG, NOW, FAIL])
def test_a_host_call_from_the_start_function(rt: jn.Runtime, function: str) -> None:
    plugin = guest(
        rt,
        more=f"""(global $once (mut i32) (i32.const 0))
        (func $start (drop (call {function} (i32.const 0) (i32.const 0)))) (start $start)""",
        grant=["wall_clock"],
    )
    error = plugin.attempt("run").error
    assert isinstance(error, jn.AbiViolation)
    assert "start function" in str(error)
    assert len(plugin.host_calls) == 0


def test_a_wait_with_wild_pointers_is_a_fault_for_the_guest(rt: jn.Runtime) -> None:
    plugin = rt.load(
        b"""(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "poll") (param i32 i32 i32 i32) (result i32)
          (call $poll (local.get 0) (local.get 1) (local.get 2) (local.get 3))))""",
        name="guest",
    )
    poll = plugin.raw("poll")
    fault, invalid = 21, 28
    assert poll(65536 - 47, 0, 1, 0) == fault
    assert poll(0, 65536 - 31, 1, 0) == fault
    assert poll(0, 0, 1, 65533) == fault
    assert poll(-1, -1, 1, -1) == fault
    assert poll(0, 0, 0, 0) == invalid
    assert poll(0, 0, -1, 0) == invalid
    assert poll(0, 1000, 1, 2000) == 0  # an empty wait on a clock


REPORT = json.dumps({"code": "no", "message": "will not"})
REPORTING = {
    "more": f"(data (i32.const 64) {json.dumps(REPORT)})",
}
REPORT_CALL = f"(drop (call {FAIL} (i32.const 64) (i32.const {len(REPORT)})))"


@pytest.mark.parametrize(
    "after",
    ["unreachable", "(i64.const 0)", "(i64.const 8589934592000)", "(i64.const -1)", f"{REPORT_CALL} (i64.const 0)"],
)
def test_a_reported_failure_is_what_the_caller_is_told_whatever_comes_after(rt: jn.Runtime, after: str) -> None:
    plugin = guest(rt, answer=f"{REPORT_CALL} {after}", **REPORTING)
    outcome = plugin.attempt("run", "x")
    error = outcome.error
    if after == "(i64.const -1)":  # an answer above the quota: a limit wins
        assert isinstance(error, jn.QuotaExceeded | jn.GuestError)
    else:
        assert isinstance(error, jn.GuestError)
        assert (error.code, error.message) == ("no", "will not")
        assert outcome.record is not None
        assert outcome.record.outcome == "guest_error"
    assert plugin.call("rest") is None


def test_a_reported_failure_does_not_reach_the_next_call(rt: jn.Runtime) -> None:
    plugin = guest(
        rt,
        answer=f"(if (global.get $first) (then (global.set $first (i32.const 0)) {REPORT_CALL})) (i64.const 0)",
        more=f"{REPORTING['more']} (global $first (mut i32) (i32.const 1))",
    )
    assert isinstance(plugin.attempt("run").error, jn.GuestError)
    assert plugin.attempt("run").error is None  # the same instance: saying no costs nobody his state


# --- exports ---------------------------------------------------------------------------------------------------------

MEMORY = '(memory (export "memory") 1)'
ALLOC = '(func (export "judicia_alloc") (param i32) (result i32) (i32.const 8))'
FREE = '(func (export "judicia_free") (param i32 i32))'
RUN = '(func (export "run") (param i32 i32) (result i64) (i64.const 0))'


@pytest.mark.parametrize(
    ("parts", "missing"),
    [
        ((ALLOC, FREE), "memory"),
        ((MEMORY, FREE), "judicia_alloc"),
        ((MEMORY, ALLOC), "judicia_free"),
        (('(global (export "memory") i32 (i32.const 0))', ALLOC, FREE), "memory"),
        ((MEMORY, '(func (export "judicia_alloc") (param i64) (result i32) (i32.const 8))', FREE), "judicia_alloc"),
        ((MEMORY, '(func (export "judicia_alloc") (result i32) (i32.const 8))', FREE), "judicia_alloc"),
        ((MEMORY, '(func (export "judicia_alloc") (param i32) (result i64) (i64.const 8))', FREE), "judicia_alloc"),
        ((MEMORY, '(global (export "judicia_alloc") i32 (i32.const 8))', FREE), "judicia_alloc"),
        ((MEMORY, ALLOC, '(func (export "judicia_free") (param i32))'), "judicia_free"),
        ((MEMORY, ALLOC, '(func (export "judicia_free") (param i32 i32) (result i32) (i32.const 0))'), "judicia_free"),
    ],
)
def test_an_export_of_the_abi_that_is_missing_or_of_another_type(
    rt: jn.Runtime, parts: tuple[str, ...], missing: str
) -> None:
    wasm = f"(module {' '.join(parts)} {RUN})".encode()
    for abi in ("judicia-v1", None):  # also where nobody said what it is: it was plainly meant to be one
        with pytest.raises(jn.AbiMismatch, match=missing):
            rt.load(wasm, name="guest", abi=abi)
        assert "guest" not in rt.plugins
    raw = rt.load(wasm, name="guest", abi="raw")
    with pytest.raises(jn.AbiMismatch):
        raw.call("run")
    assert raw.raw("run")(0, 0) == 0


@pytest.mark.parametrize(
    "signature",
    ["(param i32) (result i64)", "(param i32 i32 i32) (result i64)", "(param i64 i64) (result i64)", "(param i32 i32)"],
)
def test_a_function_of_another_type_cannot_be_called_with_a_request(load: Load, signature: str) -> None:
    body = "(i64.const 0)" if "result" in signature else ""
    plugin = load(f'(func (export "odd") {signature} {body})')
    with pytest.raises(jn.NoSuchFunction, match="odd"):
        plugin.call("odd")
    assert plugin.call("echo", 1) == 1


def test_a_host_function_that_is_exported_again_still_asks_the_policy(rt: jn.Runtime) -> None:
    plugin = guest(
        rt,
        more='(export "now" (func $judicia:clock.now)) (global $unused i32 (i32.const 0))',
        alloc="(i32.add (i32.const 4096) (i32.mul (local.get $size) (i32.const 8)))",
    )
    assert plugin.call("now")["error"]["code"] == "capability_denied"
    plugin.policy.grant("wall_clock")
    assert "ok" in plugin.call("now")
    assert "bad_request" in json.dumps(plugin.call("now", {"x": 1}))
