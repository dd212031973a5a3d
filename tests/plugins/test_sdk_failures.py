"""How a call that fails says so, through the C header and the Zig file: without memory, with bytes that are no text, in
nested requests, in answers that are no JSON, and before a trap."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.toolchains import compile_c, compile_sanitized, compile_zig, run

C = r"""
#include "judicia.h"

JUDICIA_EXPORT(exhaust) {
    while (jn_scratch(64)) {}
    jn_put_int(answer, 1);
}
JUDICIA_EXPORT_BYTES(failing) { jn_fail("bad", "%.*s", (int)request.length, request.at); }
JUDICIA_EXPORT_BYTES(logging) { jn_log("info", "%.*s", (int)request.length, request.at); }
JUDICIA_EXPORT(code) { jn_fail("\xffmine", "text"); }
JUDICIA_EXPORT_BYTES(answering) { jn_put_text(answer, request); }
JUDICIA_EXPORT(pair) {
    jn_value pair = jn_get(request, "pair");
    jn_put_int(answer, jn_get_int(pair, "a") + jn_get_int(pair, "b"));
}
JUDICIA_EXPORT(pairs) {
    long long sum = 0;
    jn_each (item, jn_get(request, "pairs")) sum += jn_get_int(item, "a") + jn_get_int(item, "b");
    jn_each (item, jn_get(request, "more")) sum += jn_int(item);
    jn_put_int(answer, sum);
}
JUDICIA_EXPORT(denied) {
    jn_time now;
    if (!jn_clock_now(&now)) jn_put_int(answer, -1);
}
JUDICIA_EXPORT(reason) { jn_put_text(answer, jn_format("%s|%s", jn_error().code, jn_error().message)); }
JUDICIA_EXPORT(abort) { jn_abort("it went %s at %d", "boom", 7); }
JUDICIA_EXPORT(abort_bytes) { jn_abort("it went \xff\xc3"); }
JUDICIA_EXPORT(abort_exhausted) {
    jn_text text = jn_string(request);
    while (jn_heap_alloc(64)) {}
    jn_abort("%s", text.at);
}
JUDICIA_EXPORT(asserting) {
    jn_assert(jn_int(request) % 7 != 3);
    jn_put_int(answer, 1);
}
"""
# What stands only in C: a writer that is told what to do, and memory that is asked for at once.
ONLY_C = r"""
JUDICIA_EXPORT(long_message) { jn_fail("mine", "%s", jn_string(request).at); }
JUDICIA_EXPORT(long_code) {
    jn_text text = jn_string(request);
    while (jn_heap_alloc(64)) {}
    jn_fail(text.at, "%s", text.at);
}
JUDICIA_EXPORT(logs_exhausted) {
    while (jn_scratch(64)) {}
    jn_log("error", "the last words");
}
JUDICIA_EXPORT(two) { jn_put_int(answer, 1); jn_put_int(answer, 2); }
JUDICIA_EXPORT(array_as_object) { jn_open_array(answer); jn_close_object(answer); }
JUDICIA_EXPORT(object_as_array) { jn_open_object(answer); jn_close_array(answer); }
JUDICIA_EXPORT(crossed) {
    jn_open_array(answer); jn_open_object(answer); jn_key(answer, "a"); jn_put_int(answer, 1);
    jn_close_array(answer); jn_close_object(answer);
}
JUDICIA_EXPORT(unopened) { jn_put_int(answer, 1); jn_close_object(answer); jn_open_object(answer); }
JUDICIA_EXPORT(keyless) { jn_open_object(answer); jn_put_int(answer, 1); jn_close_object(answer); }
JUDICIA_EXPORT(stray_key) { jn_open_array(answer); jn_key(answer, "a"); jn_put_int(answer, 1); jn_close_array(answer); }
JUDICIA_EXPORT(valueless) { jn_open_object(answer); jn_key(answer, "a"); jn_close_object(answer); }
JUDICIA_EXPORT(twice_keyed) {
    jn_open_object(answer); jn_key(answer, "a"); jn_key(answer, "b"); jn_put_int(answer, 1); jn_close_object(answer);
}
JUDICIA_EXPORT(inner) {
    jn_writer part = jn_new();
    jn_open_array(&part);
    jn_put_json(answer, &part);
}
JUDICIA_EXPORT(deep) { /* far deeper than is read, and right */
    int levels = (int)jn_int(request);
    for (int i = 0; i < levels; i++) {
        if (i % 3) { jn_open_object(answer); jn_key(answer, "k"); } else jn_open_array(answer);
    }
    jn_put_null(answer);
    for (int i = levels; i--;) {
        if (i % 3) jn_close_object(answer); else jn_close_array(answer);
    }
}
JUDICIA_EXPORT(raw) { /* keys and values as bytes, mixed with others */
    jn_open_object(answer);
    jn_put_raw(answer, "\"a\":");
    jn_put_int(answer, 1);
    jn_key_text(answer, jn_text_of("b:"));
    jn_put_string(answer, "x:");
    jn_key(answer, "c");
    jn_put_raw(answer, "[1,2]");
    jn_close_object(answer);
}
"""
ZIG = r"""
const judicia = @import("judicia");
pub const panic = judicia.panic;
comptime {
    judicia.exports(.{
        .exhaust = exhaust, .code = code, .pair = pair, .pairs = pairs, .denied = denied, .reason = reason,
        .abort = abort, .abort_bytes = abortBytes, .abort_exhausted = abortExhausted, .refused = refused,
        .exhausted_service = exhaustedService,
    });
    judicia.exportsBytes(.{ .failing = failing, .logging = logging, .answering = answering });
}
fn fill() !void {
    while (true) _ = try judicia.scratch.alloc(u8, 64);
}
fn exhaust() !i64 {
    try fill();
    return 1;
}
fn failing(request: []const u8) ![]const u8 {
    return judicia.fail("bad", "{s}", .{request});
}
fn logging(request: []const u8) ![]const u8 {
    judicia.log(.info, "{s}", .{request});
    return "";
}
fn answering(request: []const u8) ![]const u8 {
    return judicia.stringify(request);
}
fn code() !void {
    return judicia.fail("\xffmine", "text", .{});
}
const Pair = struct { a: i64, b: i64 };
fn pair(request: struct { pair: Pair }) i64 {
    return request.pair.a + request.pair.b;
}
fn pairs(request: struct { pairs: []const Pair, more: []const i64 }) i64 {
    var sum: i64 = 0;
    for (request.pairs) |one| sum += one.a + one.b;
    for (request.more) |one| sum += one;
    return sum;
}
fn denied() i64 {
    _ = judicia.clock.now() catch return -1;
    return 1;
}
fn reason() ![]const u8 {
    var i: usize = 1;
    while (i < 4096) : (i += 64) @memset(try judicia.scratch.alloc(u8, i), 'Z'); // where the last call's text was
    return judicia.format("{s}|{s}", .{ judicia.refusal.code, judicia.refusal.message });
}
fn refused() !void {
    return error.Refused;
}
fn exhaustedService() !void {
    fill() catch {};
    _ = try judicia.clock.now();
}
fn abort() void {
    @panic("it went boom at 7");
}
fn abortBytes() void {
    @panic("it went \xff\xc3");
}
fn abortExhausted(request: []const u8) void {
    fill() catch {};
    @panic(request);
}
"""


@pytest.fixture(scope="module", params=["c", "cpp", "zig"])
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp(request.param) / f"failures.{request.param}"
    source.write_text(ZIG if request.param == "zig" else C)
    return compile_zig(source) if request.param == "zig" else compile_c(source)


@pytest.fixture
def plugin(rt: jn.Runtime, module: Path) -> jn.Plugin:
    return rt.load(module, quota={"memory": "4MiB", "cpu": "20s", "wall": "60s"})


@pytest.fixture(scope="module")
def module_in_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("only-c") / "failures.c"
    source.write_text(C + ONLY_C)
    return compile_c(source)


@pytest.fixture
def in_c(rt: jn.Runtime, module_in_c: Path) -> jn.Plugin:
    return rt.load(module_in_c, quota={"memory": "4MiB", "cpu": "20s", "wall": "60s"})


def failure(plugin: jn.Plugin, function: str, payload: Any = None) -> tuple[str, str]:
    with pytest.raises(jn.GuestError) as caught:
        plugin.call(function, payload)
    assert not caught.value.state_lost
    return caught.value.code, caught.value.message


def trap(plugin: jn.Plugin, function: str, payload: Any = None) -> str:
    """The facts of a trap: what the guest said."""
    with pytest.raises(jn.GuestTrap) as caught:
        plugin.call(function, payload)
    assert caught.value.trap == "unreachable"
    return "\n".join(fact for fact in caught.value.facts if fact.startswith("It said: "))


def texts() -> list[bytes]:
    """Bytes that are no UTF-8, each in its own way, and some by chance; without a NUL, where C's texts end."""
    chance = random.Random(9)
    ends = [
        b"\x80",
        b"\xff",
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x8e",
        b"\xc0\xaf",
        b"\xe0\x80\xbf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ]
    parts = [*ends, b"a", "é".encode(), "\U0001f388".encode(), b'"', b"\\"]
    return [b"text " + end for end in ends] + [b"".join(chance.choices(parts, k=8)) for _ in range(60)]


def test_no_memory_left_is_told_and_the_plugin_lives_on(plugin: jn.Plugin) -> None:
    for _ in range(2):
        assert failure(plugin, "exhaust") == ("quota_exceeded", "the plugin has no memory left")
    assert plugin.call("pair", {"pair": {"a": 1, "b": 2}}) == 3


def test_bytes_that_are_no_text_are_replaced_in_messages(plugin: jn.Plugin) -> None:
    for text in texts():
        said = text.decode(errors="replace")
        with pytest.raises(jn.GuestError) as caught:
            plugin.call_bytes("failing", text)
        assert (caught.value.code, caught.value.message, caught.value.state_lost) == ("bad", said, False)
        plugin.call_bytes("logging", text)
        assert plugin.logs["message"].iloc[-1] == said
    assert failure(plugin, "code") == ("\ufffdmine", "text")


def test_an_answer_that_is_no_text_stays_a_violation(plugin: jn.Plugin) -> None:
    assert plugin.call_bytes("answering", "é".encode()) == '"é"'.encode()
    assert plugin.call_bytes("answering", b"\xff") == b'"\xff"'


def test_a_field_inside_is_told_by_its_own_name(plugin: jn.Plugin) -> None:
    said = [
        failure(plugin, "pair", payload)
        for payload in ({"pair": {"a": 1}}, {"pair": {"a": 1, "b": "x"}}, {}, {"pair": 3}, {"pair": {"a": 1.5, "b": 1}})
    ]
    assert said == [
        ("bad_request", "missing field `b`"),
        ("bad_request", "field `b`: expected a whole number"),
        ("bad_request", "missing field `pair`"),
        ("bad_request", "field `pair`: expected an object"),
        ("bad_request", "field `a`: expected a whole number"),
    ]
    pair, words = {"a": 1, "b": 2}, "field `more`: expected a whole number"
    assert plugin.call("pairs", {"pairs": [pair, pair], "more": [1]}) == 7
    assert failure(plugin, "pairs", {"pairs": [pair, {"a": 1}], "more": []}) == ("bad_request", "missing field `b`")
    assert failure(plugin, "pairs", {"pairs": [pair, pair], "more": [1, "x"]}) == ("bad_request", words)
    assert failure(plugin, "pairs", {"pairs": [pair]}) == ("bad_request", "missing field `more`")


def test_a_field_that_stands_twice_inside_is_told_by_its_own_name(plugin: jn.Plugin) -> None:
    text = b'{"pair": {"a": 1, "b": 2, "b": 3}}'
    if "refused" not in plugin.functions:  # C takes the first
        assert plugin.call_bytes("pair", text) == b"3"
        return
    with pytest.raises(jn.GuestError, match="duplicate field `b`"):
        plugin.call_bytes("pair", text)


def test_a_refusal_is_gone_with_its_call(plugin: jn.Plugin) -> None:
    assert plugin.call("denied") == -1
    assert plugin.call("reason") == "|"


def test_a_trap_says_what_the_plugin_said(plugin: jn.Plugin) -> None:
    by = "panicked: " if "refused" in plugin.functions else ""
    assert trap(plugin, "abort") == f"It said: {by}it went boom at 7"
    assert trap(plugin, "abort_bytes") == f"It said: {by}it went \ufffd\ufffd"
    assert plugin.logs["level"].tolist() == ["error", "error"]
    if "asserting" in plugin.functions:
        assert plugin.call("asserting", 4) == 1
        assert trap(plugin, "asserting", 10).endswith(": jn_int(request) % 7 != 3 is false")


def test_the_last_words_need_no_memory(plugin: jn.Plugin) -> None:
    """A trap after refused memory is told as the quota's."""
    with pytest.raises(jn.QuotaExceeded, match="of 4 MiB memory"):
        plugin.call("abort_exhausted", "no room for é")
    assert plugin.logs["message"].iloc[-1].removeprefix("panicked: ") == "no room for é"


# --- Zig alone --------------------------------------------------------------------------------------------------------


def test_in_zig_an_error_of_the_plugins_own_has_a_code(plugin: jn.Plugin) -> None:
    if "refused" not in plugin.functions:
        return
    said = ("failed", "the plugin answered error.Refused, and no service had refused anything")
    assert [failure(plugin, "refused"), plugin.call("denied"), failure(plugin, "refused")] == [said, -1, said]
    assert failure(plugin, "exhausted_service") == ("quota_exceeded", "the plugin has no memory left")


# --- C alone ----------------------------------------------------------------------------------------------------------


def test_in_c_a_message_without_room_is_cut(in_c: jn.Plugin) -> None:
    code, message = failure(in_c, "long_message", "\U0001f388" * 450_000)
    assert (code, message) == ("mine", "\U0001f388" * (512 // 4))
    assert failure(in_c, "long_message", "\U0001f388" * 1000) == ("mine", "\U0001f388" * 1000)
    assert failure(in_c, "logs_exhausted") == ("quota_exceeded", "the plugin has no memory left")
    assert in_c.logs["message"].iloc[-1] == "the last words"
    assert failure(in_c, "long_code", "\x01" * 900) == ("\x01" * 64, "\x01" * 512)  # keeps all memory: comes last


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("two", "a second value, and no array or object round them"),
        ("array_as_object", "a } that closes an array"),
        ("object_as_array", "a ] that closes an object"),
        ("crossed", "a ] that closes an object"),
        ("unopened", "a } without its {"),
        ("keyless", "a value without a key in an object"),
        ("stray_key", "a key outside of an object"),
        ("valueless", "a key without a value"),
        ("twice_keyed", "a key without a value"),
        ("inner", "an array or an object that is not closed"),
    ],
)
def test_in_c_json_that_is_none_is_told_in_words(in_c: jn.Plugin, function: str, words: str) -> None:
    assert failure(in_c, function) == ("failed", f"the JSON that is written has {words}")


def test_in_c_json_that_is_right_is_left_alone(in_c: jn.Plugin) -> None:
    assert in_c.call("raw") == {"a": 1, "b:": "x:", "c": [1, 2]}
    for levels in (0, 1, 127, 128, 129, 400):
        text = in_c.call_bytes("deep", str(levels).encode()).decode()
        opened = "".join('{"k":' if i % 3 else "[" for i in range(levels))
        closed = "".join("}" if i % 3 else "]" for i in reversed(range(levels)))
        assert text == f"{opened}null{closed}"


def test_natively_a_log_writes_nothing_and_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs.c").write_text(
        '#include "judicia.h"\nint main(void) { jn_log("info", "%d", 1); return jn_failed(); }\n'
    )
    run([compile_sanitized(tmp_path / "logs.c")], env={"ASAN_OPTIONS": "detect_leaks=0"})
