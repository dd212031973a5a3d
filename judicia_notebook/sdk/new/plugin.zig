const std = @import("std");
const judicia = @import("judicia");

pub const panic = judicia.panic; // its text goes to the log

comptime {
    judicia.manifest(
        \\{"name": "@NAME@", "version": "0.1.0"}
    );
    judicia.exports(.{ .hello = hello, .add = add });
}

fn hello(request: struct { name: []const u8 = "world" }) ![]const u8 {
    return judicia.format("Hello, {s}!", .{request.name});
}

fn add(request: struct { a: i64, b: i64 }) !struct { sum: i64 } {
    const sum = std.math.add(i64, request.a, request.b) catch
        return judicia.fail("overflow", "{d} + {d} is too large", .{ request.a, request.b });
    return .{ .sum = sum };
}
