"""Payloads of every type that Python, NumPy and pandas have: exact or refused, as docs/conversions.md says."""

from __future__ import annotations

import collections
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.engine.wire import encode
from tests.support.conversions import (
    ANYTHING_ELSE,
    COLUMNS,
    NUMPY,
    PANDAS,
    PYTHON,
    Named,
    Point,
    Sample,
    numpy_types,
    page_rows,
    pandas_dtypes,
    python_types,
    verdict,
    verdict_of,
)

SAMPLES: dict[tuple[str, str], list[Sample]] = (
    {("Python", name): samples for name, samples in PYTHON.items()}
    | {("NumPy", name): samples for name, samples in NUMPY.items()}
    | {("pandas", name): samples for name, samples in PANDAS.items()}
)


def test_every_type_that_the_registries_list_has_a_decision() -> None:
    assert python_types() <= {*PYTHON, *ANYTHING_ELSE}
    assert numpy_types() <= set(NUMPY)
    assert pandas_dtypes() == set(COLUMNS)


def test_every_decision_stands_on_the_page() -> None:
    for heading, samples in (("Python", PYTHON), ("NumPy", NUMPY), ("pandas", PANDAS)):
        assert set(samples) - set(page_rows(heading)) == set()
    assert set(COLUMNS) - set(page_rows("Columns")) == set()


@pytest.mark.parametrize(("heading", "name"), SAMPLES)
def test_a_payload_arrives_exactly_or_is_refused_as_the_page_says(heading: str, name: str) -> None:
    samples = SAMPLES[heading, name]
    for value, text in samples:
        if text is None:
            with pytest.raises(jn.InvalidPayload):
                encode(value)
        else:
            assert encode(value).decode() == text
            assert encode([value, (value,)]).decode() == f"[{text},[{text}]]", "also inside another"
    assert verdict_of(page_rows(heading)[name][0]) == verdict([text is not None for _, text in samples])


@pytest.mark.parametrize("name", ANYTHING_ELSE)
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(jn.InvalidPayload):
        encode({"a": ANYTHING_ELSE[name]})
    assert page_rows("Python")["every other type"][0].startswith("refused")


@pytest.mark.parametrize("name", COLUMNS)
def test_an_array_of_pandas_is_no_payload_and_its_list_is_one_only_without_what_is_missing(name: str) -> None:
    for held in (COLUMNS[name], pd.Series(COLUMNS[name]), pd.Index(COLUMNS[name])):
        with pytest.raises(jn.InvalidPayload, match=r"payload\.a is a .*\.tolist\(\)"):
            encode({"a": held})
    if pd.Series(COLUMNS[name]).hasnans:
        with pytest.raises(jn.InvalidPayload):
            encode(COLUMNS[name].tolist())


# --- the places and the ways out -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        (b"x", "payload is bytes"),
        ({"output": b"x"}, "payload.output is bytes"),
        ({"output": {"a": [1, [b"x"]]}}, "payload.output.a[1][0] is bytes"),
        ([{"a b": b"x"}], "payload[0]['a b'] is bytes"),
        ({1: (2, bytearray())}, "payload[1][1] is bytearray"),
        (Point(b"x"), "payload.x is bytes"),
        ({"a": np.array([None, b"x"], object)}, "payload.a[1] is bytes"),
        ([[1]] * 200 + [{"late": memoryview(b"x")}], "payload[200].late is memoryview"),
        ({"a": np.array([b"x"])}, "payload.a is an array of bytes"),
        ({"a": {b"key": 1}}, "payload.a is an object with the bytes key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bytes_are_named_by_their_place_and_with_both_ways_out(payload: Any, place: str) -> None:
    with pytest.raises(jn.InvalidPayload) as caught:
        encode(payload)
    said = str(caught.value)
    assert said.startswith(place)
    assert ".decode()" in said
    assert "jn.base64(data)" in said


@pytest.mark.parametrize(
    ("value", "way"),
    [
        (pd.DataFrame({"a": [1]}), '.to_dict("records")'), (pd.Series([1]), ".tolist()"),
        (pd.NA, "None"), (pd.NaT, "None"),
        (pd.Timestamp(1, unit="ns"), '.floor("us")'), (np.datetime64(1, "ns"), '.astype("M8[us]")'),
        (range(3), "list("), (collections.ChainMap(), "dict("), (1j, "z.real"),
        (np.array([(1, 2)], "i4,f8"), "x.dtype.names"), ({True: 1}, "str("),
        (Named(1, 2), "._asdict()"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_refused_says_what_to_send_in_its_place(value: Any, way: str) -> None:
    with pytest.raises(jn.InvalidPayload) as caught:
        encode({"a": value})
    assert str(caught.value).startswith("payload.a is")
    assert way in str(caught.value)


def test_base64_is_the_way_for_bytes_and_for_nothing_else() -> None:
    assert jn.base64(b"hi") == jn.base64(bytearray(b"hi")) == jn.base64(memoryview(b"h-i-")[::2]) == "aGk="
    assert json.loads(encode({"output": jn.base64(b"\0\xff")})) == {"output": "AP8="}
    with pytest.raises(TypeError):
        jn.base64("text")  # type: ignore[arg-type]


def test_every_border_to_a_plugin_refuses_bytes(rt: jn.Runtime) -> None:
    checker = rt.load("example:checker")
    payload = {"output": b"1\n", "answer": "1\n"}
    for call in (
        lambda: checker.call("check", payload),
        lambda: checker.attempt("check", payload),
        lambda: checker.submit("check", payload),
        lambda: jn.sweep(checker, "check", [payload]),
        lambda: jn.sweep(checker, "check", {"one": payload}),
        lambda: rt.host.events.emit("a.b", payload),
    ):
        with pytest.raises(jn.InvalidPayload, match=r"output is bytes.*jn\.base64"):
            call()
    with pytest.raises(jn.InvalidPayload, match=r"metadata\.m is bytes"):
        rt.host.events.emit("a.b", 1, {"m": b"x"})
    assert checker.call("check", {"output": "1\n", "answer": "1\n"})["verdict"] == "accepted"


def test_the_rows_of_a_frame_are_no_payloads_of_a_sweep_by_its_columns(rt: jn.Runtime) -> None:
    checker = rt.load("example:checker")
    with pytest.raises(TypeError, match="records"):
        jn.sweep(checker, "check", pd.DataFrame({"output": ["1"], "answer": ["1"]}))
