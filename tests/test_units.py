"""Sizes and times as people write them: what is read, what is refused and why, and what is written back."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judicia_notebook.units import (
    format_count,
    format_quantity,
    format_size,
    format_time,
    parse_count,
    parse_size,
    parse_time,
)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (65536, 65536),
        ("700B", 700),
        ("1KiB", 1024),
        ("1kB", 1000),
        ("16MiB", 16 << 20),
        ("16MB", 16_000_000),
        ("2GiB", 2 << 30),
        ("1.5 MiB", 1_572_864),
        (".5KiB", 512),
        ("1_000kB", 1_000_000),
        ("  3 B ", 3),
    ],
)
def test_a_size_is_read_in_bytes(written: Any, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (1.5, 1.5),
        ("50ms", 0.05),
        ("1.5s", 1.5),
        ("2min", 120.0),
        ("1h", 3600.0),
        ("3us", 3e-6),
        ("3µs", 3e-6),
        ("3\N{GREEK SMALL LETTER MU}s", 3e-6),
        ("4ns", 4e-9),
        (timedelta(milliseconds=20), 0.02),
    ],
)
def test_a_time_is_read_in_seconds(written: Any, seconds: float) -> None:
    assert parse_time(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("16", "no unit"),
        ("16 mib", "unknown unit 'mib'"),
        ("16 MiBs", "unknown unit 'MiBs'"),
        ("-1MiB", "not a number with a unit"),
        ("1e3MiB", "unit"),
        ("MiB", "not a number with a unit"),
        ("", "not a number with a unit"),
        ("1MiB 1MiB", "not a number with a unit"),
        ("٣MiB", "not a number with a unit"),
        pytest.param("9" * 400 + "MiB", "", id="endless"),
        (-1, "negative"),
        (1.5, "not 1.5"),
        (math.nan, "not nan"),
        (True, "not True"),
        (None, "not None"),
        (b"1MiB", "not b'1MiB'"),
    ],
)
def test_what_is_no_size_is_refused_with_the_reason(written: Any, why: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_size(written)
    assert why in str(refusal.value)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("50", "no unit"),
        ("50 sec", "unknown unit 'sec'"),
        ("-50ms", "not a number with a unit"),
        ("nan ms", "not a number with a unit"),
        ("inf", "not a number with a unit"),
        pytest.param("9" * 400 + "s", "", id="endless"),
        (-0.001, "negative"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        pytest.param(10**400, "", id="huge"),
        (timedelta(seconds=-1), "negative"),
        (True, "not True"),
        (None, "not None"),
    ],
)
def test_what_is_no_time_is_refused_with_the_reason(written: Any, why: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_time(written)
    assert why in str(refusal.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1 KiB"), (1_153_434, "1.1 MiB"), (3 << 29, "1.5 GiB")],
)  # fmt: skip
def test_a_size_is_written_with_three_digits(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (4.2e-7, "420 ns"), (3.73e-6, "3.73 µs"), (0.0503, "50.3 ms"), (0.05, "50 ms"),
        (1.5, "1.5 s"), (59.9, "59.9 s"), (90, "1.5 min"), (600, "10 min"),
    ],
)  # fmt: skip
def test_a_time_is_written_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


def test_counts_are_grouped_by_thin_spaces_of_their_own() -> None:
    assert (format_count(12840), format_count(7), format_quantity(100_001, "host calls")) == (
        "12 840",
        "7",
        "100 001 host calls",
    )


@given(st.integers(0, 1 << 50))
def test_a_written_size_is_read_back_within_its_three_digits(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.006)


@given(st.floats(1e-9, 1e6))
def test_a_written_time_is_read_back_within_its_three_digits(seconds: float) -> None:
    assert parse_time(format_time(seconds)) == pytest.approx(seconds, rel=0.006)


@pytest.mark.parametrize(
    ("read", "written", "meant"),
    [
        (parse_size, "64mib", "64MiB"),
        (parse_size, "64M", "64MiB or 64MB"),
        (parse_size, "64 mb", "64MB or 64MiB"),
        (parse_size, "1K", "1KiB or 1kB"),
        (parse_size, "1KB", "1kB or 1KiB"),
        (parse_size, "2Gi", "2GiB"),
        (parse_size, "700 bytes", "700B"),
        (parse_size, "1,5MiB", "1.5MiB"),
        (parse_size, "1 000 kB", "1000kB"),
        (parse_size, "1e3MiB", "1000MiB"),
        (parse_time, "1S", "1s"),
        (parse_time, "50 MS", "50ms"),
        (parse_time, "3 US", "3µs"),
        (parse_time, "1,5s", "1.5s"),
        (parse_time, "1,000ms", "1000ms or 1.000ms"),
        (parse_time, "5m", "5min or 5ms"),
        (parse_time, "2 minutes", "2min"),
        (parse_time, "1 000 SEC", "1000s"),
        (parse_count, "1M", "1000000"),
        (parse_count, "1.5k", "1500"),
        (parse_count, "1e6", "1000000"),
        (parse_count, "12,840", "12840"),
    ],
)
def test_what_was_meant_is_suggested_and_can_be_read(read: Any, written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"Did you mean {meant}?")):
        read(written)
    assert all(read(one) >= 0 for one in meant.split(" or "))


@pytest.mark.parametrize(
    "written", ["x", "", "1 q", "1.5", "-1", "9" * 400, "1e999s", "1" + "0" * 400 + "M", "," * 400]
)
@pytest.mark.parametrize("read", [parse_size, parse_time, parse_count])
def test_what_cannot_be_guessed_is_refused_in_few_words(read: Any, written: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(written)
    assert len(str(caught.value)) < 250
    assert "Did you mean" not in str(caught.value)


def test_times_are_written_with_the_sign_for_micro() -> None:
    assert format_time(3.73e-6) == "3.73 µs"
    assert parse_time("3.73 µs") == pytest.approx(3.73e-6)
