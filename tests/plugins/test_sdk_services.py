"""Every service through the C header and through the Zig file, on a runtime that has them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.host.test_adding_a_service import FUNCTIONS
from tests.support.toolchains import SDK, compile_c, compile_zig

GRANTS = [
    "wall_clock",
    "random",
    "read_database",
    "write_database",
    "emit_event",
    "subscribe_events",
    "read_files",
    "write_files",
    "register_routes",
    "network_access",
    "send_notifications",
    "read_shared_memory=frame",
    "write_shared_memory=frame",
]
C = """
#include "judicia.h"

JUDICIA_MANIFEST({"name": "services"})

JUDICIA_EXPORT(on_event) { jn_log("info", "heard %s", jn_get_string(request, "type").at); }
JUDICIA_EXPORT(on_http_request) {}

JUDICIA_EXPORT(run) {
    jn_time now;
    unsigned char bytes[4] = {0};
    jn_writer row = jn_new(), headers = jn_new();
    jn_value rows, entries, stat, info;
    jn_text content;
    jn_http_answer page;
    long long changed = 0;
    jn_log("warning", "%s %d %u%c %lld %g %% %.*s", "a", -1, 2u, '!', -3ll, 0.5, 2, "bcd");
    JN_TRY(jn_clock_now(&now));
    JN_TRY(jn_random_bytes(bytes, 4));
    JN_TRY(jn_database_execute("CREATE TABLE runs (team TEXT, minute INTEGER)", NULL, NULL));
    jn_open_array(&row);
    jn_put_string(&row, "lund");
    jn_put_int(&row, 12);
    jn_close_array(&row);
    JN_TRY(jn_database_execute("INSERT INTO runs VALUES ($1, $2)", &row, &changed));
    JN_TRY(jn_database_query("SELECT team, minute FROM runs", NULL, &rows));
    JN_TRY(jn_events_subscribe("services.*"));
    JN_TRY(jn_events_emit("services.done", &row));
    JN_TRY(jn_files_write("a/b.bin", "x\\0\\xff", 3));
    JN_TRY(jn_files_read("a/b.bin", &content));
    JN_TRY(jn_files_list("a", &entries));
    JN_TRY(jn_files_stat("a/b.bin", &stat));
    JN_TRY(jn_files_delete("a/b.bin"));
    JN_TRY(jn_http_register_route("GET", "/services/"));
    JN_TRY(jn_notifications_send("jury", "title", "message"));
    JN_TRY(jn_shared_memory_write("frame", 1, "hey", 3));
    JN_TRY(jn_shared_memory_read("frame", 0, bytes, 4));
    JN_TRY(jn_shared_memory_info("frame", &info));
    jn_open_object(&headers);
    jn_put_field(&headers, "accept", "text/html");
    jn_close_object(&headers);
    if (jn_http_request("GET", "http://127.0.0.1:1/", &headers, NULL, &page)) jn_fail("failed", "it was let through");
    jn_value first = jn_first(rows), team = jn_first(first), file = jn_first(entries);
    jn_open_array(answer);
    jn_put_bool(answer, now.unix_ms > 0);
    jn_put_int(answer, changed);
    jn_put_text(answer, jn_string(team));
    jn_put_int(answer, jn_int(jn_next(team)));
    jn_put_int(answer, (long long)content.length);
    jn_put_string(answer, jn_get_string(file, "name").at);
    jn_put_int(answer, jn_get_int(stat, "bytes"));
    jn_put_string(answer, jn_format("%.*s", 3, (char *)bytes + 1).at);
    jn_put_int(answer, jn_get_int(info, "size"));
    jn_put_string(answer, jn_error().code);
    jn_close_array(answer);
}

JUDICIA_EXPORT(afterwards) {
    jn_fail("mine", "first");
    jn_fail("mine", "second");
    jn_value answer_of;
    if (jn_host(judicia_files_read, NULL, &answer_of)) jn_log("error", "a service was asked after all");
    jn_put_int(answer, jn_get_int(request, "x"));
}

JUDICIA_EXPORT(unclosed) { jn_open_array(answer); }
JUDICIA_EXPORT(infinite) { jn_put_double(answer, 1 / 0.0); }
JUDICIA_EXPORT(greedy) { jn_scratch(1u << 30); }
"""
ZIG = """
const std = @import("std");
const judicia = @import("judicia");
pub const panic = judicia.panic;

comptime {
    judicia.manifest("{\\"name\\": \\"services\\"}");
    judicia.exports(.{
        .run = run,
        .on_event = onEvent,
        .on_http_request = onRequest,
        .afterwards = afterwards,
        .infinite = infinite,
        .greedy = greedy,
        .boom = boom,
    });
}

fn onEvent(event: judicia.events.Event) void {
    judicia.log(.info, "heard {s}", .{event.type});
}
fn onRequest() void {}

const Row = struct { []const u8, i64 };

fn run() !struct { bool, u64, []const u8, i64, usize, []const u8, u64, []const u8, u64, []const u8 } {
    judicia.log(.warning, "a -1 2! -3 0.5 % bc", .{});
    const now = try judicia.clock.now();
    var bytes: [4]u8 = undefined;
    try judicia.random.bytes(&bytes);
    _ = try judicia.database.execute("CREATE TABLE runs (team TEXT, minute INTEGER)", .{});
    const changed = try judicia.database.execute("INSERT INTO runs VALUES ($1, $2)", .{ "lund", 12 });
    const rows = try judicia.database.query(Row, "SELECT team, minute FROM runs", .{});
    try judicia.events.subscribe("services.*");
    _ = try judicia.events.emit("services.done", .{ "lund", 12 });
    try judicia.files.write("a/b.bin", "x\\x00\\xff");
    const content = try judicia.files.read("a/b.bin");
    const entries = try judicia.files.list("a");
    const stat = try judicia.files.stat("a/b.bin");
    try judicia.files.delete("a/b.bin");
    try judicia.http.registerRoute("GET", "/services/");
    _ = try judicia.notifications.send("jury", "title", "message");
    _ = try judicia.shared_memory.write("frame", 1, "hey");
    _ = try judicia.shared_memory.read("frame", 0, &bytes);
    const info = try judicia.shared_memory.info("frame");
    const headers = try judicia.json(.{ .accept = "text/html" });
    if (judicia.http.request("GET", "http://127.0.0.1:1/", .{ .headers = headers })) |_| {
        return judicia.fail("failed", "it was let through", .{});
    } else |problem| if (problem != error.Refused) return problem;
    return .{
        now.unix_ms > 0,    changed,    rows[0][0], rows[0][1],
        content.len,        entries[0].name, stat.bytes, bytes[1..],
        info.size,          judicia.refusal.code,
    };
}

fn afterwards() !i64 {
    judicia.fail("mine", "first", .{}) catch {};
    return judicia.fail("mine", "second", .{});
}
fn infinite() f64 {
    return std.math.inf(f64);
}
fn greedy() !void {
    _ = try judicia.scratch.alloc(u8, 1 << 30);
}
fn boom() void {
    @panic("boom");
}
"""


@pytest.fixture(scope="module", params=["c", "zig"])
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "services.c").write_text(C)
    (folder / "services.zig").write_text(ZIG)
    return compile_c(folder / "services.c") if request.param == "c" else compile_zig(folder / "services.zig")


@pytest.fixture
def plugin(rt: jn.Runtime, module: Path) -> jn.Plugin:
    rt.host.shared_memory.create("frame", 8)
    return rt.load(module, grant=GRANTS)


def failure(plugin: jn.Plugin, function: str, payload: Any = None) -> tuple[str, str]:
    with pytest.raises(jn.GuestError) as caught:
        plugin.call(function, payload)
    return caught.value.code, caught.value.message


def test_every_service_does_what_its_name_says(rt: jn.Runtime, plugin: jn.Plugin) -> None:
    expected = [True, 1, "lund", 12, 3, "b.bin", 3, "hey", 8, "capability_denied"]
    assert plugin.call("run") == expected
    assert plugin.logs["message"].iloc[0] == "a -1 2! -3 0.5 % bc"
    assert rt.host.notifications.history["recipient"].tolist() == ["jury"]
    assert {f"judicia:{service} {one.name}" for service, one in named()} - set(rt.host_calls["function"]) <= {
        "judicia:host fail"
    }


def named() -> list[tuple[str, Any]]:
    return [(module.removeprefix("judicia:"), operation) for module, operation in FUNCTIONS]


def test_a_denied_service_fails_the_call_with_its_code(rt: jn.Runtime, module: Path) -> None:
    p = rt.load(module)
    said = ("capability_denied", "judicia:clock now needs the capability wall_clock")
    assert failure(p, "run") == said


def test_the_first_failure_counts_and_nothing_is_done_after_it(rt: jn.Runtime, plugin: jn.Plugin) -> None:
    assert failure(plugin, "afterwards", {}) == ("mine", "first")
    assert "judicia:files read" not in set(rt.host_calls["function"])
    assert plugin.logs.empty


def test_what_has_no_json_or_no_room_fails(plugin: jn.Plugin) -> None:
    assert failure(plugin, "infinite") == ("failed", "the answer has a number that JSON does not have")
    assert failure(plugin, "greedy") == ("quota_exceeded", "the plugin has no memory left")
    for function, code in (("unclosed", "failed"), ("boom", "panicked: boom")):
        if function in plugin.functions:
            with pytest.raises((jn.GuestError, jn.GuestTrap), match=code):
                plugin.call(function)


@pytest.mark.parametrize(("service", "operation"), named(), ids=[f"{service} {one.name}" for service, one in named()])
def test_every_host_function_has_its_line_in_c_and_in_zig(service: str, operation: Any) -> None:
    header, file = (SDK / "c" / "judicia.h").read_text(), (SDK / "zig" / "judicia.zig").read_text()
    assert f"JN_IMPORT({service}, {operation.name})" in header
    assert header.count(f"judicia_{service}_{operation.name}") >= 1
    assert f'import("judicia:{service}", "{operation.name}")' in file
