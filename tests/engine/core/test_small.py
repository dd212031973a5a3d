"""Which values are written without a look at the limits of this process's memory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judicia_notebook.engine import wire
from judicia_notebook.engine.core.builtin import is_small
from tests.support.effort import fuzz

MOST_BYTES = 16 << 10
ROOM = 64 << 10

texts = st.one_of(st.text(max_size=40), st.sampled_from(["\x01" * 1990, "é" * 1900, '"' * 2000, "a" * 2001]))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=30), st.dictionaries(texts, inner, max_size=15)),
    max_leaves=60,
)


@fuzz(300)
@given(values)
def test_what_is_called_small_has_a_short_text(value: Any) -> None:
    if is_small(value):
        assert len(wire._encoder.encode(value)) <= MOST_BYTES <= ROOM // 4


@pytest.mark.parametrize("value", [None, True, -1, 1.5, "text", [], {}, (), {"ok": {"a": [1, 2.5, "b"]}}, ["a" * 2000]])
def test_an_ordinary_message_is_small(value: Any) -> None:
    assert is_small(value)


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        "a" * 2001,
        ["a" * 1000, "b" * 1000, "c"],
        {"a" * 1500: "b" * 501},
        list(range(40)),
        [[[[[[[[[[[1]]]]]]]]]]],
        b"bytes",
        Text("a"),
        {Text("a"): 1},
        {1, 2},
        object(),
        [object()],
    ],
)
def test_whatever_may_be_written_at_length_is_not_small(value: Any) -> None:
    assert not is_small(value)


def test_a_value_inside_itself_is_not_small() -> None:
    value: list[Any] = []
    value.append(value)
    assert not is_small(value)


@pytest.mark.address_space
def test_a_process_without_memory_survives_what_is_small() -> None:
    """All that the limit leaves is taken, in smaller and smaller pieces; then messages are written."""
    pytest.importorskip("resource", reason="no limits of memory here; enable: run it on Linux")
    code = """
import resource
from judicia_notebook.engine import wire
values = [[1.5, 'a' * n, {'k': n}] for n in range(0, 1990, 10)]
used = int(open('/proc/self/statm').read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), -1))
taken, size, written, refused = [], 4 << 20, 0, 0
while size > 16:
    try:
        taken.append(bytearray(size))
    except MemoryError:
        size //= 2
for value in values:
    try:
        taken.append(wire.encode(value))
        written += 1
    except MemoryError:
        refused += 1
del taken
assert written + refused == len(values) and refused
print('alive')
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == ("alive\n", "", 0)
