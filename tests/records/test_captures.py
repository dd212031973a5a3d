"""Payloads are kept only when asked for, cut, and within bounds."""

from __future__ import annotations

from judicia_notebook.records.captures import THE_CALL, Captured, Captures


def test_nothing_is_kept_unless_somebody_asks() -> None:
    captures = Captures()
    captures.add(1, THE_CALL, "request", b"secret")
    assert captures.of(1) == {}


def test_only_the_beginning_is_kept_with_the_length_of_all() -> None:
    captures = Captures()
    captures.limit = 4
    captures.add(1, 3, "answer", b"123456")
    assert captures.of(1) == {(3, "answer"): Captured(b"1234", 6)}


def test_the_oldest_calls_go_when_there_is_too_much() -> None:
    captures = Captures(capacity=2000)
    captures.limit = 100
    for call in range(50):
        captures.add(call, THE_CALL, "request", b"x" * 1000)
    kept = [call for call in range(50) if captures.of(call)]
    assert kept == list(range(50 - len(kept), 50))
    assert 1 <= len(kept) <= 2000 // 300


def test_one_call_cannot_keep_more_than_there_is_room_for() -> None:
    captures = Captures(capacity=2000)
    captures.limit = 100
    for place in range(1000):
        captures.add(1, place, "request", b"x" * 100)
    assert len(captures.of(1)) < 10
