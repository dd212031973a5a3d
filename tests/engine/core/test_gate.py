"""The JSON gate: it finds what a slow reader finds, in texts of every shape, whole and in pieces."""

from __future__ import annotations

import ctypes
import random
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judicia_notebook.engine import wire
from judicia_notebook.engine.core import CORE, gate
from judicia_notebook.wasm.json_shape import MAX_DEPTH, MAX_DIGITS, MAX_VALUES, TooManyValues
from tests.support.json_oracle import NAMES, NUMBERS, OK, STOPPED, VALUES, Writer, shape_of

PIECE = 64 << 10
go_on = CORE.function("jc_gate_go_on", ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(gate.Report))


def report_of(text: bytes, max_depth: int = MAX_DEPTH, max_values: int = MAX_VALUES) -> gate.Report:
    """Of one pass."""
    report = gate.Report()
    limits = gate._limits(max_depth, max_values)
    assert gate._gate(text, len(text), limits, None, None, ctypes.byref(report)) == report.verdict
    return report


def seen(report: gate.Report) -> tuple[int, ...]:
    return tuple(getattr(report, field[0]) for field in gate.Report._fields_)


TEXTS = st.builds(
    lambda random_, depth, before: b" " * before + Writer(random_).text(depth).encode(),
    st.randoms(use_true_random=False),
    st.integers(0, 4),
    st.integers(0, 130),
)
"""JSON, at every place in the blocks of 64 bytes."""


# --- against the oracle ----------------------------------------------------------------------------------------------


@given(TEXTS, st.sampled_from([(128, 500_000), (2, 500_000), (128, 20), (3, 3)]))
def test_the_gate_finds_what_a_slow_reader_finds(text: bytes, limits: tuple[int, int]) -> None:
    max_depth, max_values = limits
    shape, report = shape_of(text), report_of(text, max_depth, max_values)
    expected = shape.verdict(max_depth, max_values, MAX_DIGITS)
    assert report.verdict == expected
    if report.verdict in {OK, *gate.FAULTS}:
        assert {name: getattr(report, name) for name in NAMES} == {name: getattr(shape, name) for name in NAMES}
    assert gate.is_ordinary(text, max_depth, max_values) is (expected == OK)


@pytest.mark.parametrize(
    "arguments", [(), (b"1",), ("1", 9, 9), (bytearray(b"1"), 9, 9), (b"1", -1, 9), (b"1", 9, -1), (b"1", 1 << 70, 9)]
)
def test_what_it_cannot_measure_at_once_is_not_called_ordinary(arguments: tuple[Any, ...]) -> None:
    assert gate.is_ordinary(b"1", 9, 9)
    assert gate.is_ordinary(*arguments) is False  # and no error is left behind


@given(TEXTS, st.integers(PIECE - 200, PIECE + 200))
def test_it_does_so_across_its_pieces(text: bytes, before: int) -> None:
    text = b'["' + b"\\\\" * (before // 2) + b'",' + text + b"]"
    shape, report = shape_of(text), report_of(text)
    assert report.verdict == shape.verdict(MAX_DEPTH, MAX_VALUES, MAX_DIGITS)
    if report.verdict in {OK, *gate.FAULTS}:
        assert {name: getattr(report, name) for name in NAMES} == {name: getattr(shape, name) for name in NAMES}


@given(TEXTS, st.randoms(use_true_random=False))
def test_what_passes_though_something_was_done_to_it_has_no_more_in_it_than_was_measured(
    text: bytes, random_: random.Random
) -> None:
    text = Writer(random_).broken(text)
    report = report_of(text)
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    assert report.verdict == shape_of(text).verdict(MAX_DEPTH, MAX_VALUES, MAX_DIGITS)


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=3))
def test_any_bytes_may_be_measured(text: bytes, marks: bytes) -> None:
    for data in (text, text * 9, marks * 300, bytes(b'[]{}",:\\0e.- '[byte % 13] for byte in text)):
        report_of(data)
        report_of(data, 1 << 40, 1)


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("a", "\\u0061"), ("é", "\\u00E9"), ("\u2028", "\\u2028"), ("\U0001f600", "\\ud83d\\uDE00"), ("/", "\\/"),
        ("\\n", "\\u000a"), ("\\b\\f\\r\\t", "\\u0008\\u000C\\u000d\\u0009"), ('\\"', "\\u0022"), ("\\\\", "\\u005c"),
        ("", ""), ("x" * 16, "x" * 15 + "\\u0078"), ("x" * 17, "\\u0078" + "x" * 16),
        ("x" * 1000, "x" * 999 + "\\u0078"),
    ],
    ids=range(13),
)  # fmt: skip
@pytest.mark.parametrize("others", [0, 7, 30])
def test_a_key_is_the_same_however_it_is_written(one: str, same: str, others: int) -> None:
    between = "".join(f'"other{number}":{number},' for number in range(others))
    for before in range(66):
        text = f'{" " * before}{{"{one}":1,{between}"{same}":2}}'
        with pytest.raises(ValueError, match="duplicate key"):
            wire.decode(text.encode())
        at = len(text.encode()) - len(f'{same}":2}}'.encode())
        assert report_of(text.encode()).offset == at


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "b"), ("a", "\\u0062"), ("a", "A"), ("", "\\u0000"), ("a", "a\\u0000"), ("x" * 16, "x" * 17),
        ("x" * 32, "x" * 16), ("\\u0000" * 8, "\\u0000" * 9), ("é", "e\\u0301"), ("\\\\u0061", "a"),
        ("\\ud83d\\ude00", "\\ud83d\\ude01"),
    ],
)  # fmt: skip
def test_keys_that_only_look_the_same_are_two(one: str, other: str) -> None:
    assert len(wire.decode(f'{{"{one}":1,"{other}":2}}'.encode())) == 2


def test_the_same_key_in_other_objects_is_no_duplicate() -> None:
    for many in (1, 8, 9, 40):
        flat = "{" + ",".join(f'"{number}":1' for number in range(many)) + "}"
        nested = "{" + ",".join(f'"{number}":{flat}' for number in range(many)) + "}"
        text = f"[{flat},{nested},{flat}]"
        assert wire.decode(text.encode())
        with pytest.raises(ValueError, match="duplicate key"):
            wire.decode((text[:-2] + f',"{many - 1}":2}}]').encode())


LARGE = 240_000


def object_of(keys: Iterable[object], value: str = "1") -> bytes:
    """An object with these keys."""
    return ("{" + ",".join(f'"{key}":{value}' for key in keys) + "}").encode()


def members_of_members(many: int) -> bytes:
    """An object of so many objects with a key each."""
    return object_of(range(many), '{"a":1}')


@pytest.mark.parametrize(
    "text",
    [
        object_of(range(LARGE)),
        b"[" + b",".join([b"[]"] * 160_000) + b"]",
        b"[" + b",".join([b'{"a":{"a":{"a":1,"b":2}}}'] * 40_000) + b"]",
        b'{"a":' * 100 + members_of_members(100_000) + b"}" * 100,
    ],
    ids=["keys in one object", "arrays", "objects", "deep and wide"],
)
def test_the_work_grows_no_faster_than_the_text(text: bytes) -> None:
    began = time.thread_time()
    assert report_of(text).verdict == OK
    assert time.thread_time() - began < 2  # a hundredth of that; with the square of the keys, minutes


@pytest.mark.parametrize("second", [0, LARGE // 2, LARGE - 1])
def test_a_key_that_is_there_twice_among_very_many_is_found(second: int) -> None:
    digit, digits = str(second)[0], str(second)[1:]
    text = object_of([*range(LARGE), f"\\u{ord(digit):04x}{digits}"])
    with pytest.raises(ValueError, match="duplicate key"):
        wire.decode(text)


def test_keys_do_not_meet_for_any_seed() -> None:
    text = object_of([*range(5000), *("\\u0000" * number for number in range(40))])
    for seed in ((0, 0, 0, 0), (1, 2, 3, 4), ((1 << 64) - 1,) * 4):
        limits = gate.Limits(9, MAX_VALUES, MAX_DIGITS, (ctypes.c_uint64 * 4)(*seed))
        assert gate._gate(text, len(text), limits, None, None, None) == OK


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:24])
def test_a_number_is_weighed_the_same_wherever_it_stands(number: str) -> None:
    for before in range(70):
        for around in ("{}", "[{}]", '{{"a":{},"b":1}}'):
            text = (" " * before + around.format(number)).encode()
            shape, report = shape_of(text), report_of(text)
            assert report.verdict == shape.verdict(MAX_DEPTH, MAX_VALUES, MAX_DIGITS), (before, around)
            if report.verdict in {OK, *gate.FAULTS}:
                assert (report.hard, report.doubtful) == (shape.hard, shape.doubtful), (before, around)


def test_digits_in_a_text_are_no_number() -> None:
    value = ["9" * 500, {"1e500 -99999999999999999999": "1e308," * 3000}]
    assert wire.decode(wire.encode(value)) == value
    assert (report_of(wire.encode(value)).hard, report_of(wire.encode(value)).doubtful) == (0, 0)


@pytest.mark.parametrize("number", [b"1e308", b"9007199254740993.0", b"1" * 149 + b".0"])
@pytest.mark.parametrize("few", [True, False])
def test_many_slow_floats_are_read_by_python_and_few_by_msgspec(number: bytes, few: bool) -> None:
    limit = wire._DOUBTFUL if number.startswith(b"9") else wire._HARD
    text = b"[" + b",".join([number] * (limit + (not few))) + b"]"
    fast = wire._decoder_of(report_of(text)) is wire._decoder
    assert fast == few
    assert wire.decode(text)[0] == float(number)


def test_ordinary_floats_are_read_by_msgspec_however_many_they_are() -> None:
    random_ = random.Random(1)
    text = msgspec.json.encode([random_.random() for _ in range(200_000)])
    assert len(text) > 2_000_000
    assert wire._decoder_of(report_of(text)) is wire._decoder


# --- limits, looks and pieces ----------------------------------------------------------------------------------------


def test_values_are_refused_with_how_many_were_counted() -> None:
    text = b"[" + b"1," * 200_000 + b"1]"
    with pytest.raises(TooManyValues, match="more than 1000 values") as raised:
        gate.measure(text, 128, 1000)
    assert raised.value.used == PIECE // 2 + 1
    assert gate.measure(text, 128, 200_002).values == 200_002
    with pytest.raises(TooManyValues):
        gate.measure(text, 128, 200_001)


def test_a_later_fault_of_depth_or_values_counts_more() -> None:
    text = b'[{"a":1,"a":1},' + b"9" * 500 + b"," + b"9" * 30 + b"," + b"[" * 128
    with pytest.raises(ValueError, match="nested deeper than 128"):
        gate.measure(text, 128, MAX_VALUES)
    with pytest.raises(TooManyValues):
        gate.measure(text, 1000, 130)
    with pytest.raises(ValueError, match="more than 400 digits"):
        gate.measure(text, 1000, MAX_VALUES)


def test_an_error_of_syntax_counts_more_than_a_key_or_an_integer() -> None:
    for text in (b'{"a":1,"a":1', b"[18446744073709551616", b'[{"a":1,"a":1},'):
        with pytest.raises(ValueError, match="truncated"):
            wire.decode(text)


@given(TEXTS, st.integers(1, 300))
def test_a_pass_in_pieces_finds_the_same(text: bytes, times: int) -> None:
    text = b"[" + b",".join([text] * times) + b"]"
    for limits in ((MAX_DEPTH, MAX_VALUES), (MAX_DEPTH, 2000)):
        whole = report_of(text, *limits)
        pass_ = gate._Pass(text, gate._limits(*limits))
        report = gate.Report()
        looks = 0
        while go_on(pass_._pass, 1, ctypes.byref(report)) == STOPPED:
            looks += 1
        assert seen(report) == seen(whole)
        if whole.verdict != VALUES:
            assert looks >= (len(text) - 1) // PIECE


def test_a_pass_may_pause_among_the_keys_of_one_object() -> None:
    text = object_of([*range(LARGE), 7])
    pass_ = gate._Pass(text, gate._limits(MAX_DEPTH, MAX_VALUES))
    report, looks = gate.Report(), 0
    while go_on(pass_._pass, 1, ctypes.byref(report)) == STOPPED:
        looks += 1
    assert seen(report) == seen(report_of(text))
    assert looks > len(text) // PIECE + LARGE // 8192 - 2
    assert go_on(pass_._pass, 1, ctypes.byref(report)) == report.verdict  # it stays it


def test_a_look_comes_every_four_mebibytes_and_ends_the_reading() -> None:
    text = b'"' + b"x" * (9 << 20) + b'"'
    looks: list[int] = []
    gate.measure(text, 128, MAX_VALUES, lambda: looks.append(1))
    assert len(looks) == 3

    def stop() -> None:
        looks.append(1)
        if len(looks) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wire.decode(text, look=stop)
    assert len(looks) == 5


def test_the_look_of_c_ends_the_pass() -> None:
    text = b'"' + b"x" * (5 * PIECE) + b'"'
    looks: list[int] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    function = CORE.function(
        "jc_gate", ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(gate.Limits), kind, ctypes.c_void_p,
        ctypes.POINTER(gate.Report), held=True,
    )  # fmt: skip

    def run(last: int) -> int:
        looks.clear()

        def look(_: object) -> int:
            looks.append(1)
            return len(looks) == last

        verdict: int = function(text, len(text), gate._limits(9, 9), kind(look), None, None)
        return verdict

    assert (run(9), len(looks)) == (OK, 5)
    assert (run(2), len(looks)) == (STOPPED, 2)


def test_the_memory_of_a_pass_is_given_back() -> None:
    text = object_of(range(LARGE))
    gate.measure(text, 128, MAX_VALUES)
    before = psutil.Process().memory_info().rss
    for _ in range(30):
        gate.measure(text, 128, MAX_VALUES)
    assert psutil.Process().memory_info().rss - before < 40 << 20  # of 8 MiB each time


def test_limits_that_c_cannot_hold_are_held_to_what_it_can() -> None:
    assert gate.measure(b"[[]]", 1 << 200, 1 << 200).verdict == OK
    for limits in ((-1, MAX_VALUES), (-(1 << 64), MAX_VALUES)):
        with pytest.raises(ValueError, match="nested"):
            gate.measure(b"[[]]", *limits)


def test_the_value_of_a_text_does_not_change() -> None:
    value = {"a": [1, 2.5, "é", None, True, {"b": {}}] * 2000, "n": [2**64 - 1, -(2**63)]}
    assert wire.decode(wire.encode(value)) == value == wire.reread(wire.encode(value))
