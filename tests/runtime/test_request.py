"""Requests: calls as values, which come out of their bytes as they went in."""

from __future__ import annotations

import math
import timeit
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import wire
from judicia_notebook.runtime.request import KINDS, Request, make_request


@pytest.mark.parametrize(
    "given",
    [
        {"function": "f"},
        {"function": "f", "payload": {"a": [1, -1.5, "ü", None, True], "b": 2**64 - 1}},
        {"function": "f", "data": b""},
        {"function": "f", "data": bytes(range(256))},
        {"function": "f", "numbers": ()},
        {"function": "f", "numbers": (0, -0.0, 1e308, -(1 << 63), (1 << 64) - 1, 10**30, math.inf)},
        {"args": []},
        {"args": ["-l", "", "日本"], "stdin": b"\x00\xff"},
        {"args": [], "stdin": "ü"},
    ],
)
def test_a_request_comes_out_of_its_bytes_as_it_went_in(given: dict[str, Any]) -> None:
    request = make_request(given.pop("function", None), **given)
    again: Request = KINDS[request.kind].unpack(request.function, request.pack())
    assert again == request
    assert repr(again) == repr(request)  # -0.0 and 0 differ here


def test_the_kind_is_the_name_of_the_parameter() -> None:
    made = [
        make_request("f", payload=1),
        make_request("f", data=b""),
        make_request("f", numbers=[]),
        make_request(None, args=[]),
    ]
    assert [request.kind for request in made] == list(KINDS) == ["payload", "data", "numbers", "args"]
    assert made[3].function == "_start"


def test_a_view_of_bytes_is_copied_when_the_request_is_made() -> None:
    data = bytearray(b"abc")
    request = make_request("f", data=memoryview(data))
    data[0] = 0
    assert request.pack() == b"abc"


def test_json_is_written_anew_for_each_call(specimen: jn.Plugin) -> None:
    numbers = [n / 7 for n in range(20_000)]
    found = specimen.bench("echo", numbers, repeats=3)
    to_write = min(timeit.repeat(lambda: wire.encode(numbers), number=1, repeat=5)) * 1e3
    assert all(record.encode_ms > to_write / 4 for record in found.warm.records)  # the copy takes a twentieth of it
