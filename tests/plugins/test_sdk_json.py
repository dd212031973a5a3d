"""The SDKs' own readers and writers of JSON, and the C allocator, against whatever a caller may send.

Python's decoder is the judge. The C header is run twice: in WebAssembly, and on this machine with AddressSanitizer and
UBSan, which see what a sandbox forgives.
"""

from __future__ import annotations

import json
import math
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import judicia_notebook as jn
from tests.support.toolchains import compile_c, compile_sanitized, compile_zig

ECHO = """
#include "judicia.h"

static void echo(jn_value from, jn_writer *to) {
    switch (jn_kind_of(from)) {
    case JN_OBJECT:
        jn_open_object(to);
        jn_each (item, from) {
            jn_key_text(to, jn_name(item));
            echo(item, to);
        }
        jn_close_object(to);
        break;
    case JN_ARRAY:
        jn_open_array(to);
        jn_each (item, from) echo(item, to);
        jn_close_array(to);
        break;
    case JN_TEXT: jn_put_text(to, jn_string(from)); break;
    case JN_BOOL: jn_put_bool(to, jn_bool(from)); break;
    case JN_NULL: jn_put_null(to); break;
    default: {
        bool whole = true;
        for (const char *at = from.at; at < from.end && (jn_is_digit(*at) || *at == '-' || *at == '.' || *at == 'e' ||
                                                         *at == 'E' || *at == '+'); at++)
            whole = whole && *at != '.' && *at != 'e' && *at != 'E';
        if (whole) jn_put_int(to, jn_int(from));
        else jn_put_double(to, jn_double(from));
    }
    }
}
"""
IN_A_MODULE = ECHO + "JUDICIA_EXPORT(f) { echo(request, answer); }\n"
ON_THIS_MACHINE = (
    ECHO
    + """
#include <stdio.h>

JUDICIA_EXPORT(f) { echo(request, answer); }

/* Length and text, over and over, each text in a block of its own size; the answers likewise. */
int main(void) {
    unsigned length;
    while (fread(&length, 4, 1, stdin)) {
        char *text = malloc(length ? length : 1);
        if (fread(text, 1, length, stdin) < length) return 1;
        jn_writer answer = jn_begin();
        jn_value request;
        if (jn_request(text, length, &request)) plugin_f(request, &answer);
        unsigned said = jn_failed() ? 0 : (unsigned)answer.length;
        fwrite(&said, 4, 1, stdout);
        fwrite(answer.at, 1, said, stdout);
        jn_end(&answer);
        free(said ? answer.at : NULL);
        free(text);
    }
}
"""
)
ZIG = """
const judicia = @import("judicia");
comptime {
    judicia.exports(.{ .f = f, .number = number, .text = text });
}
fn f(request: judicia.Json) judicia.Json {
    return request;
}
fn number(request: f64) f64 {
    return request;
}
fn text(request: []const u8) []const u8 {
    return request;
}
"""
HOSTILE = [
    b"[" * 128 + b"]" * 128,
    b"[" * 129 + b"]" * 129,
    b"[" * 100_000,
    b'{"a":' * 128 + b"1" + b"}" * 128,
    b'{"a":' * 50_000,
    b"1" * 10_000,
    b"-" + b"9" * 400 + b".5",
    b"0." + b"0" * 5000 + b"1",
    b"1e999999999999999999999",
    b"1e-999999999999999999999",
    b"1" + b"0" * 3000 + b"e-3000",
    b"0.1e309",
    b"2.2250738585072011e-308",
    b"2.4703282292062327208e-324",
    b"2.4703282292062328e-324",
    b"1.7976931348623158079e308",
    b"1.7976931348623159e308",
    b"9007199254740993.0",
    b"9007199254740992.99999999999999999999999999999999999999999999999999",
    b"123456789012345678901234567890.5",
    b"-9223372036854775808",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-0",
    b"-0.0",
    b"-",
    b"01",
    b"1.",
    b".5",
    b"1e",
    b"+1",
    b'"\\u0000"',
    b'"\\ud83c\\udf88"',
    b'"\\ud83c"',
    b'"\\ud83cx"',
    b'"\\ud83c\\u0041"',
    b'"\\udf88"',
    b'"\\ud83c\\ud83c"',
    b'"\\u12"',
    b'"\\u12g4"',
    b'"\\x41"',
    b'"\\',
    b'"\\u',
    b'"\\ud83c\\u',
    b'"\\ud83c\\udf8',
    b'"a',
    b'"\x00"',
    b'"\x1f"',
    b'"\x7f"',
    b"\x00",
    b"",
    b" ",
    b"nul",
    b"nulll",
    b"tru",
    b"NaN",
    b"Infinity",
    b"[1,]",
    b"[,1]",
    b"[1 2]",
    b'{"a"}',
    b'{"a":}',
    b'{"a":1,}',
    b"{1:2}",
    b'{"a":1 "b":2}',
    b"[}",
    b"{]",
    b"1 1",
    b"\xef\xbb\xbf1",
    b'"\xc3"',
    b'"\xc0\x80"',
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xf0\x80\x80\x80"',
    b'"\xe0\x9f\xbf"',
    b'"\xf0\x9f\x8e\x88"',
    b'"\xff"',
    b' \t\r\n[ 1 , { "a\\u00e9" : [ ] } ] \n',
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def judge(text: bytes) -> Any:
    """What Python reads; ValueError for what it does not, for 64 bits too many, and for more than 128 levels."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    def whole(digits: str) -> int:
        if len(digits) > 30 or not -(2**63) <= int(digits) < 2**63:
            raise ValueError(digits)
        return int(digits)

    def fraction(digits: str) -> float:
        if math.isinf(float(digits)):
            raise ValueError(digits)
        return float(digits)

    if not text:  # no payload is null
        return None
    brackets = [(byte in b"[{") - (byte in b"]}") for byte in text]
    if text[:1] in b"[{" and max(sum(brackets[: i + 1]) for i in range(min(len(text), 1000))) > 128:
        raise ValueError("levels")
    value = json.loads(text.decode(), parse_constant=refuse, parse_int=whole, parse_float=fraction)
    if "\\ud8" in text.decode().lower() or "\\ud" in text.decode().lower():
        json.dumps(
            value, ensure_ascii=False
        ).encode()  # a half of a pair is a UnicodeEncodeError, which is a ValueError
    return value


def same(text: bytes, said: Any) -> bool:
    """Whether an answer is what Python reads; `said` is None where the text was refused."""
    try:
        expected = judge(text)
    except (ValueError, RecursionError):
        return said is None
    return said is not None and repr(json.loads(said)) == repr(expected)


def asked(plugin: jn.Plugin, text: bytes, function: str = "f") -> bytes | None:
    try:
        return plugin.call_bytes(function, text)
    except jn.GuestError as failure:
        if failure.code != "bad_request":
            raise
        return None


@pytest.fixture(scope="module")
def in_c(runtime: jn.Runtime, tmp_path_factory: pytest.TempPathFactory) -> jn.Plugin:
    source = tmp_path_factory.mktemp("c") / "echo.c"
    source.write_text(IN_A_MODULE)
    return runtime.load(compile_c(source, "-Wl,-z,stack-size=65536"), name="in-c")


@pytest.fixture(scope="module")
def in_zig(runtime: jn.Runtime, tmp_path_factory: pytest.TempPathFactory) -> jn.Plugin:
    source = tmp_path_factory.mktemp("zig") / "echo.zig"
    source.write_text(ZIG)
    return runtime.load(compile_zig(source), name="in-zig")


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    (folder / "echo.c").write_text(ON_THIS_MACHINE)
    return compile_sanitized(folder / "echo.c")


def natively(program: Path, texts: list[bytes]) -> list[bytes | None]:
    sent = b"".join(struct.pack("<I", len(text)) + text for text in texts)
    done = subprocess.run([program], input=sent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    answers: list[bytes | None] = []
    at = 0
    while at < len(done.stdout):
        (length,) = struct.unpack_from("<I", done.stdout, at)
        answers.append(done.stdout[at + 4 : at + 4 + length] if length else None)
        at += 4 + length
    assert len(answers) == len(texts)
    return answers


def mutants(count: int) -> list[bytes]:
    """Hostile texts, whole, cut, and with bytes changed."""
    chance = random.Random(7)
    texts = [text for text in HOSTILE if len(text) < 500]
    made = []
    for _ in range(count):
        text = bytearray(chance.choice(texts) + chance.choice([b"", b"", chance.choice(texts)]))
        for _ in range(chance.randrange(3)):
            if text:
                text[chance.randrange(len(text))] = chance.choice(b'"\\{}[],:0123456789.eE+-u \x00\x80\xc3\xed\xf0d8')
        made.append(bytes(text[: chance.randrange(len(text) + 1)] if chance.random() < 0.3 else text))
    return made


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text[:24]) for text in HOSTILE])
def test_c_reads_what_python_reads_and_no_more(in_c: jn.Plugin, text: bytes) -> None:
    assert same(text, asked(in_c, text)), asked(in_c, text)


@given(JSON)
@settings(max_examples=150, deadline=None)
def test_what_c_reads_it_writes_again(in_c: jn.Plugin, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    assert repr(json.loads(in_c.call_bytes("f", text))) == repr(value)
    assert repr(json.loads(in_c.call_bytes("f", json.dumps(value).encode()))) == repr(value)


@given(st.integers(0, 2**64 - 1))
@settings(max_examples=300, deadline=None)
def test_every_float_comes_back(in_c: jn.Plugin, in_zig: jn.Plugin, bits: int) -> None:
    (number,) = struct.unpack("<d", struct.pack("<Q", bits))
    if math.isfinite(number):
        assert [repr(in_c.call("f", number)), repr(in_zig.call("number", number))] == [repr(number)] * 2


def test_c_writes_the_fewest_digits(in_c: jn.Plugin) -> None:
    """As many as Python does; the powers of two have a nearer neighbour below, subnormal numbers fewer digits."""

    def digits(text: str) -> int:
        return len(text.lower().partition("e")[0].replace(".", "").strip("-0"))

    chance = random.Random(12)
    numbers = [math.ldexp(1.0, power) for power in range(-1074, 1024)]
    numbers += [chance.randrange(1, 2**20) * 5e-324 for _ in range(200)]
    numbers += [struct.unpack("<d", chance.randbytes(8))[0] for _ in range(500)]
    numbers += [chance.randrange(10**6) / 10 ** chance.randrange(12) for _ in range(300)]
    for number in filter(math.isfinite, numbers):
        said = in_c.call_bytes("f", f"{number:.17e}".encode()).decode()
        assert (float(said), digits(said)) == (number, digits(repr(number)))


@pytest.mark.parametrize("text", HOSTILE, ids=[repr(text[:24]) for text in HOSTILE])
def test_zig_takes_what_python_takes_and_no_more(in_zig: jn.Plugin, text: bytes) -> None:
    said = asked(in_zig, text)
    try:
        json.loads(said or b"null", parse_int=len, parse_float=len)
        judge(text)
        assert said is not None
    except ValueError:
        assert said is None or text.strip(b"-0123456789.e") == b"", said  # its numbers are not read yet


@pytest.mark.parametrize("text", [text for text in HOSTILE if text[:1] == b'"'], ids=repr)
def test_zig_reads_text_as_python_does(in_zig: jn.Plugin, text: bytes) -> None:
    assert same(text, asked(in_zig, text, "text"))


def test_the_sanitizers_see_nothing(sanitized: Path) -> None:
    texts = HOSTILE + mutants(4000)
    for text, said in zip(texts, natively(sanitized, texts), strict=True):
        assert same(text, said), (text, said)


def test_c_takes_the_same_in_a_module_as_on_this_machine(in_c: jn.Plugin, sanitized: Path) -> None:
    texts = mutants(300)
    assert [asked(in_c, text) for text in texts] == natively(sanitized, texts)


# --- the allocator ---------------------------------------------------------------------------------------------------


ALLOCATOR = """
#include "judicia.h"
__attribute__((export_name("take"))) unsigned take(unsigned size) { return (unsigned)(size_t)jn_heap_alloc(size); }
__attribute__((export_name("give"))) void give(unsigned ptr) { jn_heap_free((void *)(size_t)ptr); }
"""


@pytest.fixture
def allocator(rt: jn.Runtime, tmp_path: Path) -> jn.Plugin:
    (tmp_path / "allocator.c").write_text(ALLOCATOR)
    return rt.load(compile_c(tmp_path / "allocator.c"), quota={"memory": "2MiB"})


def test_blocks_that_are_given_back_are_used_again(allocator: jn.Plugin) -> None:
    take, give = allocator.raw("take"), allocator.raw("give")
    chance = random.Random(11)
    held: dict[int, tuple[int, int]] = {}
    sizes = []
    for round_ in range(4):
        for step in range(500):
            if held and chance.random() < 0.48:
                ptr = chance.choice(list(held))
                size, byte = held.pop(ptr)
                assert bytes(allocator.memory.read(ptr, size)) == bytes([byte]) * size
                give(ptr)
                continue
            size, byte = chance.choice([1, 7, 8, 9, 24, 100, 1000, chance.randrange(1, 6000)]), step % 251
            ptr = take(size)
            assert ptr % 8 == 0
            assert ptr > 0
            assert all(ptr + size <= other or ptr >= other + taken for other, (taken, _) in held.items())
            allocator.memory.write(ptr, bytes([byte]) * size)
            held[ptr] = (size, byte)
        for ptr in chance.sample(list(held), len(held)):
            give(ptr)
        held.clear()
        sizes.append((round_, take(60_000)))
        give(sizes[-1][1])
    assert len({ptr for _, ptr in sizes}) == 1, "all of it was joined again"


@pytest.mark.parametrize("size", [3 << 20, 2**31 - 1, 2**32 - 1, 2**32 - 8])
def test_what_does_not_fit_is_refused_and_leaves_the_rest_alone(allocator: jn.Plugin, size: int) -> None:
    take = allocator.raw("take")
    before = take(16)
    assert take(size - 2**32 if size >= 2**31 else size) == 0
    assert take(16) == before + 24
