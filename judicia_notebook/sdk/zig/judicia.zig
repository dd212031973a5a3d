//! Judicia plugins in Zig 0.17.1, in one file.
//!
//!     const judicia = @import("judicia");
//!
//!     comptime {
//!         judicia.manifest(
//!             \\{"name": "adder", "version": "1.0.0"}
//!         );
//!         judicia.exports(.{ .add = add });
//!     }
//!
//!     fn add(request: struct { a: i64, b: i64 = 0 }) !i64 {
//!         return request.a + request.b;
//!     }
//!
//! - A function takes the request as the type it needs and returns the answer, or an error, which fails the call.
//!   Numbers, truth values, text, slices, optionals, enums and structs are read and written; a field with a default
//!   value need not be there, and fields that the struct does not have are ignored. `Json` is any value, unread.
//! - What is read or asked for lives until the export returns; so does what `scratch` gives.
//! - A service is imported only if the plugin calls it. The wire format is ABI.md, one folder up.
//! - `pub const panic = judicia.panic;` in the plugin writes the text of a panic to its log before the trap.

const std = @import("std");
const builtin = @import("builtin");

// --- memory ----------------------------------------------------------------------------------------------------------

const heap = std.heap.wasm_allocator;
var arena: std.heap.ArenaAllocator = .init(heap);

/// Memory until the export returns; nothing has to be freed.
pub const scratch: std.mem.Allocator = arena.allocator();

export fn judicia_alloc(size: usize) ?[*]u8 {
    return heap.rawAlloc(size, .@"8", 0);
}

export fn judicia_free(ptr: [*]u8, size: usize) void {
    heap.rawFree(ptr[0..size], .@"8", 0);
}

/// Bytes as the host wants them: `ptr << 32 | len`, in memory that it gives back.
fn give(bytes: []const u8) !u64 {
    if (bytes.len == 0) return 0;
    const ptr = judicia_alloc(bytes.len) orelse return error.OutOfMemory;
    @memcpy(ptr, bytes);
    return @as(u64, @intFromPtr(ptr)) << 32 | bytes.len;
}

// --- failing ---------------------------------------------------------------------------------------------------------

/// `Failed`: the host knows already. `Refused`: a service said no, and `refusal` tells why.
pub const Error = error{ Failed, Refused, OutOfMemory };

const Refusal = struct { code: []const u8 = "", message: []const u8 = "" };

/// What the last service that said no gave as its reason, in this call.
pub var refusal: Refusal = .{};

var failed = false;

/// Fails the call: `return judicia.fail("overflow", "{d} is too large", .{n});`. The first failure counts.
pub fn fail(code: []const u8, comptime message: []const u8, args: anytype) Error {
    if (failed) return error.Failed;
    tell(composed(code, message, args) catch no_room);
    return error.Failed;
}

/// What stands for a failure that there is no memory left to write.
const no_room = "{\"code\":\"quota_exceeded\",\"message\":\"the plugin has no memory left\"}";

fn composed(code: []const u8, comptime message: []const u8, args: anytype) Error![]const u8 {
    const Failure = struct { code: []const u8, message: []const u8 };
    return stringify(Failure{ .code = try readable(code), .message = try readable(try format(message, args)) });
}

fn tell(failure: []const u8) void {
    failed = true;
    _ = import("judicia:host", "fail")(failure.ptr, failure.len);
}

/// A text for people: what is no UTF-8 in it becomes U+FFFD, for the host would end the call otherwise.
fn readable(text: []const u8) error{OutOfMemory}![]const u8 {
    return if (std.unicode.utf8ValidateSlice(text)) text else format("{f}", .{std.unicode.fmtUtf8(text)});
}

/// Text until the export returns.
pub fn format(comptime text: []const u8, args: anytype) error{OutOfMemory}![]u8 {
    return std.fmt.allocPrint(scratch, text, args);
}

/// For `pub const panic` of a plugin.
pub const panic = std.debug.FullPanic(struct {
    var kept: [512]u8 = undefined;
    var panicked = false;

    fn call(message: []const u8, _: ?usize) noreturn {
        if (panicked) @trap(); // the line of the log did it
        panicked = true;
        const said = kept[0..@min(kept.len, message.len)];
        @memcpy(said, message[0..said.len]);
        writeLine(.@"error", "panicked: {s}", .{said}) catch {
            _ = arena.reset(.free_all); // nobody reads what is there, and the line needs room
            log(.@"error", "panicked: {s}", .{said});
        };
        @trap();
    }
}.call);

// --- exports ---------------------------------------------------------------------------------------------------------

/// Exports functions from JSON to JSON under the names of the fields. An empty request is read as null.
pub fn exports(comptime functions: anytype) void {
    for (@typeInfo(@TypeOf(functions)).@"struct".field_names) |name| {
        @export(&entry(@field(functions, name), answerJson), .{ .name = name });
    }
}

/// Exports functions `fn ([]const u8) ![]const u8` for `p.call_bytes`.
pub fn exportsBytes(comptime functions: anytype) void {
    for (@typeInfo(@TypeOf(functions)).@"struct".field_names) |name| {
        @export(&entry(@field(functions, name), answerBytes), .{ .name = name });
    }
}

/// What the plugin says of itself, as JSON, once in a plugin: section 7 of ABI.md has the fields.
pub fn manifest(comptime fields: []const u8) void {
    if (!builtin.cpu.arch.isWasm()) return;
    @setEvalBranchQuota(100 * fields.len + 1000);
    var text: []const u8 = "";
    for (fields) |byte| text = text ++ switch (byte) {
        '"', '\\' => [_]u8{ '\\', byte },
        '\n', '\r' => " ",
        else => [_]u8{byte},
    };
    _ = Assembly(".section .custom_section.judicia.manifest,\"\",@\n.ascii \"" ++ text ++ "\"\n.text\n");
}

/// Assembly that stands in no function, which is where custom sections are made.
fn Assembly(comptime text: []const u8) type {
    return struct {
        comptime {
            asm (text);
        }
    };
}

fn entry(comptime function: anytype, comptime answer: anytype) fn (?[*]const u8, usize) callconv(.c) u64 {
    return struct {
        fn call(ptr: ?[*]const u8, len: usize) callconv(.c) u64 {
            failed = false;
            refusal = .{}; // the memory of the last call's is gone
            defer _ = arena.reset(.free_all);
            const request: []const u8 = if (ptr) |some| some[0..len] else "";
            const packed_answer = answer(function, request) catch |problem| return refuse(problem);
            return if (failed) 0 else packed_answer;
        }
    }.call;
}

fn refuse(problem: anyerror) u64 {
    if (failed) return 0;
    if (problem == error.OutOfMemory) {
        tell(no_room);
        return 0;
    }
    (if (problem != error.Refused)
        fail("failed", "{s}", .{@errorName(problem)})
    else if (refusal.code.len == 0)
        fail("failed", "the plugin answered error.Refused, and no service had refused anything", .{})
    else
        fail(refusal.code, "{s}", .{refusal.message})) catch {};
    return 0;
}

fn answerBytes(comptime function: anytype, request: []const u8) !u64 {
    return give(try function(request));
}

fn answerJson(comptime function: anytype, request: []const u8) !u64 {
    const parameters = @typeInfo(@TypeOf(function)).@"fn".param_types;
    const said = if (parameters.len == 0)
        function()
    else
        function(try parseRequest(parameters[0].?, if (request.len == 0) "null" else request));
    const value = if (@typeInfo(@TypeOf(said)) == .error_union) try said else said;
    return if (@TypeOf(value) == void) 0 else give(try stringify(value));
}

// --- reading JSON ----------------------------------------------------------------------------------------------------

/// A value that is not read yet.
pub const Json = struct {
    text: []const u8,

    /// Reads it as a value of a type.
    pub fn read(unread: Json, comptime T: type) Error!T {
        var reader: Reader = .{ .text = unread.text };
        return reader.value(T) catch |problem| reader.explain(problem);
    }
};

fn parseRequest(comptime T: type, text: []const u8) Error!T {
    var reader: Reader = .{ .text = text };
    return reader.whole(T) catch |problem| reader.explain(problem);
}

const Reader = struct {
    text: []const u8,
    at: usize = 0,
    /// The innermost field that is read, for messages.
    field: []const u8 = "",
    expected: []const u8 = "",

    const Problem = error{ Syntax, Unexpected, Missing, Repeated, OutOfMemory };
    const deepest = 128;

    fn whole(r: *Reader, comptime T: type) Problem!T {
        if (!std.unicode.utf8ValidateSlice(r.text)) return error.Syntax;
        var check: Reader = .{ .text = r.text };
        defer r.at = @max(r.at, check.at);
        check.skip(deepest) catch |problem| return problem;
        if (check.at != check.text.len) return error.Syntax;
        return r.value(T);
    }

    fn explain(r: *Reader, problem: Problem) Error {
        return switch (problem) {
            error.Syntax => fail("bad_request", "the request is not JSON: byte {d}", .{r.at}),
            error.Missing => fail("bad_request", "missing field `{s}`", .{r.field}),
            error.Repeated => fail("bad_request", "duplicate field `{s}`", .{r.field}),
            error.OutOfMemory => error.OutOfMemory,
            error.Unexpected => if (r.field.len == 0)
                fail("bad_request", "expected {s}", .{r.expected})
            else
                fail("bad_request", "field `{s}`: expected {s}", .{ r.field, r.expected }),
        };
    }

    fn wrong(r: *Reader, expected: []const u8) Problem {
        r.expected = expected;
        return error.Unexpected;
    }

    fn value(r: *Reader, comptime T: type) Problem!T {
        if (T == Json) return .{ .text = try r.raw() };
        if (T == []const u8) return if (r.peek() == '"') r.string() else r.wrong("text");
        switch (@typeInfo(T)) {
            .void => try r.skip(deepest),
            .bool => return if (r.peek() == 't' or r.peek() == 'f') (try r.raw())[0] == 't' else r.wrong("true or false"),
            .int => return std.fmt.parseInt(T, try r.number("a whole number"), 10) catch |problem| switch (problem) {
                error.Overflow => r.wrong(std.fmt.comptimePrint("a whole number of {d} bits", .{@bitSizeOf(T)})),
                error.InvalidCharacter => r.wrong("a whole number"),
            },
            .float => {
                const number_read = std.fmt.parseFloat(T, try r.number("a number")) catch unreachable; // it was checked
                return if (std.math.isInf(number_read)) r.wrong("a number of 64 bits") else number_read;
            },
            .optional => |optional| {
                if (r.peek() != 'n') return try r.value(optional.child);
                try r.skip(deepest);
                return null;
            },
            .@"enum" => {
                const name = if (r.peek() == '"') try r.string() else return r.wrong("text");
                return std.meta.stringToEnum(T, name) orelse r.wrong("another choice");
            },
            .pointer => |pointer| {
                if (pointer.size != .slice) @compileError("no JSON is read as " ++ @typeName(T));
                return r.list(pointer.child);
            },
            .@"struct" => return r.object(T),
            else => @compileError("no JSON is read as " ++ @typeName(T)),
        }
    }

    fn list(r: *Reader, comptime Item: type) Problem![]const Item {
        var items: std.ArrayList(Item) = .empty;
        if (!r.accept('[')) return r.wrong("a list");
        if (r.accept(']')) return &.{};
        while (true) {
            try items.append(scratch, try r.value(Item));
            if (!r.accept(',')) break;
        }
        return if (r.accept(']')) items.items else error.Syntax;
    }

    fn object(r: *Reader, comptime T: type) Problem!T {
        const info = @typeInfo(T).@"struct";
        var read: T = undefined;
        var seen: [info.field_names.len]bool = @splat(false);
        const outer = r.field;
        if (!r.accept('{')) return r.wrong("an object");
        while (r.peek() == '"') {
            const key = try r.string();
            r.field = key;
            if (!r.accept(':')) return error.Syntax;
            inline for (info.field_names, info.field_types, 0..) |name, Field, i| {
                if (std.mem.eql(u8, name, key)) {
                    if (seen[i]) return error.Repeated;
                    seen[i] = true;
                    @field(read, name) = try r.value(Field);
                    break;
                }
            } else try r.skip(deepest);
            if (!r.accept(',')) break;
        }
        if (!r.accept('}')) return error.Syntax;
        inline for (info.field_names, info.field_types, info.field_attrs, 0..) |name, Field, attributes, i| {
            if (!seen[i]) {
                r.field = name;
                @field(read, name) = attributes.defaultValue(Field) orelse return error.Missing;
            }
        }
        r.field = outer;
        return read;
    }

    fn number(r: *Reader, expected: []const u8) Problem![]const u8 {
        const first = r.peek();
        return if (first == '-' or std.ascii.isDigit(first)) r.raw() else r.wrong(expected);
    }

    /// Text without escapes is a part of the request itself.
    fn string(r: *Reader) Problem![]const u8 {
        const quoted = try r.raw();
        const inside = quoted[1 .. quoted.len - 1];
        if (std.mem.findScalar(u8, inside, '\\') == null) return inside;
        var to: std.ArrayList(u8) = try .initCapacity(scratch, inside.len);
        var i: usize = 0;
        while (i < inside.len) : (i += 1) {
            if (inside[i] != '\\') {
                to.appendAssumeCapacity(inside[i]);
                continue;
            }
            i += 1;
            switch (inside[i]) {
                'b' => to.appendAssumeCapacity(8),
                'f' => to.appendAssumeCapacity(12),
                'n' => to.appendAssumeCapacity('\n'),
                'r' => to.appendAssumeCapacity('\r'),
                't' => to.appendAssumeCapacity('\t'),
                'u' => {
                    var code: u21 = hex(inside[i + 1 ..]).?;
                    i += 4;
                    if (code >= 0xD800 and code < 0xDC00) {
                        code = 0x10000 + ((code - 0xD800) << 10) + (hex(inside[i + 3 ..]).? - 0xDC00);
                        i += 6;
                    }
                    var bytes: [4]u8 = undefined;
                    const length = std.unicode.utf8Encode(code, &bytes) catch unreachable; // it was checked
                    to.appendSliceAssumeCapacity(bytes[0..length]);
                },
                else => |itself| to.appendAssumeCapacity(itself),
            }
        }
        return to.items;
    }

    /// The text of the next value.
    fn raw(r: *Reader) Problem![]const u8 {
        _ = r.peek();
        const from = r.at;
        try r.skip(deepest);
        return std.mem.trimEnd(u8, r.text[from..r.at], " \t\r\n");
    }

    /// The next byte that is no space; 0 at the end.
    fn peek(r: *Reader) u8 {
        while (r.at < r.text.len and std.mem.findScalar(u8, " \t\r\n", r.text[r.at]) != null) r.at += 1;
        return if (r.at < r.text.len) r.text[r.at] else 0;
    }

    fn accept(r: *Reader, byte: u8) bool {
        if (r.peek() != byte) return false;
        r.at += 1;
        return true;
    }

    /// Checks the next value and passes it, with the space after it.
    fn skip(r: *Reader, depth: usize) Problem!void {
        switch (r.peek()) {
            '{', '[' => |open| try r.skipItems(open + 2, depth),
            '"' => try r.skipText(),
            't' => try r.skipWord("true"),
            'f' => try r.skipWord("false"),
            'n' => try r.skipWord("null"),
            else => try r.skipNumber(),
        }
        _ = r.peek();
    }

    fn skipItems(r: *Reader, close: u8, depth: usize) Problem!void {
        if (depth == 0) return error.Syntax;
        r.at += 1;
        if (r.accept(close)) return;
        while (true) {
            if (close == '}') {
                _ = r.peek();
                try r.skipText();
                if (!r.accept(':')) return error.Syntax;
            }
            try r.skip(depth - 1);
            if (!r.accept(',')) break;
        }
        if (!r.accept(close)) return error.Syntax;
    }

    fn skipWord(r: *Reader, word: []const u8) Problem!void {
        if (!std.mem.startsWith(u8, r.text[r.at..], word)) return error.Syntax;
        r.at += word.len;
    }

    fn skipText(r: *Reader) Problem!void {
        if (!r.follows('"')) return error.Syntax;
        while (r.at < r.text.len) {
            const byte = r.text[r.at];
            r.at += 1;
            if (byte == '"') return;
            if (byte < ' ') return error.Syntax;
            if (byte == '\\') try r.skipEscape();
        }
        return error.Syntax;
    }

    fn skipEscape(r: *Reader) Problem!void {
        if (r.at == r.text.len) return error.Syntax;
        const byte = r.text[r.at];
        r.at += 1;
        if (std.mem.findScalar(u8, "\"\\/bfnrt", byte) != null) return;
        if (byte != 'u') return error.Syntax;
        const unit = hex(r.text[r.at..]) orelse return error.Syntax;
        r.at += 4;
        if (unit < 0xD800 or unit > 0xDFFF) return;
        if (unit > 0xDBFF or !std.mem.startsWith(u8, r.text[r.at..], "\\u")) return error.Syntax; // half of a pair
        const low = hex(r.text[r.at + 2 ..]) orelse return error.Syntax;
        if (low < 0xDC00 or low > 0xDFFF) return error.Syntax;
        r.at += 6;
    }

    fn skipNumber(r: *Reader) Problem!void {
        _ = r.follows('-');
        if (!r.follows('0')) try r.skipDigits();
        if (r.follows('.')) try r.skipDigits();
        if (!r.follows('e') and !r.follows('E')) return;
        if (!r.follows('+')) _ = r.follows('-');
        try r.skipDigits();
    }

    fn skipDigits(r: *Reader) Problem!void {
        const from = r.at;
        while (r.at < r.text.len and std.ascii.isDigit(r.text[r.at])) r.at += 1;
        if (r.at == from) return error.Syntax;
    }

    fn follows(r: *Reader, byte: u8) bool {
        if (r.at == r.text.len or r.text[r.at] != byte) return false;
        r.at += 1;
        return true;
    }

    fn hex(text: []const u8) ?u21 {
        if (text.len < 4) return null;
        var code: u21 = 0;
        for (text[0..4]) |digit| code = code << 4 | (std.fmt.charToDigit(digit, 16) catch return null);
        return code;
    }
};

// --- writing JSON ----------------------------------------------------------------------------------------------------

/// A value as JSON. Fields of a struct that are null are left out.
pub fn stringify(value: anytype) Error![]const u8 {
    var to: std.ArrayList(u8) = .empty;
    try write(&to, value);
    return to.items;
}

/// A value as `Json`, which can stand where JSON of any form is wanted.
pub fn json(value: anytype) Error!Json {
    return .{ .text = try stringify(value) };
}

fn write(to: *std.ArrayList(u8), value: anytype) Error!void {
    const T = @TypeOf(value);
    if (T == Json) return to.appendSlice(scratch, value.text);
    switch (@typeInfo(T)) {
        .bool => try to.appendSlice(scratch, if (value) "true" else "false"),
        .int, .comptime_int => try to.print(scratch, "{d}", .{value}),
        .float, .comptime_float => try writeFloat(to, value),
        .null => try to.appendSlice(scratch, "null"),
        .optional => if (value) |some| try write(to, some) else try to.appendSlice(scratch, "null"),
        .@"enum", .enum_literal => try writeText(to, @tagName(value)),
        .pointer => |pointer| switch (pointer.size) {
            .slice => if (pointer.child == u8) try writeText(to, value) else try writeList(to, value),
            .one => if (@typeInfo(pointer.child) == .array)
                try write(to, @as([]const @typeInfo(pointer.child).array.child, value))
            else
                try write(to, value.*),
            else => @compileError("no JSON is written of " ++ @typeName(T)),
        },
        .array => |array| try write(to, @as([]const array.child, &value)),
        .@"struct" => |info| if (info.is_tuple) try writeTuple(to, value) else try writeObject(to, value),
        else => @compileError("no JSON is written of " ++ @typeName(T)),
    }
}

fn writeFloat(to: *std.ArrayList(u8), value: f64) Error!void {
    if (!std.math.isFinite(value)) return fail("failed", "the answer has a number that JSON does not have", .{});
    const from = to.items.len;
    const size = @abs(value);
    if (size != 0 and (size < 1e-5 or size >= 1e16)) return to.print(scratch, "{e}", .{value});
    try to.print(scratch, "{d}", .{value});
    if (std.mem.findScalar(u8, to.items[from..], '.') == null) try to.appendSlice(scratch, ".0"); // it stays a float
}

fn writeText(to: *std.ArrayList(u8), text: []const u8) Error!void {
    try to.append(scratch, '"');
    for (text) |byte| switch (byte) {
        '"', '\\' => try to.appendSlice(scratch, &.{ '\\', byte }),
        0...31 => try to.print(scratch, "\\u{x:0>4}", .{byte}),
        else => try to.append(scratch, byte),
    };
    try to.append(scratch, '"');
}

fn writeList(to: *std.ArrayList(u8), list: anytype) Error!void {
    try to.append(scratch, '[');
    for (list, 0..) |item, i| {
        if (i > 0) try to.append(scratch, ',');
        try write(to, item);
    }
    try to.append(scratch, ']');
}

fn writeTuple(to: *std.ArrayList(u8), tuple: anytype) Error!void {
    try to.append(scratch, '[');
    inline for (tuple, 0..) |item, i| {
        if (i > 0) try to.append(scratch, ',');
        try write(to, item);
    }
    try to.append(scratch, ']');
}

fn writeObject(to: *std.ArrayList(u8), object: anytype) Error!void {
    var separator: u8 = '{';
    inline for (@typeInfo(@TypeOf(object)).@"struct".field_names) |name| {
        const value = @field(object, name);
        const left_out = if (@typeInfo(@TypeOf(value)) == .optional) value == null else false;
        if (!left_out) {
            try to.append(scratch, separator);
            separator = ',';
            try writeText(to, name);
            try to.append(scratch, ':');
            try write(to, value);
        }
    }
    try to.appendSlice(scratch, if (separator == '{') "{}" else "}");
}

// --- the host --------------------------------------------------------------------------------------------------------

/// A host function: the request's address and length; the answer's, packed.
pub const Import = fn (?[*]const u8, usize) callconv(.c) u64;

/// A host function by its name: `import("judicia:clock", "now")`.
pub fn import(comptime service: []const u8, comptime function: []const u8) *const Import {
    if (!builtin.cpu.arch.isWasm()) return &absent;
    return @extern(*const Import, .{ .name = function, .library_name = service });
}

fn absent(_: ?[*]const u8, _: usize) callconv(.c) u64 {
    return 0;
}

/// Asks a service. The services below are this with names and types.
pub fn call(comptime Answer: type, function: *const Import, request: anytype) Error!Answer {
    const Said = struct { ok: ?Json = null, @"error": ?struct { code: []const u8, message: []const u8 } = null };
    const nothing = @typeInfo(@TypeOf(request)).@"struct".field_names.len == 0; // .{} would be written as a list
    const asked = if (nothing) "" else try stringify(request);
    const answer = function(asked.ptr, asked.len);
    const len: usize = @intCast(answer & 0xffff_ffff);
    if (len == 0) return unreadable();
    const ptr: [*]u8 = @ptrFromInt(@as(usize, @intCast(answer >> 32)));
    defer judicia_free(ptr, len);
    var reader: Reader = .{ .text = try scratch.dupe(u8, ptr[0..len]) };
    const said = reader.whole(Said) catch |problem| return hidden(problem);
    if (said.@"error") |problem| {
        refusal = .{ .code = problem.code, .message = problem.message };
        return error.Refused;
    }
    var inner: Reader = .{ .text = (said.ok orelse return unreadable()).text };
    return inner.value(Answer) catch |problem| hidden(problem);
}

/// What is wrong with an answer of the host's concerns no plugin, but for memory that it has no more of.
fn hidden(problem: Reader.Problem) Error {
    return if (problem == error.OutOfMemory) error.OutOfMemory else unreadable();
}

fn unreadable() Error {
    refusal = .{ .code = "failed", .message = "the host's answer cannot be read" };
    return error.Refused;
}

pub const Level = enum { trace, debug, info, warning, @"error" };

/// Writes a line to the plugin's log. What its quota refuses is lost.
pub fn log(level: Level, comptime message: []const u8, args: anytype) void {
    writeLine(level, message, args) catch {};
}

fn writeLine(level: Level, comptime message: []const u8, args: anytype) Error!void {
    const said = try readable(try format(message, args));
    return call(void, import("judicia:log", "write"), .{ .level = level, .message = said });
}

/// `wall_clock`.
pub const clock = struct {
    /// Milliseconds since 1970, and since an arbitrary moment on a clock that never goes back.
    pub const Now = struct { unix_ms: f64, monotonic_ms: f64 };

    pub fn now() Error!Now {
        return call(Now, import("judicia:clock", "now"), .{});
    }
};

/// `random`.
pub const random = struct {
    pub fn bytes(to: []u8) Error!void {
        const Encoded = struct { base64: []const u8 };
        const encoded = try call(Encoded, import("judicia:random", "bytes"), .{ .length = to.len });
        const decoded = try decode(encoded.base64);
        if (decoded.len != to.len) return unreadable();
        @memcpy(to, decoded);
    }
};

/// `read_database` and `write_database`. Parameters are a tuple, for $1 and those after it.
pub const database = struct {
    /// `Row` is a struct of the columns' types, as a tuple is one: `struct { []const u8, i64 }`.
    pub fn query(comptime Row: type, sql: []const u8, params: anytype) Error![]const Row {
        const Rows = struct { rows: []const []const Json };
        const answer = try call(Rows, import("judicia:database", "query"), .{ .sql = sql, .params = params });
        const rows = try scratch.alloc(Row, answer.rows.len);
        for (answer.rows, rows) |values, *row| {
            const types = @typeInfo(Row).@"struct".field_types;
            if (values.len != types.len) return fail("failed", "a row has {d} columns", .{values.len});
            inline for (types, 0..) |Column, i| {
                @field(row, @typeInfo(Row).@"struct".field_names[i]) = try values[i].read(Column);
            }
        }
        return rows;
    }

    /// The number of rows that were changed.
    pub fn execute(sql: []const u8, params: anytype) Error!u64 {
        const Changed = struct { rowcount: u64 };
        return (try call(Changed, import("judicia:database", "execute"), .{ .sql = sql, .params = params })).rowcount;
    }
};

/// `emit_event` and `subscribe_events`.
pub const events = struct {
    /// What `on_event` takes.
    pub const Event = struct {
        id: []const u8,
        type: []const u8,
        source: []const u8,
        timestamp: ?[]const u8 = null,
        payload: Json,
        metadata: Json,
    };

    /// The event's id.
    pub fn emit(kind: []const u8, payload: anytype) Error![]const u8 {
        const Emitted = struct { id: []const u8 };
        return (try call(Emitted, import("judicia:events", "emit"), .{ .type = kind, .payload = payload })).id;
    }

    pub fn subscribe(pattern: []const u8) Error!void {
        return call(void, import("judicia:events", "subscribe"), .{ .pattern = pattern });
    }
};

/// `read_files` and `write_files`.
pub const files = struct {
    pub const Kind = enum { file, directory, other };
    pub const Entry = struct { name: []const u8, type: Kind, bytes: u64 };
    pub const Stat = struct { type: Kind, bytes: u64, modified: ?f64 = null };

    pub fn read(path: []const u8) Error![]const u8 {
        const Content = struct { content: ?[]const u8 = null, content_base64: []const u8 = "" };
        const answer = try call(Content, import("judicia:files", "read"), .{ .path = path });
        return answer.content orelse decode(answer.content_base64);
    }

    pub fn write(path: []const u8, content: []const u8) Error!void {
        const request = .{ .path = path, .content_base64 = try encode(content) };
        return call(void, import("judicia:files", "write"), request);
    }

    pub fn list(path: []const u8) Error![]const Entry {
        return call([]const Entry, import("judicia:files", "list"), .{ .path = path });
    }

    pub fn stat(path: []const u8) Error!Stat {
        return call(Stat, import("judicia:files", "stat"), .{ .path = path });
    }

    pub fn delete(path: []const u8) Error!void {
        return call(void, import("judicia:files", "delete"), .{ .path = path });
    }
};

/// `network_access` and `register_routes`.
pub const http = struct {
    pub const Answer = struct { status: u16, headers: Json, body: []const u8 };

    pub const Options = struct { headers: ?Json = null, body: ?[]const u8 = null, timeout_ms: ?u64 = null };

    /// Headers are an object: `.{ .headers = try judicia.json(.{ .accept = "text/html" }) }`.
    pub fn request(method: []const u8, url: []const u8, options: Options) Error!Answer {
        const Received = struct { status: u16, headers: Json, body: ?[]const u8 = null, body_base64: []const u8 = "" };
        const asked = .{
            .method = method,
            .url = url,
            .headers = options.headers,
            .body_base64 = if (options.body) |body| @as(?[]const u8, try encode(body)) else null,
            .timeout_ms = options.timeout_ms,
        };
        const answer = try call(Received, import("judicia:http", "request"), asked);
        const content = answer.body orelse try decode(answer.body_base64);
        return .{ .status = answer.status, .headers = answer.headers, .body = content };
    }

    pub fn registerRoute(method: []const u8, path: []const u8) Error!void {
        return call(void, import("judicia:http", "register_route"), .{ .method = method, .path = path });
    }
};

/// `send_notifications`.
pub const notifications = struct {
    /// The notification's id.
    pub fn send(recipient: []const u8, title: []const u8, message: []const u8) Error![]const u8 {
        const Sent = struct { id: []const u8 };
        const request = .{ .recipient = recipient, .title = title, .message = message };
        return (try call(Sent, import("judicia:notifications", "send"), request)).id;
    }
};

/// `read_shared_memory` and `write_shared_memory`.
pub const shared_memory = struct {
    pub const Info = struct { size: u64, dtype: []const u8, shape: []const u64, sequence: u64 };
    const Copied = struct { copied: u64, sequence: u64 };

    /// Fills `to` from `offset` on; the sequence that the bytes belong to.
    pub fn read(name: []const u8, offset: u64, to: []u8) Error!u64 {
        const request = .{ .name = name, .offset = offset, .ptr = @intFromPtr(to.ptr), .length = to.len };
        return (try call(Copied, import("judicia:shared_memory", "read"), request)).sequence;
    }

    pub fn write(name: []const u8, offset: u64, bytes: []const u8) Error!u64 {
        const request = .{ .name = name, .offset = offset, .ptr = @intFromPtr(bytes.ptr), .length = bytes.len };
        return (try call(Copied, import("judicia:shared_memory", "write"), request)).sequence;
    }

    pub fn info(name: []const u8) Error!Info {
        return call(Info, import("judicia:shared_memory", "info"), .{ .name = name });
    }
};

/// Bytes as base64, for fields that take it.
pub fn encode(bytes: []const u8) Error![]const u8 {
    const encoder = std.base64.standard.Encoder;
    return encoder.encode(try scratch.alloc(u8, encoder.calcSize(bytes.len)), bytes);
}

fn decode(text: []const u8) Error![]const u8 {
    const decoder = std.base64.standard.Decoder;
    const to = try scratch.alloc(u8, decoder.calcSizeForSlice(text) catch return unreadable());
    decoder.decode(to, text) catch return unreadable();
    return to;
}
