"""The proof that a JSON text says exactly what a value holds: for each plain value, and never for another one."""

from __future__ import annotations

import collections
import ctypes
import decimal
import enum
import json
import math
import struct
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judicia_notebook.engine import wire
from judicia_notebook.engine.core import CORE, builtin
from judicia_notebook.engine.core.builtin import is_exact, is_limited
from judicia_notebook.wasm.json_shape import MAX_DEPTH
from tests.engine.core.exact_oracle import reads_as
from tests.engine.test_wire import JSON, nested

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def proved(text: bytes | str, value: Any, depth: int = MAX_DEPTH) -> bool:
    data = text.encode() if isinstance(text, str) else text
    found = is_exact(data, value, depth)
    assert not found or reads_as(data, value), "the oracle is Python's own json"
    return found


@given(JSON)
def test_plain_json_is_proved(value: Any) -> None:
    assert proved(wire.encode(value), value)


@given(JSON, JSON)
def test_no_text_is_proved_for_another_value(value: Any, other: Any) -> None:
    proved(wire.encode(value), other)


@given(JSON, st.data())
def test_a_text_that_was_changed_is_proved_only_where_it_says_the_same(value: Any, data: st.DataObject) -> None:
    text = bytearray(wire.encode(value))
    at = data.draw(st.integers(0, len(text) - 1))
    inserted = data.draw(st.text('0123456789.-+eE"\\[]{},:ntu x\n', max_size=2))
    text[at : at + data.draw(st.integers(0, 2))] = inserted.encode()
    proved(bytes(text), value)


@given(FLOATS)
def test_a_float_is_proved_and_its_neighbours_are_not(number: float) -> None:
    text = wire.encode(number)
    assert proved(text, number)
    for other in (math.nextafter(number, math.inf), math.nextafter(number, -math.inf), -number):
        assert not proved(text, other)


@given(st.floats(1e-12, 1e12), st.integers(-1, 1))
def test_what_lies_in_the_middle_of_two_floats_is_neither_by_the_fast_way(number: float, side: int) -> None:
    upper = math.nextafter(number, math.inf)
    with decimal.localcontext(prec=200):
        middle = (decimal.Decimal(number) + decimal.Decimal(upper)) / 2
        text = f"{middle + side * decimal.Decimal(10) ** -120:f}"
    for each in (number, upper):
        proved(text, each)
    for digits in (17, 18, 19):
        for each in (number, upper):
            proved(f"{middle:.{digits}e}", each)


@pytest.mark.parametrize("exponent", range(-1074, 1024, 7))
def test_a_power_of_two_whose_neighbours_are_not_equally_far_is_proved(exponent: int) -> None:
    number = math.ldexp(1.0, exponent)
    assert proved(wire.encode(number), number)
    below = math.nextafter(number, 0)
    assert not proved(wire.encode(below), number)
    for digits in (15, 16, 17):
        proved(f"{number - (number - below) / 2:.{digits}e}", number)


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", Level.HIGH), ('"a"', Text("a")), ("1.5", np.float64(1.5)), ("{}", collections.OrderedDict()),
        ('{"a":1}', {Text("a"): 1}), ('{"1":1}', {1: 1}), ('"YQ=="', b"a"), ("[1]", {1}), ("null", msgspec.UNSET),
        ("1", True), ("true", 1), ("1", 1.0), ("1.0", 1), ("0", False), ("null", math.nan), ("null", -math.inf),
        ("-0", 0), ("-0.0", 0.0), ("0.0", -0.0), ("01", 1), ("1.", 1.0), (".5", 0.5), ("00.5", 0.5), ("1e0x", 1.0),
        ("+1", 1), ("1 ", 1), (" 1", 1), ("1", 2), ("-1", 1), ("1", -1), ("", 0), ("-", -1), ("1e", 1.0), ("tru", True),
        (str(1 << 64), 1 << 64), (str((1 << 64) - 1), -1), ("1" * 20, int("1" * 20) + (1 << 64)), ("1" * 30, 1),
        ('"a"', "ab"), ('"ab"', "a"), ('"a', "a"), ('"', ""), ('"\\n"', "\\n"), ('"\n"', "\n"), ('"""', '"'),
        ('"\\u00e4"', "\u00e4"), ('"\\u0141"', "A"), ('"\\x"', "x"), ('"\\', "\\"), ('"\\u00', "\0"), ('"a"', "\ud800"),
        ("[1,2]", [1]), ("[1]", [1, 2]), ("[1,]", [1]), ("[,1]", [1]), ("[1", [1]), ("[1 2]", [1, 2]), ("[]]", []),
        ('{"a":1,"a":1}', {"a": 1}), ('{"a":1,"b":2}', {"b": 2, "a": 1}), ('{"a":1}', {}), ("{}", {"a": 1}),
        ('{"a" 1}', {"a": 1}), ('{"a":1', {"a": 1}), ("{a:1}", {"a": 1}), ("[1]", [[1]]), ("[[1]]", [1]),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_not_the_same_or_not_plain_is_not_proved(text: str, value: Any) -> None:
    assert not proved(text, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\u0041\\"\\\\\\/\\b\\f\\n\\r\\t"', 'A"\\/\b\f\n\r\t'), ('"' + "x" * 100 + '\\n"', "x" * 100 + "\n"),
        ("1.50", 1.5), ("15e-1", 1.5), ("0.15E+1", 1.5), ("0e5", 0.0), ("-0.0", -0.0), ("-0e-0", -0.0),
        (str((1 << 64) - 1), (1 << 64) - 1), (str(-(1 << 63)), -(1 << 63)), ("0." + "0" * 30 + "1", 1e-31),
        ("[1,[2]]", (1, (2,))), ("[]", ()), ("1e22", 1e22), ("1e23", 1e23), ("4.9e-324", 5e-324),
    ],
    ids=repr,
)  # fmt: skip
def test_what_says_the_same_is_proved(text: str, value: Any) -> None:
    assert proved(text, value)


@pytest.mark.parametrize("length", [*range(40), 63, 64, 65, 100, 1000])
def test_each_byte_of_a_string_counts(length: int) -> None:
    value = "".join(chr(97 + i % 26) for i in range(length))
    text = json.dumps(value)
    assert proved(text, value)
    for at in range(1, length + 1):
        for byte in ('"', "\\", "\x1f", "\u00e4", "_"):
            assert not proved(text[:at] + byte + text[at + 1 :], value)
            other = value[: at - 1] + byte + value[at:]
            assert proved(wire.encode(other), other)
            assert not proved(f'"{other}"', other) or byte in "\u00e4_"


def test_depth_counts_from_one_and_none_is_forgotten() -> None:
    assert proved("5", 5, 0)
    assert not proved("[]", [], 0)
    assert proved("[[],[],{}]", [[], [], {}], 2)
    assert proved(wire.encode(nested(MAX_DEPTH)), nested(MAX_DEPTH))
    assert not proved("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), nested(MAX_DEPTH + 1))


def test_a_plain_payload_is_not_read_once_more_and_another_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    reads_once_more = wire._reads_as

    def counted(data: bytes, value: Any) -> bool:
        read.append(data)
        return reads_once_more(data, value)

    monkeypatch.setattr(wire, "_reads_as", counted)
    plain: list[Any] = [None, True, 5, -1.5e-300, "ä\n", [1, (2, [])], {"a": {"b": None}}, ["x" * 100_000]]
    for value in plain:
        wire.encode(value)
    assert not read
    others: list[Any] = [Level.HIGH, np.float64(1.5), {1: 2}, {"a": collections.OrderedDict()}, [{3}]]
    for value in others:
        wire.encode(value)
    assert len(read) == len(others)


def test_python_reads_a_few_hard_floats_and_the_lock_is_not_held_for_more() -> None:
    for many in (500, 501):
        value = [5e-324] * many
        assert proved(wire.encode(value), value) == (many == 500)


def test_nothing_holds_what_was_looked_at() -> None:
    value = {"key": ["text", 1 << 40, 1.5, (object.__name__,)]}
    data = wire.encode(value)
    before = [sys.getrefcount(item) for item in (value, value["key"], *value["key"], data)]
    for _ in range(10):
        assert is_exact(data, value, MAX_DEPTH)
        assert not is_exact(data + b" ", value, MAX_DEPTH)
    assert [sys.getrefcount(item) for item in (value, value["key"], *value["key"], data)] == before


@pytest.mark.parametrize("arguments", [(), (b"1", 1), (b"1", 1, 5, 5), ("1", 1, 5), (b"1", 1, -1), (b"1", 1, 1 << 70)])
def test_wrong_arguments_prove_nothing(arguments: tuple[Any, ...]) -> None:
    assert is_exact(*arguments) is False  # and no error is left behind


def test_a_python_that_is_not_known_is_refused_or_never_looked_into() -> None:
    take = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t)(
        ("jc_python_bind", CORE.held)
    )
    assert take((ctypes.c_void_p * 1)(1), 1) == -1
    assert take((ctypes.c_void_p * 100)(), 100) == -1
    assert builtin.KNOWS_OBJECTS
    assert not builtin._unknown(b"1", 1, 5)


@pytest.mark.address_space
def test_a_limit_of_memory_is_seen_when_it_is_set() -> None:
    pytest.importorskip("resource", reason="no limits of memory here; enable: run it on Linux")
    assert not is_limited()
    code = (
        "import resource as r\n"
        "from judicia_notebook.engine import room, wire\n"
        "from judicia_notebook.engine.core.builtin import is_limited\n"
        "for kind in (r.RLIMIT_AS, r.RLIMIT_DATA):\n"
        "    before = r.getrlimit(kind)\n"
        "    assert not is_limited() and not room.look()\n"
        "    r.setrlimit(kind, (1 << 40, before[1]))\n"
        "    assert is_limited() and room.look() and wire.encode([1]) == b'[1]'\n"
        "    r.setrlimit(kind, before)\n"
        "assert not is_limited()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_bits_of_a_float_decide() -> None:
    for bits in (0x3FF0000000000001, 0x0010000000000000, 0x000FFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF, 1):
        number = struct.unpack("<d", struct.pack("<Q", bits))[0]
        assert proved(repr(number), number)
        assert not proved(repr(number), math.nextafter(number, 0))
