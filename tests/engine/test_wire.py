"""The JSON of the ABI, both ways: what has a form, what is refused, and that nothing changes on the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import uuid
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import judicia_notebook as jn
from judicia_notebook.engine.wire import decode, encode

INT_MIN, INT_MAX = -(1 << 63), (1 << 64) - 1


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


# --- from Python -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Pair(msgspec.Struct):
    left: str
    right: str | None = None


class Verdict(enum.Enum):
    ACCEPTED = "accepted"


class Level(enum.IntEnum):
    HIGH = 3


UTC_TIME = dt.datetime(2025, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"), (True, "true"), (5, "5"), (1.5, "1.5"), ("ä", '"ä"'), ([1, [2]], "[1,[2]]"), ((1, 2), "[1,2]"),
        ({"a": None}, '{"a":null}'), ({1: 2, 2.5: 3}, '{"1":2,"2.5":3}'), ({3}, "[3]"), (frozenset("a"), '["a"]'),
        (INT_MIN, str(INT_MIN)), (INT_MAX, str(INT_MAX)),
        (Point(1, 2.5), '{"x":1,"y":2.5}'), (Pair("l"), '{"left":"l","right":null}'),
        (Verdict.ACCEPTED, '"accepted"'), (Level.HIGH, "3"),
        (UTC_TIME, '"2025-01-02T03:04:05Z"'), (UTC_TIME.replace(tzinfo=None), '"2025-01-02T03:04:05"'),
        (UTC_TIME.date(), '"2025-01-02"'), (dt.time(3, 4), '"03:04:00"'), (dt.timedelta(seconds=90), '"PT90S"'),
        (jn.base64(b"xy"), '"eHk="'), (jn.base64(bytearray(b"xy")), '"eHk="'), (jn.base64(memoryview(b"xy")), '"eHk="'),
        (decimal.Decimal("1.10"), '"1.10"'), (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_python_value_is_written_as_the_abi_says(value: Any, text: str) -> None:
    assert encode(value).decode() == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(-3), "-3"), (np.uint64(INT_MAX), str(INT_MAX)), (np.uint8(7), "7"),
        (np.float64(1.5), "1.5"), (np.float32(2.5), "2.5"), (np.bool_(True), "true"), (np.str_("x"), '"x"'),
        (np.array([[1, 2], [3, 4]]), "[[1,2],[3,4]]"), (np.array(5), "5"), (np.array([], dtype="f8"), "[]"),
        (np.array(["a", "b"]), '["a","b"]'), (np.array([True, False]), "[true,false]"),
        ({np.int64(1): np.arange(3)}, '{"1":[0,1,2]}'),
        (np.datetime64("2025-01-02T03:04:05", "s"), '"2025-01-02T03:04:05"'),
        (np.datetime64("2025-01-02T03:04:05", "us"), '"2025-01-02T03:04:05"'),
        (pd.Timestamp("2025-01-02T03:04:05"), '"2025-01-02T03:04:05"'),
        (pd.Timestamp("2025-01-02T03:04:05", tz="UTC"), '"2025-01-02T03:04:05Z"'),
    ],
    ids=repr,
)  # fmt: skip
def test_numpy_and_pandas_values_are_written_as_the_plain_ones_they_stand_for(value: Any, text: str) -> None:
    assert encode(value).decode() == text


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2025-01-02T03:04:05", "ns"),
        np.array(["2025-01-02T03:04:05"], "M8[ns]"),
        np.array(["2025-01-02T03:04:05"], "M8[s]"),
        {"at": np.datetime64("2025-01-02T03:04:05.000000000")},
    ],
    ids=repr,
)
def test_an_instant_of_numpy_is_text_whatever_its_unit(value: Any) -> None:
    assert b'"2025-01-02T03:04:05' in encode(value)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_duration_of_numpy_is_text_whatever_its_unit(unit: str) -> None:
    assert encode(np.timedelta64(dt.timedelta(seconds=90)).astype(f"m8[{unit}]")).startswith(b'"P')


@pytest.mark.parametrize(
    "value",
    [
        math.nan, math.inf, [1.0, -math.inf], {"a": {"b": (math.nan,)}}, {math.nan: 1}, Point(1, math.nan),
        np.float64("nan"), np.float32("inf"), np.array([1, math.nan]), np.array([[math.inf]]),
        INT_MAX + 1, INT_MIN - 1, [[INT_MAX + 1]], {"a": 10**40},
        "\ud800", {"\udfff": 1}, [object()], {"a": print}, (x for x in "ab"), 1j, np.complex128(1), pd.NA,
        np.datetime64("NaT"), pd.NaT, pd.Series([1]), pd.DataFrame({"a": [1]}),
    ],
    ids=lambda value: f"{type(value).__name__}",
)  # fmt: skip
def test_what_has_no_json_form_is_refused_before_the_plugin_is_entered(value: Any) -> None:
    with pytest.raises(jn.InvalidPayload):
        encode(value)


@pytest.mark.parametrize("value", [{1: "a", "1": "b"}, {"a": [{1.5: 0, "1.5": 0}]}], ids=repr)
def test_two_keys_that_would_read_the_same_are_refused(value: Any) -> None:
    with pytest.raises(jn.InvalidPayload):
        encode(value)


def test_a_text_with_the_word_null_or_many_digits_is_only_text() -> None:
    value = {"null": "null nan " + "9" * 30, "9" * 25: None}
    assert decode(encode(value)) == value


def test_what_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(jn.InvalidPayload):
        encode(value)


def test_128_levels_may_be_sent_and_129_not() -> None:
    assert decode(encode(nested(128))) == nested(128)
    with pytest.raises(jn.InvalidPayload):
        encode(nested(129))


# --- from a guest ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "null", "true", "0", "-0.0", "1e5", str(INT_MAX), str(INT_MIN), '"a:b"', '{"a:b":":\\":","c":{}}', "[]",
        " [1 ] ", '"\\ud83d\\ude00"', '{"a":{"a":{"a":1}}}', '"\\u0000"', "99999999999999999999.5",
    ],
)  # fmt: skip
def test_plain_json_is_read_as_any_reader_would(text: str) -> None:
    assert decode(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"nul", b"{", b'{"a":1,}', b"[1,]", b"01", b"+1", b".5", b"1 2", b"'a'", b"{a:1}",
        b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b"1e400",
        b"\xef\xbb\xbf1", b'"\xff"', b'{"\xc3\x28":1}', b'"\xed\xa0\x80"', b'"\x01"', b'"\n"',
        b'"\\ud800"', b'"\\udc00x"', b'"\\ud800\\u0041"', b'{"\\ud800":1}',
        str(INT_MAX + 1).encode(), str(INT_MIN - 1).encode(), b'[1,{"a":18446744073709551616}]', b"1" + b"0" * 400,
        b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'[{"b":{"a":":","a":2}}]', b'{"":1,"":1}',
        b'{"a":{"x":1},"a":{"x":1}}',
        b"[" * 100_000, b"[" * 129 + b"]" * 129, b'{"a":' * 129 + b"1" + b"}" * 129,
    ],
    ids=lambda text: repr(text[:40]),
)  # fmt: skip
def test_what_is_not_the_json_of_the_abi_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        decode(text)


def test_depth_counts_arrays_and_objects_from_one() -> None:
    assert decode(b"5", 0) == 5
    assert decode(b"[]", 1) == []
    assert decode(b'{"a":[1]}', 2) == {"a": [1]}
    for text, most in ((b"[]", 0), (b'{"a":[1]}', 1)):
        with pytest.raises(ValueError, match="nested deeper"):
            decode(text, most)


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(INT_MIN, INT_MAX),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_value_comes_back_as_it_went(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4), st.data())
def test_a_repeated_key_is_found_wherever_it_stands(value: dict[str, Any], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(value)))
    inner = json.dumps(value)[:-1] + ", " + json.dumps(key) + ": 0}"
    for text in (inner, f'[1, {{"deep": {inner}}}]'):
        with pytest.raises(ValueError, match="duplicate key"):
            decode(text.encode())
